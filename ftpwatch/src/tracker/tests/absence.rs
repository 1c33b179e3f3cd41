//! When something did not come: not a moment too early, and only after the truth was asked.

use super::*;

#[test]
fn the_time_out_exactly_when_it_is_due() {
    let (mut stage, _) = Stage::advertised();
    let acknowledged = stage.now;
    stage.wait(TIMEOUT - 1);
    assert_eq!(stage.words(), ["advertised"]);
    stage.wait(1);
    assert_eq!(stage.words(), ["advertised", "no_syn"]);
    assert_eq!(stage.case().decided_at, acknowledged + TIMEOUT);
}

/// From the moment the client acknowledged the reply, not from the reply.
#[test]
fn the_clock_starts_when_the_client_acknowledges() {
    let (mut stage, mut talk) = Stage::begun();
    stage.send(talk.client("PASV"));
    stage.send(talk.passive(PORT));
    stage.wait(4 * SECOND);
    stage.send(talk.client_acks());
    stage.wait(TIMEOUT - 1);
    assert_eq!(stage.words(), ["advertised"]);
    stage.wait(1);
    assert_eq!(stage.words(), ["advertised", "no_syn"]);
}

#[test]
fn each_with_what_is_absent() {
    for (packets, outcome) in [
        (0, Outcome::NoSyn),
        (1, Outcome::NoAnswer),
        (2, Outcome::NoAck),
    ] {
        let (mut stage, mut talk) = Stage::advertised();
        stage.send_all(talk.data(PORT).handshake().into_iter().take(packets));
        stage.wait(TIMEOUT + SECOND);
        assert_eq!(stage.case().outcome, outcome);
    }
}

/// No news of the handshake came through: the map knows of it.
#[test]
fn the_truth_is_asked_first() {
    let (mut stage, mut talk) = Stage::advertised();
    stage.deaf = true;
    stage.connect(&mut talk);
    stage.wait(TIMEOUT);
    assert_eq!(stage.words(), ["advertised", "connected"]);
    assert!(stage.case().facts.connected_at.is_some());
}

/// The same where a give-up, and not the time-out, makes the tracker look.
#[test]
fn the_truth_is_asked_before_a_give_up_is_believed() {
    let (mut stage, mut talk) = Stage::advertised();
    stage.deaf = true;
    stage.connect(&mut talk);
    stage.wait(2 * SECOND);
    stage.deaf = false;
    stage.send(talk.client("QUIT"));
    stage.send_all(talk.closing());
    assert_eq!(stage.words(), ["advertised", "connected", "session"]);
}

/// The news that the transfer is announced was lost: the clock has been standing still, and goes on doing so.
#[test]
fn a_clock_that_stands_still_in_truth() {
    let (mut stage, mut talk) = Stage::advertised();
    stage.deaf = true;
    stage.send(talk.client("RETR a"));
    stage.send(talk.server("150 Here it comes"));
    stage.deaf = false;
    stage.wait(3_600 * SECOND);
    assert_eq!(stage.words(), ["advertised"]);
    stage.send(talk.server("226 Done"));
    assert_eq!(stage.words(), ["advertised", "unobserved"]);
}

/// What is gone from the store cannot be judged by what is absent.
#[test]
fn nothing_is_known_of_what_is_gone() {
    let (mut stage, _) = Stage::advertised();
    for endpoint in stage.memory.endpoints() {
        stage.memory.retire(&Request {
            endpoint: endpoint.id,
            flow: endpoint.flow,
            pad: 0,
            control: 0,
        });
    }
    stage.wait(TIMEOUT);
    assert_eq!(stage.words(), ["advertised", "unknown"]);
}

/// It was told of as one that found no room.
#[test]
fn nothing_is_known_of_what_found_no_room() {
    let (mut stage, mut talk) = Stage::begun();
    stage.pass(talk.client("PASV"));
    stage.pass(talk.passive(PORT));
    for mut record in stage.records() {
        if let Record::Endpoint(endpoint) = &mut record {
            endpoint.why = Why::Unstored as u32;
            let id = endpoint.id;
            stage.memory.retire(&Request {
                endpoint: id,
                flow: endpoint.flow,
                pad: 0,
                control: 0,
            });
        }
        stage.tracker.take(record, stage.now, &mut &stage.memory);
    }
    stage.after();
    stage.wait(TIMEOUT);
    assert_eq!(stage.words(), ["advertised", "unknown"]);
}

/// Packets may have passed unseen: what was seen was there, and what was not may have been.
#[test]
fn nothing_is_known_after_a_miss() {
    let (mut stage, mut talk) = Stage::advertised();
    stage.tracker.miss(stage.now, &mut &stage.memory);
    stage.wait(TIMEOUT);
    assert_eq!(stage.words(), ["advertised", "unknown"]);
    // What comes after it is not touched.
    stage.send_all(talk.exchange(PORT + 1));
    stage.wait(TIMEOUT);
    assert_eq!(stage.outcomes(), [Outcome::Unknown, Outcome::NoSyn]);

    let (mut stage, mut talk) = Stage::advertised();
    stage.tracker.miss(stage.now, &mut &stage.memory);
    stage.connect(&mut talk);
    assert_eq!(stage.words(), ["advertised", "connected"]);
}

/// All of the server's data connections go another way, until one is seen here.
#[test]
fn nothing_is_known_of_a_server_whose_data_goes_elsewhere() {
    let (mut stage, mut talk) = Stage::advertised();
    stage.send(talk.client("RETR a"));
    stage.send(talk.server("150 Here it comes"));
    stage.send(talk.server("226 Done"));
    stage.send_all(talk.exchange(PORT + 1));
    stage.wait(TIMEOUT);
    assert_eq!(stage.outcomes(), [Outcome::Unobserved, Outcome::Unknown]);
    stage.send_all(talk.exchange(PORT));
    stage.connect(&mut talk);
    stage.send_all(talk.exchange(PORT + 1));
    stage.wait(TIMEOUT);
    assert_eq!(stage.outcomes()[2..], [Outcome::Connected, Outcome::NoSyn]);
}

/// A give-up within a second says that the endpoint was not needed; later, that it did not work.
#[test]
fn giving_up() {
    for (time, outcome) in [
        (900 * MILLISECOND, Outcome::Unused),
        (2 * SECOND, Outcome::NoSyn),
    ] {
        let (mut stage, mut talk) = Stage::advertised();
        stage.wait(time);
        stage.send(talk.client("QUIT"));
        assert_eq!(stage.case().outcome, outcome);
    }
}
