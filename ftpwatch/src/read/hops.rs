//! Whose host a capture was taken on, told from the TTLs of control connections.
//!
//! A packet that has not been forwarded yet has the TTL (RFC 791) or hop limit (RFC 8200) that its sender
//! gave it, and senders give one of a few. Where the server's packets have such a one, the capture was
//! taken on the server, or next to it; where the client's do, on the client; where neither, in between.
//! Where both do, client and server are neighbours (or one host), and it is taken for the server's: whoever
//! captures with an FTP server in reach most often runs it.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use foldhash::fast::RandomState;
use ftpwatch_common::{
    address::{Address, Flow},
    packet::{Bytes as _, Segment},
};

/// What systems begin with.
const INITIAL: [u8; 4] = [32, 64, 128, 255];

/// The last TTL of either side; zero for one that was not seen.
#[derive(Clone, Copy, Debug, Default)]
struct Sides {
    control: u64,
    client: u8,
    server: u8,
}

/// The TTLs of all control connections that are open.
#[derive(Debug, Default)]
pub struct Hops(HashMap<Flow, Sides, RandomState>);

impl Hops {
    /// The control connection `id` began.
    pub fn open(&mut self, flow: Flow, id: u64) {
        let fresh = Sides {
            control: id,
            ..Sides::default()
        };
        self.0.insert(flow, fresh);
    }

    /// The control connection `id` is done with.
    pub fn close(&mut self, flow: &Flow, id: u64) {
        // The four-tuple may be another's by now.
        if self.0.get(flow).is_some_and(|sides| sides.control == id) {
            self.0.remove(flow);
        }
    }

    /// Notes the TTL of a packet, if it is of a control connection.
    pub fn note(&mut self, bytes: &[u8], segment: &Segment) {
        let (mut source, mut destination) = (Address::ANY, Address::ANY);
        if !segment.addresses(bytes, &mut source, &mut destination) {
            return;
        }
        let at = segment.network as usize + if segment.v6 { 7 } else { 8 };
        let Some([ttl]) = bytes.load::<1>(at) else {
            return;
        };
        let to_server = Flow {
            client: source,
            server: destination,
            client_port: segment.source,
            server_port: segment.destination,
        };
        let from_server = Flow {
            client: destination,
            server: source,
            client_port: segment.destination,
            server_port: segment.source,
        };
        // The likelier one first: who speaks from the lower port is the server.
        let by_client = segment.source > segment.destination;
        let flows = [(to_server, true), (from_server, false)];
        let [first, second] = if by_client { [0, 1] } else { [1, 0] };
        for (flow, by_client) in [flows[first], flows[second]] {
            if let Some(sides) = self.0.get_mut(&flow) {
                if by_client {
                    sides.client = ttl;
                } else {
                    sides.server = ttl;
                }
                return;
            }
        }
    }

    /// The addresses whose packets had not been forwarded, as far as these control connections tell.
    #[must_use]
    pub fn local(&self, flows: impl IntoIterator<Item = Flow>) -> HashSet<IpAddr> {
        let mut local = HashSet::new();
        for flow in flows {
            let sides = self.0.get(&flow).copied().unwrap_or_default();
            for (ttl, address) in [(sides.server, flow.server), (sides.client, flow.client)] {
                if INITIAL.contains(&ttl) {
                    local.insert(address.ip());
                }
            }
        }
        local
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vantage::{Choice, Vantage};

    const FLOW: Flow = Flow {
        client: Address::v4([198, 51, 100, 7]),
        server: Address::v4([203, 0, 113, 10]),
        client_port: 40_000,
        server_port: 21,
    };

    fn vantage(client: u8, server: u8) -> Vantage {
        let sides = Sides {
            control: 1,
            client,
            server,
        };
        let hops = Hops([(FLOW, sides)].into_iter().collect());
        Choice::Auto.of([FLOW], &hops.local([FLOW]))
    }

    #[test]
    fn the_side_that_was_not_forwarded() {
        assert_eq!(vantage(57, 64), Vantage::Server);
        assert_eq!(vantage(0, 64), Vantage::Server);
        assert_eq!(vantage(128, 47), Vantage::Client);
        assert_eq!(vantage(255, 63), Vantage::Client);
        assert_eq!(vantage(127, 63), Vantage::Gateway);
        assert_eq!(vantage(0, 0), Vantage::Gateway);
        assert_eq!(vantage(64, 64), Vantage::Server);
    }

    #[test]
    fn a_four_tuple_that_is_used_again() {
        let mut hops = Hops::default();
        hops.open(FLOW, 1);
        hops.open(FLOW, 2);
        hops.close(&FLOW, 1);
        assert_eq!(hops.0.len(), 1);
        hops.close(&FLOW, 2);
        assert_eq!(hops.0.len(), 0);
    }
}
