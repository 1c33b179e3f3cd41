//! The causes: one rule each, in the order in which they are named where several fit.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;

use super::Context;
use crate::{
    address::Fault,
    tracker::{Case, Outcome, SECOND},
    vantage::Vantage,
};

/// Why an endpoint failed. An inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Nobody can connect to what was advertised.
    UnusableAddress,
    /// A private address was advertised to a client with a public one.
    PrivateAddress,
    /// Another address than the control connection's was advertised.
    AddressMismatch,
    /// The client dropped a doubtful address without trying it.
    ClientRefused,
    /// The reply never reached the client.
    ReplyDropped,
    /// The port is outside the range that is open.
    PortOutOfRange,
    /// Something in front of this vantage point keeps the SYN away.
    PathBlocked,
    /// Another port was opened for it than the one that was advertised.
    PortRewritten,
    /// The SYN arrived, and its own host said nothing.
    LocalDrop,
    /// The SYN passed, and nothing came back.
    DroppedBeyond,
    /// Nobody listens on that port.
    NotListening,
    /// An ICMP error answered.
    Rejected,
    /// The server answered, and the answer did not get back.
    ReturnPath,
}

impl Cause {
    /// Its name in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnusableAddress => "unusable_address",
            Self::PrivateAddress => "private_address",
            Self::AddressMismatch => "address_mismatch",
            Self::ClientRefused => "client_refused",
            Self::ReplyDropped => "reply_dropped",
            Self::PortOutOfRange => "port_out_of_range",
            Self::PathBlocked => "path_blocked",
            Self::PortRewritten => "port_rewritten",
            Self::LocalDrop => "local_drop",
            Self::DroppedBeyond => "dropped_beyond",
            Self::NotListening => "not_listening",
            Self::Rejected => "rejected",
            Self::ReturnPath => "return_path",
        }
    }

    /// What it means, in a few words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        crate::explain::cause(self).meaning
    }
}

/// How sure a cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Hardly anything else explains what was seen.
    High,
    /// Other explanations are less likely.
    Medium,
    /// A guess.
    Low,
}

/// What is wrong with an endpoint although it worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// The client ignored the advertised address, and would have failed with it.
    AddressMismatch,
    /// The port is outside the range that was said to be open.
    PortOutOfRange,
    /// Somebody else than the control connection's client connected.
    OtherClient,
}

impl Warning {
    /// Its name in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AddressMismatch => "address_mismatch",
            Self::PortOutOfRange => "port_out_of_range",
            Self::OtherClient => "other_client",
        }
    }

    /// What it means, in a few words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        crate::explain::warning(self).meaning
    }
}

type Rule = fn(&Case, &Context) -> Option<Confidence>;

/// All causes, the first that fits being the one that is named.
const RULES: [(Cause, Rule); 13] = [
    (Cause::UnusableAddress, unusable_address),
    (Cause::PrivateAddress, private_address),
    (Cause::ClientRefused, client_refused),
    (Cause::AddressMismatch, address_mismatch),
    (Cause::ReplyDropped, reply_dropped),
    (Cause::PortOutOfRange, port_out_of_range),
    (Cause::PathBlocked, path_blocked),
    (Cause::PortRewritten, port_rewritten),
    (Cause::LocalDrop, local_drop),
    (Cause::DroppedBeyond, dropped_beyond),
    (Cause::NotListening, not_listening),
    (Cause::Rejected, rejected),
    (Cause::ReturnPath, return_path),
];

/// The causes that fit, in order.
pub fn causes(case: &Case, context: &Context) -> Vec<(Cause, Confidence)> {
    RULES
        .iter()
        .filter_map(|(cause, rule)| Some((*cause, rule(case, context)?)))
        .collect()
}

/// The warnings that apply.
pub fn warnings(case: &Case, context: &Context) -> Vec<Warning> {
    if case.outcome != Outcome::Connected {
        return Vec::new();
    }
    let attempt = case.views.best_attempt();
    let ignored = attempt.is_some_and(|(_, attempt)| attempt.via_control != 0);
    let foreign = attempt.is_some_and(|(_, attempt)| attempt.foreign != 0);
    [
        (ignored && case.fault.is_some(), Warning::AddressMismatch),
        (is_out_of_range(case, context), Warning::PortOutOfRange),
        (foreign, Warning::OtherClient),
    ]
    .into_iter()
    .filter_map(|(applies, warning)| applies.then_some(warning))
    .collect()
}

fn unanswered(case: &Case) -> bool {
    matches!(case.outcome, Outcome::NoSyn | Outcome::NoAnswer)
}

fn unusable_address(case: &Case, _: &Context) -> Option<Confidence> {
    (unanswered(case) && case.fault == Some(Fault::Unusable)).then_some(Confidence::High)
}

fn private_address(case: &Case, _: &Context) -> Option<Confidence> {
    (unanswered(case) && case.fault == Some(Fault::Private)).then_some(Confidence::High)
}

/// Goes before `address_mismatch`, which it is a case of.
fn client_refused(case: &Case, _: &Context) -> Option<Confidence> {
    let refused = case.outcome == Outcome::NoSyn && case.fault == Some(Fault::Mismatch);
    let (gave_up_at, _) = case.facts.gave_up?;
    let start = case.facts.acked_at.unwrap_or(case.facts.advertised_at);
    (refused && gave_up_at <= start + SECOND).then_some(Confidence::High)
}

fn address_mismatch(case: &Case, _: &Context) -> Option<Confidence> {
    (unanswered(case) && case.fault == Some(Fault::Mismatch)).then_some(Confidence::Medium)
}

fn reply_dropped(case: &Case, _: &Context) -> Option<Confidence> {
    let facts = &case.facts;
    let dropped = case.outcome == Outcome::NoSyn && facts.acked_at.is_none() && facts.resent > 0;
    // Sent again once, an acknowledgement may have been lost; again and again, the reply is.
    let sure = if facts.resent > 1 {
        Confidence::High
    } else {
        Confidence::Medium
    };
    dropped.then_some(sure)
}

fn port_out_of_range(case: &Case, context: &Context) -> Option<Confidence> {
    (unanswered(case) && is_out_of_range(case, context)).then_some(Confidence::High)
}

fn is_out_of_range(case: &Case, context: &Context) -> bool {
    let range = context.passive_range.as_ref();
    range.is_some_and(|range| !range.contains(&case.views.client_side().port))
}

fn path_blocked(case: &Case, context: &Context) -> Option<Confidence> {
    let blocked = case.outcome == Outcome::NoSyn
        && case.fault.is_none()
        && case.facts.acked_at.is_some()
        && !case.views.is_tried_by_others()
        && !is_out_of_range(case, context);
    blocked.then_some(Confidence::Medium)
}

/// How sure a cause can be that depends on the vantage point.
const fn as_sure_as_the_vantage(context: &Context) -> Confidence {
    if context.inferred {
        Confidence::Medium
    } else {
        Confidence::High
    }
}

fn port_rewritten(case: &Case, context: &Context) -> Option<Confidence> {
    let answerless = matches!(case.outcome, Outcome::Refused | Outcome::NoAnswer);
    let listening = context.listening.as_ref()?;
    listening.instead().filter(|_| answerless)?;
    // A process that serves everybody may listen on that port for somebody else.
    Some(if listening.shared {
        Confidence::Medium
    } else {
        Confidence::High
    })
}

fn local_drop(case: &Case, context: &Context) -> Option<Confidence> {
    let dropped = case.outcome == Outcome::NoAnswer && context.vantage == Vantage::Server;
    (dropped && case.fault.is_none()).then_some(as_sure_as_the_vantage(context))
}

fn dropped_beyond(case: &Case, context: &Context) -> Option<Confidence> {
    let dropped = case.outcome == Outcome::NoAnswer && context.vantage != Vantage::Server;
    (dropped && case.fault.is_none()).then_some(as_sure_as_the_vantage(context))
}

fn not_listening(case: &Case, context: &Context) -> Option<Confidence> {
    let sure = if context.vantage == Vantage::Server {
        as_sure_as_the_vantage(context)
    } else {
        Confidence::Medium
    };
    (case.outcome == Outcome::Refused && case.facts.refused_at.is_some()).then_some(sure)
}

fn rejected(case: &Case, _: &Context) -> Option<Confidence> {
    let by_error = case.facts.refused_at.is_none() && case.facts.syn_rejected_at.is_some();
    (case.outcome == Outcome::Refused && by_error).then_some(Confidence::High)
}

fn return_path(case: &Case, _: &Context) -> Option<Confidence> {
    (case.outcome == Outcome::NoAck).then_some(Confidence::High)
}
