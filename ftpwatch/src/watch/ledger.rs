//! What is told of and counted, kept where the next process finds it.
//!
//! An event is written down after it was reported, and its entry leaves the maps after that: a process that is killed in
//! between tells of one event twice, and of none never.

use std::{process, time::SystemTime};

use ftpwatch_common::{
    engine::Request,
    ledger::{Audit, Ledger, Told},
};

use super::losses::Losses;
use crate::{
    clock::monotonic_now,
    source::kernel::{
        Maps,
        pin::{Memory, namespace},
    },
    tracker::{Books, Case, Event, Outcome, Tracker},
};

/// What is kept.
pub struct Keeper {
    memory: Memory,
    ledger: Ledger,
    /// As it was last written.
    written: Ledger,
    complained: bool,
}

impl Keeper {
    /// Takes over what an earlier process kept, if there was one.
    pub fn take_over(
        memory: Memory,
        tracker: &mut Tracker,
        losses: &mut Losses,
        maps: &Maps,
    ) -> Self {
        let mut ledger = memory.ledger();
        tracker.resume(books(&ledger));
        losses.resume(&ledger.counters, &ledger.losses);
        ledger.process = process::id().into();
        ledger.namespace = namespace();
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        ledger.started_at = since.map_or(0, |since| since.as_secs());
        let mut keeper = Self {
            memory,
            ledger,
            written: Ledger::default(),
            complained: false,
        };
        let told = keeper.memory.told();
        // In this order, so that no endpoint is without its control connection.
        let endpoints = maps.endpoints();
        let controls = maps.controls();
        for (id, _) in &told {
            let known = endpoints.iter().any(|endpoint| endpoint.id == *id)
                || controls.iter().any(|control| control.id == *id);
            if !known {
                keeper.memory.forget(*id);
            }
        }
        tracker.adopt(&controls, &endpoints, &told, monotonic_now());
        keeper.write();
        keeper
    }

    /// `event` was reported.
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::Outcome(case) => {
                self.ledger.outcomes[case.outcome as usize] += 1;
                self.tell(case, 0);
            }
            Event::Late(case) => {
                self.ledger.late += 1;
                self.tell(case, Told::LATE);
            }
            Event::Transfer(case) => {
                self.ledger.transfers += 1;
                self.tell(case, Told::TRANSFER);
            }
            Event::Session(session) => {
                let told = Told {
                    key: session.id,
                    outcome: Told::SESSION,
                    ..Told::default()
                };
                self.put(session.id, &told);
                return;
            }
            _ => return,
        }
        self.write();
    }

    fn tell(&mut self, case: &Case, more: u32) {
        // Any of them will do: an endpoint that has its outcome gets no further view.
        let key = case.views.client_side().id;
        let before = self.memory.told_of(key).map_or(0, |told| told.more);
        let told = Told {
            key,
            decided_at: case.decided_at,
            outcome: case.outcome as u32,
            more: more | before,
        };
        for id in case.views.ids() {
            self.put(id, &told);
        }
    }

    fn put(&mut self, id: u64, told: &Told) {
        if let Err(error) = self.memory.tell(id, told) {
            self.complain(&error);
        }
    }

    /// The books were looked at.
    pub const fn note_audit(&mut self, audit: Audit) {
        self.ledger.audit = audit;
    }

    /// All that there was to report is reported.
    pub fn settle(&mut self, tracker: &Tracker, losses: &Losses) {
        let ledger = &mut self.ledger;
        (ledger.sessions, ledger.blind, ledger.ignored) = tracker.settled_sessions();
        ledger.undecodable = tracker.books().undecodable;
        // With those that are known of by their count alone.
        let outcomes = &tracker.books().outcomes;
        ledger.outcomes[..outcomes.len()].copy_from_slice(outcomes);
        ledger.counters = *losses.counters();
        ledger.losses[..losses.totals().len()].copy_from_slice(&losses.totals());
        self.write();
    }

    /// The maps are without these now.
    pub fn forget(&mut self, retired: &[Request]) {
        for request in retired {
            for id in [request.endpoint, request.control] {
                if id != 0 {
                    self.memory.forget(id);
                }
            }
        }
    }

    fn write(&mut self) {
        if self.ledger == self.written {
            return;
        }
        match self.memory.write(&self.ledger) {
            Ok(()) => self.written = self.ledger,
            Err(error) => self.complain(&error),
        }
    }

    fn complain(&mut self, error: &dyn std::error::Error) {
        if !self.complained {
            self.complained = true;
            eprintln!("ftpwatch: what was told of cannot be kept for the next start: {error}");
        }
    }
}

/// The books that a ledger stands for.
fn books(ledger: &Ledger) -> Books {
    let mut books = Books {
        sessions: ledger.sessions,
        blind: ledger.blind,
        ignored: ledger.ignored,
        late: ledger.late,
        transfers: ledger.transfers,
        undecodable: ledger.undecodable,
        ..Books::default()
    };
    books
        .outcomes
        .copy_from_slice(&ledger.outcomes[..Outcome::ALL.len()]);
    books.endpoints = books.outcomes.iter().sum();
    books
}
