//! The tracker on a clock that the tests wind, with the engine over the host's store behind it.
//!
//! What belongs here: what comes when, what is remembered, what is done when news are lost, and that the books balance.
//! Which facts make which outcome belongs in `outcome/tests.rs`, what a packet means in `tests/scenarios/`.

mod absence;
mod afterwards;
mod guesses;
mod lost;
#[path = "../../tests/packets/mod.rs"]
mod packets;
mod room;
mod sessions;
mod twins;

use std::collections::HashSet;

use ftpwatch_common::{packet::Link, record::Record};

use self::packets::{Conversation, Family, Packet};
use super::*;
use crate::source::memory::Memory;

const MILLISECOND: u64 = SECOND / 1_000;

/// When the tests begin.
const START: u64 = 1_000 * SECOND;

const TIMEOUT: u64 = 10 * SECOND;

const PORT: u16 = 50_000;

/// What the kernel's half sees, the way from there to the tracker, and the tracker.
struct Stage {
    memory: Memory,
    tracker: Tracker,
    now: u64,
    events: Vec<Event>,
    /// News are lost on the way.
    deaf: bool,
}

impl Stage {
    fn new() -> Self {
        Self {
            memory: Memory::new(&[21]),
            tracker: Tracker::new(TIMEOUT),
            now: START,
            events: Vec::new(),
            deaf: false,
        }
    }

    /// A stage on which a conversation has begun.
    fn begun() -> (Self, Conversation) {
        let mut stage = Self::new();
        let mut talk = Conversation::new(Family::V4);
        stage.send_all(talk.opening());
        (stage, talk)
    }

    /// A stage on which an endpoint was advertised, and acknowledged at [`Self::now`].
    fn advertised() -> (Self, Conversation) {
        let (mut stage, mut talk) = Self::begun();
        stage.send_all(talk.exchange(PORT));
        (stage, talk)
    }

    /// A packet goes by, a millisecond after the last.
    fn send(&mut self, packet: Packet) {
        self.pass(packet);
        self.hear();
    }

    fn send_all(&mut self, packets: impl IntoIterator<Item = Packet>) {
        for packet in packets {
            self.send(packet);
        }
    }

    /// A packet goes by, and the tracker has not heard of it yet.
    fn pass(&mut self, packet: Packet) {
        self.now += MILLISECOND;
        let bytes = packet.bytes(Link::Ip);
        let total = u32::try_from(bytes.len()).unwrap();
        self.memory.take(&bytes, Link::Ip, total, self.now).unwrap();
    }

    /// The tracker hears of all that went by.
    fn hear(&mut self) {
        for record in self.records() {
            if !self.deaf {
                self.tracker.take(record, self.now, &mut &self.memory);
            }
        }
        self.after();
    }

    /// The news, taken from the tracker's ear.
    fn records(&self) -> Vec<Record> {
        std::iter::from_fn(|| self.memory.next_record()).collect()
    }

    /// Time passes, and the tracker is called whenever it wants to be.
    fn wait(&mut self, time: u64) {
        let end = self.now + time;
        while let Some(due) = self.tracker.next_deadline()
            && due <= end
        {
            assert!(due >= self.now, "it should have been called before");
            self.now = due;
            self.tracker.advance(due, &mut &self.memory);
            self.after();
        }
        self.now = end;
    }

    /// The tracker compares with the store.
    fn reconcile(&mut self) {
        self.reconcile_as_of(self.now);
    }

    /// The same, where packets went by since the comparison began.
    fn reconcile_as_of(&mut self, begun: u64) {
        let (controls, endpoints) = (self.memory.controls(), self.memory.endpoints());
        self.tracker
            .reconcile(&controls, &endpoints, begun, &mut &self.memory);
        self.after();
    }

    fn finish(&mut self) {
        self.tracker.finish(self.now, &mut &self.memory);
        self.after();
    }

    /// What is retired leaves the store, and the books balance: what was told of is what is counted, and everything is
    /// told of once.
    fn after(&mut self) {
        for request in self.tracker.take_retired() {
            self.memory.retire(&request);
        }
        self.events.extend(self.tracker.take_events());
        let books = *self.tracker.books();
        let count =
            |which: fn(&Event) -> bool| self.events.iter().filter(|e| which(e)).count() as u64;
        assert_eq!(
            books.endpoints,
            count(|e| matches!(e, Event::Advertised(_)))
        );
        assert_eq!(books.late, count(|e| matches!(e, Event::Late(_))));
        assert_eq!(books.transfers, count(|e| matches!(e, Event::Transfer(_))));
        let mut outcomes = [0; Outcome::ALL.len()];
        for outcome in self.outcomes() {
            outcomes[outcome as usize] += 1;
        }
        assert_eq!(books.outcomes, outcomes);
        assert_eq!(
            books.endpoints,
            books.pending() + outcomes.iter().sum::<u64>()
        );
        let ids: Vec<u64> = self
            .cases()
            .map(|case| case.views.client_side().id)
            .collect();
        let once: HashSet<u64> = ids.iter().copied().collect();
        assert_eq!(ids.len(), once.len(), "an endpoint has two outcomes");
        for session in self.sessions() {
            assert_eq!(session.endpoints, session.outcomes.iter().sum::<u64>());
        }
        let sessions = self.sessions().count() as u64;
        assert!(sessions <= books.sessions, "a session was told of twice");
    }

    fn cases(&self) -> impl Iterator<Item = &Case> {
        self.events.iter().filter_map(|event| match event {
            Event::Outcome(case) => Some(&**case),
            _ => None,
        })
    }

    fn outcomes(&self) -> Vec<Outcome> {
        self.cases().map(|case| case.outcome).collect()
    }

    /// The outcome, where there is one so far.
    #[track_caller]
    fn case(&self) -> &Case {
        let cases: Vec<&Case> = self.cases().collect();
        assert_eq!(cases.len(), 1, "{:?}", self.words());
        cases[0]
    }

    fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.events.iter().filter_map(|event| match event {
            Event::Session(session) => Some(&**session),
            _ => None,
        })
    }

    /// All that was told, each in a word.
    fn words(&self) -> Vec<&'static str> {
        let word = |event: &Event| match event {
            Event::Advertised(_) => "advertised",
            Event::Outcome(case) => case.outcome.name(),
            Event::Late(_) => "late",
            Event::Transfer(_) => "transfer",
            Event::Undecodable(_) => "undecodable",
            Event::Pattern(_) => "pattern",
            Event::Session(_) => "session",
        };
        self.events.iter().map(word).collect()
    }

    /// The data connection is opened.
    fn connect(&mut self, talk: &mut Conversation) {
        self.send_all(talk.data(PORT).handshake());
    }
}
