//! One object a line.

use std::io::{self, Write};

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    health::Health,
    report::{Body, Observer, Report},
    tracker::{Books, Outcome},
};

/// The version of the format: it changes when something is renamed or removed, which is not planned.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Envelope<'a> {
    schema: u32,
    timestamp: String,
    event_type: &'static str,
    #[serde(flatten)]
    body: Content<'a>,
    observer: &'a Observer,
}

struct Content<'a>(&'a Body);

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Body::Advertised(report)
            | Body::Outcome(report)
            | Body::Late(report)
            | Body::Transfer(report) => report.serialize(serializer),
            Body::Session(report) => report.serialize(serializer),
            Body::Finding(report) => report.serialize(serializer),
            Body::Ports(report) => report.serialize(serializer),
            Body::Loss(report) => report.serialize(serializer),
            Body::Stats { books, health } => stats(books, health.as_ref(), serializer),
        }
    }
}

fn stats<S: Serializer>(
    books: &Books,
    health: Option<&Health>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let outcomes: std::collections::BTreeMap<Outcome, u64> =
        Outcome::ALL.into_iter().zip(books.outcomes).collect();
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("sessions", &books.sessions)?;
    map.serialize_entry("tls", &books.blind)?;
    map.serialize_entry("endpoints", &books.endpoints)?;
    map.serialize_entry("pending", &books.pending())?;
    map.serialize_entry("outcomes", &outcomes)?;
    map.serialize_entry("late", &books.late)?;
    map.serialize_entry("transfer", &books.transfers)?;
    map.serialize_entry("undecodable", &books.undecodable)?;
    if let Some(health) = health {
        map.serialize_entry("state", &health.state)?;
        map.serialize_entry("state_reason", &health.reason)?;
    }
    map.end()
}

/// Writes `report`.
pub fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let envelope = Envelope {
        schema: SCHEMA,
        timestamp: format!("{:.6}", report.timestamp),
        event_type: report.body.event_type(),
        body: Content(&report.body),
        observer: &report.observer,
    };
    serde_json::to_writer(&mut *out, &envelope)?;
    out.write_all(b"\n")
}
