//! `ftpwatch explain`: what a code means, how to confirm it, how to fix it.
//!
//! The texts are here and nowhere else: outputs, the diagnosis and `docs/EXPLAIN.md` take them from this room.

mod cause;
mod command;
mod finding;
mod json;
mod lookup;
mod markdown;
mod outcome;
mod table;
mod warning;

use clap::ValueEnum;

pub use cause::cause;
pub use command::{Format, run};
pub use finding::finding;
pub use outcome::outcome;
pub use warning::warning;

use crate::{
    diagnose::{Cause, Finding, Warning},
    firewalls::{self, Ports},
    servers::{Setting, Software, Topic, Values},
    tracker::Outcome,
};

/// What a code means. `PORT`, `ADDRESS`, `CLIENT` and `SERVER` stand for what ftpwatch says of the case.
#[derive(Debug)]
pub struct Text {
    /// A few words, which go on behind a colon.
    pub meaning: &'static str,
    /// The same for somebody who has not met it before: sentences.
    pub detail: &'static str,
    /// How to see that it is so.
    pub confirm: &'static [&'static str],
    /// What to do about it.
    pub fix: &'static [&'static str],
    /// The servers' settings that have to do with it.
    pub settings: &'static [Topic],
    /// Where a firewall has to be opened.
    pub open: Option<Place>,
}

impl Text {
    /// To fill up a text from.
    const NOTHING: Self = Self {
        meaning: "",
        detail: "",
        confirm: &[],
        fix: &[],
        settings: &[],
        open: None,
    };
}

/// Where a firewall is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the host that drops.
    Host,
    /// Between clients and server.
    InFront,
}

/// What a code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Outcome,
    Cause,
    Warning,
    Finding,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Outcome, Self::Cause, Self::Warning, Self::Finding];

    const fn name(self) -> &'static str {
        match self {
            Self::Outcome => "outcome",
            Self::Cause => "cause",
            Self::Warning => "warning",
            Self::Finding => "finding",
        }
    }

    /// What all of them are: a heading, and a sentence.
    const fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::Outcome => ("Outcomes", "What happened to an endpoint: facts."),
            Self::Cause => ("Causes", "Why an endpoint failed: inferences."),
            Self::Warning => (
                "Warnings",
                "What is wrong with an endpoint although it worked.",
            ),
            Self::Finding => ("Findings", "What many endpoints of a server together say."),
        }
    }
}

/// A code and what it means.
#[derive(Clone, Copy, Debug)]
struct Entry {
    kind: Kind,
    code: &'static str,
    text: &'static Text,
}

impl Entry {
    /// Whether it is `other`.
    fn is(&self, other: &Self) -> bool {
        self.kind == other.kind && self.code == other.code
    }

    /// What opens the firewall, where one has to be.
    fn firewall(&self) -> Vec<String> {
        let ports = Ports::range("LO", "HI");
        match self.text.open {
            None => Vec::new(),
            Some(Place::Host) => firewalls::on_the_host(&ports),
            Some(Place::InFront) => firewalls::in_front(&ports, "the networks of the clients"),
        }
    }

    /// What to set on `software`, and where.
    fn settings(&self, software: &Software) -> Vec<String> {
        self.known(software)
            .map(|setting| setting.line(&Values::default()))
            .collect()
    }

    /// What to set on `software`.
    fn directives(&self, software: &Software) -> Vec<String> {
        self.known(software)
            .map(|setting| setting.directive(&Values::default()))
            .collect()
    }

    fn known<'a>(&self, software: &'a Software) -> impl Iterator<Item = &'a Setting> {
        let topics = self.text.settings.iter();
        topics.filter_map(|topic| software.setting(*topic))
    }
}

/// All codes, grouped by kind.
fn entries() -> Vec<Entry> {
    let outcomes = Outcome::ALL
        .into_iter()
        .map(|code| (Kind::Outcome, code.name(), outcome(code)));
    let causes = Cause::value_variants()
        .iter()
        .map(|code| (Kind::Cause, code.name(), cause(*code)));
    let warnings = Warning::value_variants()
        .iter()
        .map(|code| (Kind::Warning, code.name(), warning(*code)));
    let findings = Finding::value_variants()
        .iter()
        .map(|code| (Kind::Finding, code.name(), finding(*code)));
    outcomes
        .chain(causes)
        .chain(warnings)
        .chain(findings)
        .map(|(kind, code, text)| Entry { kind, code, text })
        .collect()
}

/// `words` as a sentence.
fn sentence(words: &str) -> String {
    let mut characters = words.chars();
    let first = characters.next().map(|first| first.to_uppercase());
    first
        .into_iter()
        .flatten()
        .chain(characters)
        .chain(['.'])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained() {
        for Entry { kind, code, text } in entries() {
            assert!(!text.meaning.is_empty(), "{code}");
            assert!(
                !text.meaning.ends_with('.'),
                "{code}: goes on behind a colon"
            );
            assert!(text.detail.ends_with('.'), "{code}: {}", text.detail);
            assert!(!text.confirm.is_empty(), "{code}");
            let wrong = match kind {
                Kind::Outcome => Outcome::ALL
                    .iter()
                    .any(|outcome| outcome.name() == code && outcome.is_failure()),
                _ => true,
            };
            assert!(!wrong || !text.fix.is_empty(), "{code} is not fixed");
            for line in text.confirm.iter().chain(text.fix).chain([&text.detail]) {
                assert_eq!(line.matches('`').count() % 2, 0, "{code}: {line}");
                assert!(!line.contains("  "), "{code}: {line}");
            }
        }
    }

    /// Of one kind; an outcome is called as in the JSON.
    #[test]
    fn codes_are_told_apart() {
        let entries = entries();
        for (at, entry) in entries.iter().enumerate() {
            let twin = entries[..at].iter().any(|other| other.is(entry));
            assert!(!twin, "{}", entry.code);
        }
    }

    #[test]
    fn names_are_those_of_the_json() {
        let json = |value: &dyn Fn() -> serde_json::Result<serde_json::Value>| value().unwrap();
        for cause in Cause::value_variants() {
            assert_eq!(json(&|| serde_json::to_value(cause)), cause.name());
        }
        for warning in Warning::value_variants() {
            assert_eq!(json(&|| serde_json::to_value(warning)), warning.name());
        }
        for finding in Finding::value_variants() {
            assert_eq!(json(&|| serde_json::to_value(finding)), finding.name());
        }
        for outcome in Outcome::ALL {
            assert_eq!(json(&|| serde_json::to_value(outcome)), outcome.name());
        }
    }

    #[test]
    fn every_server_is_spoken_of_somewhere() {
        let entries = entries();
        for software in crate::servers::all().filter(|software| software.address.is_some()) {
            assert!(
                entries
                    .iter()
                    .any(|entry| !entry.settings(software).is_empty()),
                "{software}"
            );
        }
    }

    #[test]
    fn sentences() {
        assert_eq!(sentence("no SYN was seen"), "No SYN was seen.");
        assert_eq!(sentence(""), ".");
    }
}
