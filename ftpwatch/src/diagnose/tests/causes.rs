//! The causes that need more than packets, or more than one of them.

use std::collections::BTreeSet;

use ftpwatch_common::{
    endpoint::{Attempt, Endpoint},
    record::{About, Kind, Line},
};

use super::*;

/// The case that `change` makes of an endpoint without any SYN.
fn changed(outcome: Outcome, change: impl FnOnce(&mut Endpoint)) -> Case {
    let case = case("203.0.113.10", VSFTPD, 227, PLAIN_227);
    let mut view = *case.views.client_side();
    change(&mut view);
    let views = Views::new(view);
    Case {
        facts: views.facts(),
        views,
        outcome,
        ..case
    }
}

fn cause(case: &Case, context: &Context) -> Option<(Cause, Confidence)> {
    let diagnosis = diagnose(case, context);
    diagnosis.cause.zip(diagnosis.confidence)
}

fn listening(advertised: bool, others: &[u16], shared: bool) -> Context {
    Context {
        listening: Some(Listening {
            advertised,
            others: BTreeSet::from_iter(others.iter().copied()),
            owner: None,
            shared,
        }),
        ..without_range()
    }
}

/// A SYN that was answered with RST.
fn refused() -> Case {
    changed(Outcome::Refused, |view| {
        view.attempts[0] = Attempt {
            syn_at: SECOND + 1,
            rst_at: SECOND + 2,
            syns: 1,
            client: view.flow.client,
            ..Attempt::FREE
        };
    })
}

#[test]
fn a_port_that_was_rewritten() {
    let refused = &refused();
    let rewritten = listening(false, &[40_123], false);
    assert_eq!(
        cause(refused, &rewritten),
        Some((Cause::PortRewritten, Confidence::High))
    );
    let diagnosis = diagnose(refused, &rewritten);
    let explanation = diagnosis.explanation.unwrap();
    assert!(
        explanation.contains("listens on port 40123"),
        "{explanation}"
    );
    let seen = "the server does not listen on port 40007, but on 40123";
    assert!(diagnosis.evidence.iter().any(|line| line == seen));
    // A process that serves everybody.
    assert_eq!(
        cause(refused, &listening(false, &[40_123], true)),
        Some((Cause::PortRewritten, Confidence::Medium))
    );
    // It listens where it said, or it may be any of several, or none.
    for context in [
        listening(true, &[40_123], false),
        listening(false, &[40_123, 40_124], false),
        listening(false, &[], false),
        without_range(),
    ] {
        assert_eq!(
            cause(refused, &context),
            Some((Cause::NotListening, Confidence::High))
        );
    }
}

#[test]
fn a_reply_that_never_arrives() {
    let sent_again = |times: u8| {
        changed(Outcome::NoSyn, |view| {
            view.acked_at = 0;
            view.client_visible = 1;
            view.resent = times;
            view.resent_at = u64::from(times) * 2 * SECOND;
        })
    };
    let cause = |times| cause(&sent_again(times), &without_range());
    assert_eq!(cause(0), None);
    assert_eq!(cause(1), Some((Cause::ReplyDropped, Confidence::Medium)));
    assert_eq!(cause(4), Some((Cause::ReplyDropped, Confidence::High)));
    let evidence = diagnose(&sent_again(4), &without_range()).evidence;
    let seen = "reply sent again 4 times, last after 7.0 s";
    assert!(evidence.iter().any(|line| line == seen), "{evidence:?}");
}

/// The way is open: it is somebody else who took it.
#[test]
fn a_data_connection_from_elsewhere() {
    let mut case = changed(Outcome::NoSyn, |view| {
        view.attempts[0] = Attempt {
            syn_at: SECOND + 1,
            syn_ack_at: SECOND + 2,
            ack_at: SECOND + 3,
            syns: 1,
            client: ip("192.0.2.9").into(),
            foreign: 1,
            ..Attempt::FREE
        };
        view.final_at = SECOND + 4;
        view.final_code = 425;
    });
    case.control_reply = Some(Line {
        kind: Kind::Line as u32,
        about: About::Failure as u32,
        control: 1,
        endpoint: 1,
        at: SECOND + 4,
        text: text("425 Security: Bad IP connecting."),
        code: 425,
        pad: [0; 3],
    });
    let diagnosis = diagnose(&case, &without_range());
    assert_eq!(diagnosis.cause, None);
    let explanation = diagnosis.explanation.unwrap();
    assert!(explanation.contains("came from 192.0.2.9"), "{explanation}");
    assert!(!diagnosis.advice.is_empty());
}
