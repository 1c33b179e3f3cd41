//! The store's room, and who gives when it runs out.
//!
//! As long as there is room everybody has what he needs. When it runs short, failures that are only remembered for a
//! connection that may come after all are forgotten, the oldest first. Where that is not enough, whoever has more than a
//! share gives; and where nobody has, the oldest. So one client that asks for a hundred thousand endpoints, or one server
//! that nobody can connect to, does not blind ftpwatch to the others.

use std::{cmp::Reverse, collections::HashMap, net::IpAddr};

use ftpwatch_common::{ROOM, address::Address};

use super::{Outcome, Tracker};

/// How much of the store may be in use before somebody gives, and how much afterwards: the rest is for what comes while
/// nobody looks.
const HIGH: (usize, usize) = (3, 4);
const LOW: (usize, usize) = (5, 8);

/// A client's share, when it comes to that, of what is in use.
const CLIENT: (usize, usize) = (1, 4);
/// A server's.
const SERVER: (usize, usize) = (1, 2);

/// How many endpoints the store has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room(pub usize);

impl Default for Room {
    fn default() -> Self {
        Self(ROOM as usize)
    }
}

impl Room {
    const fn part(self, (numerator, denominator): (usize, usize)) -> usize {
        self.0 / denominator * numerator
    }
}

/// Who gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Giver {
    /// A client with more than its share.
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
        self.room = Room(endpoints);
    }

    /// Makes room, if it runs short. Returns what that took.
    pub fn make_room(&mut self, now: u64) -> Option<Given> {
        let used = self.known.len();
        if used <= self.room.part(HIGH) {
            return None;
        }
        let mut given = Given::default();
        let mut excess = used - self.room.part(LOW);
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
        Some(given)
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
        let client = |key: &u64| self.ends(*key).0;
        let server = |key: &u64| self.ends(*key).1;
        let (giver, spare, keys): (_, _, Vec<u64>) = if let Some((address, more)) =
            beyond(keys.iter().map(client), self.room.part(CLIENT))
        {
            let own = keys.into_iter().filter(|key| client(key) == address);
            (Giver::Client(address.ip()), more, own.collect())
        } else if let Some((address, more)) =
            beyond(keys.iter().map(server), self.room.part(SERVER))
        {
            let own = keys.into_iter().filter(|key| server(key) == address);
            (Giver::Server(address.ip()), more, own.collect())
        } else {
            (Giver::Everybody, excess, keys)
        };
        (giver, keys.into_iter().take(spare.min(excess)).collect())
    }

    /// The endpoint's client and server.
    fn ends(&self, key: u64) -> (Address, Address) {
        let flow = self.endpoints[&key].views.client_side().flow;
        (flow.client, flow.server)
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
