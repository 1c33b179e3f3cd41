//! The result as a table: on the screen what is wrong, in docs all of it.

use super::lab::topology::Family;
use super::play::Played;
use super::rows::{Named, Row};
use super::verdict::{Verdict, listed};
use std::fmt::Write as _;
use std::path::PathBuf;

const HOW_TO_REPLACE: &str = "FTPWATCH_REPLACE_DOCS=1 cargo xtask test every_row";

const INTRODUCTION: &str = "\
# The fault matrix

What `ftpwatch run` says of each fault, seen from the server and from the router in front of it (the NAT gateway where
there is one), with real FTP servers and real clients in network namespaces. Rows are in
[matrix.txt](../ftpwatch/tests/matrix/matrix.txt), which says how to read them; `cargo xtask test` plays them all, and
this page is written by

    ";

/// What is wrong, a paragraph a row.
pub fn wrong(results: &[Played]) -> String {
    let mut text = String::new();
    for played in results.iter().filter(|played| !played.is_right()) {
        let Row {
            fault,
            server,
            client,
            family,
            ..
        } = &played.row;
        let _ = writeln!(text, "{}: {server}, {client}, {family:?}", fault.name);
        if let Some(why) = &played.broken {
            let _ = writeln!(text, "    not played: {why}");
            continue;
        }
        let places = [
            ("server", &played.row.at_server, &played.at_server),
            ("router", &played.row.at_router, &played.at_router),
        ];
        for ((place, expected, said), verdict) in places.into_iter().zip(played.verdicts()) {
            if verdict != Verdict::Right {
                let _ = writeln!(
                    text,
                    "    at the {place}: {}\n        expected {}\n        said     {}",
                    verdict.name(),
                    expected.text,
                    listed(said)
                );
            }
        }
    }
    text
}

/// How many rows are right, and in what way the others are wrong, at either place.
pub fn summary(results: &[Played]) -> String {
    let mut text = format!(
        "| seen from | rows | {} | {} | {} | {} | not played |\n|---|---|---|---|---|---|---|\n",
        Verdict::Right.name(),
        Verdict::FalseAlarm.name(),
        Verdict::CauseWrong.name(),
        Verdict::OutcomeWrong.name()
    );
    for (place, name) in ["the server", "the router"].into_iter().enumerate() {
        let played = || results.iter().filter(|played| played.broken.is_none());
        let count = |verdict| {
            played()
                .filter(|played| played.verdicts()[place] == verdict)
                .count()
        };
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} |",
            results.len(),
            count(Verdict::Right),
            count(Verdict::FalseAlarm),
            count(Verdict::CauseWrong),
            count(Verdict::OutcomeWrong),
            results.len() - played().count()
        );
    }
    text
}

/// Writes docs/FAULT-MATRIX.md.
pub fn write(results: &[Played]) {
    let mut text = format!("{INTRODUCTION}{HOW_TO_REPLACE}\n\n{}", summary(results));
    let mut fault = None;
    for played in results {
        if fault != Some(played.row.fault) {
            fault = Some(played.row.fault);
            text += &heading(&played.row.fault);
        }
        let result = if played.is_right() {
            "right".to_owned()
        } else {
            let [at_server, at_router] = played.verdicts().map(Verdict::name);
            format!("server: {at_server}, router: {at_router}")
        };
        let _ = writeln!(text, "{} {result} |", line(&played.row));
    }
    std::fs::write(path(), text).expect("the documentation");
}

fn heading(fault: &Named) -> String {
    format!(
        "\n## {}\n\n{}\n\n| server | client | IP | at the server | at the router | result |\n|---|---|---|---|---|---|\n",
        fault.name, fault.meaning
    )
}

/// A row without its result.
fn line(row: &Row) -> String {
    let version = match row.family {
        Family::V4 => 4,
        Family::V6 => 6,
    };
    format!(
        "| {} | {} | {version} | {} | {} |",
        row.server, row.client, row.at_server.text, row.at_router.text
    )
}

/// Panics when docs/FAULT-MATRIX.md tells of other rows.
pub fn assert_up_to_date(rows: &[Row]) {
    let written = std::fs::read_to_string(path()).unwrap_or_default();
    let mut expected: Vec<String> = Vec::new();
    let mut fault = None;
    for row in rows {
        if fault != Some(row.fault) {
            fault = Some(row.fault);
            expected.extend(heading(&row.fault).lines().map(str::to_owned));
        }
        expected.push(line(row));
    }
    expected.retain(|line| !line.is_empty());
    let headings_on = written.find("\n## ").map_or("", |at| &written[at..]);
    let told: Vec<&str> = headings_on
        .lines()
        .filter(|line| !line.is_empty())
        .collect();
    let same = expected.len() == told.len()
        && expected
            .iter()
            .zip(&told)
            .all(|(expected, told)| told.starts_with(expected.as_str()));
    assert!(
        same,
        "docs/FAULT-MATRIX.md is out of date: {HOW_TO_REPLACE}"
    );
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/FAULT-MATRIX.md")
}
