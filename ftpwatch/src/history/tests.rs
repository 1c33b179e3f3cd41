//! What is learnt, when it is said, and when it is not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ftpwatch_common::{
    address::Flow,
    endpoint::{Attempt as Seen, Endpoint, GiveUp},
    record::{About, Kind},
    text::Text,
};

use super::*;
use crate::{
    address::Fault,
    tracker::{Outcome, SECOND, Views},
};

const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 10);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(172, 16, 40, 222);

/// An endpoint and what became of it: by default that of a client in 198.51.100.0/24, advertised as its server's own.
#[derive(Clone, Copy)]
struct Made {
    server: IpAddr,
    client: IpAddr,
    address: Option<Ipv4Addr>,
    port: u16,
    outcome: Outcome,
}

const MADE: Made = Made {
    server: IpAddr::V4(SERVER),
    client: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)),
    address: None,
    port: 50_000,
    outcome: Outcome::Connected,
};

impl Made {
    fn case(self) -> Case {
        let own = Address::from(self.server);
        let endpoint = Endpoint {
            flow: Flow {
                client: self.client.into(),
                server: own,
                client_port: 40_000,
                server_port: 21,
            },
            address: self.address.map_or(own, Address::from),
            port: self.port,
            code: 227,
            advertised_at: SECOND,
            acked_at: SECOND,
            gave_up_at: 2 * SECOND - 1,
            gave_up: GiveUp::Quit as u8,
            attempts: self.attempts(),
            ..Endpoint::EMPTY
        };
        let views = Views::new(endpoint);
        Case {
            facts: views.facts(),
            views,
            outcome: self.outcome,
            decided_at: 2 * SECOND,
            fault: self.address.map(|_| Fault::Private),
            server: Known::default(),
            control_reply: None,
        }
    }

    fn attempts(self) -> [Seen; 4] {
        let mut attempts = [Seen::FREE; 4];
        if self.outcome == Outcome::Connected {
            attempts[0] = Seen {
                syn_at: SECOND + 1,
                ack_at: SECOND + 2,
                via_control: u8::from(self.address.is_some()),
                ..Seen::FREE
            };
        }
        attempts
    }
}

impl History {
    fn learn_all(&mut self, all: impl IntoIterator<Item = Made>) -> Vec<Pattern> {
        let patterns = all.into_iter().map(|made| self.learn(&made.case()));
        patterns.flatten().collect()
    }
}

fn made(outcome: Outcome) -> Made {
    Made { outcome, ..MADE }
}

/// Endpoints on `ports` in an order that looks like chance, of which those on `shut` ports fail.
fn on_ports(ports: impl Iterator<Item = u16> + Clone, shut: impl Fn(u16) -> bool) -> Vec<Made> {
    let mut all: Vec<u16> = ports.collect();
    all.sort_by_key(|port| port.wrapping_mul(40_503).reverse_bits());
    let outcome = |port| {
        if shut(port) {
            Outcome::NoSyn
        } else {
            Outcome::Connected
        }
    };
    all.into_iter()
        .map(|port| Made {
            port,
            ..made(outcome(port))
        })
        .collect()
}

fn run(low: u16, high: u16) -> Run {
    Run { low, high }
}

#[test]
fn a_range_that_is_half_open() {
    let mut history = History::default();
    let endpoints = on_ports(23_200..23_300, |port| port >= 23_250);
    let [
        Pattern::RangePartlyBlocked {
            open,
            shut,
            connected,
            failed,
            in_turns: true,
        },
    ] = &history.learn_all(endpoints.clone())[..]
    else {
        panic!("it is said once");
    };
    // As soon as it is significant.
    assert!(connected + failed < 60, "{connected} {failed}");
    assert!(open[0].low >= 23_200 && open[0].high < 23_250);
    assert!(shut[0].low >= 23_250 && shut[0].high < 23_300);
    assert_eq!(history.learn_all(endpoints), [], "and not again");
}

#[test]
fn a_hole_in_the_middle() {
    let mut history = History::default();
    let hole = |port| (50_030..50_060).contains(&port);
    let patterns = history.learn_all(on_ports(50_000..50_100, hole));
    let [Pattern::RangePartlyBlocked { open, shut, .. }] = &patterns[..] else {
        panic!("{patterns:?}");
    };
    assert_eq!((open.len(), shut.len()), (2, 1));
}

/// On a server that takes its ports one after the other, it may be the time.
#[test]
fn ports_or_time() {
    let mut history = History::default();
    let in_order = (50_000..50_100).map(|port| Made {
        port,
        ..made(if port < 50_050 {
            Outcome::Connected
        } else {
            Outcome::NoSyn
        })
    });
    let patterns = history.learn_all(in_order);
    let [Pattern::RangePartlyBlocked { in_turns, shut, .. }] = &patterns[..] else {
        panic!("{patterns:?}");
    };
    assert!(!in_turns);
    assert_eq!(shut[..], [run(50_050, 50_069)]);
}

#[test]
fn no_hole_is_made_up() {
    // Failures all over the range.
    let mut history = History::default();
    let patterns = history.learn_all(on_ports(50_000..50_200, |port| port % 3 == 0));
    assert_eq!(patterns, []);
    // A firewall that was closed at some time.
    let mut history = History::default();
    let before = on_ports(50_000..50_100, |_| false);
    history.learn_all(before);
    assert_eq!(history.learn_all(on_ports(50_000..50_100, |_| true)), []);
    // Too few.
    let mut history = History::default();
    let patterns = history.learn_all(on_ports(50_000..50_006, |port| port >= 50_003));
    assert_eq!(patterns, []);
}

#[test]
fn one_network_fails() {
    let mut history = History::default();
    let from = |client: [u8; 4], outcome| Made {
        client: IpAddr::V4(client.into()),
        ..made(outcome)
    };
    let others = (0..20).map(|host| from([192, 0, 2, host], Outcome::Connected));
    assert_eq!(history.learn_all(others), []);
    let failing = (0..9).map(|host| from([198, 51, 100, host], Outcome::NoSyn));
    let patterns = history.learn_all(failing);
    let [
        Pattern::ClientNetwork {
            network,
            failed,
            connected,
        },
    ] = &patterns[..]
    else {
        panic!("{patterns:?}");
    };
    assert_eq!(network.to_string(), "198.51.100.0/24");
    assert!(*failed < 9);
    assert_eq!(*connected, 20);
    // Nobody connects from another network either, but it has hardly been seen.
    let patterns = history.learn_all([from([203, 0, 113, 99], Outcome::NoSyn)]);
    assert_eq!(patterns, []);
}

#[test]
fn everybody_fails_alike() {
    let mut history = History::default();
    let failing = (0..100).map(|host| Made {
        client: IpAddr::V4(Ipv4Addr::new(198, 51, host, 7)),
        port: 50_000 + u16::from(host),
        ..made(Outcome::NoSyn)
    });
    assert_eq!(history.learn_all(failing), []);
}

#[test]
fn one_version_of_ip_fails() {
    let over_v6 = Made {
        server: IpAddr::V6(SERVER_V6),
        client: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 7)),
        ..made(Outcome::NoAnswer)
    };
    let mut history = History::default();
    history.learn_all([MADE; 20]);
    assert_eq!(history.learn_all([over_v6; 20]), [], "another server");

    let mut history = History::default();
    history.set_local(&HashSet::from([SERVER.into(), SERVER_V6.into()]));
    history.learn_all([MADE; 20]);
    let patterns = history.learn_all([over_v6; 20]);
    let [
        Pattern::AddressFamily {
            failing, working, ..
        },
    ] = &patterns[..]
    else {
        panic!("{patterns:?}");
    };
    assert_eq!(
        (failing.ip(), working.ip()),
        (SERVER_V6.into(), SERVER.into())
    );
}

#[test]
fn who_believes_the_address_fails() {
    let mut history = History::default();
    let wrong = |outcome| Made {
        address: Some(PRIVATE),
        ..made(outcome)
    };
    let patterns = history.learn_all([wrong(Outcome::NoSyn); 5]);
    assert_eq!(patterns, []);
    let patterns = history.learn_all([wrong(Outcome::Connected); 5]);
    let expected = Pattern::AdvertisedAddress {
        address: PRIVATE.into(),
        failed: 5,
        connected: 3,
    };
    assert_eq!(patterns, [expected]);
}

#[test]
fn a_port_outside_the_range() {
    let mut history = History::default();
    let on = |port| Made { port, ..MADE };
    let range = (0..40).map(|i| on(40_000 + i % 16));
    assert_eq!(history.learn_all(range), []);
    assert_eq!(history.learn_all([on(40_016)]), [], "it may be larger");
    let expected = Pattern::PortOutside {
        port: 51_234,
        before: run(40_000, 40_016),
        seen: 41,
    };
    assert_eq!(history.learn_all([on(51_234), on(51_235)]), [expected]);

    // A server that takes one after the other has no range.
    let mut history = History::default();
    let in_order = (0..40).map(|i| on(40_000 + i));
    history.learn_all(in_order);
    assert_eq!(history.learn_all([on(51_234)]), []);
}

/// A range larger than what is remembered has no end that is known.
#[test]
fn a_range_that_is_too_large_to_remember() {
    let mut history = History::default();
    let on = |port| Made { port, ..MADE };
    let range = || (20_000..45_000).map(on);
    assert_eq!(history.learn_all(range()), []);
    assert_eq!(history.learn_all(range()), []);
    assert_eq!(history.learn_all(range()), []);
    assert_eq!(history.learn_all([on(60_000)]), []);
}

#[test]
fn all_given_up_at_once() {
    let mut history = History::default();
    let unused = made(Outcome::Unused);
    let expected = Pattern::GivenUpAtOnce {
        given_up: 10,
        endpoints: 10,
    };
    assert_eq!(history.learn_all([unused; 30]), [expected]);

    let mut history = History::default();
    history.learn_all([MADE]);
    assert_eq!(history.learn_all([unused; 30]), [], "one was connected");
}

#[test]
fn no_port_is_left() {
    let line = |code: u16, words: &str| {
        let mut text = Text::EMPTY;
        words.bytes().for_each(|byte| text.push(byte));
        Line {
            kind: Kind::Line as u32,
            about: About::Refusal as u32,
            control: 1,
            endpoint: 0,
            at: SECOND,
            text,
            code,
            pad: [0; 3],
        }
    };
    let mut history = History::default();
    let mut refuse = |code, words| history.refused_to_advertise(SERVER.into(), &line(code, words));
    assert_eq!(refuse(500, "500"), None);
    let ipv6 = "425 You cannot use PASV on IPv6 connections. Use EPSV instead.";
    assert_eq!(refuse(425, ipv6), None);
    let busy = refuse(425, "425 All reserved TCP ports are busy");
    assert!(matches!(busy, Some(Pattern::PortsExhausted(_))));
    assert_eq!(refuse(425, "425 All reserved TCP ports are busy"), None);
}

#[test]
fn data_of_encrypted_sessions() {
    let attempt = |port, fate| Attempt {
        client: MADE.client.into(),
        port,
        fate,
    };
    let mut history = History::default();
    let mut learn = |port, fate| history.learn_of_tls(SERVER.into(), &attempt(port, fate));
    assert_eq!(learn(50_001, Fate::Refused), None);
    assert_eq!(learn(50_001, Fate::Refused), None);
    assert_eq!(learn(50_002, Fate::Unanswered), None);
    let expected = Pattern::TlsData {
        unanswered: 2,
        refused: 2,
        ports: run(50_001, 50_003),
        clients: 1,
        clear: 0,
    };
    assert_eq!(learn(50_003, Fate::Unanswered), Some(expected));
    assert_eq!(learn(50_004, Fate::Unanswered), None, "it is said once");

    let mut history = History::default();
    let mut learn = |port, fate| history.learn_of_tls(SERVER.into(), &attempt(port, fate));
    learn(50_000, Fate::Connected);
    for port in 50_001..50_009 {
        assert_eq!(learn(port, Fate::Refused), None);
    }
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut history = History::default();
    for server in 0..20_u8 {
        for port in 1_024..9_500 {
            let case = Made {
                server: IpAddr::V4(Ipv4Addr::new(203, 0, 113, server)),
                port,
                ..MADE
            };
            history.learn(&case.case());
        }
    }
    assert_eq!(history.details, DETAILS);
}
