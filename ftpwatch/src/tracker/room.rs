//! The store's room, and who gives when it runs out.
//!
//! The store itself keeps a client from having more than a share of it. Here, failures that are only remembered for a
//! connection that may come after all are forgotten where a client has many of them, and where room runs short: the oldest
//! first. Where that is not enough, a server that has more than its share gives; and where none has, the oldest. So neither one
//! client that asks for a hundred thousand endpoints, nor one server that nobody can connect to, blinds ftpwatch to the
//! others.

use std::{
    cmp::Reverse,
    collections::{HashMap, hash_map::Entry},
    mem,
    net::IpAddr,
};

use ftpwatch_common::address::Address;

use super::{Outcome, Tracker};

/// How much of the store may be in use before somebody gives, and how much afterwards: the rest is for what comes while
/// nobody looks.
const HIGH: (usize, usize) = (3, 4);
const LOW: (usize, usize) = (5, 8);

/// How much of the store a client's failures may have: half of its share.
const REMEMBERED: (usize, usize) = (1, 8);

/// A server's share of the store, when it comes to that.
const SERVER: (usize, usize) = (1, 2);

/// Who gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Giver {
    /// A client that had its share.
    Client(IpAddr),
    /// A server with more than its share.
    Server(IpAddr),
    /// Nobody had more than a share: the oldest.
    Everybody,
}

/// What was given to make room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Endpoints with an outcome of which nothing more will be told: no late connection, no failed transfer.
    pub forgotten: u64,
    /// Endpoints that are unknown because of it, by who gave them.
    pub unknown: Vec<(Giver, u64)>,
}

impl Tracker {
    /// The store has room for so many endpoints.
    pub const fn set_room(&mut self, endpoints: usize) {
        self.room = endpoints;
    }

    /// The store had no room for an endpoint of this client's, which has its share.
    pub(super) fn note_refused(&mut self, client: Address) {
        *self.refused.entry(client).or_default() += 1;
    }

    /// A failure of this client's is remembered from now on.
    pub(super) fn remember(&mut self, client: Address, decided_at: u64, key: u64) {
        let own = self.remembered.entry(client).or_default();
        own.insert((decided_at, key));
        if own.len() > part(self.room, REMEMBERED)
            && let Some(&(_, oldest)) = own.first()
        {
            self.forget(oldest);
            self.forgotten += 1;
        }
    }

    /// It is not any more.
    pub(super) fn remember_no_more(&mut self, client: Address, decided_at: u64, key: u64) {
        if let Entry::Occupied(mut own) = self.remembered.entry(client) {
            own.get_mut().remove(&(decided_at, key));
            if own.get().is_empty() {
                own.remove();
            }
        }
    }

    /// Makes room, if it runs short. Returns what was given for room since the last time.
    pub fn make_room(&mut self, now: u64) -> Option<Given> {
        let mut given = Given {
            forgotten: mem::take(&mut self.forgotten),
            unknown: self
                .refused
                .drain()
                .map(|(client, count)| (Giver::Client(client.ip()), count))
                .collect(),
        };
        given.unknown.sort_unstable();
        let used = self.known.len();
        if used > part(self.room, HIGH) {
            self.make_more_room(used - part(self.room, LOW), now, &mut given);
        }
        (given != Given::default()).then_some(given)
    }

    fn make_more_room(&mut self, mut excess: usize, now: u64, given: &mut Given) {
        for key in self.oldest(|outcome| outcome.is_some_and(Outcome::is_failure)) {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(self.views_of(key));
            self.forget(key);
            given.forgotten += 1;
        }
        while excess > 0 {
            let (giver, keys) = self.next_giver(excess);
            if keys.is_empty() {
                break;
            }
            let mut unknown = 0;
            for key in keys {
                excess = excess.saturating_sub(self.views_of(key));
                if self.give(key, now) {
                    unknown += 1;
                } else {
                    given.forgotten += 1;
                }
            }
            if unknown > 0 {
                given.unknown.push((giver, unknown));
            }
        }
    }

    /// Those of which `wanted` holds, the oldest first.
    fn oldest(&self, wanted: impl Fn(Option<Outcome>) -> bool) -> Vec<u64> {
        let endpoints = self.endpoints.iter();
        let mut found: Vec<(u64, u64)> = endpoints
            .filter(|(_, watched)| wanted(watched.outcome.map(|(outcome, _)| outcome)))
            .map(|(key, watched)| (watched.views.client_side().advertised_at, *key))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, key)| key).collect()
    }

    /// Who gives now, and which, up to `excess` of them.
    fn next_giver(&self, excess: usize) -> (Giver, Vec<u64>) {
        let keys = self.oldest(|outcome| outcome.is_none_or(|outcome| !outcome.is_failure()));
        let server = |key: &u64| self.endpoints[key].views.client_side().flow.server;
        let crowd = beyond(keys.iter().map(server), part(self.room, SERVER));
        let (giver, spare, keys): (_, _, Vec<u64>) = match crowd {
            Some((address, more)) => {
                let own = keys.into_iter().filter(|key| server(key) == address);
                (Giver::Server(address.ip()), more, own.collect())
            }
            None => (Giver::Everybody, excess, keys),
        };
        (giver, keys.into_iter().take(spare.min(excess)).collect())
    }

    fn views_of(&self, key: u64) -> usize {
        let watched = self.endpoints.get(&key);
        watched.map_or(0, |watched| watched.views.ids().count())
    }

    /// Nothing more will be known of it. Whether that makes it unknown: it may have its outcome, and a transfer that goes
    /// on.
    fn give(&mut self, key: u64, now: u64) -> bool {
        let watched = self.endpoints.get_mut(&key);
        let undecided = watched.filter(|watched| watched.outcome.is_none());
        let unknown = undecided.is_some();
        if let Some(watched) = undecided {
            watched.views.give();
            self.conclude(key, Outcome::Unknown, now);
        }
        self.forget(key);
        unknown
    }
}

const fn part(room: usize, (numerator, denominator): (usize, usize)) -> usize {
    room / denominator * numerator
}

/// Whoever occurs most often, if that is more often than `share`; and by how much.
fn beyond(all: impl Iterator<Item = Address>, share: usize) -> Option<(Address, usize)> {
    let mut counts = HashMap::<Address, usize>::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    let (address, count) = counts
        .into_iter()
        .max_by_key(|(address, count)| (*count, Reverse(address.0)))?;
    (count > share).then(|| (address, count - share))
}
