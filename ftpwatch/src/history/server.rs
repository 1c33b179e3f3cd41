//! One server: what its endpoints came to.

use ftpwatch_common::{address::Address, record::Line, text::Text};

use super::{
    Pattern,
    networks::Networks,
    ports::Ports,
    tls::{Attempt, Tls},
};
use crate::tracker::{Case, Outcome};

/// How many addresses that work are remembered.
const ADDRESSES: usize = 16;

/// How many of either kind of client show that a wrong address is what tells them apart.
const FEW: u64 = 3;

/// How many endpoints show what becomes of nearly all.
const MANY: u64 = 10;

/// What is known of a server, as far as it matters for one of its endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Its greeting.
    pub banner: Option<Text>,
    /// So far, all of its data connections went another way than past this vantage point.
    pub elsewhere: bool,
    /// Endpoints that were connected.
    pub connected: u64,
    /// Of those, on this endpoint's port.
    pub connected_on_port: u64,
    /// Of those, from this client's network.
    pub connected_from_network: u64,
}

/// What its clients make of an address that is not plausible.
#[derive(Debug)]
struct Wrong {
    address: Address,
    believed: u64,
    ignored: u64,
    told: bool,
}

/// All that is remembered of a server.
#[derive(Debug, Default)]
pub(super) struct Server {
    pub banner: Option<Text>,
    pub connected: u64,
    pub failed: u64,
    unobserved: u64,
    /// Endpoints that came to an outcome that says something.
    decided: u64,
    given_up: u64,
    /// Advertised addresses that clients connected to.
    pub addresses: Vec<Address>,
    wrong: Option<Wrong>,
    ports: Ports,
    networks: Networks,
    tls: Tls,
    pub undecodable_told: bool,
    pub family_told: bool,
    exhausted_told: bool,
    given_up_told: bool,
}

impl Server {
    pub const fn is_elsewhere(&self) -> bool {
        self.unobserved > 0 && self.connected == 0
    }

    pub fn known(&self, client: Address, port: u16) -> Known {
        Known {
            banner: self.banner,
            elsewhere: self.is_elsewhere(),
            connected: self.connected,
            connected_on_port: self.ports.connected(port),
            connected_from_network: self.networks.connected(client),
        }
    }

    /// How many ports and networks are remembered.
    pub fn details(&self) -> usize {
        self.ports.len() + self.networks.len()
    }

    /// Learns from an outcome. `room` says whether more ports and networks may be remembered.
    pub fn learn(&mut self, case: &Case, room: bool) -> Vec<Pattern> {
        let view = case.views.client_side();
        let client = view.flow.client;
        let connected = case.outcome == Outcome::Connected;
        let failed = case.outcome.is_failure();
        self.connected += u64::from(connected);
        self.failed += u64::from(failed);
        self.unobserved += u64::from(case.outcome == Outcome::Unobserved);
        self.decided += u64::from(case.outcome != Outcome::Unknown);
        if connected {
            self.learn_address(case);
        }
        let mut patterns = Vec::new();
        patterns.extend(self.ports.advertised(view.port, room));
        // Where the address is wrong, ports and networks are not what fails.
        if connected || (failed && case.fault.is_none()) {
            self.ports.note(view.port, connected);
            self.networks.note(client, connected, room);
            patterns.extend(self.ports.hole());
            patterns.extend(self.networks.one_fails(client));
        }
        patterns.extend(self.wrong_address(case));
        patterns.extend(self.given_up_at_once(case));
        patterns
    }

    fn learn_address(&mut self, case: &Case) {
        let address = case.views.client_side().address;
        let to_advertised = case
            .views
            .best_attempt()
            .is_some_and(|(_, attempt)| attempt.via_control == 0);
        let new = self.addresses.len() < ADDRESSES && !self.addresses.contains(&address);
        if to_advertised && new {
            self.addresses.push(address);
        }
    }

    /// Clients that believe the advertised address fail, and others connect.
    fn wrong_address(&mut self, case: &Case) -> Option<Pattern> {
        let address = case.views.client_side().address;
        let ignored = case.outcome == Outcome::Connected;
        let believed = matches!(case.outcome, Outcome::NoSyn | Outcome::NoAnswer);
        if case.fault.is_none() || !(ignored || believed) {
            return None;
        }
        let wrong = match &mut self.wrong {
            Some(wrong) if wrong.address == address => wrong,
            wrong => wrong.insert(Wrong {
                address,
                believed: 0,
                ignored: 0,
                told: false,
            }),
        };
        wrong.believed += u64::from(believed);
        wrong.ignored += u64::from(ignored);
        if wrong.told || wrong.believed < FEW || wrong.ignored < FEW {
            return None;
        }
        wrong.told = true;
        Some(Pattern::AdvertisedAddress {
            address,
            failed: wrong.believed,
            connected: wrong.ignored,
        })
    }

    /// Nearly all endpoints are given up at once, and none was ever connected.
    fn given_up_at_once(&mut self, case: &Case) -> Option<Pattern> {
        let facts = &case.facts;
        let at_once = case.outcome == Outcome::Unused && facts.final_reply.is_none();
        self.given_up += u64::from(at_once && facts.gave_up.is_some());
        let never = self.connected == 0 && self.unobserved == 0;
        let nearly_all = self.given_up >= MANY && self.given_up * 10 >= self.decided * 9;
        if self.given_up_told || !never || !nearly_all {
            return None;
        }
        self.given_up_told = true;
        Some(Pattern::GivenUpAtOnce {
            given_up: self.given_up,
            endpoints: self.decided,
        })
    }

    /// It answered PASV or EPSV with an error: one that says that no port is left?
    pub fn exhausted(&mut self, line: &Line) -> Option<Pattern> {
        // Pure-FTPd: "425 You cannot use PASV on IPv6 connections. Use EPSV instead."
        let wrong_command = line.text.as_bytes().windows(4).any(|word| word == b"EPSV");
        if !matches!(line.code, 421 | 425) || wrong_command || self.exhausted_told {
            return None;
        }
        self.exhausted_told = true;
        Some(Pattern::PortsExhausted(Box::new(*line)))
    }

    pub fn learn_of_tls(&mut self, attempt: &Attempt) -> Option<Pattern> {
        self.tls.learn(attempt, self.connected)
    }
}
