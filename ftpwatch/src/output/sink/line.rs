//! A report in one line, for logs that have lines.

use crate::{
    diagnose::Cause,
    escape::printable,
    report::{AlarmState, Body, EndpointReport, Report},
    tracker::Outcome,
};

/// How bad it is, in syslog's numbers, which are the journal's too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something was lost.
    Error = 3,
    /// Something does not work.
    Warning = 4,
    /// Something works again.
    Notice = 5,
    /// Anything else.
    Info = 6,
}

impl Severity {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
        }
    }

    /// Of `body`.
    pub fn of(body: &Body) -> Self {
        match body {
            Body::Loss(_) => Self::Error,
            Body::Late(_) => Self::Info,
            Body::Alarm(alarm) if alarm.state == AlarmState::Resolved => Self::Notice,
            Body::Alarm(_) => Self::Warning,
            body if body.is_alarming() => Self::Warning,
            _ => Self::Info,
        }
    }
}

/// The line, without an end.
pub fn line(report: &Report) -> String {
    let text = match &report.body {
        Body::Advertised(endpoint) => {
            let EndpointReport {
                client,
                server,
                advertised,
                ..
            } = endpoint;
            format!("advertised: {advertised} to {client} by {server}")
        }
        Body::Outcome(endpoint) => outcome(endpoint),
        Body::Late(endpoint) => {
            let before = endpoint.corrects.map_or("failed", Outcome::name);
            format!(
                "late: {}: connected after all; it was reported as {before}",
                who(endpoint)
            )
        }
        Body::Transfer(endpoint) => {
            let reply = endpoint.control_reply.as_ref();
            let said = reply.map_or("the transfer failed", |reply| &reply.text);
            format!("transfer: {}: {said}", who(endpoint))
        }
        Body::Session(session) => {
            let outcomes = session.outcomes.iter();
            let outcomes: Vec<String> =
                outcomes.map(|(o, n)| format!("{n} {}", o.name())).collect();
            format!(
                "session: {} at {}: {} endpoints, {}",
                session.client,
                session.server,
                session.endpoints,
                outcomes.join(", ")
            )
        }
        Body::Finding(finding) => format!(
            "finding: {} at {}: {}",
            finding.finding.name(),
            finding.server,
            finding.explanation
        ),
        Body::Alarm(alarm) => {
            let why = alarm.explanation.as_ref();
            let why = why.filter(|_| alarm.state != AlarmState::Resolved);
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            format!(
                "alarm {}: {} at {}: {} since {}{why}",
                alarm.state.name(),
                alarm.what(),
                alarm.server,
                alarm.extent(),
                alarm.since
            )
        }
        Body::Ports(ports) => format!(
            "ports: {} of {} that were tried at {} connect",
            ports.connected, ports.tried, ports.server
        ),
        Body::Loss(loss) => format!("loss: {}: {}: {}", loss.what, loss.count, loss.meaning),
        Body::Stats { books, .. } => format!(
            "stats: {} sessions, {} endpoints, {} pending, {} failures",
            books.sessions,
            books.endpoints,
            books.pending(),
            books.failures()
        ),
    };
    // It is harmless already, and this holds it to that: one line is one line.
    printable(text.as_bytes())
}

fn outcome(endpoint: &EndpointReport) -> String {
    let outcome = endpoint.outcome.unwrap_or(Outcome::Unknown).name();
    let cause = endpoint.cause.map(Cause::name);
    let cause = cause.map(|cause| format!(" {cause}")).unwrap_or_default();
    let why = endpoint.explanation.as_ref();
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    format!("{outcome}{cause}: {}{why}", who(endpoint))
}

fn who(endpoint: &EndpointReport) -> String {
    format!(
        "{} at {}, advertised {}",
        endpoint.client, endpoint.server, endpoint.advertised
    )
}
