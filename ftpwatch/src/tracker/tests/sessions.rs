//! Control connections: what is told when they end, and that nothing of them stays.

use super::*;

/// Nothing is left in the store, and nothing is waited for.
fn assert_empty(stage: &Stage) {
    assert_eq!(stage.memory.sizes(), (0, 0, 0));
    assert_eq!(stage.tracker.next_deadline(), None);
    assert!(stage.tracker.endpoints.is_empty() && stage.tracker.known.is_empty());
    assert!(stage.tracker.timers.is_empty());
}

#[test]
fn an_ended_session_is_told_and_let_go() {
    let (mut stage, mut talk) = Stage::begun();
    for _ in 0..3 {
        stage.send_all(talk.exchange(PORT));
        stage.send(talk.client("RETR a"));
        stage.connect(&mut talk);
        stage.send(talk.server("150 Here it comes"));
        stage.send(talk.server("226 Done"));
    }
    stage.send_all(talk.exchange(PORT));
    stage.wait(TIMEOUT);
    stage.send(talk.client("QUIT"));
    stage.send_all(talk.closing());
    let [session] = stage.sessions().collect::<Vec<_>>()[..] else {
        panic!("{:?}", stage.words());
    };
    assert_eq!(session.endpoints, 4);
    assert_eq!(session.outcomes[Outcome::Connected as usize], 3);
    assert_eq!(session.outcomes[Outcome::NoSyn as usize], 1);
    assert!(!session.still_open);
    assert_eq!(session.visibility, Visibility::Clear);
    let banner = session.banner.map(|text| text.as_bytes().to_vec());
    assert_eq!(banner.as_deref(), Some(&b"220 (vsFTPd 3.0.3)"[..]));
    // Its entry stays for a moment, for what is sent again.
    assert_eq!(stage.memory.sizes(), (1, 0, 0));
    stage.wait(LINGER);
    assert_empty(&stage);
}

#[test]
fn what_was_not_decided_when_it_ended() {
    // Soon: it was not needed. Later: it did not work. Announced, and no final reply: nobody knows.
    for (wait, announced, outcome) in [
        (0, false, Outcome::Unused),
        (3 * SECOND, false, Outcome::NoSyn),
        (3 * SECOND, true, Outcome::Unknown),
    ] {
        let (mut stage, mut talk) = Stage::advertised();
        if announced {
            stage.send(talk.client("RETR a"));
            stage.send(talk.server("150 Here it comes"));
        }
        stage.wait(wait);
        stage.send_all(talk.closing());
        assert_eq!(stage.words(), ["advertised", outcome.name(), "session"]);
        stage.wait(LINGER);
        assert_empty(&stage);
    }
}

#[test]
fn encryption_is_told() {
    let (mut stage, mut talk) = Stage::begun();
    stage.send(talk.client("AUTH TLS"));
    stage.send(talk.server("234 Go on"));
    stage.send_all(talk.closing());
    let session = stage.sessions().next().unwrap();
    assert_eq!(session.visibility, Visibility::Tls);
    assert_eq!(
        (stage.tracker.books().sessions, stage.tracker.books().blind),
        (1, 1)
    );
}

/// Once a server, however many clients.
#[test]
fn what_cannot_be_decoded_is_told_once() {
    let (mut stage, mut talk) = Stage::begun();
    for _ in 0..3 {
        stage.send(talk.client("PASV"));
        stage.send(talk.server("227 Entering Passive Mode (1,2,3,4,5)"));
    }
    let mut other = talk.again();
    stage.send_all(talk.closing());
    stage.send_all(other.opening());
    stage.send(other.client("PASV"));
    stage.send(other.server("227 Entering Passive Mode (1,2,3,4,5)"));
    assert_eq!(stage.words(), ["undecodable", "session"]);
    assert_eq!(stage.tracker.books().undecodable, 4);
    assert_eq!(stage.sessions().next().unwrap().undecodable, 3);
}

/// Watching stops: what has no outcome is unknown, and every session is told.
#[test]
fn finishing() {
    let (mut stage, mut talk) = Stage::advertised();
    let mut other =
        Conversation::between((Family::V4.client(8), 40_000).into(), talk.server).again();
    stage.send_all(other.opening());
    stage.send_all(other.exchange(PORT + 1));
    stage.send_all(other.data(PORT + 1).handshake());
    stage.connect(&mut talk);
    stage.send_all(talk.exchange(PORT + 2));
    stage.finish();
    assert_eq!(
        stage.outcomes(),
        [Outcome::Connected, Outcome::Connected, Outcome::Unknown]
    );
    let sessions: Vec<&Session> = stage.sessions().collect();
    assert_eq!(sessions.len(), 2);
    assert!(sessions.iter().all(|session| session.still_open));
    assert_eq!(sessions[0].flow.client, Family::V4.client(7).into());
    assert_eq!(stage.tracker.books().pending(), 0);
}

/// What is due is still decided as it is, and the truth asked.
#[test]
fn finishing_late() {
    let (mut stage, mut talk) = Stage::advertised();
    stage.deaf = true;
    stage.connect(&mut talk);
    stage.finish();
    assert_eq!(stage.words(), ["advertised", "connected", "session"]);
}

/// The four-tuple is used again: another session, with endpoints of its own.
#[test]
fn a_four_tuple_again() {
    let (mut stage, talk) = Stage::advertised();
    let mut new = talk.again();
    stage.send_all(new.opening());
    assert_eq!(stage.words(), ["advertised", "unused", "session"]);
    stage.send_all(new.exchange(PORT));
    stage.connect(&mut new);
    stage.wait(LINGER);
    stage.send_all(new.closing());
    assert_eq!(stage.words()[3..], ["advertised", "connected", "session"]);
    stage.wait(LINGER);
    assert_empty(&stage);
    assert_eq!(stage.tracker.books().sessions, 2);
}

/// A client that was switched off says nothing of it.
#[test]
fn a_silent_session_is_taken_for_dead() {
    let (mut stage, mut talk) = Stage::advertised();
    stage.send(talk.client("RETR a"));
    stage.connect(&mut talk);
    stage.send(talk.server("226 Done"));
    stage.wait(IDLE);
    stage.reconcile();
    assert_eq!(stage.words(), ["advertised", "connected"]);
    stage.wait(1);
    stage.reconcile();
    assert_eq!(stage.words(), ["advertised", "connected", "session"]);
    stage.wait(LINGER);
    assert_empty(&stage);
    // And picked up in the middle, should it come to life again.
    stage.send_all(talk.exchange(PORT));
    stage.connect(&mut talk);
    assert_eq!(stage.words()[3..], ["advertised", "connected"]);
    assert_eq!(stage.tracker.books().sessions, 2);
}

/// Not so while a transfer runs, which may take all day.
#[test]
fn a_session_with_a_transfer_is_not_dead() {
    let (mut stage, mut talk) = Stage::advertised();
    stage.send(talk.client("RETR a"));
    stage.send(talk.server("150 Here it comes"));
    stage.wait(IDLE + SECOND);
    stage.reconcile();
    stage.send(talk.server("226 Done"));
    assert_eq!(stage.words(), ["advertised", "unobserved"]);
}
