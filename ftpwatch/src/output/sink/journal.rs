//! A report as the journal's own socket takes it: a field a line. Nothing here is near the size that a datagram may have.

use super::{Severity, line};
use crate::{
    diagnose::Cause,
    escape::printable,
    report::{AlarmReport, Body, EndpointReport, Peer, Report},
    tracker::Outcome,
};

/// What the journal knows each type of event by.
const fn message_id(body: &Body) -> &'static str {
    match body {
        Body::Advertised(_) => "bd5e4c79af004a0880cdfe62a8167808",
        Body::Outcome(_) => "15754e427521445eb7e02a260631b030",
        Body::Late(_) => "7be2b40fad394958b3bf0664e0188057",
        Body::Transfer(_) => "769f6f89cde74a83b93e61b5e32bbdca",
        Body::Session(_) => "b35bf188f2e84b9d89446683460a41ba",
        Body::Finding(_) => "c04f8568de6247b6822d84ef2c0ab5b6",
        Body::Alarm(_) => "0fce830f126e4469b92ddc7814add944",
        Body::Ports(_) => "ae92c956db2a417fbd425cb7b5e1731f",
        Body::Loss(_) => "d9f0b309ce034ac58eeac7da5596bf0c",
        Body::Stats { .. } => "b95178aed32f4c21bae02e341878a26e",
    }
}

/// The entry.
pub fn entry(report: &Report) -> Vec<u8> {
    let mut entry = Entry::default();
    entry.field("MESSAGE", &line(report));
    let priority = Severity::of(&report.body) as u8;
    entry.field("PRIORITY", &priority.to_string());
    entry.field("SYSLOG_IDENTIFIER", "ftpwatch");
    entry.field("MESSAGE_ID", message_id(&report.body));
    entry.field("FTPWATCH_EVENT", report.body.event_type());
    entry.field("FTPWATCH_TIMESTAMP", &format!("{:.6}", report.timestamp));
    match &report.body {
        Body::Advertised(endpoint)
        | Body::Outcome(endpoint)
        | Body::Late(endpoint)
        | Body::Transfer(endpoint) => entry.endpoint(endpoint),
        Body::Session(session) => entry.between(&session.client, &session.server),
        Body::Finding(finding) => {
            entry.between(&finding.client, &finding.server);
            entry.field("FTPWATCH_FINDING", finding.finding.name());
        }
        Body::Alarm(alarm) => entry.alarm(alarm),
        Body::Ports(ports) => entry.field("FTPWATCH_SERVER", &ports.server.to_string()),
        Body::Loss(loss) => entry.field("FTPWATCH_LOSS", loss.what),
        Body::Stats { .. } => {}
    }
    entry.0.into_bytes()
}

#[derive(Default)]
struct Entry(String);

impl Entry {
    /// A value that had an end of line in it would be a field more.
    fn field(&mut self, name: &str, value: &str) {
        let value = printable(value.as_bytes());
        for part in [name, "=", &value, "\n"] {
            self.0.push_str(part);
        }
    }

    fn between(&mut self, client: &Peer, server: &Peer) {
        self.field("FTPWATCH_CLIENT", &client.to_string());
        self.field("FTPWATCH_SERVER", &server.to_string());
    }

    fn what(&mut self, outcome: Option<Outcome>, cause: Option<Cause>) {
        if let Some(outcome) = outcome {
            self.field("FTPWATCH_OUTCOME", outcome.name());
        }
        if let Some(cause) = cause {
            self.field("FTPWATCH_CAUSE", cause.name());
        }
    }

    fn endpoint(&mut self, endpoint: &EndpointReport) {
        self.between(&endpoint.client, &endpoint.server);
        self.field("FTPWATCH_ADVERTISED", &endpoint.advertised.to_string());
        self.what(endpoint.outcome, endpoint.cause);
    }

    fn alarm(&mut self, alarm: &AlarmReport) {
        self.between(&alarm.client, &alarm.server);
        self.field("FTPWATCH_ADVERTISED", &alarm.advertised.to_string());
        self.what(alarm.outcome, alarm.cause);
        self.field("FTPWATCH_ALARM", alarm.state.name());
        self.field("FTPWATCH_ENDPOINTS", &alarm.endpoints.to_string());
        self.field("FTPWATCH_CLIENTS", &alarm.clients.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{LossReport, Observer};

    #[test]
    fn what_is_hostile_makes_no_field_and_moves_no_cursor() {
        let report = Report {
            timestamp: jiff::Timestamp::UNIX_EPOCH,
            body: Body::Loss(LossReport {
                what: "output_dropped",
                count: 1,
                meaning: "a\nMESSAGE_ID=b\r\x1b[2J\u{202e}".into(),
                output: None,
                state: None,
            }),
            observer: Observer {
                host: String::new(),
                file: None,
                vantage: None,
                interfaces: Vec::new(),
                hook: String::new(),
            },
        };
        let entry = String::from_utf8(entry(&report)).expect("UTF-8");
        assert_eq!(entry.matches("\nMESSAGE_ID=").count(), 1, "{entry}");
        assert!(entry.starts_with(
            "MESSAGE=loss: output_dropped: 1: a\\u{a}MESSAGE_ID=b\\u{d}\\u{1b}[2J\\u{202e}\nPRIORITY=3\n"
        ), "{entry}");
        assert!(line(&report).chars().all(|c| !c.is_control()));
    }
}
