//! What an endpoint came to, in a line or some.

use super::Mark;
use crate::{
    probe::{
        endpoint::Tried,
        transfer::{Data, Transfer},
    },
    report::{Body, EndpointReport, Report},
};

/// What the outcome of an endpoint comes to.
pub fn of_endpoint(tried: &Tried, report: &Report) -> (Mark, Vec<String>) {
    let Body::Outcome(body) = &report.body else {
        return (Mark::Fails, Vec::new());
    };
    let explanation = body.explanation.as_deref().unwrap_or_default();
    if tried.is_connected() {
        match &tried.transfer {
            Some(transfer) => of_transfer(body, transfer),
            None => (Mark::Works, vec!["connects".into()]),
        }
    } else if tried.is_connected_by_control() {
        let mut lines = vec![format!(
            "works only for clients that ignore the advertised address. {explanation}"
        )];
        if let Some(transfer) = tried
            .transfer
            .as_ref()
            .filter(|transfer| !transfer.is_good())
        {
            lines.extend(of_transfer(body, transfer).1);
        }
        lines.extend(body.advice.iter().cloned());
        (Mark::Ignored, lines)
    } else {
        let outcome = body.outcome.map_or("unknown", |outcome| outcome.name());
        let cause = body.cause.map_or("no cause known", |cause| cause.name());
        (
            Mark::Fails,
            vec![format!("fails: {outcome}, {cause}. {explanation}")],
        )
    }
}

fn of_transfer(body: &EndpointReport, transfer: &Transfer) -> (Mark, Vec<String>) {
    let to = body.advertised;
    let bytes = transfer.bytes;
    if let Some(reply) = transfer.failure() {
        let mut lines = vec![format!(
            "{to} connects, and the transfer fails: {}",
            reply.shown()
        )];
        lines.extend(resumption(transfer));
        return (Mark::Fails, lines);
    }
    if transfer.is_good() {
        let tls = match transfer.resumed {
            Some(true) => ", under TLS that resumed the control connection's session",
            Some(false) => ", under TLS",
            None => "",
        };
        return (
            Mark::Works,
            vec![format!(
                "works: {to} connects, and {bytes} bytes of a listing came{tls}."
            )],
        );
    }
    if let Some(reply) = transfer.refusal() {
        return (
            Mark::Works,
            vec![format!(
                "{to} connects. The listing was refused with {}, so that no data was seen.",
                reply.code
            )],
        );
    }
    let why = match (&transfer.data, &transfer.lost) {
        (Data::Stalled(waited), _) => format!("{bytes} bytes came, then nothing for {waited:?}"),
        (Data::Broken(error), _) => format!("{bytes} bytes came, then: {error}"),
        (_, Some(lost)) => format!("the server {lost}"),
        _ => "it did not end".to_owned(),
    };
    (
        Mark::Fails,
        vec![format!(
            "{to} connects, and the transfer does not end: {why}."
        )],
    )
}

/// What the probe knows of a transfer that failed for TLS, and the rules do not: whether it resumed the session.
fn resumption(transfer: &Transfer) -> Option<String> {
    let words = if transfer.resumed? {
        "Its data connection did resume the control connection's TLS session."
    } else {
        "Its data connection would have resumed the control connection's TLS session, and the server offered none that \
         can be."
    };
    Some(words.into())
}
