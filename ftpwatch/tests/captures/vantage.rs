//! Whose host a capture was taken on, by TTL.

use crate::{
    packets::{Conversation, Family, Packet},
    pcap::Pcap,
    reading::{File, Reading, json},
    story::Story,
};
use ftpwatch_common::packet::Link;

/// Of an endpoint that nobody answers for, with these TTLs on either side.
fn unanswered(family: Family, ttls: (u8, u8), words: &[&str]) -> Reading {
    let mut story = Story::new();
    let mut control = Conversation::new(family);
    story.then(control.opening()).then(control.exchange(50_001));
    story.then([control.data(50_001).syn()]).wait(20);
    story.then([control.client("NOOP")]);
    let at = if family == Family::V4 { 14 + 8 } else { 14 + 7 };
    let frame = |packet: &Packet| {
        let mut bytes = packet.bytes(Link::Ethernet);
        bytes[at] = if packet.from == control.server {
            ttls.1
        } else {
            ttls.0
        };
        bytes
    };
    let file = File::new("vantage", &Pcap::default().file(&story.framed(frame)));
    json(&file.path, words)
}

#[track_caller]
fn assert_is(reading: &Reading, vantage: &str, cause: &str, confidence: &str) {
    let outcome = &reading.events_of("outcome")[0];
    assert_eq!(outcome["observer"]["vantage"], vantage, "{reading:?}");
    assert_eq!(outcome["cause"], cause, "{reading:?}");
    assert_eq!(outcome["confidence"], confidence, "{reading:?}");
}

#[test]
fn told_by_ttl() {
    for family in Family::ALL {
        for (client, server, vantage, cause) in [
            (57, 64, "server", "local_drop"),
            (113, 255, "server", "local_drop"),
            (128, 49, "client", "dropped_beyond"),
            (64, 250, "client", "dropped_beyond"),
            (63, 63, "gateway", "dropped_beyond"),
            (64, 64, "server", "local_drop"),
        ] {
            let reading = unanswered(family, (client, server), &[]);
            assert_is(&reading, vantage, cause, "medium");
        }
    }
}

#[test]
fn told_by_the_user() {
    let told = |words: &[&str]| unanswered(Family::V4, (57, 64), words);
    assert_is(
        &told(&["--vantage", "server"]),
        "server",
        "local_drop",
        "high",
    );
    assert_is(
        &told(&["--vantage", "client"]),
        "client",
        "dropped_beyond",
        "high",
    );
    assert_is(
        &told(&["--vantage", "gateway"]),
        "gateway",
        "dropped_beyond",
        "high",
    );
}
