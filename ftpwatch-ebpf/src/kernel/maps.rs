//! The maps. Sizes are the default; the loader sets them before the object is loaded.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
};
use ftpwatch_common::{
    KEYS, ROOM,
    address::{Address, Flow, IndexKey, Pair},
    control::Control,
    counter::COUNTERS,
    endpoint::Endpoint,
    engine::{HEADER, Scene},
    ledger::{Ledger, Told},
    record::{Line, RING_BYTES, Session},
    tls::{Call, Conversation, Object},
};

use super::scan::Chunk;

/// Work space: the stack has room for 512 bytes only. One a processor, since programs of this kind do not
/// interrupt each other there.
#[repr(C)]
pub struct Scratch {
    pub endpoint: Endpoint,
    pub control: Control,
    pub line: Line,
    pub session: Session,
    pub scene: Scene,
    pub scan: Chunk,
    /// What the payload begins with, where TLS is heard.
    pub header: [u8; HEADER],
    /// The time of the packet, once it was asked for.
    pub now: u64,
    /// The last jiffy in which the time was asked for, and the time then.
    pub jiffy: u64,
    pub jiffy_at: u64,
}

/// Control connections, by four-tuple. A plain map: an LRU map would forget long before it is full.
#[map]
pub static CONTROLS: HashMap<Flow, Control> = HashMap::with_max_entries(ROOM, BPF_F_NO_PREALLOC);

/// Endpoints, by id. All the room there is is taken at the start: with each transfer an entry comes and goes, and with
/// entries that are allocated as they are needed a 227 was measured to cost more than twice as much.
#[map]
pub static ENDPOINTS: HashMap<u64, Endpoint> = HashMap::with_max_entries(ROOM, 0);

/// How many endpoints each client has among these. A client that was not heard of for long may be forgotten for another,
/// and then begins anew.
#[map]
pub static SHARES: LruHashMap<Address, u64> = LruHashMap::with_max_entries(ROOM, 0);

/// How many a client may have. The loader sets it.
#[unsafe(no_mangle)]
static ENDPOINT_SHARE: u32 = ROOM / 4;

/// [`ENDPOINT_SHARE`], as the loader set it.
#[inline(always)]
pub fn endpoint_share() -> u32 {
    // SAFETY: the pointer is valid. The compiler must not take the value for the one that stands here.
    unsafe { (&raw const ENDPOINT_SHARE).read_volatile() }
}

/// Which endpoint a SYN belongs to: by destination, and by source or anybody.
#[map]
pub static INDEX: HashMap<IndexKey, u64> = HashMap::with_max_entries(KEYS * ROOM, 0);

/// How many encrypted control connections two hosts have.
#[map]
pub static BLIND: HashMap<Pair, u64> = HashMap::with_max_entries(32_768, BPF_F_NO_PREALLOC);

/// See `ftpwatch_common::counter`.
#[map]
pub static TALLY: PerCpuArray<u64> = PerCpuArray::with_max_entries(COUNTERS as u32, 0);

/// How many packets came by the programs that only count: in, out.
#[map]
pub static PASSED: PerCpuArray<u64> = PerCpuArray::with_max_entries(2, 0);

/// The last id that each processor gave out.
#[map]
pub static IDS: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// The news.
#[map]
pub static NEWS: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);

/// See [`Scratch`].
#[map]
pub static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

/// What the user half has told of, by id: see `ftpwatch_common::ledger`. No program looks into it.
#[map]
pub static TOLD: HashMap<u64, Told> = HashMap::with_max_entries(2 * ROOM, BPF_F_NO_PREALLOC);

/// The calls of a TLS library that tasks are in, by task. One that died in its call is forgotten for others.
#[map]
pub static TLS_CALLS: LruHashMap<u64, Call> = LruHashMap::with_max_entries(4096, 0);

/// The objects through which FTP is spoken, as far as it seems.
#[map]
pub static TLS_CONVERSATIONS: HashMap<Object, Conversation> =
    HashMap::with_max_entries(8192, BPF_F_NO_PREALLOC);

/// The objects through which something else is said: data connections, and what other programs say.
#[map]
pub static TLS_DULL: LruHashMap<Object, u8> = LruHashMap::with_max_entries(8192, 0);

/// A conversation in which nothing was said yet.
#[map]
pub static TLS_BLANK: Array<Conversation> = Array::with_max_entries(1, 0);

/// A number for this run of the probes; zero where there are none. The loader sets it.
#[unsafe(no_mangle)]
static TLS_RUN: u32 = 0;

/// [`TLS_RUN`], as the loader set it.
#[inline(always)]
pub fn tls_run() -> u32 {
    // SAFETY: the pointer is valid. The compiler must not take the value for the one that stands here.
    unsafe { (&raw const TLS_RUN).read_volatile() }
}

/// What the user half has counted. No program looks into it.
#[map]
pub static LEDGER: Array<Ledger> = Array::with_max_entries(1, 0);
