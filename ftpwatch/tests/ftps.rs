//! FTPS: real servers and clients, with ftpwatch on the server's host. With `--tls auto` it is read as if it were in
//! the clear. Else it is said that it cannot be read, and nothing is made of it: no outcome, and no failure.
//!
//! A row more is a line in ftps/ftps.txt. `FTPWATCH_FTPS_ROWS=works` plays the rows of one heading.

mod lab;

#[path = "ftps/libraries.rs"]
mod libraries;
#[path = "ftps/many.rs"]
mod many;
#[path = "ftps/play.rs"]
mod play;
#[path = "ftps/rows.rs"]
mod rows;

use lab::Permit;
use lab::watch::Report;
use play::Stage;
use rows::{Play, Row};

/// What has ftpwatch read FTPS on its server's host.
const READ: &[&str] = &["--tls", "auto"];

/// Stages to a core: on many of them a client waits, and hardly anything happens.
const STAGES: usize = 8;

/// Whatever is played, the control connections could not be read, and nothing is made up about what went on in them.
/// What comes after CCC can.
fn assert_blind(row: &Row, report: &Report) {
    let sessions = report.of_type("session");
    assert!(!sessions.is_empty(), "no session was seen");
    for session in sessions {
        assert_eq!(session.text("/visibility"), "tls", "{}", session.json);
    }
    let outcomes: Vec<&str> = report
        .of_type("outcome")
        .iter()
        .map(|event| event.text("/outcome"))
        .collect();
    let expected: &[&str] = match row.play {
        Play::Cleared => &["connected"],
        _ => &[],
    };
    assert_eq!(outcomes, expected);
    for event_type in ["late", "transfer", "finding", "loss"] {
        let events = report.of_type(event_type);
        assert!(events.is_empty(), "{events:#?}");
    }
}

/// With `--tls auto`: every endpoint that the server's log names is told, and none that it does not; and what became of
/// each.
fn assert_read(row: &Row, stage: &Stage, report: &Report) {
    for session in report.of_type("session") {
        assert_eq!(session.text("/visibility"), "tls-read", "{}", session.json);
    }
    many::assert_same_endpoints(stage, report);
    for event in report.of_type("outcome") {
        let said = (event.text("/outcome"), event.text("/cause"));
        assert_eq!(said, row.outcome(), "{}", event.json);
    }
    let transfers: Vec<_> = report
        .of_type("transfer")
        .iter()
        .map(|event| event.number("/control_reply/code"))
        .collect();
    assert_eq!(transfers, row.failed_transfer());
    for event_type in ["late", "loss"] {
        let events = report.of_type(event_type);
        assert!(events.is_empty(), "{events:#?}");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn ftps_rows_are_blind() {
    play_all(&[], |row, _, report| assert_blind(row, report));
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn ftps_rows_are_read() {
    play_all(READ, assert_read);
}

fn play_all(options: &[&str], check: impl Fn(&Row, &Stage, &Report) + Sync) {
    Permit::allow(STAGES);
    let chosen = std::env::var("FTPWATCH_FTPS_ROWS").ok();
    let rows = rows::all();
    let wrong = std::thread::scope(|scope| {
        let played: Vec<_> = rows
            .iter()
            .filter(|row| chosen.as_ref().is_none_or(|name| row.is_of(name)))
            .map(|row| {
                let thread = scope.spawn(|| {
                    let (stage, report) = play::play(row, options);
                    check(row, &stage, &report);
                });
                (row, thread)
            })
            .collect();
        assert!(!played.is_empty(), "no rows of {chosen:?}");
        let results = played.into_iter().map(|(row, thread)| (row, thread.join()));
        results
            .filter_map(|(row, result)| {
                result
                    .err()
                    .map(|_| format!("{:?}: {}", row.play, row.line))
            })
            .collect::<Vec<_>>()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_fault_meets_every_server() {
    rows::assert_complete(&rows::all());
}
