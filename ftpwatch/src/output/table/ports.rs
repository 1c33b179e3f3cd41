//! Which ports of a passive range connect: a bar, and a line a run.

use std::io::{self, Write};

use super::{BAD, GOOD, INDENT, row};
use crate::{
    report::{PortRun, PortsReport},
    tracker::Outcome,
};

/// How wide the bar is at most.
const WIDTH: usize = 64;

/// Writes what a survey found.
pub fn write(out: &mut impl Write, time: &str, report: &PortsReport) -> io::Result<()> {
    let PortsReport {
        first,
        last,
        tried,
        untried,
        outside,
        ..
    } = report;
    let range = format!("{first}-{last}");
    let row = row(time, "", &report.server.to_string(), &range, "ports");
    writeln!(out, "{row}  {} of {tried} connect", report.connected)?;
    writeln!(out, "{INDENT}{}", bar(report))?;
    for run in &report.runs {
        let (style, connected) = match run.outcome {
            Outcome::Connected => (GOOD, run.tried),
            _ => (BAD, 0),
        };
        let (ports, what) = (run.ports(), run.what());
        writeln!(
            out,
            "{INDENT}{style}{ports:<11}  {what:<11}  ({connected} of {}){style:#}",
            run.tried
        )?;
    }
    if *outside > 0 {
        writeln!(
            out,
            "{INDENT}{outside} of these ports are outside {range}: the server advertises them all the same"
        )?;
    }
    if *untried > 0 {
        let why = if report.in_time {
            format!(
                "not advertised in {} replies, or more than --samples",
                report.replies
            )
        } else {
            "time was up (--for)".to_owned()
        };
        writeln!(
            out,
            "{INDENT}{untried} ports of {range} were not tried: {why}"
        )?;
    }
    Ok(())
}

/// The range from left to right: `#` connects, `.` does not, `+` is some of both, and a blank was not tried. What lies
/// between two ports of a run is taken to be like them.
fn bar(report: &PortsReport) -> String {
    let (first, last) = (usize::from(report.first), usize::from(report.last));
    let ports = last - first + 1;
    let width = ports.min(WIDTH);
    let cell = |number: usize| {
        let from = first + number * ports / width;
        let to = first + (number + 1) * ports / width;
        let overlaps =
            |run: &&PortRun| usize::from(run.first) < to && usize::from(run.last) >= from;
        let runs = || report.runs.iter().filter(overlaps);
        let good = runs().any(|run| run.outcome == Outcome::Connected);
        let bad = runs().any(|run| run.outcome != Outcome::Connected);
        match (good, bad) {
            (true, false) => '#',
            (false, true) => '.',
            (true, true) => '+',
            (false, false) => ' ',
        }
    };
    let cells: String = (0..width).map(cell).collect();
    format!("[{cells}]  # connects  . does not  + some do")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Peer;

    #[test]
    fn half_a_range() {
        let run = |first, last, outcome| PortRun {
            first,
            last,
            outcome,
            tried: usize::from(last - first) + 1,
        };
        let report = PortsReport {
            server: Peer {
                ip: [203, 0, 113, 10].into(),
                port: 21,
            },
            command: "PASV",
            first: 50_000,
            last: 50_099,
            tried: 100,
            connected: 50,
            untried: 0,
            outside: 0,
            replies: 400,
            in_time: true,
            runs: vec![
                run(50_000, 50_049, Outcome::Connected),
                run(50_050, 50_099, Outcome::NoAnswer),
            ],
        };
        let bar = bar(&report);
        assert!(
            bar.starts_with(&format!("[{}{}]", "#".repeat(32), ".".repeat(32))),
            "{bar}"
        );
        let mut text = Vec::new();
        write(&mut text, "12:00:00", &report).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("50000-50049  connect"), "{text}");
        assert!(text.contains("(50 of 50)"), "{text}");
        assert!(text.contains("50050-50099  no answer"), "{text}");
        assert!(text.contains("(0 of 50)"), "{text}");
    }
}
