//! What happened to an endpoint: the rules, as one function of facts and time.

use schemars::JsonSchema;
use serde::Serialize;

use super::facts::Facts;

/// What happened to an endpoint. Decided once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The three-way handshake completed.
    Connected,
    /// No SYN was seen.
    NoSyn,
    /// A SYN was seen, and no answer to it.
    NoAnswer,
    /// A SYN was answered with RST, or with ICMP errors and nothing else.
    Refused,
    /// A SYN-ACK was seen, and the handshake did not complete.
    NoAck,
    /// The client never needed it.
    Unused,
    /// The transfer ran, past this vantage point.
    Unobserved,
    /// Absence proves nothing here.
    Unknown,
}

impl Outcome {
    /// All of them, as the summary lists them.
    pub const ALL: [Self; 8] = [
        Self::Connected,
        Self::NoSyn,
        Self::NoAnswer,
        Self::Refused,
        Self::NoAck,
        Self::Unused,
        Self::Unobserved,
        Self::Unknown,
    ];

    /// Its name in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::NoSyn => "no_syn",
            Self::NoAnswer => "no_answer",
            Self::Refused => "refused",
            Self::NoAck => "no_ack",
            Self::Unused => "unused",
            Self::Unobserved => "unobserved",
            Self::Unknown => "unknown",
        }
    }

    /// What it means, in a few words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        crate::explain::outcome(self).meaning
    }

    /// Whether something is wrong.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::NoSyn | Self::NoAnswer | Self::Refused | Self::NoAck
        )
    }
}

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// What the rules need to know besides the facts.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The time-out, in nanoseconds.
    pub timeout: u64,
    /// The advertised address is plausible: none of the address causes applies to it.
    pub plausible: bool,
    /// So far, all transfers of this server went another way than past this vantage point.
    pub elsewhere: bool,
}

/// A decision, or when to ask again. With `None` only another event can decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Decided.
    Decided(Outcome),
    /// Not before this time.
    Wait(Option<u64>),
}

/// Decides what happened, from what is known at the time `now`.
#[must_use]
pub fn decide(facts: &Facts, terms: &Terms, now: u64) -> Verdict {
    use Verdict::{Decided, Wait};

    let ran = matches!(facts.final_reply, Some((_, 226 | 250)));
    if facts.connected_at.is_some() {
        return Decided(Outcome::Connected);
    }
    // A stranger's connection counts once the control connection says that the transfer runs.
    if facts.foreign_connected_at.is_some() && (ran || facts.announced_at.is_some()) {
        return Decided(Outcome::Connected);
    }
    if ran {
        return Decided(Outcome::Unobserved);
    }
    if facts.refused_at.is_some() {
        return Decided(Outcome::Refused);
    }
    let failed = match facts.final_reply {
        Some((at, 421 | 425 | 426 | 522)) => Some(at),
        // Refused for reasons of its own: no such file, not logged in.
        Some((_, 400..)) if terms.plausible => return Decided(Outcome::Unused),
        _ => None,
    };
    if facts.announced_at.is_some() {
        // The clock stands still until the final reply.
        return match (failed, facts.gave_up, facts.released) {
            (Some(_), ..) => Decided(absence(facts, terms)),
            (None, Some(_), true) => Decided(Outcome::Unknown),
            _ => Wait(None),
        };
    }
    if let Some((at, _)) = facts.gave_up {
        return Decided(given_up(facts, terms, at, failed.is_some()));
    }
    match deadline(facts, terms) {
        deadline if now >= deadline => Decided(absence(facts, terms)),
        deadline => Wait(Some(deadline)),
    }
}

/// When waiting is over. A SYN that comes late gets a second for its answer.
fn deadline(facts: &Facts, terms: &Terms) -> u64 {
    let start = facts.acked_at.unwrap_or(facts.advertised_at);
    let last = facts.syn_ack_at.max(facts.syn_at).unwrap_or(0);
    (start + terms.timeout).max(if last == 0 { 0 } else { last + SECOND })
}

/// The client gave up at `at`. Sooner than a second, it never needed the endpoint, as far as can be told.
fn given_up(facts: &Facts, terms: &Terms, at: u64, failed: bool) -> Outcome {
    let (since, patience) = match (facts.syn_ack_at, facts.syn_at) {
        (Some(syn_ack), _) => (syn_ack, SECOND),
        (None, Some(syn)) => (syn, SECOND),
        (None, None) => (
            facts.acked_at.unwrap_or(facts.advertised_at),
            SECOND.max(3 * facts.round_trip),
        ),
    };
    let waited = at.saturating_sub(since) > patience;
    let implausible = !terms.plausible && facts.syn_ack_at.is_none();
    // An ICMP error is an answer: the client need not wait for another.
    let rejected = facts.syn_ack_at.is_none() && facts.syn_rejected_at.is_some();
    if waited || implausible || failed || rejected {
        absence(facts, terms)
    } else {
        Outcome::Unused
    }
}

/// Something did not come. What it was, unless its absence proves nothing.
fn absence(facts: &Facts, terms: &Terms) -> Outcome {
    let blind = facts.missed != 0 || terms.elsewhere || !facts.client_visible;
    if blind {
        Outcome::Unknown
    } else if facts.syn_ack_at.is_some() {
        Outcome::NoAck
    } else if facts.syn_rejected_at.is_some() {
        Outcome::Refused
    } else if facts.syn_at.is_some() {
        Outcome::NoAnswer
    } else {
        Outcome::NoSyn
    }
}

#[cfg(test)]
mod tests;
