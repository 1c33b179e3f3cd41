use std::{collections::HashSet, net::IpAddr};

use ftpwatch_common::{
    endpoint::{Attempt, Endpoint},
    reply::Advertised,
};

use super::*;
use crate::{clock::Clock, report::Via, vantage::Choice};

fn reporter() -> Reporter {
    Reporter {
        clock: Clock::unix(),
        vantage: Choice::Client,
        local: HashSet::new(),
        passive_range: None,
        host: "lab".into(),
        file: None,
        interfaces: Vec::new(),
        listening: None,
        hook: "probe".into(),
    }
}

/// `advertised` did not answer, and the port connects at `server`.
fn connected_by_control(server: &str, advertised: &str) -> EndpointReport {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap().into();
    let mut trusted = Endpoint {
        advertised_at: 1,
        acked_at: 1,
        client_visible: 1,
        code: 227,
        flow: Flow {
            client: ip("10.0.0.7"),
            server: ip(server),
            client_port: 40_000,
            server_port: 21,
        },
        address: ip(advertised),
        port: 50_000,
        ..Endpoint::EMPTY
    };
    trusted.attempts[0] = Attempt {
        syn_at: 2,
        syns: 1,
        client: ip("10.0.0.7"),
        ..Attempt::FREE
    };
    let mut seen = trusted;
    seen.attempts[1] = Attempt {
        syn_at: 4,
        syn_ack_at: 5,
        ack_at: 5,
        via_control: 1,
        ..trusted.attempts[0]
    };
    let tried = Tried {
        reply: Reply {
            code: 227,
            text: Text::EMPTY,
            advertised: Advertised::Nothing,
            at: 1,
        },
        trusted: Seen {
            endpoint: trusted,
            decided_at: 3,
        },
        with_control: Some(Seen {
            endpoint: seen,
            decided_at: 5,
        }),
        transfer: None,
        notes: vec!["a note".into()],
    };
    match outcome(&reporter(), &tried, Text::EMPTY).body {
        Body::Outcome(body) => body,
        other => panic!("no outcome: {other:?}"),
    }
}

#[test]
fn the_address_is_to_blame() {
    let body = connected_by_control("10.0.0.10", "172.16.40.222");
    assert_eq!(body.outcome, Some(Outcome::Connected));
    assert_eq!(body.connected.map(|to| to.via), Some(Via::ControlAddress));
    assert_eq!(body.warnings.len(), 1);
    assert!(!body.advice.is_empty());
    let evidence = body.evidence.join("\n");
    assert!(evidence.contains("no answer to the SYN"), "{evidence}");
    assert!(evidence.contains("handshake complete"), "{evidence}");
    assert!(evidence.ends_with("a note"), "{evidence}");
}

/// Clients outside may be served well: the contract has no warning for it.
#[test]
fn nat_that_does_not_lead_back() {
    let body = connected_by_control("10.0.0.10", "203.0.113.10");
    assert_eq!(body.outcome, Some(Outcome::Connected));
    assert!(body.warnings.is_empty());
    assert!(body.explanation.unwrap().contains("lead back"));
}
