//! What happens in the captures that tests make.

use ftpwatch_common::packet::Link;

use crate::packets::{Conversation, Family, Packet};

/// When it begins, in nanoseconds since 1970.
pub const BEGIN: u64 = 1_700_000_000 * SECOND;

/// From packet to packet: what binary fractions, microseconds and tenths of them all can say.
pub const STEP: u64 = SECOND / 64;

/// Nanoseconds.
pub const SECOND: u64 = 1_000_000_000;

/// Packets and when they were seen.
#[derive(Clone, Debug)]
pub struct Story {
    /// In order.
    pub packets: Vec<(u64, Packet)>,
    now: u64,
}

impl Story {
    /// Nothing has happened.
    pub fn new() -> Self {
        Self {
            packets: Vec::new(),
            now: BEGIN,
        }
    }

    /// These packets come next.
    pub fn then(&mut self, packets: impl IntoIterator<Item = Packet>) -> &mut Self {
        for packet in packets {
            self.packets.push((self.now, packet));
            self.now += STEP;
        }
        self
    }

    /// Nothing happens for so many seconds.
    pub fn wait(&mut self, seconds: u64) -> &mut Self {
        self.now += seconds * SECOND;
        self
    }

    /// The packets as Ethernet has them.
    pub fn ethernet(&self) -> Vec<(u64, Vec<u8>)> {
        self.framed(|packet| packet.bytes(Link::Ethernet))
    }

    /// The packets, each framed by `frame`.
    pub fn framed(&self, frame: impl Fn(&Packet) -> Vec<u8>) -> Vec<(u64, Vec<u8>)> {
        let packets = self.packets.iter();
        packets.map(|(at, packet)| (*at, frame(packet))).collect()
    }
}

/// One endpoint of every outcome but `unused` and the rarer failures, over IPv4 and IPv6, from several servers.
pub fn every_outcome() -> Story {
    let mut story = Story::new();
    let mut first = Conversation::new(Family::V4);
    story.then(first.opening()).then(first.exchange(50_001));
    let data = first.data(50_001);
    story.then(data.handshake());
    story.then([
        first.client("RETR secret.txt"),
        first.server("150 Here it comes."),
        first.server("226 Done."),
    ]);

    // Connections begin with numbers of their own.
    let mut second = Conversation::new(Family::V6).again();
    story.then(second.opening()).then(second.exchange(50_002));
    let data = second.data(50_002);
    story.then([data.syn(), data.refusal()]);
    story
        .then([second.client("QUIT"), second.server("221 Goodbye.")])
        .then(second.closing());

    let elsewhere = std::net::SocketAddr::new(Family::V4.server(11), 21);
    let mut third = Conversation::between(first.client, elsewhere)
        .again()
        .again();
    story.then(third.opening()).then(third.exchange(50_003));
    story.then([
        third.client("LIST"),
        third.server("150 Here it comes."),
        third.server("226 Done."),
    ]);
    story.then(third.closing());

    story.then(first.exchange(50_004));
    let data = first.data(50_004);
    story.then([data.syn()]).wait(20);
    story.then([first.client("NOOP"), first.server("200 Fine.")]);
    story.then(first.exchange(50_005));
    story
}

/// What is found in [`every_outcome`], in order.
pub const OUTCOMES: [&str; 5] = ["connected", "refused", "unobserved", "no_answer", "unknown"];
