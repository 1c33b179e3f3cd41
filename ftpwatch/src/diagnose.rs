//! Why an endpoint came to its outcome, as far as the evidence tells, and what to do about it.

mod advice;
mod cause;
mod evidence;
mod finding;
mod pattern;
mod scene;
#[cfg(test)]
mod tests;
mod transfer;

use std::ops::RangeInclusive;

pub use cause::{Cause, Confidence, Warning};
pub use finding::Finding;
pub use pattern::{PatternDiagnosis, diagnose_pattern};
pub use transfer::transfer;

use crate::{host::Listening, tracker::Case, vantage::Vantage};

/// What the diagnosis needs to know besides the case.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where the packets were seen.
    pub vantage: Vantage,
    /// That is a guess itself: a capture does not say whose it is.
    pub inferred: bool,
    /// The passive range that the operator said is open.
    pub passive_range: Option<RangeInclusive<u16>>,
    /// What the server listens on, where this is its own host and somebody looked when the endpoint failed.
    pub listening: Option<Listening>,
}

/// What can be said about a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Why.
    pub cause: Option<Cause>,
    /// How sure that is.
    pub confidence: Option<Confidence>,
    /// What the cause means in this case.
    pub explanation: Option<String>,
    /// What is wrong although it worked.
    pub warnings: Vec<Warning>,
    /// What was seen, in order.
    pub evidence: Vec<String>,
    /// What to do about it.
    pub advice: Vec<String>,
}

/// Diagnoses a case.
#[must_use]
pub fn diagnose(case: &Case, context: &Context) -> Diagnosis {
    let mut causes = cause::causes(case, context);
    let first = (!causes.is_empty()).then(|| causes.remove(0));
    let mut evidence = evidence::evidence(case, context);
    evidence.extend(
        causes
            .iter()
            .map(|(cause, _)| format!("{} fits too: {}", cause.name(), cause.meaning())),
    );
    let (explanation, advice) = match first {
        Some((cause, _)) => (
            Some(advice::explanation(cause, case, context)),
            advice::advice(cause, case, context),
        ),
        // No packet tells why, and the server's own words do.
        None if case.outcome.is_failure() && case.control_reply.is_some() => {
            let (explanation, advice) = transfer(case, context);
            (Some(explanation), advice)
        }
        None => (None, Vec::new()),
    };
    Diagnosis {
        cause: first.map(|(cause, _)| cause),
        explanation,
        confidence: first.map(|(_, confidence)| confidence),
        warnings: cause::warnings(case, context),
        evidence,
        advice,
    }
}
