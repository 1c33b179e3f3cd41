//! Columns that a person reads at a glance. Failures stand out on a terminal; anstream leaves colours out
//! of a pipe.

mod ports;

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jiff::tz::TimeZone;

use crate::{
    report::{
        AlarmReport, AlarmState, Body, EndpointReport, FindingReport, LossReport, Report,
        SessionReport,
    },
    tracker::{Outcome, Visibility},
};

const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const ODD: Style = AnsiColor::Yellow.on_default();
const HEAD: Style = Style::new().bold();

/// What evidence and advice are indented by.
const INDENT: &str = "          ";

/// Writes reports as a table. The head comes before the first line.
#[derive(Default)]
pub struct Table {
    headed: bool,
}

impl Table {
    /// Writes `report`.
    pub fn write(&mut self, out: &mut impl Write, report: &Report) -> io::Result<()> {
        if !std::mem::replace(&mut self.headed, true) {
            let head = row("TIME", "CLIENT", "SERVER", "ADVERTISED", "OUTCOME");
            writeln!(out, "{HEAD}{head}  CAUSE{HEAD:#}")?;
        }
        let time = report.timestamp.to_zoned(TimeZone::system());
        let time = time.strftime("%H:%M:%S").to_string();
        match &report.body {
            Body::Advertised(endpoint) => line(out, &time, endpoint, "advertised", ODD),
            Body::Outcome(endpoint) => outcome(out, &time, endpoint),
            Body::Late(endpoint) => {
                line(out, &time, endpoint, "late", ODD)?;
                let before = endpoint.corrects.map_or("failed", Outcome::name);
                writeln!(
                    out,
                    "{INDENT}connected after all; it was reported as {before}"
                )
            }
            Body::Transfer(endpoint) => {
                line(out, &time, endpoint, "transfer", BAD)?;
                let reply = endpoint.control_reply.as_ref();
                let said = reply.map_or("that the transfer failed", |reply| &reply.text);
                writeln!(out, "{INDENT}said: {said}")?;
                if let Some(explanation) = &endpoint.explanation {
                    writeln!(out, "{INDENT}why:  {explanation}")?;
                }
                labelled(out, "fix: ", &endpoint.advice)
            }
            Body::Session(session) => session_line(out, &time, session),
            Body::Finding(finding) => finding_lines(out, &time, finding),
            Body::Alarm(alarm) => alarm_lines(out, &time, alarm),
            Body::Ports(report) => ports::write(out, &time, report),
            Body::Loss(loss) => loss_line(out, &time, loss),
            Body::Stats { books, .. } => writeln!(
                out,
                "{time:<8}  {} sessions, {} endpoints, {} pending, {} failures",
                books.sessions,
                books.endpoints,
                books.pending(),
                books.failures()
            ),
        }
    }
}

fn row(time: &str, client: &str, server: &str, advertised: &str, outcome: &str) -> String {
    format!("{time:<8}  {client:<21}  {server:<18}  {advertised:<21}  {outcome:<10}")
}

fn line(
    out: &mut impl Write,
    time: &str,
    report: &EndpointReport,
    word: &str,
    style: Style,
) -> io::Result<()> {
    let row = row(
        time,
        &report.client.to_string(),
        &report.server.to_string(),
        &report.advertised.to_string(),
        word,
    );
    let mut notes: Vec<&str> = report.cause.iter().map(|cause| cause.name()).collect();
    notes.extend(report.warnings.iter().map(|warning| warning.name()));
    if notes.is_empty() {
        notes.push("-");
    }
    let notes = notes.join(" ");
    let text = format!("{row}  {notes}");
    writeln!(out, "{style}{text}{style:#}")
}

fn outcome(out: &mut impl Write, time: &str, report: &EndpointReport) -> io::Result<()> {
    let outcome = report.outcome.unwrap_or(Outcome::Unknown);
    let style = match outcome {
        outcome if outcome.is_failure() => BAD,
        Outcome::Connected if report.warnings.is_empty() => GOOD,
        Outcome::Connected | Outcome::Unknown => ODD,
        _ => Style::new(),
    };
    line(out, time, report, outcome.name(), style)?;
    if !outcome.is_failure() {
        return Ok(());
    }
    writeln!(out, "{INDENT}said: {}", report.reply.text)?;
    writeln!(out, "{INDENT}seen: {}", report.evidence.join("; "))?;
    if let Some(explanation) = &report.explanation {
        writeln!(out, "{INDENT}why:  {explanation}")?;
    }
    labelled(out, "fix: ", &report.advice)
}

/// The first line behind `label`, the others below it.
fn labelled(out: &mut impl Write, label: &str, lines: &[String]) -> io::Result<()> {
    for (number, line) in lines.iter().enumerate() {
        let label = if number == 0 { label } else { "" };
        writeln!(out, "{INDENT}{label:<5} {line}")?;
    }
    Ok(())
}

fn session_line(out: &mut impl Write, time: &str, session: &SessionReport) -> io::Result<()> {
    let row = row(
        time,
        &session.client.to_string(),
        &session.server.to_string(),
        "",
        "session",
    );
    let outcomes = session.outcomes.iter();
    let outcomes: Vec<String> = outcomes.map(|(o, n)| format!("{n} {}", o.name())).collect();
    let read = match session.visibility {
        Visibility::Clear => "",
        Visibility::Tls => "tls, could not be read",
        Visibility::TlsRead => "tls, read on its own host",
    };
    let what = if outcomes.is_empty() && read.is_empty() {
        "no passive endpoint".to_owned()
    } else {
        outcomes.join(", ")
    };
    let separator = if what.is_empty() || read.is_empty() {
        ""
    } else {
        "; "
    };
    writeln!(out, "{row}  {what}{separator}{read}")
}

fn finding_lines(out: &mut impl Write, time: &str, finding: &FindingReport) -> io::Result<()> {
    let row = row(
        time,
        &finding.client.to_string(),
        &finding.server.to_string(),
        "",
        "finding",
    );
    writeln!(out, "{BAD}{row}  {}{BAD:#}", finding.finding.name())?;
    if let Some(reply) = &finding.reply {
        writeln!(out, "{INDENT}said: {}", reply.text)?;
    }
    if !finding.evidence.is_empty() {
        writeln!(out, "{INDENT}seen: {}", finding.evidence.join("; "))?;
    }
    writeln!(out, "{INDENT}why:  {}", finding.explanation)?;
    labelled(out, "fix: ", &finding.advice)
}

fn alarm_lines(out: &mut impl Write, time: &str, alarm: &AlarmReport) -> io::Result<()> {
    let resolved = alarm.state == AlarmState::Resolved;
    let style = if resolved { GOOD } else { BAD };
    let row = row(time, "", &alarm.server.to_string(), "", alarm.state.name());
    writeln!(out, "{style}{row}  {}{style:#}", alarm.what())?;
    writeln!(
        out,
        "{INDENT}seen: {} since {}",
        alarm.extent(),
        alarm.since
    )?;
    if let (Some(explanation), false) = (&alarm.explanation, resolved) {
        writeln!(out, "{INDENT}why:  {explanation}")?;
    }
    labelled(out, "fix: ", &alarm.advice)
}

fn loss_line(out: &mut impl Write, time: &str, loss: &LossReport) -> io::Result<()> {
    let row = row(time, "", "", "", "loss");
    writeln!(out, "{ODD}{row}  {}: {}{ODD:#}", loss.what, loss.count)?;
    writeln!(out, "{INDENT}{}", loss.meaning)
}
