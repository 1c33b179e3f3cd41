//! The story in a table: what each server advertised, what came of it, and what many sessions show.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    net::IpAddr,
};

use ftpwatch_common::counter::COUNTERS;

use super::summary;
use crate::{
    diagnose::{Cause, Finding},
    report::{Body, EndpointReport, FindingReport, Peer, Report},
    tracker::{Books, Case, Event, Outcome},
};

/// How many rows and findings are remembered.
const REMEMBERED: usize = 1_000;

/// How many rows and findings are shown.
const SHOWN: usize = 20;

/// What came of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Result {
    Outcome(Outcome, Option<Cause>),
    /// The server said afterwards that the transfer failed, with this code.
    Transfer(u16),
}

impl Result {
    fn words(self) -> String {
        match self {
            Self::Outcome(outcome, Some(cause)) => format!("{} {}", outcome.name(), cause.name()),
            Self::Outcome(outcome, None) => outcome.name().into(),
            Self::Transfer(code) => format!("transfer {code}"),
        }
    }

    const fn is_failure(self) -> bool {
        match self {
            Self::Outcome(outcome, _) => outcome.is_failure(),
            Self::Transfer(_) => true,
        }
    }
}

type Row = (Peer, IpAddr, Result);

/// What all reports together say.
#[derive(Debug, Default)]
pub struct Story {
    rows: BTreeMap<Row, u64>,
    /// Endpoints for which there was no row.
    beyond: u64,
    findings: BTreeSet<(Finding, Peer, String)>,
}

impl Story {
    /// Takes in a report.
    pub fn note(&mut self, report: &Report) {
        match &report.body {
            Body::Outcome(endpoint) => {
                let outcome = endpoint.outcome.unwrap_or(Outcome::Unknown);
                self.count_report(endpoint, Result::Outcome(outcome, endpoint.cause));
            }
            Body::Transfer(endpoint) => {
                let code = endpoint
                    .control_reply
                    .as_ref()
                    .map_or(426, |reply| reply.code);
                self.count_report(endpoint, Result::Transfer(code));
            }
            Body::Finding(finding) if self.findings.len() < REMEMBERED => self.find(finding),
            _ => {}
        }
    }

    /// Takes in an event that there is no report of: an outcome that is no failure has no cause, and counts.
    pub fn note_event(&mut self, event: &Event) {
        if let Event::Outcome(case) = event {
            self.note_case(case);
        }
    }

    fn note_case(&mut self, case: &Case) {
        let endpoint = case.views.client_side();
        let server = Peer {
            ip: endpoint.flow.server.ip(),
            port: endpoint.flow.server_port,
        };
        let result = Result::Outcome(case.outcome, None);
        self.count((server, endpoint.address.ip(), result));
    }

    fn count_report(&mut self, endpoint: &EndpointReport, result: Result) {
        self.count((endpoint.server, endpoint.advertised.ip, result));
    }

    fn count(&mut self, row: Row) {
        if self.rows.len() < REMEMBERED || self.rows.contains_key(&row) {
            *self.rows.entry(row).or_default() += 1;
        } else {
            self.beyond += 1;
        }
    }

    fn find(&mut self, finding: &FindingReport) {
        let explanation = finding.explanation.clone();
        self.findings
            .insert((finding.finding, finding.server, explanation));
    }

    /// What is said at the end: the story, what was counted, and what was lost in the engine and besides.
    pub fn summary(
        &self,
        books: &Books,
        counters: &[u64; COUNTERS],
        besides: &[(u64, String)],
    ) -> String {
        let mut text = String::new();
        self.tell(&mut text);
        summary::write(&mut text, books, counters, besides);
        text
    }

    /// The story, lines that end each; nothing where there is none. Failures first, and then what happened most.
    fn tell(&self, text: &mut String) {
        // Writing to a String cannot fail.
        if !self.rows.is_empty() {
            let _ = writeln!(
                text,
                "{:<21}  {:<15}  {:<28}  {:>6}",
                "SERVER", "ADVERTISED", "RESULT", "COUNT"
            );
        }
        let mut rows: Vec<(&Row, &u64)> = self.rows.iter().collect();
        rows.sort_by_key(|((.., result), count)| Reverse((result.is_failure(), **count)));
        for ((server, address, result), count) in rows.iter().take(SHOWN) {
            let (server, address) = (server.to_string(), address.to_string());
            let result = result.words();
            let _ = writeln!(
                text,
                "{server:<21}  {address:<15}  {result:<28}  {count:>6}"
            );
        }
        let more: u64 = rows.iter().skip(SHOWN).map(|(_, count)| **count).sum();
        if more + self.beyond > 0 {
            let _ = writeln!(text, "and {} endpoints more", more + self.beyond);
        }
        for (finding, server, explanation) in self.findings.iter().take(SHOWN) {
            let finding = finding.name();
            let _ = writeln!(text, "finding: {finding} at {server}\n  {explanation}");
        }
        if self.findings.len() > SHOWN {
            let _ = writeln!(text, "and {} findings more", self.findings.len() - SHOWN);
        }
    }
}
