//! Whether it holds.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::crowd::{Endpoint, Expected};
use crate::lab::process::Ended;

/// What may be resident more at the end than after three quarters: what the allocator keeps. Of a quarter of a million
/// endpoints, four bytes each. By then the maps were compared with, as they are each minute: that takes a copy of them.
const SLACK_KB: u64 = 1_024;

/// What a process takes.
pub struct Memory {
    resident_kb: u64,
}

impl Memory {
    /// Of the process `id`.
    pub fn of(id: u32) -> Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let mut lines = status.lines();
        let resident = lines
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no size")?;
        Ok(Self {
            resident_kb: resident.trim().trim_end_matches(" kB").parse()?,
        })
    }
}

/// What was looked at, what it should be, and what it is.
struct Line {
    what: &'static str,
    is: String,
    holds: bool,
}

/// All that was looked at.
pub struct Verdict(Vec<Line>);

impl Verdict {
    /// Compares what was said with what was played.
    pub fn new(ended: &Ended, expected: &Expected, memory: &[Memory]) -> Self {
        let outcomes = told_outcomes(&ended.stderr);
        let wanted: BTreeMap<String, u64> = expected
            .outcomes
            .iter()
            .map(|(outcome, count)| ((*outcome).to_owned(), *count))
            .collect();
        let (false_alarms, missing) = failures(&ended.stdout, expected);
        let others = others(&ended.stdout);
        let late = memory[memory.len() * 3 / 4].resident_kb;
        let last = memory[memory.len() - 1].resident_kb;
        Self(vec![
            line(
                "exit status",
                ended.status.to_string(),
                ended.status.success(),
            ),
            line("outcomes", format!("{outcomes:?}"), outcomes == wanted),
            line("false alarms", false_alarms.to_string(), false_alarms == 0),
            line("failures not told", missing.to_string(), missing == 0),
            line("told besides", others.join("; "), others.is_empty()),
            line(
                "control sessions",
                expected.sessions.to_string(),
                ended
                    .stderr
                    .contains(&format!("{} control sessions", expected.sessions)),
            ),
            line(
                "losses",
                losses(&ended.stderr),
                ended.stderr.contains("nothing was lost"),
            ),
            line(
                "books",
                sums(&ended.stderr),
                ended.stderr.contains("state: ok") && !ended.stderr.contains('≠'),
            ),
            line(
                "resident",
                format!("{late} kB after three quarters, {last} kB at the end"),
                last <= late + SLACK_KB,
            ),
        ])
    }

    /// Whether all of it is as it should be.
    pub fn holds(&self) -> bool {
        self.0.iter().all(|line| line.holds)
    }
}

fn line(what: &'static str, is: String, holds: bool) -> Line {
    Line { what, is, holds }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { what, is, holds } in &self.0 {
            let mark = if *holds { "holds" } else { "DOES NOT HOLD" };
            let is = if is.is_empty() { "none" } else { is };
            writeln!(f, "{mark:<14}{what}: {is}")?;
        }
        Ok(())
    }
}

/// What the summary says of each outcome.
fn told_outcomes(summary: &str) -> BTreeMap<String, u64> {
    let lines = summary.lines().filter_map(|line| line.strip_prefix("  "));
    lines
        .filter_map(|line| {
            let (outcome, count) = line.split_once(' ')?;
            Some((outcome.to_owned(), count.trim().parse().ok()?))
        })
        .collect()
}

fn losses(summary: &str) -> String {
    let lost: Vec<&str> = summary
        .lines()
        .filter(|line| line.starts_with("lost: "))
        .collect();
    lost.join("; ")
}

/// The sums, as `-v` tells them.
fn sums(summary: &str) -> String {
    let sums: Vec<&str> = summary
        .lines()
        .filter(|line| line.contains(" = ") || line.contains('≠'))
        .collect();
    sums.join("; ")
}

fn events(stdout: &str) -> impl Iterator<Item = Value> {
    stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is an object"))
}

/// How many failures were told that were none, and how many were not told.
fn failures(stdout: &str, expected: &Expected) -> (usize, usize) {
    let mut left = expected.failures.clone();
    let mut false_alarms = 0;
    for event in events(stdout).filter(|event| event["event_type"] == "outcome") {
        let outcome = event["outcome"].as_str().unwrap_or_default();
        let wanted = endpoint(&event).and_then(|endpoint| left.get_mut(&endpoint));
        let at = wanted
            .as_ref()
            .and_then(|wanted| wanted.iter().position(|known| *known == outcome));
        match (wanted, at) {
            (Some(wanted), Some(at)) => {
                wanted.swap_remove(at);
            }
            _ => false_alarms += 1,
        }
    }
    let missing = left.values().map(Vec::len).sum();
    (false_alarms, missing)
}

fn endpoint(event: &Value) -> Option<Endpoint> {
    let client = event["client"]["ip"].as_str()?.parse().ok()?;
    let port = event["advertised"]["port"].as_u64()?.try_into().ok()?;
    Some((client, port))
}

/// What was told and is no outcome, by kind.
fn others(stdout: &str) -> Vec<String> {
    let mut kinds = BTreeMap::<String, u64>::new();
    for event in events(stdout) {
        let word = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        match word("event_type").as_str() {
            "outcome" => {}
            "loss" => *kinds.entry(format!("loss {}", word("what"))).or_default() += 1,
            "finding" => {
                *kinds
                    .entry(format!("finding {}", word("finding")))
                    .or_default() += 1
            }
            other => *kinds.entry(other.to_owned()).or_default() += 1,
        }
    }
    kinds
        .into_iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect()
}
