//! What is expected, what was said, and whether it is the same.

use super::lab::fault::DROPPED_HALF;
use super::lab::watch::Event;

/// What is expected of a row at one place.
pub struct Expected {
    /// As the file has it.
    pub text: &'static str,
    kind: Kind,
}

enum Kind {
    /// These, in this order.
    All(Vec<String>),
    /// The first of open ports, the second of dropped ones; any number, and either at least once.
    ByPort(String, String),
}

/// One thing that ftpwatch said, as the file would put it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub text: String,
    pub port: Option<u16>,
}

/// Whether it was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Right,
    /// Something was said to have failed, and nothing had.
    FalseAlarm,
    /// The outcomes are right, and a cause or a warning is not.
    CauseWrong,
    OutcomeWrong,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Right => "right",
            Verdict::FalseAlarm => "false alarm",
            Verdict::CauseWrong => "cause wrong",
            Verdict::OutcomeWrong => "outcome wrong",
        }
    }
}

/// What begins like this alarms somebody.
const ALARMS: [&str; 8] = [
    "no_syn",
    "no_answer",
    "refused",
    "no_ack",
    "late",
    "transfer",
    "loss",
    "finding",
];

impl Expected {
    pub fn read(text: &'static str, place: &str) -> Self {
        assert!(!text.is_empty(), "{place}: nothing is expected");
        let kind = match text.split_once(" or ") {
            Some((open, dropped)) => Kind::ByPort(open.to_owned(), dropped.to_owned()),
            None => Kind::All(text.split(", ").flat_map(repeated).collect()),
        };
        Expected { text, kind }
    }

    pub fn judge(&self, said: &[Said]) -> Verdict {
        match &self.kind {
            Kind::All(expected) => {
                let said: Vec<&str> = said.iter().map(|said| said.text.as_str()).collect();
                let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
                judge(&expected, &said)
            }
            Kind::ByPort(open, dropped) => {
                let both = [true, false]
                    .iter()
                    .all(|half| said.iter().any(|said| is_dropped(said) == *half));
                let each = said.iter().map(|said| {
                    let expected = if is_dropped(said) { dropped } else { open };
                    judge(&[expected], &[&said.text])
                });
                let worst = each.max().unwrap_or(Verdict::OutcomeWrong);
                if both { worst } else { Verdict::OutcomeWrong }
            }
        }
    }
}

/// Whether the port is one of those that are dropped.
pub fn is_dropped(said: &Said) -> bool {
    said.port.is_some_and(|port| DROPPED_HALF.contains(&port))
}

/// Whether it is what is expected: `refused port_rewritten/not_listening` leaves the cause open.
fn fits(expected: &str, said: &str) -> bool {
    let Some((outcome, causes)) = expected.split_once(' ') else {
        return expected == said;
    };
    causes
        .split('/')
        .any(|cause| said.strip_prefix(outcome).map(str::trim_start) == Some(cause))
}

/// `3x no_syn path_blocked` is that three times.
fn repeated(text: &str) -> Vec<String> {
    let (times, once) = match text.split_once("x ") {
        Some((times, once)) => (times.parse().unwrap_or(0), once),
        None => (1, text),
    };
    assert!(times > 0, "{text}: how many times?");
    vec![once.to_owned(); times]
}

fn judge(expected: &[&str], said: &[&str]) -> Verdict {
    let alarms = |texts: &[&str]| texts.iter().any(|text| ALARMS.contains(&first(text)));
    let outcomes = |texts: &[&str]| texts.iter().map(|text| first(text).to_owned()).collect();
    let (expected_outcomes, said_outcomes): (Vec<String>, Vec<String>) =
        (outcomes(expected), outcomes(said));
    let all_fit = || expected.iter().zip(said).all(|(e, s)| fits(e, s));
    if expected.len() == said.len() && all_fit() {
        Verdict::Right
    } else if alarms(said) && !alarms(expected) {
        Verdict::FalseAlarm
    } else if expected_outcomes == said_outcomes {
        Verdict::CauseWrong
    } else {
        Verdict::OutcomeWrong
    }
}

fn first(text: &str) -> &str {
    text.split([' ', '+']).next().unwrap_or_default()
}

impl Said {
    /// What an event says, unless it alarms nobody and is no outcome.
    pub fn of(event: &Event) -> Option<Self> {
        let text = match event.text("/event_type") {
            "outcome" => outcome(event),
            "late" => format!("late {}", event.text("/corrects")),
            "transfer" => format!(
                "transfer {}",
                event.number("/control_reply/code").unwrap_or_default()
            ),
            "loss" => format!("loss {}", event.text("/what")),
            "finding" => format!("finding {}", event.text("/finding")),
            _ => return None,
        };
        let port = event.number("/advertised/port");
        Some(Said {
            text,
            port: port.and_then(|port| u16::try_from(port).ok()),
        })
    }
}

fn outcome(event: &Event) -> String {
    let mut text = event.text("/outcome").to_owned();
    let cause = event.text("/cause");
    if !cause.is_empty() {
        text += &format!(" {cause}");
    }
    for warning in event.json["warnings"].as_array().into_iter().flatten() {
        text += &format!("+{}", warning.as_str().unwrap_or_default());
    }
    text
}

/// As the file would have it.
pub fn listed(said: &[Said]) -> String {
    if said.is_empty() {
        return "nothing".to_owned();
    }
    let texts: Vec<&str> = said.iter().map(|said| said.text.as_str()).collect();
    texts
        .chunk_by(|a, b| a == b)
        .map(|same| match same.len() {
            1 => same[0].to_owned(),
            count => format!("{count}x {}", same[0]),
        })
        .collect::<Vec<_>>()
        .join(", ")
}
