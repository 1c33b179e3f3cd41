//! What the endpoints of a server show together.

use ftpwatch_common::{address::Address, record::Line};
use ipnet::IpNet;

/// Ports from the lowest to the highest that were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The lowest.
    pub low: u16,
    /// The highest.
    pub high: u16,
}

/// A pattern in what became of a server's endpoints.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// Some of its passive ports connect, others never do.
    RangePartlyBlocked {
        /// Those that connect.
        open: Vec<Run>,
        /// Those that never do.
        shut: Vec<Run>,
        /// How many endpoints connected.
        connected: u64,
        /// How many were advertised on ports that never connect, and failed.
        failed: u64,
        /// They connected and failed in turns: it is the port that tells them apart, and not the time.
        in_turns: bool,
    },
    /// One network's clients never connect, and others do.
    ClientNetwork {
        /// Whose.
        network: IpNet,
        /// How many of their endpoints failed.
        failed: u64,
        /// How many of other clients connected.
        connected: u64,
    },
    /// Over one version of IP nobody connects, over the other they do.
    AddressFamily {
        /// The server, where nobody connects.
        failing: Address,
        /// How many endpoints failed there.
        failed: u64,
        /// The same server, where they do.
        working: Address,
        /// How many connected there.
        connected: u64,
    },
    /// Who believes the advertised address fails, who uses the control connection's connects.
    AdvertisedAddress {
        /// What was advertised.
        address: Address,
        /// How many endpoints failed.
        failed: u64,
        /// How many connected, to the control connection's address.
        connected: u64,
    },
    /// Data connections of encrypted sessions are not answered, or refused.
    TlsData {
        /// How many were not answered.
        unanswered: u64,
        /// How many were refused.
        refused: u64,
        /// Where to.
        ports: Run,
        /// How many clients there were.
        clients: usize,
        /// How many endpoints of sessions in clear text connected.
        clear: u64,
    },
    /// No passive port is left.
    PortsExhausted(Box<Line>),
    /// A port was advertised far from all before.
    PortOutside {
        /// Which.
        port: u16,
        /// All before.
        before: Run,
        /// How many endpoints these were.
        seen: u64,
    },
    /// Nearly all endpoints are given up at once, and none was ever connected.
    GivenUpAtOnce {
        /// How many were.
        given_up: u64,
        /// Of how many.
        endpoints: u64,
    },
}
