//! What a packet means: the one place where segments become endpoints, and endpoints get their state.
//!
//! Generic over where the bytes are ([`Bytes`], [`Payload`]) and where state is kept ([`Store`]), so that
//! the kernel's programs, a capture file and a test run the same code:
//!
//! ```text
//! walk → gate → control: bytes → reply or command → endpoint
//!             → data:    SYN, SYN-ACK, RST, ACK   → endpoint
//! ```

use core::ops::DerefMut;

use crate::{
    address::{Address, Flow, IndexKey, Pair, WirePort},
    control::{Control, HELD_BYTES},
    counter::Counter,
    endpoint::{Endpoint, GiveUp},
    packet::{Bytes, Icmp, Rejection, Segment, flag},
    record::{Line, Session},
    tls::Object,
    window::Window,
};

mod control;
mod data;
mod endpoint;
mod guess;
mod retire;
mod tls;

pub use control::{advertise, begin, command, early_byte, end, late, reply};
pub use data::{rejected, take as data};
pub use endpoint::{Said, reindex, say};
pub use guess::{Blindness, guess};
pub use retire::{Request, retire};
pub use tls::{HEADER, Overhear, hear, learn, listen};

/// What the gate knows of a port, so that most packets are let go without another look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Port {
    /// It is a control port.
    pub control: bool,
    /// Endpoints with this port are being watched.
    pub pending: bool,
    /// Of those, some have a handshake with SYN-ACK and without the last ACK.
    pub half_open: bool,
}

/// The outcome of a look-up of shared state.
pub enum Found<T> {
    /// There is none.
    Missing,
    /// Another processor held it for too long. Counted by the store.
    Busy,
    /// Here it is, held until dropped.
    Held(T),
}

/// What is asked about every packet, most of which are of no interest. It has to cost next to nothing.
pub trait Ports {
    /// Whether `port` is a control port.
    fn is_control(&self, port: WirePort) -> bool;
    /// Whether endpoints with this port are being watched.
    fn is_pending(&self, port: WirePort) -> bool;
    /// Whether some of those have a handshake with SYN-ACK and without the last ACK.
    fn is_half_open(&self, port: WirePort) -> bool;
    /// How much there is that cannot be read.
    fn blindness(&self) -> Blindness;
}

/// Where state is kept: BPF maps in the kernel, hash maps on the host.
///
/// Counting, and telling of what was lost, is the store's own duty wherever it says so.
pub trait Store: Ports {
    /// A control connection, held.
    type ControlRef<'a>: DerefMut<Target = Control>
    where
        Self: 'a;
    /// An endpoint, held.
    type EndpointRef<'a>: DerefMut<Target = Endpoint>
    where
        Self: 'a;

    /// All that the gate knows of `port`.
    fn port(&self, port: u16) -> Port {
        let port = WirePort::new(port);
        Port {
            control: self.is_control(port),
            pending: self.is_pending(port),
            half_open: self.is_half_open(port),
        }
    }
    /// Changes how many endpoints, and how many half-open handshakes, there are on `port`.
    fn adjust_port(&self, port: u16, pending: i32, half_open: i32);

    /// The time of the packet, in nanoseconds. Read once for each packet, and only if it is asked for.
    fn now(&self) -> u64;
    /// The same, to within some milliseconds: next to nothing to ask for.
    fn about_now(&self) -> u64;
    /// A number that no control connection or endpoint had before. Never zero.
    fn new_id(&self) -> u64;
    /// Counts.
    fn count(&self, counter: Counter);

    /// The control connection `flow`.
    fn control(&self, flow: &Flow) -> Found<Self::ControlRef<'_>>;
    /// Makes an entry for `flow`, filled by `fill`. `false` when there is no room, which is counted.
    fn open_control(&self, flow: &Flow, fill: impl FnOnce(&mut Control)) -> bool;
    /// Forgets the control connection.
    fn remove_control(&self, flow: &Flow);

    /// The endpoint with this id.
    fn endpoint(&self, id: u64) -> Found<Self::EndpointRef<'_>>;
    /// Lends the room for a new endpoint, whose content is left over from the one before. `None` where there is
    /// none.
    fn with_room<R>(&self, make: impl FnOnce(&mut Endpoint) -> R) -> Option<R>;
    /// Makes `endpoint` an entry, and tells the news of it, stored or not. `false` when there is no room,
    /// which is counted.
    fn insert_endpoint(&self, endpoint: &mut Endpoint) -> bool;
    /// Tells the news of an endpoint that is not stored, since its client has its share of the room. Counts it.
    fn refuse_endpoint(&self, endpoint: &mut Endpoint);
    /// Whether `client` may have one endpoint more.
    fn take_share(&self, client: &Address) -> bool;
    /// `client` has one endpoint less.
    fn give_share(&self, client: &Address);
    /// Forgets the endpoint.
    fn remove_endpoint(&self, id: u64);

    /// Which endpoint a SYN with this key belongs to. Zero for none.
    fn index(&self, key: &IndexKey) -> u64;
    /// Makes `id` the endpoint of this key. `false` when there is no room, which is counted.
    fn set_index(&self, key: &IndexKey, id: u64) -> bool;
    /// Forgets the key.
    fn remove_index(&self, key: &IndexKey);

    /// Whether what is said through `object` is heard. What was said in an earlier run of the probes is lost.
    fn hears(&self, object: &Object) -> bool;
    /// Whether these two hosts have a control connection that is encrypted.
    fn is_blind(&self, pair: &Pair) -> bool;
    /// Changes how many encrypted control connections these two hosts have.
    fn adjust_blind(&self, pair: &Pair, delta: i32);
    /// Changes how many guesses are being followed.
    fn adjust_guesses(&self, delta: i32);

    /// Sends an endpoint's state. Counts it when there is no room.
    fn tell_endpoint(&self, endpoint: &Endpoint);
    /// Sends a control connection's state, filled by `fill`. Counts it when there is no room.
    fn tell_session(&self, fill: impl FnOnce(&mut Session));
    /// Sends a line, filled by `fill`. Counts it when there is no room.
    fn tell_line(&self, fill: impl FnOnce(&mut Line));

    // What follows does no more than the engine's function of that name. It goes through the store because
    // the kernel's calls them out of line: the verifier then checks each once, on its own.

    /// [`say`], unless there is no endpoint (`id` is zero).
    fn say(&self, id: u64, said: Said);
    /// [`reindex`].
    fn reindex(&self, id: u64);
    /// [`advertise`]. `control` is `scene.flow`'s, and held.
    fn advertise(&self, control: &mut Control, sequence: u32) -> u64;
    /// [`guess`].
    fn guess(&self, scene: &Scene) -> u64;
    /// [`early_byte`] for each of the `length` bytes from `first` on.
    fn scan_early(&self, control: &mut Control, first: u32, length: u32);
    /// [`begin`].
    fn begin(&self, scene: &Scene);
    /// [`command`]. `control` is `scene.flow`'s, and held.
    fn command(&self, control: &mut Control);
    /// [`reply`]. `control` is `scene.flow`'s, and held.
    fn reply(&self, control: &mut Control) -> bool;
    /// [`end`]. `control` is `scene.flow`'s, and held.
    fn end(&self, control: &mut Control, how: GiveUp);
}

/// Takes the bytes of a payload.
pub trait Visit {
    /// Takes at least one of the bytes of `window` from `at` up to `end`. Returns how many.
    fn take<W: Window + ?Sized>(&mut self, window: &W, at: u32, end: u32) -> u32;
}

/// Reads the payload of a packet.
pub trait Payload {
    /// Shows `visitor` the `length` bytes at `offset`, in order. `false` when not all could be read.
    fn scan<V: Visit>(&self, offset: u32, length: u32, visitor: &mut V) -> bool;
    /// The `N` bytes at `offset`.
    fn peek<const N: usize>(&self, offset: u32) -> Option<[u8; N]>;
    /// Copies the `length` bytes at `offset` into `room`. `false` when that is not all of them, or more than
    /// there is room for.
    fn keep(&self, offset: u32, length: u32, room: &mut [u8; HELD_BYTES]) -> bool;
}

/// What is left to do once a segment was taken in. It is the caller's to do, since the kernel's stack has no
/// room for one below the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Next {
    /// [`late`]: what came before its time is due.
    pub late: bool,
    /// [`data`].
    pub data: bool,
}

/// A segment that passed the gate, and who speaks to whom. In the kernel it lives in a map, not on the
/// stack.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Scene {
    /// The segment.
    pub segment: Segment,
    /// Its source.
    pub source: Address,
    /// Its destination.
    pub destination: Address,
    /// The control connection that it belongs to, once a side is assumed.
    pub flow: Flow,
    /// The ICMP error that quotes the segment.
    pub rejection: Rejection,
    /// The control connection begins in TLS.
    pub blind: u8,
}

impl Scene {
    /// Nothing yet.
    pub const EMPTY: Self = Self {
        segment: Segment::EMPTY,
        source: Address::ANY,
        destination: Address::ANY,
        flow: Endpoint::EMPTY.flow,
        rejection: Rejection::NONE,
        blind: 0,
    };

    /// Looks at a segment that passed the gate. `false` where the packet ends before its addresses do.
    #[inline(always)]
    pub fn look<B: Bytes + ?Sized>(&mut self, bytes: &B, segment: Segment) -> bool {
        self.segment = segment;
        segment.addresses(bytes, &mut self.source, &mut self.destination)
    }

    /// The source is the client.
    #[inline(always)]
    fn sent_by_client(&mut self) {
        self.flow.client = self.source;
        self.flow.server = self.destination;
        self.flow.client_port = self.segment.source;
        self.flow.server_port = self.segment.destination;
    }

    /// The source is the server.
    #[inline(always)]
    fn sent_by_server(&mut self) {
        self.flow.client = self.destination;
        self.flow.server = self.source;
        self.flow.client_port = self.segment.destination;
        self.flow.server_port = self.segment.source;
    }
}

/// What the gate found a segment worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// The destination port is a control port.
    pub to_server: bool,
    /// The source port is a control port.
    pub from_server: bool,
    /// It may be about an endpoint that is being watched.
    pub data: bool,
}

impl Interest {
    /// Whether anybody should look at the segment at all.
    #[inline(always)]
    #[must_use]
    pub const fn any(self) -> bool {
        self.to_server || self.from_server || self.data
    }
}

/// The gate: whether a segment is of interest, by its source port, destination port and flags.
#[inline(always)]
pub fn gate<P: Ports>(ports: &P, from: WirePort, to: WirePort, flags: u8) -> Interest {
    Interest {
        to_server: ports.is_control(to),
        from_server: ports.is_control(from),
        data: gate_data(ports, from, to, flags),
    }
}

/// The part of [`gate`] that is about data connections. Of a segment without SYN and RST, as nearly all are, it asks for
/// half-open handshakes only.
#[inline(always)]
pub fn gate_data<P: Ports>(ports: &P, from: WirePort, to: WirePort, flags: u8) -> bool {
    if flags & (flag::SYN | flag::RST) == 0 {
        ports.is_half_open(to)
    } else if flags & (flag::SYN | flag::ACK) == flag::SYN {
        ports.is_pending(to) || ports.blindness().sessions > 0
    } else {
        ports.is_pending(from) || ports.is_half_open(to)
    }
}

/// Takes in a segment that passed the gate, as far as it is of a control connection. `scene` has
/// [looked](Scene::look) at it.
#[inline(always)]
pub fn take<P: Payload, S: Store>(
    packet: &P,
    store: &S,
    scene: &mut Scene,
    interest: Interest,
) -> Next {
    let of_control = interest.to_server || interest.from_server;
    Next {
        late: of_control && control::take(packet, store, scene, interest),
        data: interest.data,
    }
}

/// Looks at an ICMP message. Returns whether it is an error about a segment to or from a port that is being watched:
/// then [`rejected`] is due.
#[inline(always)]
#[must_use]
pub fn look_icmp<B: Bytes, S: Store>(bytes: &B, store: &S, icmp: Icmp, scene: &mut Scene) -> bool {
    let Scene {
        segment,
        source,
        destination,
        rejection,
        ..
    } = scene;
    icmp.read(bytes, rejection, segment, source, destination)
        && (segment.ports().into_iter()).any(|port| store.is_pending(port))
}

/// Calls `each` with the keys under which a SYN finds an endpoint: its control connection's server
/// address and its advertised address (where that is another), each for the control connection's client
/// and for anybody.
#[inline(always)]
fn for_each_key(advertised: Address, flow: &Flow, port: u16, mut each: impl FnMut(&IndexKey)) {
    // One key, changed in place: the kernel's stack is small.
    let mut key = IndexKey::new(flow.server, port, flow.client);
    each(&key);
    key.client = Address::ANY;
    each(&key);
    if advertised != flow.server {
        key.address = advertised;
        each(&key);
        key.client = flow.client;
        each(&key);
    }
}
