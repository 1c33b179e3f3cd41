//! What becomes of an endpoint.

use crate::packets::{Conversation, Packet};

/// One in so many comes to each of the ends that are not the usual one.
const SELDOM: u64 = 1_000;

/// What becomes of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The handshake is whole.
    Connects,
    /// No SYN comes, and the server says so.
    NoSyn,
    /// A SYN is answered by RST.
    Refused,
    /// A SYN is not answered.
    NoAnswer,
    /// A SYN-ACK is not answered.
    NoAck,
    /// The data takes another way.
    OtherWay,
    /// The server has no such file.
    NoFile,
    /// The client leaves.
    Quits,
}

impl Fate {
    /// That of endpoint `number` of client `client`.
    pub const fn of(client: u64, number: u64) -> Self {
        // Over time each client comes to each.
        match (client + number) % SELDOM {
            1 => Self::NoSyn,
            2 => Self::Refused,
            3 => Self::NoAnswer,
            4 => Self::NoAck,
            5 => Self::OtherWay,
            6 => Self::NoFile,
            7 => Self::Quits,
            _ => Self::Connects,
        }
    }

    /// The outcome, in the words of the contract.
    pub const fn outcome(self) -> &'static str {
        match self {
            Self::Connects => "connected",
            Self::NoSyn => "no_syn",
            Self::Refused => "refused",
            Self::NoAnswer => "no_answer",
            Self::NoAck => "no_ack",
            Self::OtherWay => "unobserved",
            Self::NoFile | Self::Quits => "unused",
        }
    }

    /// Whether it is to be reported.
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::NoSyn | Self::Refused | Self::NoAnswer | Self::NoAck
        )
    }

    /// What goes over the wire: `port` is asked for, and this is what becomes of it.
    pub fn play(self, talk: &mut Conversation, port: u16) -> Vec<Packet> {
        let mut packets: Vec<Packet> = talk.exchange(port).into();
        if self == Self::Quits {
            packets.push(talk.client("QUIT"));
            packets.push(talk.server("221 Goodbye."));
            packets.extend(talk.closing());
            return packets;
        }
        packets.push(talk.client("RETR a"));
        let data = talk.data(port);
        match self {
            Self::Connects => packets.extend(data.handshake()),
            Self::Refused => packets.extend([data.syn(), data.refusal()]),
            Self::NoAnswer => packets.push(data.syn()),
            Self::NoAck => packets.extend([data.syn(), data.syn_ack()]),
            Self::NoSyn | Self::OtherWay | Self::NoFile | Self::Quits => {}
        }
        let replies: &[&str] = match self {
            Self::NoFile => &["550 Failed to open file."],
            Self::Connects | Self::OtherWay => &["150 Here it comes", "226 Done"],
            _ => &["425 Failed to establish connection."],
        };
        packets.extend(replies.iter().map(|reply| talk.server(reply)));
        packets.push(talk.client_acks());
        packets
    }
}
