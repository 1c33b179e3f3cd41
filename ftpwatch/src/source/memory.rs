//! The engine's store over hash maps: for captures, and for tests.
//!
//! An entry is taken out while it is held and put back when it is dropped, which is what the kernel's
//! lock does, in safe code.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    hash::Hash,
    ops::{Deref, DerefMut},
};

use bytemuck::Zeroable;
use ftpwatch_common::{
    address::{Flow, IndexKey, Pair},
    control::{Control, HELD_BYTES},
    counter::{COUNTERS, Counter},
    endpoint::{Endpoint, GiveUp},
    engine::{self, Blindness, Found, Payload, Request, Said, Scene, Store, Visit},
    packet::{self, Bytes, Link, Segment, Skip},
    record::{Line, Record, Session},
    window::{self, WINDOW_BYTES},
};

use crate::tracker::Truth;

type Table<K, V> = RefCell<HashMap<K, Option<Box<V>>>>;

/// All state of the engine, in memory.
#[derive(Debug)]
pub struct Memory {
    now: Cell<u64>,
    last_id: Cell<u64>,
    ports: RefCell<Box<[PortEntry]>>,
    controls: Table<Flow, Control>,
    endpoints: Table<u64, Endpoint>,
    index: RefCell<HashMap<IndexKey, u64>>,
    blind: RefCell<HashMap<Pair, i64>>,
    blindness: Cell<Blindness>,
    news: RefCell<VecDeque<Record>>,
    counters: Cell<[u64; COUNTERS]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct PortEntry {
    control: bool,
    pending: i64,
    half_open: i64,
}

impl Memory {
    /// An empty store that takes `control_ports` for control ports.
    #[must_use]
    pub fn new(control_ports: &[u16]) -> Self {
        let mut ports = vec![PortEntry::default(); 1 << 16].into_boxed_slice();
        for &port in control_ports {
            ports[usize::from(port)].control = true;
        }
        Self {
            now: Cell::new(0),
            last_id: Cell::new(0),
            ports: RefCell::new(ports),
            controls: RefCell::default(),
            endpoints: RefCell::default(),
            index: RefCell::default(),
            blind: RefCell::default(),
            blindness: Cell::default(),
            news: RefCell::default(),
            counters: Cell::new([0; COUNTERS]),
        }
    }

    /// Takes in a packet of `total` bytes, of which `bytes` were captured, at the time `now`. Returns its
    /// segment.
    ///
    /// # Errors
    ///
    /// Why it has none.
    pub fn take(&self, bytes: &[u8], link: Link, total: u32, now: u64) -> Result<Segment, Skip> {
        self.now.set(now);
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
        let interest = engine::gate(self, segment.source, segment.destination, segment.flags);
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
    pub const fn counters(&self) -> [u64; COUNTERS] {
        self.counters.get()
    }

    /// All control connections.
    #[must_use]
    pub fn controls(&self) -> Vec<Control> {
        let controls = self.controls.borrow();
        controls
            .values()
            .flatten()
            .map(|control| **control)
            .collect()
    }

    /// All endpoints.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let endpoints = self.endpoints.borrow();
        endpoints
            .values()
            .flatten()
            .map(|endpoint| **endpoint)
            .collect()
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

impl Truth for &Memory {
    fn endpoint(&mut self, id: u64) -> Option<Endpoint> {
        self.endpoints.borrow().get(&id)?.as_deref().copied()
    }
}

/// An entry that is held.
pub struct Held<'a, K: Eq + Hash, V> {
    table: &'a Table<K, V>,
    key: K,
    value: Option<Box<V>>,
}

impl<'a, K: Eq + Hash + Copy, V> Held<'a, K, V> {
    fn take(table: &'a Table<K, V>, key: K) -> Found<Self> {
        match table.borrow_mut().get_mut(&key).map(Option::take) {
            None => Found::Missing,
            Some(None) => Found::Busy,
            Some(value) => Found::Held(Self { table, key, value }),
        }
    }
}

const HELD: &str = "the value is there until it is dropped";

impl<K: Eq + Hash, V> Deref for Held<'_, K, V> {
    type Target = V;

    fn deref(&self) -> &V {
        self.value.as_deref().expect(HELD)
    }
}

impl<K: Eq + Hash, V> DerefMut for Held<'_, K, V> {
    fn deref_mut(&mut self) -> &mut V {
        self.value.as_deref_mut().expect(HELD)
    }
}

impl<K: Eq + Hash, V> Drop for Held<'_, K, V> {
    fn drop(&mut self) {
        if let Some(entry) = self.table.borrow_mut().get_mut(&self.key) {
            *entry = self.value.take();
        }
    }
}

impl Store for Memory {
    type ControlRef<'a> = Held<'a, Flow, Control>;
    type EndpointRef<'a> = Held<'a, u64, Endpoint>;

    fn is_control(&self, port: u16) -> bool {
        self.ports.borrow()[usize::from(port)].control
    }

    fn is_pending(&self, port: u16) -> bool {
        self.ports.borrow()[usize::from(port)].pending > 0
    }

    fn is_half_open(&self, port: u16) -> bool {
        self.ports.borrow()[usize::from(port)].half_open > 0
    }

    fn adjust_port(&self, port: u16, pending: i32, half_open: i32) {
        let entry = &mut self.ports.borrow_mut()[usize::from(port)];
        entry.pending += i64::from(pending);
        entry.half_open += i64::from(half_open);
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
        let mut counters = self.counters.get();
        counters[counter as usize] += 1;
        self.counters.set(counters);
    }

    fn control(&self, flow: &Flow) -> Found<Held<'_, Flow, Control>> {
        Held::take(&self.controls, *flow)
    }

    fn open_control(&self, flow: &Flow, fill: impl FnOnce(&mut Control)) -> bool {
        let mut control = Box::new(Control::EMPTY);
        fill(&mut control);
        self.controls.borrow_mut().insert(*flow, Some(control));
        true
    }

    fn remove_control(&self, flow: &Flow) {
        self.controls.borrow_mut().remove(flow);
    }

    fn endpoint(&self, id: u64) -> Found<Held<'_, u64, Endpoint>> {
        Held::take(&self.endpoints, id)
    }

    fn with_room<R>(&self, make: impl FnOnce(&mut Endpoint) -> R) -> Option<R> {
        Some(make(&mut { Endpoint::EMPTY }))
    }

    fn insert_endpoint(&self, endpoint: &mut Endpoint) -> bool {
        let entry = Some(Box::new(*endpoint));
        self.endpoints.borrow_mut().insert(endpoint.id, entry);
        self.tell_endpoint(endpoint);
        true
    }

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

    fn blindness(&self) -> Blindness {
        self.blindness.get()
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
        self.news
            .borrow_mut()
            .push_back(Record::Endpoint(*endpoint));
    }

    fn tell_session(&self, fill: impl FnOnce(&mut Session)) {
        let mut session = Session::zeroed();
        fill(&mut session);
        self.news.borrow_mut().push_back(Record::Session(session));
    }

    fn tell_line(&self, fill: impl FnOnce(&mut Line)) {
        let mut line = Line::zeroed();
        fill(&mut line);
        self.news.borrow_mut().push_back(Record::Line(line));
    }

    fn say(&self, id: u64, said: Said) {
        if id != 0 {
            engine::say(self, id, said);
        }
    }

    fn advertise(&self, control: &mut Control, sequence: u32) {
        engine::advertise(self, control, sequence);
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
