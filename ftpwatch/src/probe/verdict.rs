//! The last word, on standard error: what works from here, what does not, and what to do about it.

mod rows;

use std::fmt::Write as _;

use super::{endpoint::Ask, target::Family};
use crate::{
    report::{PortRun, PortsReport},
    tracker::Outcome,
};

pub use rows::of_endpoint;

/// How many runs of blocked ports are named.
const RUNS: usize = 8;

/// What a way of asking came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Data flowed.
    Works,
    /// It works for clients that ignore the advertised address.
    Ignored,
    /// It does not.
    Fails,
    /// The server does not do it.
    Unsupported,
}

/// A way of asking, and what it came to.
struct Row {
    way: String,
    mark: Mark,
    lines: Vec<String>,
}

/// What is said at the end.
#[derive(Default)]
pub struct Verdict {
    rows: Vec<Row>,
    notes: Vec<String>,
    /// Ports that do not connect, of how many.
    blocked: Option<(usize, usize)>,
}

impl Verdict {
    /// What a way of asking came to; the first line goes behind its name.
    pub fn add(&mut self, ask: Ask, family: Family, mark: Mark, lines: Vec<String>) {
        self.rows.push(Row {
            way: format!("{} over {}", ask.name(), family.name()),
            mark,
            lines,
        });
    }

    /// Something to say besides. Once is enough.
    pub fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// What a survey of the passive range came to.
    pub fn ports(&mut self, report: &PortsReport) {
        let PortsReport {
            tried, connected, ..
        } = *report;
        if connected == tried {
            self.note(format!("Ports: all {tried} that were tried connect."));
            return;
        }
        let bad = report
            .runs
            .iter()
            .filter(|run| run.outcome != Outcome::Connected);
        let mut runs: Vec<String> = bad.map(PortRun::to_string).collect();
        let more = runs.len().saturating_sub(RUNS);
        runs.truncate(RUNS);
        if more > 0 {
            runs.push(format!("and {more} more runs"));
        }
        self.note(format!(
            "Ports: {connected} of {tried} connect. Open the others in the firewalls between here and the server, or take \
             them out of its passive range: {}.",
            runs.join(", ")
        ));
        self.blocked = Some((tried - connected, tried));
    }

    /// Whether any way came to `mark`.
    pub fn has(&self, mark: Mark) -> bool {
        self.rows.iter().any(|row| row.mark == mark)
    }

    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The whole, lines that end each.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        for row in &self.rows {
            let mut lines = row.lines.iter();
            let _ = writeln!(
                text,
                "{}: {}",
                row.way,
                lines.next().map_or("", String::as_str)
            );
            for line in lines {
                let _ = writeln!(text, "  {line}");
            }
        }
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        text.push_str(&self.conclusion());
        text
    }

    fn conclusion(&self) -> String {
        let rows = self.conclusion_of_rows();
        match self.blocked {
            // Which port an endpoint had was chance.
            Some((blocked, tried)) if blocked < tried => {
                let rows = if self.has(Mark::Works) || self.has(Mark::Ignored) {
                    rows
                } else {
                    "Passive mode works from here".into()
                };
                format!("{rows}, on {} of {tried} ports.\n", tried - blocked)
            }
            _ => format!("{rows}.\n"),
        }
    }

    fn conclusion_of_rows(&self) -> String {
        let ways = |marks: &[Mark]| {
            let rows = self.rows.iter().filter(|row| marks.contains(&row.mark));
            rows.map(|row| row.way.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let works = ways(&[Mark::Works]);
        let fails = ways(&[Mark::Fails, Mark::Ignored]);
        match (works.is_empty(), fails.is_empty()) {
            (false, true) => "Passive mode works from here".into(),
            (false, false) => {
                format!("Passive mode works from here with {works}, and fails with {fails}")
            }
            (true, _) if self.has(Mark::Ignored) => {
                "Passive mode works from here only for clients that ignore the advertised address"
                    .into()
            }
            (true, _) => "Passive mode does not work from here".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conclusion(marks: &[(Ask, Mark)], blocked: Option<(usize, usize)>) -> String {
        let mut verdict = Verdict::default();
        for (ask, mark) in marks {
            verdict.add(*ask, Family::V4, *mark, vec!["so".into()]);
        }
        verdict.blocked = blocked;
        let text = verdict.text();
        text.lines().last().unwrap_or_default().to_owned()
    }

    #[test]
    fn conclusions() {
        use Ask::{Epsv, Pasv};
        use Mark::{Fails, Ignored, Unsupported, Works};
        for (marks, blocked, wanted) in [
            (
                vec![(Epsv, Works), (Pasv, Works)],
                None,
                "Passive mode works from here.",
            ),
            (
                vec![(Epsv, Unsupported), (Pasv, Works)],
                None,
                "Passive mode works from here.",
            ),
            (
                vec![(Epsv, Works), (Pasv, Ignored)],
                None,
                "Passive mode works from here with EPSV over IPv4, and fails with PASV over IPv4.",
            ),
            (
                vec![(Pasv, Ignored)],
                None,
                "Passive mode works from here only for clients that ignore the advertised address.",
            ),
            (
                vec![(Pasv, Fails)],
                None,
                "Passive mode does not work from here.",
            ),
            (
                vec![(Epsv, Unsupported)],
                None,
                "Passive mode does not work from here.",
            ),
            (
                vec![(Pasv, Fails)],
                Some((50, 100)),
                "Passive mode works from here, on 50 of 100 ports.",
            ),
            (
                vec![(Pasv, Works)],
                Some((1, 100)),
                "Passive mode works from here, on 99 of 100 ports.",
            ),
            (
                vec![(Pasv, Fails)],
                Some((9, 9)),
                "Passive mode does not work from here.",
            ),
        ] {
            assert_eq!(conclusion(&marks, blocked), wanted, "{marks:?}");
        }
    }
}
