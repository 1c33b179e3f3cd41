//! One object a line.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::Serialize;

use crate::{
    balance::Sum,
    health::{Health, State},
    report::{
        AlarmReport, Body, EndpointReport, FindingReport, LossReport, Observer, PortsReport,
        Report, SessionReport,
    },
    tracker::{Books, Outcome},
};

/// The version of the format: it changes when something is renamed or removed, which is not planned.
const SCHEMA: u32 = 1;

/// What ftpwatch saw, one object a line. Fields are added, never renamed: whoever reads it passes over what it does not
/// know.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ftpwatch event")]
pub(super) struct Envelope<'a> {
    /// The version of this format.
    #[schemars(extend("const" = SCHEMA))]
    schema: u32,
    /// When it happened: RFC 3339, UTC, microseconds.
    #[schemars(extend("format" = "date-time"))]
    timestamp: String,
    #[serde(flatten)]
    event: Event<'a>,
    /// Who looked, and from where.
    observer: &'a Observer,
}

#[derive(Serialize, JsonSchema)]
#[serde(tag = "event_type", rename_all = "snake_case")]
enum Event<'a> {
    /// An endpoint was advertised.
    Advertised(&'a EndpointReport),
    /// It has its outcome.
    Outcome(&'a EndpointReport),
    /// It was connected after it had failed.
    Late(&'a EndpointReport),
    /// Its transfer failed after the outcome.
    Transfer(&'a EndpointReport),
    /// A control connection is over.
    Session(&'a SessionReport),
    /// A server does something wrong.
    Finding(&'a FindingReport),
    /// Failures of a server that have one cause, as one.
    Alarm(&'a AlarmReport),
    /// Which ports of a passive range connect.
    Ports(&'a PortsReport),
    /// Something was lost.
    Loss(&'a LossReport),
    /// What was counted.
    Stats(StatsReport<'a>),
}

/// What was counted.
#[derive(Serialize, JsonSchema)]
struct StatsReport<'a> {
    /// Control connections.
    sessions: u64,
    /// Those of them that could not be read.
    tls: u64,
    /// Endpoints advertised.
    endpoints: u64,
    /// Those of them without an outcome.
    pending: u64,
    /// How many of each outcome.
    outcomes: BTreeMap<Outcome, u64>,
    /// Failures that were connected after all.
    late: u64,
    /// Transfers that failed after the outcome.
    transfer: u64,
    /// Advertisements that could not be decoded.
    undecodable: u64,
    /// How far all this can be relied on.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    /// Why it is not `ok`; else empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    state_reason: Option<&'a str>,
    /// What was counted in one place, and what it came to in others.
    #[serde(skip_serializing_if = "<[Sum]>::is_empty")]
    balance: &'a [Sum],
}

impl<'a> StatsReport<'a> {
    fn new(books: &Books, health: Option<&'a Health>, sums: &'a [Sum]) -> Self {
        Self {
            sessions: books.sessions,
            tls: books.blind,
            endpoints: books.endpoints,
            pending: books.pending(),
            outcomes: Outcome::ALL.into_iter().zip(books.outcomes).collect(),
            late: books.late,
            transfer: books.transfers,
            undecodable: books.undecodable,
            state: health.map(|health| health.state),
            state_reason: health.map(|health| health.reason.as_str()),
            balance: sums,
        }
    }
}

impl<'a> From<&'a Body> for Event<'a> {
    fn from(body: &'a Body) -> Self {
        match body {
            Body::Advertised(report) => Self::Advertised(report),
            Body::Outcome(report) => Self::Outcome(report),
            Body::Late(report) => Self::Late(report),
            Body::Transfer(report) => Self::Transfer(report),
            Body::Session(report) => Self::Session(report),
            Body::Finding(report) => Self::Finding(report),
            Body::Alarm(report) => Self::Alarm(report),
            Body::Ports(report) => Self::Ports(report),
            Body::Loss(report) => Self::Loss(report),
            Body::Stats {
                books,
                health,
                sums,
            } => Self::Stats(StatsReport::new(books, health.as_ref(), sums)),
        }
    }
}

/// The JSON Schema of what is written.
pub(super) fn schema() -> String {
    let generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    let schema = generator.into_root_schema_for::<Envelope<'_>>();
    // What schemars makes is JSON.
    format!("{:#}\n", schema.as_value())
}

impl<'a> Envelope<'a> {
    /// What is written of `report`.
    pub(super) fn of(report: &'a Report) -> Self {
        Self {
            schema: SCHEMA,
            timestamp: time(report),
            event: Event::from(&report.body),
            observer: &report.observer,
        }
    }
}

/// When it happened.
pub(super) fn time(report: &Report) -> String {
    format!("{:.6}", report.timestamp)
}

/// Writes `report`.
pub fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Envelope::of(report))?;
    out.write_all(b"\n")
}
