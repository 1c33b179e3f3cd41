//! The tracker over conversations by chance, of which any news may be lost. Needs no privilege.
//!
//! What belongs here: what holds whatever happens on the wire and on the way from the store. What comes when, and what is
//! told of it, belongs in src/tracker/tests.rs.

mod packets;
#[allow(unused_macros, reason = "no scenario is played here")]
mod scenarios;

use std::collections::HashMap;
use std::fmt;

use ftpwatch::balance::{Auditor, sums};
use ftpwatch::source::memory::Memory;
use ftpwatch::tracker::{Case, Event, Outcome, SECOND, Tracker};
use ftpwatch_common::counter::Counter;
use ftpwatch_common::packet::Link;
use ftpwatch_common::record::{Progress, Record};
use proptest::prelude::*;
use scenarios::generate::conversation;
use scenarios::{Script, Step};

const TIMEOUT: u64 = 10 * SECOND;

/// What happens between two packets.
#[derive(Clone)]
struct Pause {
    milliseconds: u64,
    /// News are lost on the way to the tracker.
    deaf: bool,
    /// The tracker compares with the store.
    compares: bool,
}

impl fmt::Debug for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.milliseconds)?;
        f.write_str(if self.deaf { " deaf" } else { "" })?;
        f.write_str(if self.compares { " compares" } else { "" })
    }
}

fn pause() -> impl Strategy<Value = Pause> {
    let milliseconds = prop_oneof![8 => 0..5u64, 2 => 0..3_000u64, 1 => 0..20_000u64];
    let deaf = prop::bool::weighted(0.2);
    let compares = prop::bool::weighted(0.1);
    (milliseconds, deaf, compares).prop_map(|(milliseconds, deaf, compares)| Pause {
        milliseconds,
        deaf,
        compares,
    })
}

struct Stage {
    memory: Memory,
    tracker: Tracker,
    now: u64,
    lost_at: Option<u64>,
    /// News that came through, and news that did not.
    heard: u64,
    lost: u64,
    /// Control connections that there were.
    opened: u64,
    outcomes: HashMap<u64, Outcome>,
    sessions: u64,
}

impl Stage {
    fn new() -> Self {
        Self {
            memory: Memory::new(&[21]),
            tracker: Tracker::new(TIMEOUT),
            now: SECOND,
            lost_at: None,
            heard: 0,
            lost: 0,
            opened: 0,
            outcomes: HashMap::new(),
            sessions: 0,
        }
    }

    fn play(&mut self, script: &Script, pauses: &[Pause]) {
        for (step, pause) in script.0.iter().zip(pauses.iter().cycle()) {
            self.wait(pause.milliseconds * 1_000_000);
            let Step::Packet(packet) = step else {
                continue;
            };
            let bytes = packet.bytes(Link::Ip);
            let total = u32::try_from(bytes.len()).unwrap();
            // What has no segment is an ICMP error.
            let _ = self.memory.take(&bytes, Link::Ip, total, self.now);
            self.hear(pause.deaf);
            if pause.compares {
                self.compare();
            }
        }
        self.wait(TIMEOUT);
        self.compare();
        self.tracker.finish(self.now, &mut &self.memory);
        self.after();
        self.audit();
    }

    /// Whatever was lost: what was counted is what it came to.
    fn audit(&self) {
        let mut counters = self.memory.counters();
        counters[Counter::RingFull as usize] = self.lost;
        let audit = Auditor::new(1, false).audit(&counters, &counters, self.heard, &self.tracker);
        for sum in sums(&audit) {
            assert!(sum.holds, "{sum}");
        }
    }

    fn hear(&mut self, deaf: bool) {
        while let Some(record) = self.memory.next_record() {
            if let Record::Session(session) = &record
                && session.progress == Progress::Opened as u32
            {
                self.opened += 1;
            }
            if deaf {
                self.lost += 1;
                self.lost_at.get_or_insert(self.now);
            } else {
                self.heard += 1;
                self.tracker.take(record, self.now, &mut &self.memory);
            }
        }
        self.after();
    }

    fn compare(&mut self) {
        self.lost_at = None;
        let (endpoints, controls) = (self.memory.endpoints(), self.memory.controls());
        let truth = &mut &self.memory;
        self.tracker
            .reconcile(&controls, &endpoints, self.now, truth);
        self.after();
    }

    /// Time passes. As `ftpwatch run` does it: within a second of a loss the tracker compares, and it does so before it
    /// believes that something is absent.
    fn wait(&mut self, time: u64) {
        let end = self.now + time + 1;
        loop {
            let due = self.tracker.next_deadline();
            let next = due
                .into_iter()
                .chain(self.lost_at.map(|at| at + SECOND))
                .min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if self.lost_at.is_some() {
                self.compare();
            }
            self.tracker.advance(self.now, &mut &self.memory);
            self.after();
        }
        self.now = end;
    }

    /// What holds at any moment.
    fn after(&mut self) {
        for event in self.tracker.take_events() {
            match event {
                Event::Outcome(case) => self.decided(&case),
                Event::Session(session) => {
                    self.sessions += 1;
                    assert_eq!(session.endpoints, session.outcomes.iter().sum::<u64>());
                }
                _ => {}
            }
        }
        for request in self.tracker.take_retired() {
            self.memory.retire(&request);
        }
        let books = self.tracker.books();
        let decided: u64 = books.outcomes.iter().sum();
        assert_eq!(decided, self.outcomes.len() as u64);
        assert_eq!(books.endpoints, decided + books.pending());
    }

    fn decided(&mut self, case: &Case) {
        let endpoint = case.views.client_side();
        let before = self.outcomes.insert(endpoint.id, case.outcome);
        assert_eq!(before, None, "decided twice");
        let truth = self.memory.endpoints();
        let truth = truth.iter().find(|e| e.id == endpoint.id);
        let truth = truth.expect("it is retired after its outcome");
        if truth.connected != 0 {
            assert_eq!(case.outcome, Outcome::Connected, "{truth:?}");
        }
        if truth.missed != 0 {
            let refused = Outcome::Refused;
            assert!(
                !case.outcome.is_failure() || case.outcome == refused,
                "{truth:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Whatever is lost: every endpoint is counted, once, and no absence is made up.
    #[test]
    fn everything_is_counted_once(
        generated in conversation(),
        pauses in prop::collection::vec(pause(), 1..60),
    ) {
        let mut stage = Stage::new();
        stage.play(&generated.script, &pauses);
        let books = *stage.tracker.books();
        prop_assert_eq!(books.pending(), 0);
        let advertised = stage.memory.counters()[Counter::Advertised as usize];
        prop_assert_eq!(books.endpoints, advertised);
        prop_assert_eq!(books.sessions, stage.sessions);
        // One whose four-tuple was used again, and of whose beginning and end nothing was heard, left no trace.
        prop_assert!(books.sessions <= stage.opened);
        prop_assert!(books.sessions == stage.opened || pauses.iter().any(|pause| pause.deaf));
    }
}
