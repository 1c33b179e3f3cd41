//! Data connections of encrypted sessions: guessed from their SYNs, and no endpoints that anybody advertised.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;
use ftpwatch_common::endpoint::{Attempt as Seen, Endpoint};

use super::{Tracker, Truth};
use crate::history::{Attempt, Fate};

/// Those that are being followed, and until when.
#[derive(Debug, Default)]
pub struct Guesses {
    deadlines: BTreeSet<(u64, u64)>,
    known: HashMap<u64, u64, RandomState>,
}

impl Guesses {
    /// When the next is due.
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The next that is due at `now`. It is not followed any more.
    pub fn due(&mut self, now: u64) -> Option<u64> {
        let (at, id) = *self.deadlines.first()?;
        (at <= now).then(|| {
            self.remove(id);
            id
        })
    }

    /// All of them. None is followed any more.
    pub fn clear(&mut self) -> Vec<u64> {
        let ids = std::mem::take(&mut self.deadlines);
        self.known.clear();
        ids.into_iter().map(|(_, id)| id).collect()
    }

    fn remove(&mut self, id: u64) -> bool {
        let deadline = self.known.remove(&id);
        deadline.is_some_and(|at| self.deadlines.remove(&(at, id)))
    }
}

impl Tracker {
    /// News of a guess: what it has come to is believed at once, and what did not come is waited for.
    pub(super) fn take_guess(&mut self, endpoint: &Endpoint, now: u64, truth: &mut dyn Truth) {
        let id = endpoint.id;
        if self.sessions.ignores(&endpoint.flow) {
            self.forget_guess(id);
        } else if let Some(Fate::Connected | Fate::Refused) = fate(endpoint) {
            if truth.endpoint(id).is_some() {
                self.conclude_guess(endpoint, now);
                self.guesses.remove(id);
                self.forget_guess(id);
            }
        } else if !self.guesses.known.contains_key(&id) {
            let deadline = now + self.timeout;
            self.guesses.known.insert(id, deadline);
            self.guesses.deadlines.insert((deadline, id));
        }
    }

    /// Learns from what became of a guess.
    pub(super) fn conclude_guess(&mut self, endpoint: &Endpoint, now: u64) {
        let Some(fate) = fate(endpoint) else {
            return;
        };
        let flow = endpoint.flow;
        let attempt = Attempt {
            client: flow.client,
            port: endpoint.port,
            fate,
        };
        if let Some(pattern) = self.history.learn_of_tls(flow.server, &attempt) {
            let session = self.sessions.blind_between(flow.client, flow.server);
            self.discover(session.unwrap_or(flow), now, pattern);
        }
    }

    /// A guess is of no interest any more.
    pub(super) fn forget_guess(&mut self, id: u64) {
        self.retire_view(id, Endpoint::EMPTY.flow);
    }
}

/// What became of it so far. `None` where there was no SYN, or something was missed.
fn fate(endpoint: &Endpoint) -> Option<Fate> {
    let attempts = || endpoint.attempts.iter().filter(|a| a.syn_at != 0);
    if attempts().any(|a| a.ack_at != 0) {
        return Some(Fate::Connected);
    }
    if endpoint.missed != 0 || attempts().next().is_none() {
        return None;
    }
    let refused = attempts().all(|a| a.rst_at != 0) || endpoint.rejected_at != 0;
    let aborted = |a: &Seen| a.aborted != 0;
    match (refused, attempts().any(aborted)) {
        (true, _) => Some(Fate::Refused),
        // Either side changed its mind.
        (false, true) => None,
        (false, false) => Some(Fate::Unanswered),
    }
}
