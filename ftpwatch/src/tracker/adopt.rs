//! Going on where another process left off.

use std::collections::{HashMap, HashSet};

use ftpwatch_common::{control::Control, endpoint::Endpoint, ledger::Told};

use super::{Books, LINGER, Outcome, REMEMBERED, Tracker, Watched};
use crate::tracker::facts::Views;

impl Tracker {
    /// Goes on from what was counted before.
    pub fn resume(&mut self, books: Books) {
        let (sessions, blind, ignored) = (books.sessions, books.blind, books.ignored);
        self.sessions.resume((sessions, blind, ignored));
        self.books = books;
    }

    /// What was counted, without what is still open and so will be counted by whoever goes on.
    #[must_use]
    pub fn settled_sessions(&self) -> (u64, u64, u64) {
        self.sessions.settled()
    }

    /// Takes over what was told of, so that it is not told again: before any news, and before the first comparison,
    /// which takes in the rest. Both lists are the store's; what is in `told` and in neither is of the past.
    pub fn adopt(
        &mut self,
        controls: &[Control],
        endpoints: &[Endpoint],
        told: &[(u64, Told)],
        now: u64,
    ) {
        let told: HashMap<u64, Told> = told.iter().copied().collect();
        let is_over = |id| {
            told.get(&id)
                .is_some_and(|told| told.outcome == Told::SESSION)
        };
        // Seen on either side of an address translation, it is one session with two entries.
        let over: HashSet<u64> = controls
            .iter()
            .filter(|control| is_over(control.id))
            .map(|control| control.fingerprint)
            .collect();
        let mut gone = HashSet::new();
        for control in controls {
            let twin = control.fingerprint != 0 && over.contains(&control.fingerprint);
            if is_over(control.id) || (twin && control.ended_at != 0) {
                gone.insert(control.id);
                self.sessions.adopt_ended(control, now + LINGER);
            }
        }
        let mut endpoints = endpoints.to_vec();
        endpoints.sort_by_key(|endpoint| endpoint.advertised_at);
        for endpoint in &endpoints {
            if let Some(told) = told.get(&endpoint.id) {
                if gone.contains(&endpoint.control) {
                    self.retire_view(endpoint.id, endpoint.flow);
                } else {
                    self.adopt_endpoint(endpoint, told, now);
                }
            }
        }
    }

    fn adopt_endpoint(&mut self, endpoint: &Endpoint, told: &Told, now: u64) {
        let outcome = usize::try_from(told.outcome).ok();
        let Some(outcome) = outcome.and_then(|at| Outcome::ALL.get(at).copied()) else {
            return;
        };
        self.known.insert(endpoint.id, told.key);
        if let Some(watched) = self.endpoints.get_mut(&told.key) {
            watched.views.update(*endpoint);
            return;
        }
        let session = self.sessions.of(endpoint);
        session.latest = Some(told.key);
        session.endpoints += 1;
        session.outcomes[outcome as usize] += 1;
        session.open_endpoints.insert(told.key);
        let session = session.id;
        self.count_sessions();
        self.endpoints.insert(
            told.key,
            Watched {
                views: Views::new(*endpoint),
                session,
                outcome: Some((outcome, told.decided_at)),
                control_reply: None,
                late_told: told.more & Told::LATE != 0,
                transfer_told: told.more & Told::TRANSFER != 0,
                timer: None,
            },
        );
        if outcome.is_failure() {
            self.set_timer(told.key, Some((told.decided_at + REMEMBERED).max(now)));
            self.remember(endpoint.flow.client, told.decided_at, told.key);
        }
    }
}
