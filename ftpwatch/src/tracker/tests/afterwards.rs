//! After the outcome: what is remembered and for how long, and what corrects it.

use super::*;

#[test]
fn a_connection_that_comes_after_all_is_late() {
    let (mut stage, mut talk) = Stage::advertised();
    stage.wait(TIMEOUT + 30 * SECOND);
    stage.connect(&mut talk);
    assert_eq!(stage.words(), ["advertised", "no_syn", "late"]);
    let Some(Event::Late(case)) = stage.events.last() else {
        panic!("{:?}", stage.words());
    };
    assert_eq!(case.outcome, Outcome::NoSyn);
    assert_eq!(case.facts.connected_at, Some(stage.now));
    // Once.
    stage.connect(&mut talk);
    stage.reconcile();
    assert_eq!(stage.words(), ["advertised", "no_syn", "late"]);
}

/// Refused, and then accepted: a server that was not ready yet.
#[test]
fn a_second_attempt_may_be_late() {
    let (mut stage, mut talk) = Stage::advertised();
    let data = talk.data(PORT);
    stage.send_all([data.syn(), data.refusal()]);
    assert_eq!(stage.words(), ["advertised", "refused"]);
    stage.connect(&mut talk);
    assert_eq!(stage.words(), ["advertised", "refused", "late"]);
}

#[test]
fn a_failure_is_remembered_for_300_seconds() {
    let (mut stage, mut talk) = Stage::advertised();
    stage.wait(TIMEOUT);
    stage.wait(300 * SECOND - 1);
    assert_eq!(stage.memory.endpoints().len(), 1);
    stage.wait(1);
    assert_eq!(stage.memory.endpoints().len(), 0);
    stage.connect(&mut talk);
    assert_eq!(stage.words(), ["advertised", "no_syn"]);
}

/// Or until its port is advertised to that client again, …
#[test]
fn a_failure_is_forgotten_for_its_port() {
    let (mut stage, mut talk) = Stage::advertised();
    stage.wait(TIMEOUT);
    let old = talk.data(PORT);
    stage.send_all([old.syn(), old.syn_ack()]);
    stage.send_all(talk.exchange(PORT + 1));
    stage.wait(TIMEOUT);
    assert_eq!(stage.memory.endpoints().len(), 2);
    stage.send_all(talk.exchange(PORT));
    let ports: Vec<u16> = stage.memory.endpoints().iter().map(|e| e.port).collect();
    assert_eq!(ports.len(), 2, "{ports:?}");
    stage.send(old.ack());
    assert_eq!(stage.tracker.books().late, 0);
}

/// … or its control connection ends.
#[test]
fn a_failure_is_forgotten_with_its_session() {
    let (mut stage, mut talk) = Stage::advertised();
    stage.wait(TIMEOUT);
    stage.send_all(talk.closing());
    assert_eq!(stage.memory.endpoints().len(), 0);
    stage.connect(&mut talk);
    assert_eq!(stage.words(), ["advertised", "no_syn", "session"]);
}

/// What did not fail is not remembered beyond its final reply.
#[test]
fn a_success_is_forgotten_when_it_is_done() {
    let (mut stage, mut talk) = Stage::advertised();
    stage.send(talk.client("RETR a"));
    stage.connect(&mut talk);
    stage.send(talk.server("150 Here it comes"));
    assert_eq!(stage.memory.endpoints().len(), 1);
    stage.send(talk.server("226 Done"));
    assert_eq!(stage.memory.endpoints().len(), 0);
    assert_eq!(stage.words(), ["advertised", "connected"]);
    assert_eq!(stage.tracker.next_deadline(), None);
}

fn text(case: &Case) -> Option<&[u8]> {
    case.control_reply.as_ref().map(|line| line.text.as_bytes())
}

/// It connected, and the server says that the transfer failed all the same.
#[test]
fn a_transfer_that_fails_after_the_connection() {
    for reply in [
        "425 Security: Bad IP connecting.",
        "426 Cut off",
        "522 session reuse required",
        "421 Timeout.",
    ] {
        let (mut stage, mut talk) = Stage::advertised();
        stage.send(talk.client("RETR a"));
        stage.connect(&mut talk);
        stage.send(talk.server(reply));
        assert_eq!(stage.words(), ["advertised", "connected", "transfer"]);
        let Some(Event::Transfer(case)) = stage.events.last() else {
            panic!("{:?}", stage.words());
        };
        assert_eq!(case.outcome, Outcome::Connected);
        // Of a 426 no text is kept.
        let expected = Some(reply.as_bytes()).filter(|_| !reply.starts_with("426"));
        assert_eq!(text(case), expected);
        assert_eq!(stage.tracker.books().failures(), 1);
    }
}

/// The tracker hears of it all at once, and later than it happened.
#[test]
fn a_transfer_that_fails_before_the_tracker_hears_of_the_connection() {
    let (mut stage, mut talk) = Stage::advertised();
    stage.send(talk.client("RETR a"));
    for packet in talk.data(PORT).handshake() {
        stage.pass(packet);
    }
    stage.pass(talk.server("425 Security: Bad IP connecting."));
    stage.wait(50 * MILLISECOND);
    stage.hear();
    assert_eq!(stage.words(), ["advertised", "connected", "transfer"]);
}

/// The client itself cut it off.
#[test]
fn an_aborted_transfer_did_not_fail() {
    let (mut stage, mut talk) = Stage::advertised();
    stage.send(talk.client("RETR a"));
    stage.connect(&mut talk);
    stage.send(talk.server("150 Here it comes"));
    stage.send(talk.client("ABOR"));
    stage.send(talk.server("426 Cut off"));
    stage.send(talk.server("226 As you wish"));
    assert_eq!(stage.words(), ["advertised", "connected"]);
}

/// The reply that makes it a failure is not another one.
#[test]
fn a_failure_that_the_server_names_is_one() {
    let (mut stage, mut talk) = Stage::advertised();
    stage.send(talk.client("RETR a"));
    stage.send(talk.server("150 Here it comes"));
    stage.wait(60 * SECOND);
    stage.send(talk.server("425 Failed to establish connection."));
    assert_eq!(stage.words(), ["advertised", "no_syn"]);
    assert_eq!(
        text(stage.case()),
        Some(&b"425 Failed to establish connection."[..])
    );
    assert_eq!(stage.tracker.books().failures(), 1);
}

/// One that comes after the outcome is told as such.
#[test]
fn a_failure_that_the_server_names_later() {
    let (mut stage, mut talk) = Stage::advertised();
    stage.send(talk.client("RETR a"));
    stage.wait(TIMEOUT + 50 * SECOND);
    stage.send(talk.server("425 Failed to establish connection."));
    assert_eq!(stage.words(), ["advertised", "no_syn", "transfer"]);
}
