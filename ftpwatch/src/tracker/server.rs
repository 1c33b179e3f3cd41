//! What many sessions taught about a server. Bounded: what does not fit is not learnt.

use std::collections::HashMap;

use ftpwatch_common::{address::Address, record::Line, text::Text};

use super::{Case, Outcome};

/// How many servers are remembered.
const SERVERS: usize = 4096;

/// How many addresses that work are remembered for each.
const ADDRESSES: usize = 16;

/// What is known of a server.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// Its greeting.
    pub banner: Option<Text>,
    /// Endpoints that were connected.
    pub connected: u64,
    /// Transfers that ran unseen.
    pub unobserved: u64,
    /// Advertised addresses that clients connected to.
    addresses: Vec<Address>,
    undecodable_told: bool,
}

impl Server {
    /// So far, all of its data connections went another way than past this vantage point.
    #[must_use]
    pub const fn is_elsewhere(&self) -> bool {
        self.unobserved > 0 && self.connected == 0
    }

    /// Clients connected to `address`, as it was advertised.
    #[must_use]
    pub fn is_known(&self, address: Address) -> bool {
        self.addresses.contains(&address)
    }
}

/// All servers, by the address that their clients use.
#[derive(Debug, Default)]
pub struct Servers(HashMap<Address, Server>);

impl Servers {
    /// What is known of the server at `address`.
    #[must_use]
    pub fn get(&self, address: Address) -> Server {
        self.0.get(&address).cloned().unwrap_or_default()
    }

    fn entry(&mut self, address: Address) -> Option<&mut Server> {
        if self.0.len() >= SERVERS && !self.0.contains_key(&address) {
            return None;
        }
        Some(self.0.entry(address).or_default())
    }

    /// It greeted a client.
    pub fn greeted(&mut self, address: Address, line: &Line) {
        if let Some(server) = self.entry(address) {
            server.banner = Some(line.text);
        }
    }

    /// Whether this is its first advertisement that cannot be decoded.
    pub fn first_undecodable(&mut self, address: Address) -> bool {
        match self.entry(address) {
            Some(server) => !std::mem::replace(&mut server.undecodable_told, true),
            None => true,
        }
    }

    /// Learns from an outcome.
    pub fn learn(&mut self, case: &Case) {
        let view = case.views.client_side();
        let to_advertised = case
            .views
            .best_attempt()
            .is_some_and(|(_, attempt)| attempt.via_control == 0);
        let Some(server) = self.entry(view.flow.server) else {
            return;
        };
        match case.outcome {
            Outcome::Connected => {
                server.connected += 1;
                if to_advertised
                    && server.addresses.len() < ADDRESSES
                    && !server.addresses.contains(&view.address)
                {
                    server.addresses.push(view.address);
                }
            }
            Outcome::Unobserved => server.unobserved += 1,
            _ => {}
        }
    }
}
