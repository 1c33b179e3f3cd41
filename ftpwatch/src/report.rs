//! What is said of an endpoint: the contract's JSON, as types. Every output takes these and nothing else.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
    ops::RangeInclusive,
};

use ftpwatch_common::{address::Flow, endpoint::Endpoint, record::Line, text::Text};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    clock::Clock,
    diagnose::{
        Cause, Confidence, Context, Finding, PatternDiagnosis, Warning, diagnose, diagnose_pattern,
        transfer,
    },
    escape::printable,
    explain,
    history::Pattern,
    host::Listening,
    servers,
    tracker::{Books, Case, Discovery, Event, Outcome, Session, Visibility},
    vantage::{Choice, Vantage},
};

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reply {
    /// The code.
    pub code: u16,
    /// The text.
    pub text: String,
}

/// Through what an endpoint was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// The advertised address.
    Advertised,
    /// The control connection's server address.
    ControlAddress,
}

/// A connection attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, Serialize)]
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
#[derive(Clone, Debug, Serialize)]
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
#[derive(Clone, Debug, Serialize)]
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
#[derive(Clone, Debug, Serialize)]
pub struct LossReport {
    /// What, as a word.
    pub what: &'static str,
    /// How much, since the last report.
    pub count: u64,
    /// What it means.
    pub meaning: String,
}

/// Which ports of a passive range connect, as a client found out.
#[derive(Clone, Debug, Serialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
    /// Which ports of a passive range connect.
    Ports(PortsReport),
    /// Something was lost.
    Loss(LossReport),
    /// What was counted.
    Stats(Books),
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
            Self::Ports(_) => "ports",
            Self::Loss(_) => "loss",
            Self::Stats(_) => "stats",
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
            Self::Advertised(_) | Self::Session(_) | Self::Stats(_) => false,
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

/// Makes reports of the tracker's events.
#[derive(Debug)]
pub struct Reporter {
    /// From the source's time to the time of day.
    pub clock: Clock,
    /// What the user says about the vantage point.
    pub vantage: Choice,
    /// This host's own addresses.
    pub local: HashSet<IpAddr>,
    /// The passive range that the operator said is open.
    pub passive_range: Option<RangeInclusive<u16>>,
    /// What the server listens on, where somebody looked after the endpoint that is reported next had failed.
    pub listening: Option<Listening>,
    /// The host.
    pub host: String,
    /// The capture that is read, if it is one.
    pub file: Option<String>,
    /// The interfaces watched.
    pub interfaces: Vec<String>,
    /// How they are watched.
    pub hook: String,
}

impl Reporter {
    /// The report of `event`.
    #[must_use]
    pub fn report(&self, event: &Event) -> Report {
        let (at, vantage, body) = match event {
            Event::Advertised(endpoint) => (
                endpoint.advertised_at,
                self.vantage_of([endpoint.flow]),
                Body::Advertised(advertised(endpoint)),
            ),
            Event::Outcome(case) => {
                let report = EndpointReport {
                    corrects: None,
                    ..self.endpoint(case)
                };
                (
                    case.decided_at,
                    self.vantage_of(case.views.flows()),
                    Body::Outcome(report),
                )
            }
            Event::Late(case) => {
                let at = case.facts.connected_at.unwrap_or(case.decided_at);
                let report = EndpointReport {
                    outcome: Some(Outcome::Connected),
                    ..self.endpoint(case)
                };
                (at, self.vantage_of(case.views.flows()), Body::Late(report))
            }
            Event::Transfer(case) => {
                let at = case.facts.final_reply.map_or(case.decided_at, |(at, _)| at);
                let (explanation, advice) = transfer(case, &self.context(case));
                let report = EndpointReport {
                    corrects: None,
                    explanation: Some(explanation),
                    advice,
                    ..self.endpoint(case)
                };
                (
                    at,
                    self.vantage_of(case.views.flows()),
                    Body::Transfer(report),
                )
            }
            Event::Undecodable(undecodable) => {
                let (flow, line) = undecodable.as_ref();
                let body = Body::Finding(undecodable_advertisement(flow, line));
                (line.at, self.vantage_of([*flow]), body)
            }
            Event::Pattern(found) => (
                found.at,
                self.vantage_of([found.flow]),
                Body::Finding(discovery(found)),
            ),
            Event::Session(session) => (
                session.ended_at,
                self.vantage_of([session.flow]),
                Body::Session(session_report(session)),
            ),
        };
        self.sign(at, Some(vantage), body)
    }

    /// The report of a loss, or of counts.
    #[must_use]
    pub fn note(&self, at: u64, body: Body) -> Report {
        self.sign(at, None, body)
    }

    fn sign(&self, at: u64, vantage: Option<Vantage>, body: Body) -> Report {
        Report {
            timestamp: self.clock.time(at),
            body,
            observer: Observer {
                host: self.host.clone(),
                file: self.file.clone(),
                vantage,
                interfaces: self.interfaces.clone(),
                hook: self.hook.clone(),
            },
        }
    }

    /// The vantage point of a control connection, seen as `flows`.
    #[must_use]
    pub fn vantage_of(&self, flows: impl IntoIterator<Item = Flow>) -> Vantage {
        self.vantage.of(flows, &self.local)
    }

    fn context(&self, case: &Case) -> Context {
        Context {
            vantage: self.vantage_of(case.views.flows()),
            inferred: self.file.is_some() && self.vantage == Choice::Auto,
            passive_range: self.passive_range.clone(),
            listening: self.listening.clone(),
        }
    }

    fn endpoint(&self, case: &Case) -> EndpointReport {
        let diagnosis = diagnose(case, &self.context(case));
        let facts = &case.facts;
        let control_reply = case.control_reply.map(|line| Reply {
            code: line.code,
            text: printable(line.text.as_bytes()),
        });
        let waited = case
            .decided_at
            .saturating_sub(facts.acked_at.unwrap_or(facts.advertised_at));
        EndpointReport {
            outcome: Some(case.outcome),
            corrects: Some(case.outcome),
            cause: diagnosis.cause,
            confidence: diagnosis.confidence,
            explanation: diagnosis.explanation,
            warnings: diagnosis.warnings,
            connected: connected(case),
            waited_ms: milliseconds(waited),
            evidence: diagnosis.evidence,
            advice: diagnosis.advice,
            server_software: servers::describe(
                case.server.banner.as_ref().map(Text::as_bytes),
                Some(case.views.client_side().text.as_bytes()),
            ),
            control_reply,
            ..advertised(case.views.client_side())
        }
    }
}

fn session_report(session: &Session) -> SessionReport {
    let outcomes = Outcome::ALL.into_iter().zip(session.outcomes);
    SessionReport {
        client: client(&session.flow),
        server: server(&session.flow),
        visibility: session.visibility,
        duration_ms: milliseconds(session.ended_at.saturating_sub(session.opened_at)),
        still_open: session.still_open,
        endpoints: session.endpoints,
        outcomes: outcomes.filter(|(_, count)| *count > 0).collect(),
        undecodable: session.undecodable,
        server_software: servers::describe(session.banner.as_ref().map(Text::as_bytes), None),
    }
}

fn advertised(endpoint: &Endpoint) -> EndpointReport {
    let verb: Vec<u8> = endpoint
        .command
        .into_iter()
        .take_while(|b| *b != 0)
        .collect();
    EndpointReport {
        outcome: None,
        corrects: None,
        cause: None,
        confidence: None,
        explanation: None,
        warnings: Vec::new(),
        client: client(&endpoint.flow),
        server: server(&endpoint.flow),
        reply: Reply {
            code: endpoint.code,
            text: printable(endpoint.text.as_bytes()),
        },
        advertised: Peer {
            ip: endpoint.address.ip(),
            port: endpoint.port,
        },
        connected: None,
        waited_ms: 0,
        evidence: Vec::new(),
        advice: Vec::new(),
        server_software: None,
        command: (!verb.is_empty()).then(|| printable(&verb)),
        control_reply: None,
    }
}

fn connected(case: &Case) -> Option<Connected> {
    let (view, attempt) = case.views.best_attempt()?;
    let (ip, via) = if attempt.via_control != 0 {
        (view.flow.server, Via::ControlAddress)
    } else {
        (view.address, Via::Advertised)
    };
    Some(Connected {
        ip: ip.ip(),
        port: view.port,
        via,
        client_ip: attempt.client.ip(),
        after_ms: milliseconds(attempt.syn_at.saturating_sub(case.facts.advertised_at)),
    })
}

fn undecodable_advertisement(flow: &Flow, line: &Line) -> FindingReport {
    let finding = Finding::UndecodableAdvertisement;
    FindingReport {
        finding,
        confidence: Confidence::High,
        explanation: "This reply names no endpoint that a client could connect to.".into(),
        client: client(flow),
        server: server(flow),
        reply: Some(Reply {
            code: line.code,
            text: printable(line.text.as_bytes()),
        }),
        evidence: Vec::new(),
        advice: explain::finding(finding)
            .fix
            .iter()
            .map(ToString::to_string)
            .collect(),
    }
}

fn discovery(discovery: &Discovery) -> FindingReport {
    let Discovery { flow, pattern, .. } = discovery;
    let PatternDiagnosis {
        finding,
        confidence,
        explanation,
        evidence,
        advice,
    } = diagnose_pattern(pattern, flow);
    FindingReport {
        finding,
        confidence,
        explanation,
        client: client(flow),
        server: server(flow),
        reply: match pattern {
            Pattern::PortsExhausted(line) => Some(Reply {
                code: line.code,
                text: printable(line.text.as_bytes()),
            }),
            _ => None,
        },
        evidence,
        advice,
    }
}

fn client(flow: &Flow) -> Peer {
    Peer {
        ip: flow.client.ip(),
        port: flow.client_port,
    }
}

fn server(flow: &Flow) -> Peer {
    Peer {
        ip: flow.server.ip(),
        port: flow.server_port,
    }
}

const fn milliseconds(nanoseconds: u64) -> u64 {
    nanoseconds / 1_000_000
}
