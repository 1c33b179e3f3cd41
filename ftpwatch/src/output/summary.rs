//! What is said at the end, on standard error.

use std::fmt::Write as _;

use ftpwatch_common::counter::{COUNTERS, Counter};

use crate::tracker::{Books, Outcome};

/// Counters that say that something was lost, and what it was.
const LOSSES: [(Counter, &str); 9] = [
    (
        Counter::ControlsFull,
        "control connections not watched: their map was full",
    ),
    (
        Counter::EndpointsFull,
        "endpoints not watched: their map was full",
    ),
    (
        Counter::IndexFull,
        "endpoints that SYNs cannot find: the index was full",
    ),
    (
        Counter::Contended,
        "packets passed over: another processor held the entry",
    ),
    (
        Counter::Unreadable,
        "control packets that could not be read",
    ),
    (
        Counter::GuessesFull,
        "data connections of encrypted sessions not watched: too many at a time",
    ),
    (
        Counter::RingFull,
        "records lost: the ring buffer was full (the maps were asked instead)",
    ),
    (
        Counter::TlsLost,
        "sessions in TLS that could not be followed to their end",
    ),
    (
        Counter::TlsFull,
        "connections in TLS not listened to: there was no room",
    ),
];

/// Appends what was counted and lost, in the engine and besides, to `text`: lines that end each.
pub fn write(
    text: &mut String,
    books: &Books,
    counters: &[u64; COUNTERS],
    besides: &[(u64, String)],
) {
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{} control {}, {} passive {}",
        books.sessions,
        plural(books.sessions, "session", "sessions"),
        books.endpoints,
        plural(books.endpoints, "endpoint", "endpoints"),
    );
    for (outcome, count) in Outcome::ALL.into_iter().zip(books.outcomes) {
        if count > 0 || matches!(outcome, Outcome::Connected) {
            let _ = writeln!(text, "  {:<11}{count:>6}", outcome.name());
        }
    }
    for (what, count) in [
        ("connected late, after being reported as failed", books.late),
        (
            "transfers that the server called failed afterwards",
            books.transfers,
        ),
        (
            "advertisements that could not be decoded",
            books.undecodable,
        ),
        ("sessions that could not be read (TLS)", books.blind),
    ] {
        if count > 0 {
            let _ = writeln!(text, "{count} {what}");
        }
    }
    if books.ignored > 0 {
        let _ = writeln!(
            text,
            "{} {} ignored",
            books.ignored,
            plural(books.ignored, "session", "sessions"),
        );
    }
    let lost: Vec<_> = LOSSES
        .iter()
        .map(|(counter, what)| (counters[*counter as usize], *what))
        .chain(besides.iter().map(|(count, what)| (*count, what.as_str())))
        .filter(|(count, _)| *count > 0)
        .collect();
    if lost.is_empty() {
        text.push_str("nothing was lost\n");
    }
    for (count, what) in lost {
        let _ = writeln!(text, "lost: {count} {what}");
    }
}

const fn plural(count: u64, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}
