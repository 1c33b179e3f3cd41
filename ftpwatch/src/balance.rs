//! Books that balance: what was counted in one place, and what it came to in others. No I/O.
//!
//! The kernel half goes on counting while it is read. So its counters are read before and after the user half has taken in
//! what there was to take in: what holds, holds of some moment in between. At rest both readings are the same, and then each
//! sum holds exactly.

use std::fmt;

use ftpwatch_common::counter::{COUNTERS, Counter};
use serde::Serialize;

use crate::tracker::{Books, Outcome, Tracker};

/// The kernel half's counters.
pub type Counters = [u64; COUNTERS];

/// What the user half counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Records taken out of the ring buffer.
    pub records: u64,
    /// The tracker's books.
    pub books: Books,
    /// Endpoints without an outcome, counted one by one.
    pub pending: u64,
}

impl Counted {
    /// What the user half has counted by now, and so many records.
    #[must_use]
    pub fn now(tracker: &Tracker, records: u64) -> Self {
        Self {
            records,
            books: *tracker.books(),
            pending: tracker.pending(),
        }
    }
}

/// What was counted, and what it came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What that is.
    pub what: &'static str,
    /// How many of it.
    pub count: u64,
}

/// All sums. `before` and `after` are the kernel half's counters, `counted` is what the user half counted in between.
/// `processors` may each be between counting a thing and counting what it came to.
#[must_use]
pub fn balance(
    before: &Counters,
    after: &Counters,
    counted: &Counted,
    processors: u64,
) -> [Sum; 5] {
    let kernel = |counter: Counter| {
        let (_, name) = Counter::ALL[counter as usize];
        (
            name,
            [before, after].map(|counters| counters[counter as usize]),
        )
    };
    let user = |what: &'static str, count: u64| (what, [count; 2]);
    let slack = if before == after { 0 } else { processors };
    let sum = |total, parts: Vec<_>| sum(total, &parts, slack);
    let Counted {
        records,
        books,
        pending,
    } = counted;
    let outcomes = Outcome::ALL.into_iter().zip(books.outcomes);
    [
        sum(
            kernel(Counter::ControlSegments),
            Counter::FATES.map(kernel).to_vec(),
        ),
        sum(
            kernel(Counter::PassiveReplies),
            vec![kernel(Counter::Advertised), kernel(Counter::Undecodable)],
        ),
        sum(
            kernel(Counter::Records),
            vec![user("taken_in", *records), kernel(Counter::RingFull)],
        ),
        sum(
            kernel(Counter::Advertised),
            vec![user("taken_in", books.views), kernel(Counter::Untold)],
        ),
        sum(
            user("endpoints", books.endpoints),
            outcomes
                .map(|(outcome, count)| user(outcome.name(), count))
                .chain([user("pending", *pending)])
                .collect(),
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

    fn counters(counts: &[(Counter, u64)]) -> Counters {
        let mut counters = [0; COUNTERS];
        for (counter, count) in counts {
            counters[*counter as usize] = *count;
        }
        counters
    }

    fn failing(before: &Counters, after: &Counters, counted: &Counted) -> Vec<String> {
        let sums = balance(before, after, counted, 2);
        let failing = sums.iter().filter(|sum| !sum.holds);
        failing.map(ToString::to_string).collect()
    }

    #[test]
    fn nothing_balances() {
        let nothing = [0; COUNTERS];
        let sums = balance(&nothing, &nothing, &Counted::default(), 2);
        assert!(sums.iter().all(|sum| sum.holds));
        assert_eq!(sums[0].to_string(), "0 control_segments = 0");
    }

    #[test]
    fn at_rest_one_too_many_or_too_few_is_seen() {
        let segments = |seen, scanned, empty| {
            counters(&[
                (Counter::ControlSegments, seen),
                (Counter::Scanned, scanned),
                (Counter::Empty, empty),
            ])
        };
        let check = |counters| failing(&counters, &counters, &Counted::default());
        assert_eq!(check(segments(7, 4, 3)), [""; 0]);
        for (seen, sign) in [(6, "6"), (8, "8")] {
            let line = format!("{sign} control_segments ≠ 4 scanned + 3 empty");
            assert_eq!(check(segments(seen, 4, 3)), [line]);
        }
    }

    /// Between two readings anything may have come, but not less than there was, nor more than there is.
    #[test]
    fn under_load_within_what_is_in_flight() {
        let records = |all, lost| counters(&[(Counter::Records, all), (Counter::RingFull, lost)]);
        let (before, after) = (records(100, 5), records(200, 5));
        let check = |records| {
            let counted = Counted {
                records,
                ..Counted::default()
            };
            failing(&before, &after, &counted).is_empty()
        };
        for fine in [93, 95, 150, 195, 197] {
            assert!(check(fine), "{fine}");
        }
        for wrong in [92, 198] {
            assert!(!check(wrong), "{wrong}");
        }
    }
}
