//! What only a watcher of many sessions can know: what worked for whom, and the patterns in it. No I/O.
//!
//! Bounded: what does not fit is not learnt, and a pattern is said once, when chance does not explain it.

mod chance;
mod networks;
mod pattern;
mod ports;
mod server;
mod tls;

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use foldhash::fast::RandomState;
use ftpwatch_common::{address::Address, record::Line};

pub use networks::network;
pub use pattern::{Pattern, Run};
pub use server::Known;
pub use tls::{Attempt, Fate};

use crate::tracker::Case;
use server::Server;

/// How many servers are remembered.
const SERVERS: usize = 4096;

/// How many ports and client networks are remembered, of all servers together.
const DETAILS: usize = 65_536;

/// Below this, chance does not explain what was seen.
const SIGNIFICANT: f64 = 1e-3;

/// How many endpoints of a server fail over one version of IP, before the other is looked at.
const FEW: u64 = 4;

/// All servers, by the address that their clients use.
#[derive(Debug, Default)]
pub struct History {
    servers: HashMap<Address, Server, RandomState>,
    /// Addresses of the host that looks on: servers there are one.
    local: HashSet<IpAddr>,
    details: usize,
}

impl History {
    /// These addresses are one host's.
    pub fn set_local(&mut self, local: &HashSet<IpAddr>) {
        self.local.clone_from(local);
    }

    /// The server at `address`, as far as it matters for an endpoint that it advertised to `client`.
    #[must_use]
    pub fn known(&self, address: Address, client: Address, port: u16) -> Known {
        let server = self.servers.get(&address);
        server.map_or_else(Known::default, |server| server.known(client, port))
    }

    /// Whether clients of the server at `address` connected to `advertised`, as it was advertised.
    #[must_use]
    pub fn works(&self, address: Address, advertised: Address) -> bool {
        let server = self.servers.get(&address);
        server.is_some_and(|server| server.addresses.contains(&advertised))
    }

    /// Whether all data connections of the server at `address` so far went another way than past this vantage point.
    #[must_use]
    pub fn is_elsewhere(&self, address: Address) -> bool {
        let server = self.servers.get(&address);
        server.is_some_and(Server::is_elsewhere)
    }

    fn entry(&mut self, address: Address) -> Option<&mut Server> {
        if self.servers.len() >= SERVERS && !self.servers.contains_key(&address) {
            return None;
        }
        Some(self.servers.entry(address).or_default())
    }

    /// The server at `address` greeted a client.
    pub fn greeted(&mut self, address: Address, line: &Line) {
        if let Some(server) = self.entry(address) {
            server.banner = Some(line.text);
        }
    }

    /// Whether this is its first advertisement that cannot be decoded.
    pub fn first_undecodable(&mut self, address: Address) -> bool {
        self.entry(address)
            .is_none_or(|server| !std::mem::replace(&mut server.undecodable_told, true))
    }

    /// The server at `address` answered PASV or EPSV with an error.
    pub fn refused_to_advertise(&mut self, address: Address, line: &Line) -> Option<Pattern> {
        self.entry(address)?.exhausted(line)
    }

    /// What became of a data connection of an encrypted session.
    pub fn learn_of_tls(&mut self, address: Address, attempt: &Attempt) -> Option<Pattern> {
        self.entry(address)?.learn_of_tls(attempt)
    }

    /// Learns from an outcome. Returns what the server's endpoints show by now.
    pub fn learn(&mut self, case: &Case) -> Vec<Pattern> {
        let address = case.views.client_side().flow.server;
        let room = self.details < DETAILS;
        let Some(server) = self.entry(address) else {
            return Vec::new();
        };
        let before = server.details();
        let mut patterns = server.learn(case, room);
        let added = server.details() - before;
        self.details += added;
        patterns.extend(self.one_family_fails(address));
        patterns
    }

    /// Nobody connects to the server at `address`, and over the other version of IP they do.
    fn one_family_fails(&mut self, address: Address) -> Option<Pattern> {
        let failing = self.servers.get(&address)?;
        if failing.family_told || failing.connected > 0 || failing.failed < FEW {
            return None;
        }
        let v4 = address.ip().is_ipv4();
        let (working, connected) = self
            .servers
            .iter()
            .filter(|(other, _)| other.ip().is_ipv4() != v4)
            .filter(|(other, server)| {
                let here = |address: Address| self.local.contains(&address.ip());
                let greeted_alike = failing.banner.is_some() && server.banner == failing.banner;
                greeted_alike || (here(address) && here(**other))
            })
            .map(|(other, server)| (*other, server.connected))
            .max_by_key(|(_, connected)| *connected)?;
        let failed = failing.failed;
        if chance::of_none_of(failed, failed, failed + connected) >= SIGNIFICANT {
            return None;
        }
        self.servers.get_mut(&address)?.family_told = true;
        Some(Pattern::AddressFamily {
            failing: address,
            failed,
            working,
            connected,
        })
    }
}

#[cfg(test)]
mod tests;
