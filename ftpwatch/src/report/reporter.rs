//! From the tracker's events to reports.

use std::{collections::HashSet, net::IpAddr, ops::RangeInclusive};

use ftpwatch_common::{address::Flow, endpoint::Endpoint, record::Line, text::Text};

use super::{
    Body, Connected, EndpointReport, FindingReport, Observer, Peer, Reply, Report, SessionReport,
    Via,
};
use crate::{
    clock::Clock,
    diagnose::{
        Confidence, Context, Finding, PatternDiagnosis, diagnose, diagnose_pattern, transfer,
    },
    escape::printable,
    explain,
    history::Pattern,
    host::Listening,
    servers,
    tracker::{Case, Discovery, Event, Outcome, Session},
    vantage::{Choice, Vantage},
};

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
