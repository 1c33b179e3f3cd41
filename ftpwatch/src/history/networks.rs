//! Client networks: who fails where others connect.

use std::{collections::HashMap, net::IpAddr};

use foldhash::fast::RandomState;
use ftpwatch_common::address::Address;
use ipnet::IpNet;

use super::{Pattern, chance};

/// How many client networks are remembered for a server.
const NETWORKS: usize = 256;

/// How likely it may be that chance made one network of all fail.
const SIGNIFICANT: f64 = 1e-4;

/// The network that `client` is taken to be in: what is delegated to a site (RFC 6177), and as much of IPv4 as is
/// routed by itself.
#[must_use]
pub fn network(client: Address) -> IpNet {
    let address = client.ip();
    let length = match address {
        IpAddr::V4(_) => 24,
        IpAddr::V6(_) => 48,
    };
    IpNet::new_assert(address, length).trunc()
}

#[derive(Debug, Default)]
struct Tally {
    connected: u64,
    failed: u64,
    told: bool,
}

/// What became of the endpoints of each client network.
#[derive(Debug, Default)]
pub struct Networks(HashMap<IpNet, Tally, RandomState>);

impl Networks {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many endpoints the network of `client` connected.
    pub fn connected(&self, client: Address) -> u64 {
        self.0
            .get(&network(client))
            .map_or(0, |tally| tally.connected)
    }

    /// An endpoint of `client`'s was connected, or failed. `room` says whether another network may be remembered.
    pub fn note(&mut self, client: Address, connected: bool, room: bool) {
        let network = network(client);
        let room = room && self.0.len() < NETWORKS;
        if !room && !self.0.contains_key(&network) {
            return;
        }
        let tally = self.0.entry(network).or_default();
        tally.connected += u64::from(connected);
        tally.failed += u64::from(!connected);
    }

    /// The network of `client` fails, and others do not.
    pub fn one_fails(&mut self, client: Address) -> Option<Pattern> {
        let network = network(client);
        // First, as it ends here nearly always.
        let tally = self.0.get(&network)?;
        if tally.told || tally.connected > 0 {
            return None;
        }
        let (mut connected, mut failed) = (0, 0);
        for tally in self.0.values() {
            connected += tally.connected;
            failed += tally.failed;
        }
        let tally = self.0.get_mut(&network)?;
        let chance = chance::of_none_of(tally.failed, failed, failed + connected);
        if chance >= SIGNIFICANT {
            return None;
        }
        tally.told = true;
        Some(Pattern::ClientNetwork {
            network,
            failed: tally.failed,
            connected,
        })
    }
}
