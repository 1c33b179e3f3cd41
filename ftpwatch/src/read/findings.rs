//! What was found, added up.

use ftpwatch_common::counter::COUNTERS;

use crate::tracker::{Books, Outcome};

/// What an analysis came to.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// What the tracker counted.
    pub books: Books,
    /// What the engine counted.
    pub counters: [u64; COUNTERS],
    /// Packets that were cut before the end of their headers.
    pub beheaded: u64,
    /// Times that the clock was set.
    pub leaps: u64,
    /// TCP segments that are of no control connection.
    pub beside: u64,
}

impl Findings {
    /// Whether a SYN is missed in a capture that has control connections and nothing else: they may have
    /// been all that its filter let through.
    #[must_use]
    pub fn may_be_filtered(&self) -> bool {
        self.beside == 0 && self.books.outcomes[Outcome::NoSyn as usize] > 0
    }

    /// Adds what `other` came to.
    pub fn add(&mut self, other: &Self) {
        self.add_run(&other.books, &other.counters);
        self.beheaded += other.beheaded;
        self.leaps += other.leaps;
        self.beside += other.beside;
    }

    /// Adds what one tracker and one engine counted.
    pub fn add_run(&mut self, books: &Books, counters: &[u64; COUNTERS]) {
        // Every field is named, so that a new one cannot be forgotten.
        let Books {
            sessions,
            blind,
            ignored,
            endpoints,
            outcomes,
            late,
            transfers,
            undecodable,
            views: _,
        } = books;
        let total = &mut self.books;
        total.sessions += sessions;
        total.blind += blind;
        total.ignored += ignored;
        total.endpoints += endpoints;
        total.late += late;
        total.transfers += transfers;
        total.undecodable += undecodable;
        for (total, part) in total.outcomes.iter_mut().zip(outcomes) {
            *total += part;
        }
        for (total, part) in self.counters.iter_mut().zip(counters) {
            *total += part;
        }
    }
}
