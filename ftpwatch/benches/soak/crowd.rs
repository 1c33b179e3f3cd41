//! Ten thousand clients of one server.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use anyhow::Result;

use crate::fate::Fate;
use crate::lab::frames::Frames;
use crate::packets::{Conversation, ethernet};

/// How many control connections are open at once.
pub const CLIENTS: u64 = 10_000;

/// Passive ports.
const PORTS: std::ops::Range<u16> = 20_000..60_000;

/// An endpoint: who was told of it, and its port. None of these comes twice among failures.
pub type Endpoint = (IpAddr, u16);

/// What all of it has to come to.
#[derive(Debug, Default)]
pub struct Expected {
    /// How many of each outcome.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// What is to be reported of which endpoint, and how often.
    pub failures: HashMap<Endpoint, Vec<&'static str>>,
    /// Control connections, with those that came after one that ended.
    pub sessions: u64,
}

/// The clients.
pub struct Crowd {
    talks: Vec<Conversation>,
    sent: u64,
    expected: Expected,
}

impl Crowd {
    /// All of them log in.
    pub fn open(wire: &Frames) -> Result<Self> {
        let mut crowd = Self {
            talks: (0..CLIENTS as u16).map(Conversation::numbered).collect(),
            sent: 0,
            expected: Expected::default(),
        };
        for at in 0..crowd.talks.len() {
            crowd.log_in(at, wire)?;
        }
        Ok(crowd)
    }

    fn log_in(&mut self, at: usize, wire: &Frames) -> Result<()> {
        self.expected.sessions += 1;
        Ok(wire.send(ethernet(&self.talks[at].opening()))?)
    }

    /// How many endpoints there were.
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// The next client's next endpoint.
    pub fn step(&mut self, wire: &Frames) -> Result<()> {
        let (client, number) = (self.sent % CLIENTS, self.sent / CLIENTS);
        let at = client as usize;
        let fate = Fate::of(client, number);
        let port = PORTS.start + (self.sent % PORTS.len() as u64) as u16;
        let talk = &mut self.talks[at];
        wire.send(ethernet(&fate.play(talk, port)))?;
        self.sent += 1;
        let outcome = fate.outcome();
        *self.expected.outcomes.entry(outcome).or_default() += 1;
        if fate.is_failure() {
            let endpoint = (talk.client.ip(), port);
            let failures = self.expected.failures.entry(endpoint).or_default();
            failures.push(outcome);
        }
        if fate == Fate::Quits {
            // From another port, as clients do.
            talk.client.set_port(talk.client.port() + 1);
            *talk = talk.again();
            self.log_in(at, wire)?;
        }
        Ok(())
    }

    /// All of them leave.
    pub fn close(mut self, wire: &Frames) -> Result<Expected> {
        for talk in &mut self.talks {
            wire.send(ethernet(&talk.closing()))?;
        }
        Ok(self.expected)
    }
}
