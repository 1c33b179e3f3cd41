//! When news were lost, the store is compared with: what is new is found, and nothing is counted twice.

use super::*;

#[test]
fn endpoints_are_found() {
    let (mut stage, mut talk) = Stage::begun();
    stage.deaf = true;
    stage.send_all(talk.exchange(PORT));
    stage.connect(&mut talk);
    stage.send_all(talk.exchange(PORT + 1));
    assert_eq!(stage.words(), [""; 0]);
    stage.deaf = false;
    stage.reconcile();
    assert_eq!(stage.words(), ["advertised", "connected", "advertised"]);
    stage.wait(TIMEOUT);
    assert_eq!(stage.outcomes(), [Outcome::Connected, Outcome::NoSyn]);
    assert_eq!(stage.tracker.books().sessions, 1);
}

/// The endpoints of a session whose whole life was missed are its own, and are told of before its end.
#[test]
fn sessions_are_found_with_their_endpoints() {
    let mut stage = Stage::new();
    let mut talk = Conversation::new(Family::V4);
    stage.deaf = true;
    stage.send_all(talk.opening());
    stage.send_all(talk.exchange(PORT));
    stage.connect(&mut talk);
    stage.send_all(talk.closing());
    stage.reconcile();
    assert_eq!(stage.words(), ["advertised", "connected", "session"]);
    assert_eq!(stage.sessions().next().unwrap().endpoints, 1);
    assert_eq!(stage.tracker.books().sessions, 1);
    stage.reconcile();
    stage.wait(LINGER);
    stage.reconcile();
    assert_eq!(stage.words().len(), 3);
    assert_eq!(stage.memory.sizes(), (0, 0, 0));
}

#[test]
fn ends_are_found() {
    let (mut stage, mut talk) = Stage::advertised();
    stage.deaf = true;
    stage.connect(&mut talk);
    stage.send_all(talk.closing());
    stage.reconcile();
    assert_eq!(stage.words(), ["advertised", "connected", "session"]);
    stage.wait(LINGER);
    assert_eq!(stage.memory.sizes(), (0, 0, 0));
}

/// The four-tuple was used again, and nobody heard.
#[test]
fn what_is_gone_is_over() {
    let (mut stage, talk) = Stage::advertised();
    stage.wait(2 * SECOND);
    stage.deaf = true;
    let mut new = talk.again();
    stage.send_all(new.opening());
    stage.deaf = false;
    stage.reconcile();
    assert_eq!(stage.words(), ["advertised", "no_syn", "session"]);
    stage.send_all(new.exchange(PORT));
    stage.send_all(new.closing());
    assert_eq!(stage.words()[3..], ["advertised", "unused", "session"]);
    assert_eq!(stage.tracker.books().sessions, 2);
}

#[test]
fn nothing_is_counted_twice() {
    let (mut stage, mut talk) = Stage::begun();
    for port in [PORT, PORT + 1, PORT + 2] {
        stage.send_all(talk.exchange(port));
        stage.reconcile();
        stage.reconcile();
        stage.send(talk.client("RETR a"));
        stage.send_all(talk.data(port).handshake());
        stage.reconcile();
        stage.send(talk.server("226 Done"));
        stage.reconcile();
    }
    stage.send_all(talk.closing());
    stage.reconcile();
    stage.reconcile();
    assert_eq!(stage.tracker.books().endpoints, 3);
    assert_eq!(stage.outcomes(), [Outcome::Connected; 3]);
    assert_eq!(stage.sessions().count(), 1);
    assert_eq!(stage.tracker.books().sessions, 1);
}

/// The comparison finds what the ring has news of as well, which come afterwards.
#[test]
fn news_of_what_was_found_are_old() {
    let (mut stage, mut talk) = Stage::begun();
    let begun = stage.now;
    let mut passed = Vec::from(talk.exchange(PORT));
    passed.push(talk.client("RETR a"));
    passed.extend(talk.data(PORT).handshake());
    passed.push(talk.server("226 Done"));
    passed.extend(talk.closing());
    for packet in passed {
        stage.pass(packet);
    }
    stage.reconcile_as_of(begun);
    stage.hear();
    stage.wait(TIMEOUT);
    assert_eq!(stage.words(), ["advertised", "connected", "session"]);
    assert_eq!(stage.sessions().next().unwrap().endpoints, 1);
    assert_eq!(stage.memory.sizes(), (0, 0, 0));
}

/// A new session between the two lists: whichever is made first, it is none that is gone.
#[test]
fn what_came_while_the_lists_were_made() {
    let (mut stage, mut talk) = Stage::begun();
    let begun = stage.now;
    let endpoints = stage.memory.endpoints();
    let mut passed = Vec::from(talk.exchange(PORT));
    passed.extend(talk.data(PORT).handshake());
    passed.extend(talk.closing());
    for packet in passed {
        stage.pass(packet);
    }
    let controls = stage.memory.controls();
    stage
        .tracker
        .reconcile(&controls, &endpoints, begun, &mut &stage.memory);
    stage.hear();
    assert_eq!(stage.words(), ["advertised", "connected", "session"]);
    assert_eq!(stage.sessions().next().unwrap().endpoints, 1);
    assert_eq!(stage.tracker.books().sessions, 1);
}

/// Only the news that a session began were lost.
#[test]
fn a_session_that_nobody_heard_begin() {
    let mut stage = Stage::new();
    let mut talk = Conversation::new(Family::V4);
    stage.deaf = true;
    stage.send_all(talk.opening());
    stage.deaf = false;
    stage.send_all(talk.exchange(PORT));
    stage.connect(&mut talk);
    stage.reconcile();
    stage.send_all(talk.closing());
    assert_eq!(stage.words(), ["advertised", "connected", "session"]);
    assert_eq!(stage.tracker.books().sessions, 1);
}

/// Any news may be lost, in any number: every endpoint gets its outcome, and none a false one.
#[test]
fn whatever_is_lost() {
    for lost in 0..1 << 11 {
        let mut stage = Stage::new();
        let mut talk = Conversation::new(Family::V4);
        let mut packets = talk.opening();
        packets.extend(talk.exchange(PORT));
        packets.push(talk.client("RETR a"));
        packets.extend(talk.data(PORT).handshake());
        packets.push(talk.server("150 Here it comes"));
        packets.push(talk.server("226 Done"));
        packets.extend(talk.exchange(PORT));
        packets.extend(talk.closing());
        let mut number = 0;
        for packet in packets {
            stage.pass(packet);
            for record in stage.records() {
                if lost >> number & 1 == 0 {
                    stage.tracker.take(record, stage.now, &mut &stage.memory);
                }
                number += 1;
            }
            stage.after();
        }
        assert!(number <= 11, "{number}");
        stage.reconcile();
        stage.wait(TIMEOUT + LINGER);
        let mut cases: Vec<&Case> = stage.cases().collect();
        cases.sort_by_key(|case| case.facts.advertised_at);
        let outcomes: Vec<Outcome> = cases.iter().map(|case| case.outcome).collect();
        let expected = [Outcome::Connected, Outcome::Unused];
        assert_eq!(outcomes, expected, "lost: {lost:b}");
        assert_eq!(stage.sessions().count(), 1, "lost: {lost:b}");
        assert_eq!(stage.tracker.books().sessions, 1, "lost: {lost:b}");
        assert_eq!(stage.memory.sizes(), (0, 0, 0), "lost: {lost:b}");
    }
}
