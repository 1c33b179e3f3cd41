//! From what the probe saw to reports: the same case, the same rules, the same words as `run` and `read` have.

use ftpwatch_common::{
    address::Flow,
    record::{About, Kind, Line},
    text::Text,
};

use super::{control::Reply, endpoint::Tried, seen::Seen, transfer::Data};
use crate::{
    address::fault,
    clock::monotonic_now,
    diagnose::{Confidence, Finding},
    explain,
    history::Known,
    report::{self, Body, EndpointReport, FindingReport, Peer, Report, Reporter},
    tracker::{Case, Event, Outcome, Terms, Verdict, Views, decide},
    vantage::Vantage,
};

/// The case of what was `seen` of an endpoint, with nothing more to come.
fn case(seen: &Seen, banner: Text, control_reply: Option<Line>) -> Case {
    let endpoint = &seen.endpoint;
    let views = Views::new(*endpoint);
    let facts = views.facts();
    let fault = fault(
        endpoint.code,
        endpoint.address.ip(),
        endpoint.port,
        endpoint.flow.server.ip(),
        endpoint.flow.client.ip(),
    );
    // The probe has done the waiting.
    let terms = Terms {
        timeout: 0,
        plausible: fault.is_none(),
        elsewhere: false,
    };
    let outcome = match decide(&facts, &terms, u64::MAX) {
        Verdict::Decided(outcome) => outcome,
        Verdict::Wait(_) => Outcome::Unknown,
    };
    Case {
        views,
        facts,
        outcome,
        decided_at: seen.decided_at,
        fault,
        server: Known {
            banner: Some(banner),
            ..Known::default()
        },
        control_reply,
    }
}

/// The outcome of an endpoint.
pub fn outcome(reporter: &Reporter, tried: &Tried, banner: Text) -> Report {
    let trusted = told(reporter, &tried.trusted, banner);
    let Some(seen) = &tried.with_control else {
        return with_notes(trusted, tried);
    };
    let both = told(reporter, seen, banner);
    let (Body::Outcome(first), Body::Outcome(last)) = (&trusted.body, &both.body) else {
        return with_notes(trusted, tried);
    };
    let body = match last.outcome {
        // It connects, for clients that ignore the advertised address: what that does to the others is said too.
        Some(Outcome::Connected) => {
            let (explanation, advice) = blame(reporter, &tried.trusted, banner);
            EndpointReport {
                explanation,
                advice,
                evidence: together(&first.evidence, &last.evidence),
                ..last.clone()
            }
        }
        // The second attempt says more about the port than about the endpoint.
        Some(Outcome::Refused) if first.outcome != Some(Outcome::Refused) => first.clone(),
        _ => last.clone(),
    };
    let report = Report {
        body: Body::Outcome(body),
        ..both
    };
    with_notes(report, tried)
}

fn told(reporter: &Reporter, seen: &Seen, banner: Text) -> Report {
    reporter.report(&Event::Outcome(Box::new(case(seen, banner, None))))
}

/// What is wrong with an endpoint whose port connects at the control connection's address: whatever answered at the
/// advertised one, it is the address.
fn blame(reporter: &Reporter, trusted: &Seen, banner: Text) -> (Option<String>, Vec<String>) {
    let mut case = case(trusted, banner, None);
    let view = case.views.client_side();
    let (advertised, server) = (view.address.ip(), view.flow.server.ip());
    if case.fault.is_none() {
        // RFC 4787, section 6, calls it hairpinning.
        return (
            Some(format!(
                "{advertised} is public, and {server}, where this client is connected, is private: a server behind NAT \
                 that does not lead back those who come from inside."
            )),
            vec![
                "Clients on the Internet may do well: probe it from there.".into(),
                "For clients inside, make the NAT lead back to the server what is sent to its public address (hairpin \
                 NAT), or let them use EPSV."
                    .into(),
            ],
        );
    }
    case.outcome = Outcome::NoAnswer;
    match reporter.report(&Event::Outcome(Box::new(case))).body {
        Body::Outcome(body) => (body.explanation, body.advice),
        _ => (None, Vec::new()),
    }
}

/// The lines of both, those of both once.
fn together(first: &[String], last: &[String]) -> Vec<String> {
    let new = last.iter().filter(|line| !first.contains(line));
    first.iter().chain(new).cloned().collect()
}

/// Adds what the rules do not know of: where no SYN went, and what came over the data connection.
fn with_notes(mut report: Report, tried: &Tried) -> Report {
    if let Body::Outcome(body) = &mut report.body {
        body.evidence.extend(tried.notes.iter().cloned());
        if let Some(transfer) = &tried.transfer {
            let mut data = format!("{} bytes of a listing came", transfer.bytes);
            match &transfer.data {
                Data::Ended | Data::Left => {}
                Data::Cut => data.push_str(", and more than is read"),
                Data::Stalled(waited) => {
                    data = format!("{data}, then nothing for {waited:?}");
                }
                Data::Broken(error) => data = format!("{data}, then: {error}"),
            }
            if transfer.resumed == Some(true) {
                data.push_str(", under TLS that resumed the control connection's session");
            } else if transfer.resumed == Some(false) {
                data.push_str(", under TLS with a session of its own");
            }
            body.evidence.push(data);
        }
    }
    report
}

/// The server said that the transfer failed.
pub fn transfer(reporter: &Reporter, tried: &Tried, banner: Text) -> Option<Report> {
    let reply = tried.transfer.as_ref()?.failure()?;
    let seen = tried.with_control.as_ref().unwrap_or(&tried.trusted);
    let line = line(reply, About::Failure);
    let case = case(seen, banner, Some(line));
    Some(reporter.report(&Event::Transfer(Box::new(case))))
}

/// An advertisement that cannot be decoded.
pub fn undecodable(reporter: &Reporter, flow: Flow, reply: &Reply) -> Report {
    let line = line(reply, About::Undecodable);
    reporter.report(&Event::Undecodable(Box::new((flow, line))))
}

/// Something that a server does wrong: how it shows, what the server said, and what was seen.
pub fn finding(
    reporter: &Reporter,
    finding: Finding,
    flow: Flow,
    reply: Option<&Reply>,
    seen: String,
) -> Report {
    let text = explain::finding(finding);
    let peer = |ip, port| Peer { ip, port };
    let body = Body::Finding(FindingReport {
        finding,
        confidence: Confidence::High,
        explanation: text.detail.into(),
        client: peer(flow.client.ip(), flow.client_port),
        server: peer(flow.server.ip(), flow.server_port),
        reply: reply.map(|reply| report::Reply {
            code: reply.code,
            text: reply.shown(),
        }),
        evidence: vec![seen],
        advice: text.fix.iter().map(|&line| line.to_owned()).collect(),
    });
    note(reporter, body)
}

/// A report of the probe's own.
pub fn note(reporter: &Reporter, body: Body) -> Report {
    let mut report = reporter.note(monotonic_now(), body);
    report.observer.vantage = Some(Vantage::Client);
    report
}

fn line(reply: &Reply, about: About) -> Line {
    Line {
        kind: Kind::Line as u32,
        about: about as u32,
        control: 0,
        endpoint: 0,
        at: reply.at,
        text: reply.text,
        code: reply.code,
        pad: [0; 3],
    }
}

#[cfg(test)]
mod tests;
