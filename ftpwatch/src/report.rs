//! What is said of an endpoint: the contract's JSON, as types. Every output takes these and nothing else.

mod reporter;

use std::{collections::BTreeMap, net::IpAddr};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

pub use reporter::Reporter;

use crate::{
    balance::Sum,
    diagnose::{Cause, Confidence, Finding, Warning},
    health::{Health, State},
    tracker::{Books, Outcome, Visibility},
    vantage::Vantage,
};

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Peer {
    /// The address.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::net::SocketAddr::new(self.ip, self.port).fmt(f)
    }
}

/// A reply, its text made harmless.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reply {
    /// The code.
    pub code: u16,
    /// The text.
    pub text: String,
}

/// Through what an endpoint was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// The advertised address.
    Advertised,
    /// The control connection's server address.
    ControlAddress,
}

/// A connection attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Connected {
    /// Where the SYN went.
    pub ip: IpAddr,
    /// Its port.
    pub port: u16,
    /// Which address that is.
    pub via: Via,
    /// Where it came from.
    pub client_ip: IpAddr,
    /// How long after the reply.
    pub after_ms: u64,
}

/// Who looked, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Observer {
    /// The host.
    pub host: String,
    /// The capture that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Where it is between client and server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vantage: Option<Vantage>,
    /// The interfaces watched.
    pub interfaces: Vec<String>,
    /// How they are watched.
    pub hook: String,
}

/// An endpoint: advertised, with its outcome, or corrected.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct EndpointReport {
    /// What happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The outcome given before, for `late`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrects: Option<Outcome>,
    /// Why.
    pub cause: Option<Cause>,
    /// How sure that is.
    pub confidence: Option<Confidence>,
    /// What the cause means in this case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// What is wrong although it worked.
    pub warnings: Vec<Warning>,
    /// The control connection's client.
    pub client: Peer,
    /// Its server.
    pub server: Peer,
    /// What the server said.
    pub reply: Reply,
    /// What that advertises.
    pub advertised: Peer,
    /// What was tried.
    pub connected: Option<Connected>,
    /// From the reply to the outcome.
    pub waited_ms: u64,
    /// What was seen, in order.
    pub evidence: Vec<String>,
    /// What to do.
    pub advice: Vec<String>,
    /// The server's name and version.
    pub server_software: Option<String>,
    /// The transfer command.
    pub command: Option<String>,
    /// The reply that said that the transfer failed.
    pub control_reply: Option<Reply>,
}

/// A control connection that is over.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SessionReport {
    /// Who opened it.
    pub client: Peer,
    /// Who accepted it.
    pub server: Peer,
    /// Whether it could be read.
    pub visibility: Visibility,
    /// How long it was seen.
    pub duration_ms: u64,
    /// It was still open when watching ended.
    pub still_open: bool,
    /// Endpoints advertised.
    pub endpoints: u64,
    /// How many of each outcome; those that there were.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Advertisements that could not be decoded.
    pub undecodable: u64,
    /// The server's name and version.
    pub server_software: Option<String>,
}

/// Something that is wrong with a server, or between it and its clients.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FindingReport {
    /// What it is.
    pub finding: Finding,
    /// How sure its explanation is.
    pub confidence: Confidence,
    /// What it means.
    pub explanation: String,
    /// The client of the control connection that was the last to show it.
    pub client: Peer,
    /// Its server.
    pub server: Peer,
    /// What the server said, where it is about that.
    pub reply: Option<Reply>,
    /// What was counted.
    pub evidence: Vec<String>,
    /// What to do.
    pub advice: Vec<String>,
}

/// Something that was lost.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LossReport {
    /// What, as a word.
    pub what: &'static str,
    /// How much, since the last report.
    pub count: u64,
    /// What it means.
    pub meaning: String,
    /// Which output it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// How far what is reported can be relied on since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
}

/// What an alarm says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlarmState {
    /// Something fails.
    Firing,
    /// It failed more often since that was said.
    Repeated,
    /// It works again.
    Resolved,
}

impl AlarmState {
    /// Its name in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Repeated => "repeated",
            Self::Resolved => "resolved",
        }
    }
}

/// Failures of a server that have one cause, as one. What is said of a single endpoint is of the last one.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AlarmReport {
    /// Whether it began, goes on or is over.
    pub state: AlarmState,
    /// What happened to the endpoints; none where the server said afterwards that the transfer failed.
    pub outcome: Option<Outcome>,
    /// Why.
    pub cause: Option<Cause>,
    /// How sure that is.
    pub confidence: Option<Confidence>,
    /// What the cause means in this case.
    pub explanation: Option<String>,
    /// The server.
    pub server: Peer,
    /// A client.
    pub client: Peer,
    /// What was advertised to it.
    pub advertised: Peer,
    /// The reply that said that the transfer failed.
    pub control_reply: Option<Reply>,
    /// How many endpoints failed since the alarm went off.
    pub endpoints: u64,
    /// Of how many clients they were.
    pub clients: u64,
    /// There were more clients than could be told apart.
    pub more_clients: bool,
    /// When the first one failed.
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
    /// When the last one did.
    #[schemars(extend("format" = "date-time"))]
    pub last: String,
    /// What was seen, in order.
    pub evidence: Vec<String>,
    /// What to do.
    pub advice: Vec<String>,
}

impl AlarmReport {
    /// What is wrong, in the words of outcomes and causes.
    #[must_use]
    pub fn what(&self) -> String {
        match (self.outcome, self.cause, &self.control_reply) {
            (Some(outcome), Some(cause), _) => format!("{} {}", outcome.name(), cause.name()),
            (Some(outcome), None, _) => outcome.name().to_owned(),
            (None, _, Some(reply)) => format!("transfer {}", reply.code),
            (None, ..) => "transfer".to_owned(),
        }
    }

    /// How much of it there was.
    #[must_use]
    pub fn extent(&self) -> String {
        let plural = |count| if count == 1 { "" } else { "s" };
        format!(
            "{} endpoint{} of {}{} client{}",
            self.endpoints,
            plural(self.endpoints),
            if self.more_clients { "more than " } else { "" },
            self.clients,
            plural(self.clients),
        )
    }
}

/// Which ports of a passive range connect, as a client found out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PortsReport {
    /// The server.
    pub server: Peer,
    /// The command that asked for endpoints.
    pub command: &'static str,
    /// The first port of the range.
    pub first: u16,
    /// The last.
    pub last: u16,
    /// How many ports were tried.
    pub tried: usize,
    /// How many of them connect.
    pub connected: usize,
    /// How many ports of the range were not tried: the server did not advertise them.
    pub untried: usize,
    /// How many of those tried are outside the range.
    pub outside: usize,
    /// How many replies were asked for.
    pub replies: usize,
    /// It did not end for lack of time.
    pub in_time: bool,
    /// Neighbours that came to the same.
    pub runs: Vec<PortRun>,
}

/// Ports in a row that came to the same outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PortRun {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
    /// What they came to.
    pub outcome: Outcome,
    /// How many were tried.
    pub tried: usize,
}

impl PortRun {
    /// What they came to, in words.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        match self.outcome {
            Outcome::Connected => "connect",
            Outcome::NoAnswer => "no answer",
            Outcome::Refused => "refused",
            _ => "not reached",
        }
    }

    /// The ports: one, or the first and the last.
    #[must_use]
    pub fn ports(&self) -> String {
        if self.first == self.last {
            self.first.to_string()
        } else {
            format!("{}-{}", self.first, self.last)
        }
    }
}

impl std::fmt::Display for PortRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.ports(), self.what())
    }
}

/// The body of a report.
#[derive(Clone, Debug)]
pub enum Body {
    /// An endpoint was advertised.
    Advertised(EndpointReport),
    /// It has its outcome.
    Outcome(EndpointReport),
    /// It was connected after it had failed.
    Late(EndpointReport),
    /// Its transfer failed after the outcome.
    Transfer(EndpointReport),
    /// A control connection is over.
    Session(SessionReport),
    /// A server does something wrong.
    Finding(FindingReport),
    /// Failures of a server that have one cause, as one.
    Alarm(Box<AlarmReport>),
    /// Which ports of a passive range connect.
    Ports(PortsReport),
    /// Something was lost.
    Loss(LossReport),
    /// What was counted.
    Stats {
        /// That.
        books: Books,
        /// How far it can be relied on, where that was watched over.
        health: Option<Health>,
        /// Whether it balances; empty where nobody looked.
        sums: Vec<Sum>,
    },
}

impl Body {
    /// Its name in every output.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::Advertised(_) => "advertised",
            Self::Outcome(_) => "outcome",
            Self::Late(_) => "late",
            Self::Transfer(_) => "transfer",
            Self::Session(_) => "session",
            Self::Finding(_) => "finding",
            Self::Alarm(_) => "alarm",
            Self::Ports(_) => "ports",
            Self::Loss(_) => "loss",
            Self::Stats { .. } => "stats",
        }
    }

    /// Whether it is the outcome of an endpoint.
    #[must_use]
    pub const fn is_outcome(&self) -> bool {
        matches!(self, Self::Outcome(_))
    }

    /// Whether `--show failures` shows it.
    #[must_use]
    pub fn is_alarming(&self) -> bool {
        match self {
            Self::Outcome(report) => report.outcome.is_some_and(Outcome::is_failure),
            Self::Ports(report) => report.connected < report.tried,
            Self::Late(_) | Self::Transfer(_) | Self::Loss(_) | Self::Finding(_) => true,
            Self::Advertised(_) | Self::Session(_) | Self::Alarm(_) | Self::Stats { .. } => false,
        }
    }
}

/// Something to tell, complete.
#[derive(Clone, Debug)]
pub struct Report {
    /// When it happened.
    pub timestamp: Timestamp,
    /// What.
    pub body: Body,
    /// Who says so.
    pub observer: Observer,
}
