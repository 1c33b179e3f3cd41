//! The maps. Sizes are the default; the loader sets them before the object is loaded.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    macros::map,
    maps::{HashMap, PerCpuArray, RingBuf},
};
use ftpwatch_common::{
    address::{Flow, IndexKey, Pair},
    control::Control,
    counter::COUNTERS,
    endpoint::Endpoint,
    engine::Scene,
    record::{Line, Session},
};

/// How many bytes of a payload are copied at a time. A power of two, for the verifier.
pub const CHUNK: usize = 256;

/// Work space: the stack has room for 512 bytes only. One a processor, since programs of this kind do not
/// interrupt each other there.
#[repr(C)]
pub struct Scratch {
    pub endpoint: Endpoint,
    pub control: Control,
    pub line: Line,
    pub session: Session,
    pub scene: Scene,
    pub chunk: [u8; CHUNK],
}

/// Control connections, by four-tuple. A plain map: an LRU map would forget long before it is full.
#[map]
pub static CONTROLS: HashMap<Flow, Control> = HashMap::with_max_entries(32_768, BPF_F_NO_PREALLOC);

/// Endpoints, by id.
#[map]
pub static ENDPOINTS: HashMap<u64, Endpoint> = HashMap::with_max_entries(32_768, BPF_F_NO_PREALLOC);

/// Which endpoint a SYN belongs to: by destination, and by source or anybody.
#[map]
pub static INDEX: HashMap<IndexKey, u64> = HashMap::with_max_entries(131_072, BPF_F_NO_PREALLOC);

/// How many encrypted control connections two hosts have.
#[map]
pub static BLIND: HashMap<Pair, u64> = HashMap::with_max_entries(32_768, BPF_F_NO_PREALLOC);

/// See `ftpwatch_common::counter`.
#[map]
pub static TALLY: PerCpuArray<u64> = PerCpuArray::with_max_entries(COUNTERS as u32, 0);

/// The last id that each processor gave out.
#[map]
pub static IDS: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// The news.
#[map]
pub static NEWS: RingBuf = RingBuf::with_byte_size(4 << 20, 0);

/// See [`Scratch`].
#[map]
pub static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);
