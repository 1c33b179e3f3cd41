//! What was lost, and what it means for what is reported.

use std::{io, time::Instant};

use ftpwatch_common::{
    counter::{COUNTERS, Counter},
    ledger,
};

use crate::{
    error::Error,
    escape::printable,
    health::{Bypassed, LATELY},
    output::Dropped,
    report::LossReport,
    tracker::{Given, Giver},
};

/// Counters of the kernel half that say that something was lost, and what that means.
const COUNTED: [(Counter, &str, &str); 10] = [
    (
        Counter::ControlsFull,
        "controls_full",
        "control connections are not watched: their map is full",
    ),
    (
        Counter::EndpointsFull,
        "endpoints_full",
        "endpoints are reported as unknown: their map is full",
    ),
    (
        Counter::IndexFull,
        "index_full",
        "endpoints that are not connected are reported as unknown: the index is full",
    ),
    (
        Counter::Contended,
        "contended",
        "packets were passed over; endpoints that were open are reported as unknown unless connected",
    ),
    (
        Counter::Unreadable,
        "unreadable",
        "packets of control connections could not be read; their open endpoints are unknown unless connected",
    ),
    (
        Counter::GuessesFull,
        "guesses_full",
        "data connections of encrypted sessions are not watched: too many at a time",
    ),
    (
        Counter::RingFull,
        "ring_full",
        "the ring buffer was full; what its records said was read from the maps instead",
    ),
    (
        Counter::Untold,
        "untold",
        "endpoints are counted as unknown, and not told of: there was no room for them, nor for the news of them",
    ),
    (
        Counter::TlsLost,
        "tls_lost",
        "sessions in TLS are read no longer; their endpoints that were open are unknown unless connected",
    ),
    (
        Counter::TlsFull,
        "tls_full",
        "sessions in TLS are not read: there are more connections at a time than there is room for",
    ),
];

const TLS_LOST: usize = 8;

/// Every word that a loss is reported as.
pub const KINDS: [&str; COUNTED.len() + 9] = [
    COUNTED[0].1,
    COUNTED[1].1,
    COUNTED[2].1,
    COUNTED[3].1,
    COUNTED[4].1,
    COUNTED[5].1,
    COUNTED[6].1,
    COUNTED[7].1,
    COUNTED[TLS_LOST].1,
    COUNTED[9].1,
    STRANGE_RECORDS,
    UNRETIRED,
    INTERFACE_GONE,
    INTERFACE_DOWN,
    OUTPUT_DROPPED,
    NOT_ADOPTED,
    FORGOTTEN,
    SHARE_EXCEEDED,
    BYPASSED,
];

const _: () = assert!(
    KINDS.len() <= ledger::LOSSES,
    "there is room for them in what outlives the process"
);

const STRANGE_RECORDS: &str = "strange_records";
const UNRETIRED: &str = "unretired";
const INTERFACE_GONE: &str = "interface_gone";
const INTERFACE_DOWN: &str = "interface_down";
const OUTPUT_DROPPED: &str = "output_dropped";
const NOT_ADOPTED: &str = "not_adopted";
const FORGOTTEN: &str = "forgotten";
const SHARE_EXCEEDED: &str = "share_exceeded";
const BYPASSED: &str = "bypassed";

/// What a loss calls for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Packets went by unread, and nobody knows whose.
    pub packets: bool,
    /// News were lost.
    pub news: bool,
    /// So many endpoints are known of by this count alone.
    pub untold: u64,
}

/// Keeps count of what was lost.
#[derive(Debug, Default)]
pub struct Losses {
    before: [u64; COUNTERS],
    reports: Vec<LossReport>,
    /// What was lost outside the kernel half, for the summary.
    others: Vec<(u64, String)>,
    /// All of it, in the kernel half and outside, by [`KINDS`].
    totals: [u64; KINDS.len()],
    /// When something was last lost, and how much since it was last quiet for long.
    last: Option<Instant>,
    lately: u64,
    unattached: Vec<String>,
}

impl Losses {
    /// Compares with the last time.
    pub fn compare(&mut self, counters: &[u64; COUNTERS]) -> Lost {
        let before = std::mem::replace(&mut self.before, *counters);
        let lost = |counter: Counter| {
            let at = counter as usize;
            counters[at].saturating_sub(before[at])
        };
        for (counter, what, meaning) in COUNTED {
            let count = lost(counter);
            if count > 0 {
                self.push(what, count, meaning.into());
            }
        }
        Lost {
            packets: lost(Counter::Contended) > 0,
            news: lost(Counter::RingFull) > 0,
            untold: lost(Counter::Untold),
        }
    }

    /// The ring held records that are none of ours.
    pub fn note_strange_records(&mut self, count: u64) {
        if count > 0 {
            self.note(
                STRANGE_RECORDS,
                count,
                "records of an unknown form; a fault of this build".into(),
            );
        }
    }

    /// Entries could not be taken out of the maps.
    pub fn note_unretired(&mut self, count: usize, error: &io::Error) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.note(
            UNRETIRED,
            count,
            format!("entries stay in the maps: {error}"),
        );
    }

    /// An interface went away.
    pub fn note_interface_gone(&mut self, name: &str) {
        let name = printable(name.as_bytes());
        eprintln!("ftpwatch: the interface {name} went away; it is watched again once it is back");
        self.note(
            INTERFACE_GONE,
            1,
            format!("{name} went away; endpoints that were open are unknown unless connected"),
        );
    }

    /// An interface went down.
    pub fn note_interface_down(&mut self, name: &str) {
        let name = printable(name.as_bytes());
        self.note(
            INTERFACE_DOWN,
            1,
            format!("{name} went down; endpoints that were open are unknown unless connected"),
        );
    }

    /// Packets pass the hook by, and nobody knows whose.
    pub fn note_bypassed(&mut self, bypassed: &Bypassed) {
        self.note(
            BYPASSED,
            1,
            format!("{bypassed}; endpoints that are open are unknown unless connected"),
        );
    }

    /// Somebody else took the program off.
    pub fn note_taken_off(&mut self, interface: &str) {
        let name = printable(interface.as_bytes());
        eprintln!("ftpwatch: somebody took ftpwatch off {name}; it is attached again");
        self.note(
            BYPASSED,
            1,
            format!("somebody took ftpwatch off {name}; endpoints that were open are unknown unless connected"),
        );
    }

    /// What an earlier process left does not fit.
    pub fn note_not_adopted(&mut self) {
        self.note(
            NOT_ADOPTED,
            1,
            "what an earlier ftpwatch left in the kernel does not fit this one, and was replaced; endpoints that were open \
             then are not reported"
                .into(),
        );
    }

    /// Sessions in TLS that were being read when an earlier process ended.
    pub fn note_unheard(&mut self, count: usize) {
        let (_, what, meaning) = COUNTED[TLS_LOST];
        self.note(what, count as u64, meaning.into());
    }

    /// Endpoints had to make room for others.
    pub fn note_given(&mut self, given: &Given) {
        if given.forgotten > 0 {
            self.note(
                FORGOTTEN,
                given.forgotten,
                "endpoints are followed no longer that have their outcome: there is no room. What comes late is not told".into(),
            );
        }
        for (giver, count) in &given.unknown {
            let meaning = match giver {
                Giver::Client(address) => format!(
                    "endpoints of the client {address} are unknown: it had its share of the room already"
                ),
                Giver::Server(address) => format!(
                    "endpoints of the server {address} are unknown: it had more than its share of the room"
                ),
                Giver::Everybody => {
                    "endpoints are unknown: there are more at a time than there is room for".into()
                }
            };
            self.note(SHARE_EXCEEDED, *count, meaning);
        }
    }

    /// Goes on from what was told of before.
    pub fn resume(&mut self, counters: &[u64; COUNTERS], losses: &[u64]) {
        self.before = *counters;
        for (total, lost) in self.totals.iter_mut().zip(losses) {
            *total += lost;
        }
    }

    /// An interface cannot be watched. Said once.
    pub fn note_unattached(&mut self, name: &str, error: &Error) {
        if !self.unattached.iter().any(|known| known == name) {
            self.unattached.push(name.to_owned());
            eprintln!("{error}");
        }
    }

    /// An output did not write results.
    pub fn note_dropped(&mut self, dropped: Dropped) {
        let Dropped {
            output,
            count,
            reason,
        } = dropped;
        let meaning = format!("results were not written to {output}: {reason}");
        self.note(OUTPUT_DROPPED, count, meaning);
        if let Some(report) = self.reports.last_mut() {
            report.output = Some(output);
        }
    }

    fn note(&mut self, what: &'static str, count: u64, meaning: String) {
        self.add_to_others(count, format!("{what}: {meaning}"));
        self.push(what, count, meaning);
    }

    /// For the summary, in which there is room for so much: interfaces come and go for years.
    fn add_to_others(&mut self, count: u64, text: String) {
        const ROOM: usize = 32;
        let last = (self.others.len() == ROOM).then_some(ROOM - 1);
        let same = self.others.iter().position(|(_, known)| *known == text);
        match same.or(last) {
            Some(at) => {
                let (sum, known) = &mut self.others[at];
                *sum = sum.saturating_add(count);
                if same.is_none() {
                    "more, of other interfaces or kinds".clone_into(known);
                }
            }
            None => self.others.push((count, text)),
        }
    }

    fn push(&mut self, what: &'static str, count: u64, meaning: String) {
        if let Some(at) = KINDS.iter().position(|kind| *kind == what) {
            self.totals[at] = self.totals[at].saturating_add(count);
        }
        self.lately = self.lately().saturating_add(count);
        self.last = Some(Instant::now());
        self.reports.push(LossReport {
            what,
            count,
            meaning,
            output: None,
            state: None,
        });
    }

    /// How much was lost lately.
    #[must_use]
    pub fn lately(&self) -> u64 {
        let is_late = self.last.is_some_and(|last| last.elapsed() < LATELY);
        if is_late { self.lately } else { 0 }
    }

    /// How much was lost so far, by [`KINDS`].
    #[must_use]
    pub const fn totals(&self) -> [u64; KINDS.len()] {
        self.totals
    }

    /// What the kernel half had counted the last time.
    #[must_use]
    pub const fn counters(&self) -> &[u64; COUNTERS] {
        &self.before
    }

    /// What was lost outside the kernel half.
    #[must_use]
    pub fn others(&self) -> &[(u64, String)] {
        &self.others
    }

    /// What there is to report since the last time.
    pub fn take_reports(&mut self) -> Vec<LossReport> {
        std::mem::take(&mut self.reports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_the_summary_is_bounded() {
        let mut losses = Losses::default();
        for number in 0..1_000 {
            losses.note_interface_gone(&format!("veth{number}"));
            losses.note_interface_gone("eth0");
        }
        assert_eq!(losses.others().len(), 32);
        let sum: u64 = losses.others().iter().map(|(count, _)| count).sum();
        assert_eq!(sum, 2_000, "none is forgotten");
        assert!(losses.others()[31].1.starts_with("more"));
    }
}
