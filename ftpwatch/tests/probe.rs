//! `ftpwatch probe`: against servers of the test's own on loopback, which need no root, and against real ones behind
//! faults of the lab.
//!
//! What belongs here: what probe says, and with which exit status. What the causes mean belongs in faults.rs.

mod lab;

#[path = "probe/ftps.rs"]
mod ftps;
#[path = "probe/host.rs"]
mod host;
#[path = "probe/hostile.rs"]
mod hostile;
#[path = "probe/real.rs"]
mod real;
#[path = "probe/scripted.rs"]
mod scripted;
#[path = "probe/tls.rs"]
mod tls;

use std::process::Command;

use lab::SOON;
use lab::process::{Ended, Process};
use lab::watch::FTPWATCH;

/// Exit statuses of the contract.
const FINE: i32 = 0;
const FAILURES: i32 = 1;
const BAD_INPUT: i32 = 2;

/// The command, without the password that whoever runs the tests may have set.
fn command(words: &[&str]) -> Command {
    let mut command = Command::new(FTPWATCH);
    command
        .arg("probe")
        .args(words)
        .env_remove("FTPWATCH_PASSWORD");
    command
}

fn probe(words: &[&str]) -> Ended {
    Process::start(&mut command(words)).wait(SOON)
}

/// Probes with output as JSON, and takes that apart.
#[track_caller]
fn probe_json(words: &[&str], status: i32) -> (Vec<serde_json::Value>, Ended) {
    let mut all = vec!["--format", "json"];
    all.extend(words);
    let ended = probe(&all);
    assert_eq!(ended.status.code(), Some(status), "{ended}");
    (events(&ended), ended)
}

#[track_caller]
fn events(ended: &Ended) -> Vec<serde_json::Value> {
    let lines = ended.stdout.lines();
    lines
        .map(|line| {
            let event =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {ended}"));
            lab::event::check(&event);
            event
        })
        .collect()
}

/// What `ended` says of the endpoint that `command` got, as outcome, cause and warnings.
#[track_caller]
fn told(events: &[serde_json::Value], code: u16) -> (String, Option<String>, Vec<String>) {
    let outcome = events
        .iter()
        .find(|event| event["event_type"] == "outcome" && event["reply"]["code"] == code)
        .unwrap_or_else(|| panic!("no outcome of a {code}: {events:?}"));
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let warnings = outcome["warnings"].as_array().expect("warnings");
    (
        text(&outcome["outcome"]).expect("an outcome"),
        text(&outcome["cause"]),
        warnings.iter().filter_map(text).collect(),
    )
}

/// It ended with status 2 and two lines: what, and what to do.
#[track_caller]
fn assert_refused(ended: &Ended) {
    assert_eq!(ended.status.code(), Some(BAD_INPUT), "{ended}");
    assert_eq!(ended.stdout, "", "{ended}");
    assert_eq!(ended.stderr.lines().count(), 2, "{ended}");
    assert!(ended.stderr.starts_with("ftpwatch: "), "{ended}");
    assert!(!ended.stderr.contains("panicked"), "{ended}");
}
