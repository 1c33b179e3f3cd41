//! The engine's store over hash maps: for captures, and for tests.
//!
//! An entry is taken out while it is held and put back when it is dropped, which is what the kernel's
//! lock does, in safe code.
//!
//! Nearly every packet asks the gate about two ports and nothing else, so what the gate knows is a byte a port.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    hash::Hash,
    ops::{Deref, DerefMut},
    rc::Rc,
};

use bytemuck::Zeroable;
use foldhash::fast::RandomState;
use ftpwatch_common::{
    address::{Address, Flow, IndexKey, Pair, WirePort},
    control::{Control, HELD_BYTES},
    counter::{COUNTERS, Counter},
    endpoint::{Endpoint, GiveUp},
    engine::{self, Blindness, Found, Payload, Ports, Request, Said, Scene, Store, Visit},
    packet::{self, Bytes, Link, Segment, Skip},
    record::{Line, Record, Session},
    tls::Object,
    window::{self, WINDOW_BYTES},
};

use crate::tracker::Truth;

/// A place for an entry, empty while that is held.
type Slot<V> = Rc<RefCell<Option<Box<V>>>>;

type Table<K, V> = RefCell<HashMap<K, Slot<V>, RandomState>>;

/// All state of the engine, in memory.
#[derive(Debug)]
pub struct Memory {
    now: Cell<u64>,
    last_id: Cell<u64>,
    gates: Box<[Cell<Gate>; 1 << 16]>,
    /// How many endpoints, and half-open handshakes, there are on a port.
    waiting: RefCell<Box<[[i64; 2]]>>,
    controls: Table<Flow, Control>,
    endpoints: Table<u64, Endpoint>,
    index: RefCell<HashMap<IndexKey, u64, RandomState>>,
    blind: RefCell<HashMap<Pair, i64>>,
    blindness: Cell<Blindness>,
    news: RefCell<VecDeque<Record>>,
    counters: [Cell<u64>; COUNTERS],
}

/// What the gate knows of a port, in the bits below.
#[derive(Clone, Copy, Debug, Default)]
struct Gate(u8);

impl Gate {
    const CONTROL: u8 = 1;
    const PENDING: u8 = 1 << 1;
    const HALF_OPEN: u8 = 1 << 2;

    const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

impl Memory {
    /// An empty store that takes `control_ports` for control ports.
    #[must_use]
    pub fn new(control_ports: &[u16]) -> Self {
        let gates = Box::new([const { Cell::new(Gate(0)) }; 1 << 16]);
        for &port in control_ports {
            gates[WirePort::new(port).index()].set(Gate(Gate::CONTROL));
        }
        Self {
            now: Cell::new(0),
            last_id: Cell::new(0),
            gates,
            waiting: RefCell::new(vec![[0; 2]; 1 << 16].into_boxed_slice()),
            controls: RefCell::default(),
            endpoints: RefCell::default(),
            index: RefCell::default(),
            blind: RefCell::default(),
            blindness: Cell::default(),
            news: RefCell::default(),
            counters: [const { Cell::new(0) }; COUNTERS],
        }
    }

    /// Takes in a packet of `total` bytes, of which `bytes` were captured, at the time `now`. Returns its
    /// segment.
    ///
    /// # Errors
    ///
    /// Why it has none.
    pub fn take(&self, bytes: &[u8], link: Link, total: u32, now: u64) -> Result<Segment, Skip> {
        // Zero stands for what was not seen: a capture may say so of a packet all the same.
        self.now.set(now.max(1));
        let packet = Captured(bytes);
        let segment = match packet::walk(&packet, link, total) {
            Ok(segment) => segment,
            Err(skip) => {
                if let Skip::Icmp(icmp) = skip {
                    let mut scene = Scene::EMPTY;
                    if engine::look_icmp(&packet, self, icmp, &mut scene) {
                        engine::rejected(self, &scene);
                    }
                }
                return Err(skip);
            }
        };
        let [from, to] = segment.ports();
        let interest = engine::gate(self, from, to, segment.flags);
        if interest.any() {
            let mut scene = Scene { ..Scene::EMPTY };
            if !scene.look(&packet, segment) {
                self.count(Counter::Unreadable);
                return Ok(segment);
            }
            let next = engine::take(&packet, self, &mut scene, interest);
            if next.late {
                engine::late(self, &scene);
            }
            if next.data {
                engine::data(self, &scene);
            }
        }
        Ok(segment)
    }

    /// Whether a packet is a segment that is of no interest, which can be told of most in passing. `false` says nothing.
    #[inline(always)]
    #[must_use]
    pub fn lets_go(&self, bytes: &[u8], link: Link) -> bool {
        packet::lets_go(bytes, link, |from, to, flags| {
            !engine::gate(self, from, to, flags).any()
        })
    }

    /// The oldest record that was not taken yet.
    pub fn next_record(&self) -> Option<Record> {
        self.news.borrow_mut().pop_front()
    }

    /// Forgets what is done with.
    pub fn retire(&self, request: &Request) {
        engine::retire(self, request);
    }

    /// How often everything was counted.
    #[must_use]
    pub fn counters(&self) -> [u64; COUNTERS] {
        self.counters.each_ref().map(Cell::get)
    }

    /// All control connections.
    #[must_use]
    pub fn controls(&self) -> Vec<Control> {
        entries(&self.controls)
    }

    /// All endpoints.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        entries(&self.endpoints)
    }

    /// How many control connections, endpoints and index keys there are.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize, usize) {
        (
            self.controls.borrow().len(),
            self.endpoints.borrow().len(),
            self.index.borrow().len(),
        )
    }
}

/// All entries of `table`, but for those that are held.
fn entries<K, V: Copy>(table: &Table<K, V>) -> Vec<V> {
    table
        .borrow()
        .values()
        .filter_map(|slot| copy(slot))
        .collect()
}

/// What is in `slot`.
fn copy<V: Copy>(slot: &Slot<V>) -> Option<V> {
    slot.borrow().as_deref().copied()
}

impl Truth for &Memory {
    fn endpoint(&mut self, id: u64) -> Option<Endpoint> {
        copy(self.endpoints.borrow().get(&id)?)
    }
}

/// An entry that is held.
pub struct Held<V> {
    slot: Slot<V>,
    value: Option<Box<V>>,
}

impl<V> Held<V> {
    fn take<K: Eq + Hash>(table: &Table<K, V>, key: &K) -> Found<Self> {
        let Some(slot) = table.borrow().get(key).map(Rc::clone) else {
            return Found::Missing;
        };
        match slot.take() {
            None => Found::Busy,
            value => Found::Held(Self { slot, value }),
        }
    }
}

const HELD: &str = "the value is there until it is dropped";

impl<V> Deref for Held<V> {
    type Target = V;

    fn deref(&self) -> &V {
        self.value.as_deref().expect(HELD)
    }
}

impl<V> DerefMut for Held<V> {
    fn deref_mut(&mut self) -> &mut V {
        self.value.as_deref_mut().expect(HELD)
    }
}

impl<V> Drop for Held<V> {
    fn drop(&mut self) {
        self.slot.replace(self.value.take());
    }
}

/// A new entry.
fn slot<V>(value: Box<V>) -> Slot<V> {
    Rc::new(RefCell::new(Some(value)))
}

impl Ports for Memory {
    #[inline]
    fn is_control(&self, port: WirePort) -> bool {
        self.gates[port.index()].get().has(Gate::CONTROL)
    }

    #[inline]
    fn is_pending(&self, port: WirePort) -> bool {
        self.gates[port.index()].get().has(Gate::PENDING)
    }

    #[inline]
    fn is_half_open(&self, port: WirePort) -> bool {
        self.gates[port.index()].get().has(Gate::HALF_OPEN)
    }

    fn blindness(&self) -> Blindness {
        self.blindness.get()
    }
}

impl Store for Memory {
    type ControlRef<'a> = Held<Control>;
    type EndpointRef<'a> = Held<Endpoint>;

    fn adjust_port(&self, port: u16, pending: i32, half_open: i32) {
        let at = WirePort::new(port).index();
        let [waiting, handshakes] = &mut self.waiting.borrow_mut()[at];
        *waiting += i64::from(pending);
        *handshakes += i64::from(half_open);
        let bit = |count, bit| if count > 0 { bit } else { 0 };
        let control = self.gates[at].get().0 & Gate::CONTROL;
        let pending = bit(*waiting, Gate::PENDING);
        let half_open = bit(*handshakes, Gate::HALF_OPEN);
        self.gates[at].set(Gate(control | pending | half_open));
    }

    fn now(&self) -> u64 {
        self.now.get()
    }

    fn about_now(&self) -> u64 {
        self.now.get()
    }

    fn new_id(&self) -> u64 {
        self.last_id.set(self.last_id.get() + 1);
        self.last_id.get()
    }

    fn count(&self, counter: Counter) {
        let count = &self.counters[counter as usize];
        count.set(count.get() + 1);
    }

    fn control(&self, flow: &Flow) -> Found<Held<Control>> {
        Held::take(&self.controls, flow)
    }

    fn open_control(&self, flow: &Flow, fill: impl FnOnce(&mut Control)) -> bool {
        let mut control = Box::new(Control::EMPTY);
        fill(&mut control);
        self.controls.borrow_mut().insert(*flow, slot(control));
        true
    }

    fn remove_control(&self, flow: &Flow) {
        self.controls.borrow_mut().remove(flow);
    }

    fn endpoint(&self, id: u64) -> Found<Held<Endpoint>> {
        Held::take(&self.endpoints, &id)
    }

    fn with_room<R>(&self, make: impl FnOnce(&mut Endpoint) -> R) -> Option<R> {
        Some(make(&mut { Endpoint::EMPTY }))
    }

    fn insert_endpoint(&self, endpoint: &mut Endpoint) -> bool {
        let entry = slot(Box::new(*endpoint));
        self.endpoints.borrow_mut().insert(endpoint.id, entry);
        self.tell_endpoint(endpoint);
        true
    }

    // There is always room.
    fn refuse_endpoint(&self, _: &mut Endpoint) {}

    fn take_share(&self, _: &Address) -> bool {
        true
    }

    fn give_share(&self, _: &Address) {}

    fn remove_endpoint(&self, id: u64) {
        self.endpoints.borrow_mut().remove(&id);
    }

    fn index(&self, key: &IndexKey) -> u64 {
        self.index.borrow().get(key).copied().unwrap_or(0)
    }

    fn set_index(&self, key: &IndexKey, id: u64) -> bool {
        self.index.borrow_mut().insert(*key, id);
        true
    }

    fn remove_index(&self, key: &IndexKey) {
        self.index.borrow_mut().remove(key);
    }

    /// Nothing is, where there are packets alone.
    fn hears(&self, _: &Object) -> bool {
        false
    }

    fn is_blind(&self, pair: &Pair) -> bool {
        self.blind.borrow().contains_key(pair)
    }

    fn adjust_blind(&self, pair: &Pair, delta: i32) {
        let mut blind = self.blind.borrow_mut();
        let sessions = blind.entry(*pair).or_default();
        *sessions += i64::from(delta);
        if *sessions <= 0 {
            blind.remove(pair);
        }
        let mut blindness = self.blindness.get();
        blindness.sessions = blindness.sessions.wrapping_add_signed(delta.into());
        self.blindness.set(blindness);
    }

    fn adjust_guesses(&self, delta: i32) {
        let mut blindness = self.blindness.get();
        blindness.guesses = blindness.guesses.wrapping_add_signed(delta.into());
        self.blindness.set(blindness);
    }

    fn tell_endpoint(&self, endpoint: &Endpoint) {
        self.count(Counter::Records);
        self.news
            .borrow_mut()
            .push_back(Record::Endpoint(*endpoint));
    }

    fn tell_session(&self, fill: impl FnOnce(&mut Session)) {
        let mut session = Session::zeroed();
        fill(&mut session);
        self.count(Counter::Records);
        self.news.borrow_mut().push_back(Record::Session(session));
    }

    fn tell_line(&self, fill: impl FnOnce(&mut Line)) {
        let mut line = Line::zeroed();
        fill(&mut line);
        self.count(Counter::Records);
        self.news.borrow_mut().push_back(Record::Line(line));
    }

    fn say(&self, id: u64, said: Said) {
        if id != 0 {
            engine::say(self, id, said);
        }
    }

    fn reindex(&self, id: u64) {
        engine::reindex(self, id);
    }

    fn advertise(&self, control: &mut Control, sequence: u32) -> u64 {
        engine::advertise(self, control, sequence)
    }

    fn guess(&self, scene: &Scene) -> u64 {
        engine::guess(self, scene)
    }

    fn scan_early(&self, control: &mut Control, first: u32, length: u32) {
        for at in first..first + length {
            engine::early_byte(self, control, at);
        }
    }

    fn begin(&self, scene: &Scene) {
        engine::begin(self, scene);
    }

    fn command(&self, control: &mut Control) {
        engine::command(self, control);
    }

    fn reply(&self, control: &mut Control) -> bool {
        engine::reply(self, control)
    }

    fn end(&self, control: &mut Control, how: GiveUp) {
        engine::end(self, control, how);
    }
}

/// The bytes of a packet that were captured.
struct Captured<'a>(&'a [u8]);

impl Bytes for Captured<'_> {
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.0.load(offset)
    }
}

impl Payload for Captured<'_> {
    /// What there is of a packet that was cut when it was captured is shown as well: a reply may be whole in
    /// it.
    fn scan<V: Visit>(&self, offset: u32, length: u32, visitor: &mut V) -> bool {
        let (Ok(offset), Ok(length)) = (usize::try_from(offset), usize::try_from(length)) else {
            return false;
        };
        let rest = self.0.get(offset..).unwrap_or_default();
        let shown = rest.get(..length).unwrap_or(rest);
        let mut window = window::Copy::default();
        for bytes in shown.chunks(WINDOW_BYTES as usize) {
            let end = window.fill(bytes);
            let mut at = 0;
            while at < end {
                at += visitor.take(&window, at, end);
            }
        }
        rest.len() >= length
    }

    fn peek<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        self.load(usize::try_from(offset).ok()?)
    }

    fn keep(&self, offset: u32, length: u32, room: &mut [u8; HELD_BYTES]) -> bool {
        let bytes = usize::try_from(offset)
            .ok()
            .zip(usize::try_from(length).ok())
            .and_then(|(offset, length)| self.0.get(offset..)?.get(..length));
        let room = bytes.and_then(|bytes| room.get_mut(..bytes.len()));
        match (bytes, room) {
            (Some(bytes), Some(room)) => {
                room.copy_from_slice(bytes);
                true
            }
            _ => false,
        }
    }
}
