//! Books that balance: what was counted in one place, and what it came to in others. No I/O.
//!
//! The kernel half goes on counting while it is read. So its counters are read before and after the user half has taken in
//! what there was to take in: what holds, holds of some moment in between. At rest both readings are the same, and then each
//! sum holds exactly.

use std::fmt;

use ftpwatch_common::{
    counter::{COUNTERS, Counter},
    ledger::{Audit, KINDS},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::tracker::{Books, Outcome, Tracker};

/// What was counted, and what it came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sum {
    /// What is counted.
    pub what: &'static str,
    /// How many there were.
    pub total: u64,
    /// What they came to.
    pub parts: Vec<Part>,
    /// Whether both agree.
    pub holds: bool,
}

/// What some of it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Part {
    /// What that is.
    pub what: &'static str,
    /// How many of it.
    pub count: u64,
}

/// Whoever looks at the books again and again.
#[derive(Clone, Copy, Debug)]
pub struct Auditor {
    processors: u64,
    /// What an earlier process took in, records and advertisements, where the kernel half went on counting over a restart.
    /// `None` until it is known.
    earlier: Option<[u64; 2]>,
}

impl Auditor {
    /// One for a kernel half that begins to count now, or was `adopted` from an earlier process: what that one took in is
    /// what is missing at the first moment of rest. `processors` run the kernel half.
    #[must_use]
    pub const fn new(processors: u64, adopted: bool) -> Self {
        Self {
            processors,
            earlier: if adopted { None } else { Some([0, 0]) },
        }
    }

    /// What the kernel half had counted `before` and `after` the user half took in what it has: so many records, and what
    /// the tracker made of them.
    pub fn audit(
        &mut self,
        before: &[u64; COUNTERS],
        after: &[u64; COUNTERS],
        records: u64,
        tracker: &Tracker,
    ) -> Audit {
        let Books {
            views,
            endpoints,
            outcomes,
            ..
        } = *tracker.books();
        let missing = |all: Counter, lost: Counter, taken: u64| {
            after[all as usize].saturating_sub(after[lost as usize] + taken)
        };
        let earlier = self.earlier.unwrap_or([
            missing(Counter::Records, Counter::RingFull, records),
            missing(Counter::Advertised, Counter::Untold, views),
        ]);
        if before == after {
            self.earlier = Some(earlier);
        }
        let mut audit = Audit {
            before: *before,
            after: *after,
            processors: self.processors,
            records,
            views,
            endpoints,
            outcomes: [0; KINDS],
            pending: tracker.pending(),
            earlier_records: earlier[0],
            earlier_views: earlier[1],
        };
        audit.outcomes[..outcomes.len()].copy_from_slice(&outcomes);
        audit
    }
}

/// All sums.
#[must_use]
pub fn sums(audit: &Audit) -> [Sum; 5] {
    let Audit { before, after, .. } = audit;
    let kernel = |counter: Counter| {
        let (_, name) = Counter::ALL[counter as usize];
        let readings = [before, after].map(|counters| counters[counter as usize]);
        (name, readings)
    };
    let user = |what: &'static str, count: u64| (what, [count; 2]);
    // At rest nobody is in between.
    let slack = if before == after { 0 } else { audit.processors };
    let sum = |total, parts: &[Count]| sum(total, parts, slack);
    let outcomes = Outcome::ALL.into_iter().zip(audit.outcomes);
    let outcomes = outcomes.map(|(outcome, count)| user(outcome.name(), count));
    let pending = user("pending", audit.pending);
    [
        sum(
            kernel(Counter::ControlSegments),
            &Counter::FATES.map(kernel),
        ),
        sum(
            kernel(Counter::PassiveReplies),
            &[kernel(Counter::Advertised), kernel(Counter::Undecodable)],
        ),
        sum(
            kernel(Counter::Records),
            &[
                user("taken_in", audit.records),
                kernel(Counter::RingFull),
                user("earlier", audit.earlier_records),
            ],
        ),
        sum(
            kernel(Counter::Advertised),
            &[
                user("taken_in", audit.views),
                kernel(Counter::Untold),
                user("earlier", audit.earlier_views),
            ],
        ),
        sum(
            user("endpoints", audit.endpoints),
            &outcomes.chain([pending]).collect::<Vec<_>>(),
        ),
    ]
}

/// Something counted, before and after.
type Count = (&'static str, [u64; 2]);

fn sum((what, [least, most]): Count, parts: &[Count], slack: u64) -> Sum {
    let of = |at: usize| parts.iter().map(|(_, counts)| counts[at]).sum::<u64>();
    Sum {
        what,
        total: most,
        parts: parts
            .iter()
            .map(|&(what, [_, count])| Part { what, count })
            .collect(),
        holds: least <= of(1) + slack && of(0) <= most + slack,
    }
}

impl fmt::Display for Sum {
    /// `7 control_segments = 4 scanned + 3 empty`: what there was none of is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, total, .. } = self;
        write!(f, "{total} {what} {} ", if self.holds { "=" } else { "≠" })?;
        let mut parts = self.parts.iter().filter(|part| part.count > 0);
        match parts.next() {
            None => f.write_str("0")?,
            Some(Part { what, count }) => write!(f, "{count} {what}")?,
        }
        for Part { what, count } in parts {
            write!(f, " + {count} {what}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(counts: &[(Counter, u64)]) -> [u64; COUNTERS] {
        let mut counters = [0; COUNTERS];
        for (counter, count) in counts {
            counters[*counter as usize] = *count;
        }
        counters
    }

    fn at_rest(counts: &[(Counter, u64)]) -> Audit {
        Audit {
            before: counters(counts),
            after: counters(counts),
            processors: 2,
            ..Audit::default()
        }
    }

    fn failing(audit: &Audit) -> Vec<String> {
        let sums = sums(audit);
        let failing = sums.iter().filter(|sum| !sum.holds);
        failing.map(ToString::to_string).collect()
    }

    #[test]
    fn nothing_balances() {
        let sums = sums(&Audit::default());
        assert!(sums.iter().all(|sum| sum.holds));
        assert_eq!(sums[0].to_string(), "0 control_segments = 0");
    }

    #[test]
    fn at_rest_one_too_many_or_too_few_is_seen() {
        let check = |seen| {
            failing(&at_rest(&[
                (Counter::ControlSegments, seen),
                (Counter::Scanned, 4),
                (Counter::Empty, 3),
            ]))
        };
        assert_eq!(check(7), [""; 0]);
        for seen in [6, 8] {
            let line = format!("{seen} control_segments ≠ 4 scanned + 3 empty");
            assert_eq!(check(seen), [line]);
        }
    }

    /// Between two readings anything may have come, but not less than there was, nor more than there is.
    #[test]
    fn under_load_within_what_is_in_flight() {
        let readings = |all| counters(&[(Counter::Records, all), (Counter::RingFull, 5)]);
        let check = |records| {
            let audit = Audit {
                before: readings(100),
                after: readings(200),
                processors: 2,
                records,
                ..Audit::default()
            };
            failing(&audit).is_empty()
        };
        for fine in [93, 95, 150, 195, 197] {
            assert!(check(fine), "{fine}");
        }
        for wrong in [92, 198] {
            assert!(!check(wrong), "{wrong}");
        }
    }

    /// What an earlier process took in is not known before the first moment of rest. From then on it is held to.
    #[test]
    fn what_an_earlier_process_took_in_is_what_is_missing_at_rest() {
        let readings = |all| counters(&[(Counter::Records, all)]);
        let tracker = Tracker::new(1);
        let mut auditor = Auditor::new(2, true);
        let mut audit = |before, after, taken| {
            let audit = auditor.audit(&readings(before), &readings(after), taken, &tracker);
            sums(&audit)[2].to_string()
        };
        let line = "110 records = 10 taken_in + 100 earlier";
        assert_eq!(audit(90, 110, 10), line, "not at rest");
        let line = "110 records = 20 taken_in + 90 earlier";
        assert_eq!(audit(110, 110, 20), line);
        let line = "120 records = 30 taken_in + 90 earlier";
        assert_eq!(audit(120, 120, 30), line);
        let line = "130 records ≠ 39 taken_in + 90 earlier";
        assert_eq!(audit(130, 130, 39), line, "one is missing");
    }
}
