//! The same, in the names of the Elastic Common Schema; all that it has no name for is below `ftpwatch`, as in
//! [`super::json`].

use std::{
    io::{self, Write},
    net::IpAddr,
};

use serde::Serialize;

use super::{
    json::{self, Envelope},
    sink::{Severity, line},
};
use crate::{
    report::{AlarmState, Body, Observer as Looker, Peer, Report},
    tracker::Outcome,
};

/// Which version of the schema these names are of.
const VERSION: &str = "8.17.0";

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "@timestamp")]
    timestamp: String,
    ecs: Ecs,
    message: String,
    log: Log,
    event: Event<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Side>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<Side>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<Network>,
    observer: Observer<'a>,
    ftpwatch: Envelope<'a>,
}

#[derive(Serialize)]
struct Ecs {
    version: &'static str,
}

#[derive(Serialize)]
struct Log {
    level: &'static str,
}

#[derive(Serialize)]
struct Event<'a> {
    kind: &'static str,
    category: [&'static str; 1],
    r#type: &'static [&'static str],
    action: &'static str,
    module: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// In nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
}

#[derive(Serialize)]
struct Side {
    address: IpAddr,
    ip: IpAddr,
    /// Not known where an encrypted session was all that was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
}

#[derive(Serialize)]
struct Network {
    protocol: &'static str,
    transport: &'static str,
    r#type: &'static str,
}

#[derive(Serialize)]
struct Observer<'a> {
    hostname: &'a str,
    product: &'static str,
    r#type: &'static str,
    version: &'static str,
}

/// Writes `report`.
pub fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let (client, server) = between(&report.body);
    let Looker { host, .. } = &report.observer;
    let document = Document {
        timestamp: json::time(report),
        ecs: Ecs { version: VERSION },
        message: line(report),
        log: Log {
            level: Severity::of(&report.body).name(),
        },
        event: event(&report.body),
        source: client.map(side),
        destination: server.map(side),
        network: server.map(|server| Network {
            protocol: "ftp",
            transport: "tcp",
            r#type: if server.ip.is_ipv4() { "ipv4" } else { "ipv6" },
        }),
        observer: Observer {
            hostname: host,
            product: "ftpwatch",
            r#type: "sensor",
            version: env!("CARGO_PKG_VERSION"),
        },
        ftpwatch: Envelope::of(report),
    };
    serde_json::to_writer(&mut *out, &document)?;
    out.write_all(b"\n")
}

/// Who an event is about, from client to server.
const fn between(body: &Body) -> (Option<&Peer>, Option<&Peer>) {
    match body {
        Body::Advertised(endpoint)
        | Body::Outcome(endpoint)
        | Body::Late(endpoint)
        | Body::Transfer(endpoint) => (Some(&endpoint.client), Some(&endpoint.server)),
        Body::Session(session) => (Some(&session.client), Some(&session.server)),
        Body::Finding(finding) => (Some(&finding.client), Some(&finding.server)),
        // It is about many clients.
        Body::Alarm(alarm) => (None, Some(&alarm.server)),
        Body::Ports(ports) => (None, Some(&ports.server)),
        Body::Loss(_) | Body::Stats { .. } => (None, None),
    }
}

fn side(peer: &Peer) -> Side {
    Side {
        address: peer.ip,
        ip: peer.ip,
        port: (peer.port != 0).then_some(peer.port),
    }
}

fn event(body: &Body) -> Event<'_> {
    let (kind, r#type): (_, &[_]) = match body {
        Body::Stats { .. } => ("metric", &["info"]),
        Body::Advertised(_) => ("event", &["info", "protocol"]),
        Body::Session(_) => ("event", &["connection", "end"]),
        Body::Late(_) => ("event", &["connection"]),
        Body::Outcome(endpoint) => match endpoint.outcome {
            Some(outcome) if outcome.is_failure() => ("alert", &["connection"]),
            _ => ("event", &["connection"]),
        },
        Body::Transfer(_) => ("alert", &["connection"]),
        Body::Alarm(alarm) if alarm.state == AlarmState::Resolved => ("event", &["info"]),
        Body::Finding(_) | Body::Alarm(_) => ("alert", &["info"]),
        Body::Ports(_) | Body::Loss(_) => ("event", &["info"]),
    };
    let reason = match body {
        Body::Outcome(endpoint) | Body::Transfer(endpoint) => endpoint.explanation.as_deref(),
        Body::Finding(finding) => Some(finding.explanation.as_str()),
        Body::Alarm(alarm) => alarm.explanation.as_deref(),
        Body::Loss(loss) => Some(loss.meaning.as_str()),
        _ => None,
    };
    let duration = match body {
        Body::Session(session) => Some(session.duration_ms.saturating_mul(1_000_000)),
        _ => None,
    };
    Event {
        kind,
        category: ["network"],
        r#type,
        action: body.event_type(),
        module: "ftpwatch",
        outcome: outcome(body),
        reason,
        duration,
    }
}

fn outcome(body: &Body) -> Option<&'static str> {
    match body {
        Body::Outcome(endpoint) => Some(match endpoint.outcome {
            Some(Outcome::Connected) => "success",
            Some(outcome) if outcome.is_failure() => "failure",
            _ => "unknown",
        }),
        Body::Late(_) => Some("success"),
        Body::Transfer(_) => Some("failure"),
        Body::Alarm(alarm) => Some(match alarm.state {
            AlarmState::Resolved => "success",
            AlarmState::Firing | AlarmState::Repeated => "failure",
        }),
        _ => None,
    }
}
