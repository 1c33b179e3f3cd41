//! Data connections of encrypted sessions, whose replies cannot be read.

use std::collections::BTreeSet;

use ftpwatch_common::address::Address;

use super::{Pattern, Run};

/// How many must have failed, to as many ports: one may be something else than a data connection.
const FEW: usize = 3;

/// How many ports and clients are remembered.
const MANY: usize = 64;

/// What became of a data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its handshake completed.
    Connected,
    /// It was answered with RST or an ICMP error.
    Refused,
    /// It was not answered, or the answer did not get back.
    Unanswered,
}

/// A data connection of an encrypted session.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Whose.
    pub client: Address,
    /// To which of the server's ports.
    pub port: u16,
    /// What became of it.
    pub fate: Fate,
}

/// What became of all of a server's.
#[derive(Debug, Default)]
pub struct Tls {
    connected: u64,
    refused: u64,
    unanswered: u64,
    ports: BTreeSet<u16>,
    clients: BTreeSet<[u8; 16]>,
    told: bool,
}

impl Tls {
    /// Learns from one. `clear` is how many endpoints of sessions in clear text connected.
    pub fn learn(&mut self, attempt: &Attempt, clear: u64) -> Option<Pattern> {
        match attempt.fate {
            Fate::Connected => self.connected += 1,
            Fate::Refused => self.refused += 1,
            Fate::Unanswered => self.unanswered += 1,
        }
        if attempt.fate != Fate::Connected && self.ports.len() < MANY {
            self.ports.insert(attempt.port);
            self.clients.insert(attempt.client.0);
        }
        if self.told || self.connected > 0 || self.ports.len() < FEW {
            return None;
        }
        self.told = true;
        Some(Pattern::TlsData {
            unanswered: self.unanswered,
            refused: self.refused,
            ports: Run {
                low: *self.ports.first()?,
                high: *self.ports.last()?,
            },
            clients: self.clients.len(),
            clear,
        })
    }
}
