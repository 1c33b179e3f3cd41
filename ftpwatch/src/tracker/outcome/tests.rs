//! The contract's table of outcomes, line by line.

use ftpwatch_common::endpoint::GiveUp;

use super::*;

const START: u64 = 100 * SECOND;

const fn after(milliseconds: u64) -> u64 {
    START + milliseconds * 1_000_000
}

const TERMS: Terms = Terms {
    timeout: 10 * SECOND,
    plausible: true,
    elsewhere: false,
};

const IMPLAUSIBLE: Terms = Terms {
    plausible: false,
    ..TERMS
};

/// Advertised, acknowledged at once, nothing else.
const NOTHING: Facts = Facts {
    advertised_at: START,
    acked_at: Some(START),
    client_visible: true,
    round_trip: 1_000_000,
    resent: 0,
    resent_at: None,
    syn_at: None,
    syns: 0,
    syn_ack_at: None,
    connected_at: None,
    refused_at: None,
    syn_rejected_at: None,
    syn_ack_rejected_at: None,
    foreign_connected_at: None,
    announced_at: None,
    final_reply: None,
    gave_up: None,
    released: false,
    missed: 0,
};

const SYN: Facts = Facts {
    syn_at: Some(after(5)),
    syns: 1,
    ..NOTHING
};

const SYN_ACK: Facts = Facts {
    syn_ack_at: Some(after(6)),
    ..SYN
};

fn gave_up(facts: Facts, milliseconds: u64) -> Facts {
    Facts {
        gave_up: Some((after(milliseconds), GiveUp::ClientClosed)),
        ..facts
    }
}

fn answered(facts: Facts, milliseconds: u64, code: u16) -> Facts {
    Facts {
        final_reply: Some((after(milliseconds), code)),
        ..facts
    }
}

fn announced(facts: Facts, milliseconds: u64) -> Facts {
    Facts {
        announced_at: Some(after(milliseconds)),
        ..facts
    }
}

#[track_caller]
fn outcome(facts: Facts, terms: Terms, milliseconds: u64) -> Outcome {
    match decide(&facts, &terms, after(milliseconds)) {
        Verdict::Decided(outcome) => outcome,
        Verdict::Wait(until) => panic!("waits until {until:?}: {facts:?}"),
    }
}

#[test]
fn connected() {
    let facts = Facts {
        connected_at: Some(after(7)),
        ..SYN_ACK
    };
    assert_eq!(outcome(facts, TERMS, 7), Outcome::Connected);
    // Whatever came by unread, what was seen was there.
    let facts = Facts {
        missed: 1,
        client_visible: false,
        ..gave_up(facts, 8)
    };
    assert_eq!(outcome(facts, IMPLAUSIBLE, 8), Outcome::Connected);
}

#[test]
fn no_syn_at_the_time_out_and_not_before() {
    assert_eq!(
        decide(&NOTHING, &TERMS, after(9_999)),
        Verdict::Wait(Some(after(10_000)))
    );
    assert_eq!(outcome(NOTHING, TERMS, 10_000), Outcome::NoSyn);
}

#[test]
fn the_clock_starts_when_the_client_acknowledges() {
    let late = Facts {
        acked_at: Some(after(3_000)),
        ..NOTHING
    };
    assert_eq!(
        decide(&late, &TERMS, after(12_000)),
        Verdict::Wait(Some(after(13_000)))
    );
    let never = Facts {
        acked_at: None,
        ..NOTHING
    };
    assert_eq!(outcome(never, TERMS, 10_000), Outcome::NoSyn);
    let out_of_sight = Facts {
        client_visible: false,
        ..never
    };
    assert_eq!(outcome(out_of_sight, TERMS, 10_000), Outcome::Unknown);
}

#[test]
fn giving_up_soon_is_no_failure_and_later_is_one() {
    assert_eq!(outcome(gave_up(NOTHING, 900), TERMS, 900), Outcome::Unused);
    assert_eq!(
        outcome(gave_up(NOTHING, 1_100), TERMS, 1_100),
        Outcome::NoSyn
    );
    let slow = Facts {
        round_trip: SECOND,
        ..NOTHING
    };
    assert_eq!(outcome(gave_up(slow, 2_900), TERMS, 2_900), Outcome::Unused);
    assert_eq!(outcome(gave_up(slow, 3_100), TERMS, 3_100), Outcome::NoSyn);
    assert_eq!(outcome(gave_up(SYN, 900), TERMS, 900), Outcome::Unused);
    assert_eq!(
        outcome(gave_up(SYN, 1_100), TERMS, 1_100),
        Outcome::NoAnswer
    );
    assert_eq!(outcome(gave_up(SYN_ACK, 900), TERMS, 900), Outcome::Unused);
    assert_eq!(
        outcome(gave_up(SYN_ACK, 1_100), TERMS, 1_100),
        Outcome::NoAck
    );
}

#[test]
fn giving_up_on_an_address_that_cannot_work_is_always_a_failure() {
    assert_eq!(outcome(gave_up(NOTHING, 5), IMPLAUSIBLE, 5), Outcome::NoSyn);
    assert_eq!(
        outcome(gave_up(SYN, 50), IMPLAUSIBLE, 50),
        Outcome::NoAnswer
    );
    assert_eq!(
        outcome(gave_up(SYN_ACK, 50), IMPLAUSIBLE, 50),
        Outcome::Unused
    );
}

#[test]
fn no_answer_refused_and_no_ack() {
    assert_eq!(outcome(SYN, TERMS, 10_000), Outcome::NoAnswer);
    assert_eq!(outcome(SYN_ACK, TERMS, 10_000), Outcome::NoAck);
    let refused = Facts {
        refused_at: Some(after(6)),
        ..SYN
    };
    assert_eq!(outcome(refused, TERMS, 6), Outcome::Refused);
}

#[test]
fn icmp_errors_refuse_once_the_client_gives_up() {
    let rejected = Facts {
        syn_rejected_at: Some(after(6)),
        ..SYN
    };
    assert_eq!(
        decide(&rejected, &TERMS, after(5_000)),
        Verdict::Wait(Some(after(10_000)))
    );
    assert_eq!(outcome(rejected, TERMS, 10_000), Outcome::Refused);
    assert_eq!(outcome(gave_up(rejected, 20), TERMS, 20), Outcome::Refused);
    let answered = Facts {
        syn_rejected_at: Some(after(6)),
        ..SYN_ACK
    };
    assert_eq!(outcome(answered, TERMS, 10_000), Outcome::NoAck);
}

#[test]
fn a_syn_just_before_the_time_out_gets_a_second() {
    let late = Facts {
        syn_at: Some(after(9_900)),
        ..NOTHING
    };
    assert_eq!(
        decide(&late, &TERMS, after(10_000)),
        Verdict::Wait(Some(after(10_900)))
    );
}

#[test]
fn the_clock_stands_still_while_a_transfer_is_announced() {
    let running = announced(NOTHING, 100);
    assert_eq!(
        decide(&running, &TERMS, after(3_600_000)),
        Verdict::Wait(None)
    );
    assert_eq!(
        outcome(answered(running, 60_000, 226), TERMS, 60_000),
        Outcome::Unobserved
    );
    assert_eq!(
        outcome(answered(running, 60_000, 425), TERMS, 60_000),
        Outcome::NoSyn
    );
    let closed = Facts {
        released: true,
        ..gave_up(running, 60_000)
    };
    assert_eq!(outcome(closed, TERMS, 60_000), Outcome::Unknown);
}

#[test]
fn what_the_final_reply_says() {
    assert_eq!(
        outcome(answered(NOTHING, 50, 226), TERMS, 50),
        Outcome::Unobserved
    );
    assert_eq!(
        outcome(answered(SYN, 50, 250), TERMS, 50),
        Outcome::Unobserved
    );
    assert_eq!(
        outcome(answered(NOTHING, 50, 550), TERMS, 50),
        Outcome::Unused
    );
    assert_eq!(
        decide(&answered(NOTHING, 50, 550), &IMPLAUSIBLE, after(60)),
        Verdict::Wait(Some(after(10_000)))
    );
    // A failure of the data connection is none of the client's choice, however soon it gives up then.
    assert_eq!(
        outcome(gave_up(answered(NOTHING, 50, 425), 60), TERMS, 60),
        Outcome::NoSyn
    );
}

#[test]
fn a_stranger_counts_once_the_transfer_is_confirmed() {
    let stranger = Facts {
        foreign_connected_at: Some(after(5)),
        ..NOTHING
    };
    assert_eq!(outcome(stranger, TERMS, 10_000), Outcome::NoSyn);
    assert_eq!(
        outcome(announced(stranger, 6), TERMS, 6),
        Outcome::Connected
    );
    assert_eq!(
        outcome(answered(stranger, 6, 226), TERMS, 6),
        Outcome::Connected
    );
}

#[test]
fn absence_proves_nothing_where_something_was_missed() {
    for facts in [NOTHING, SYN, SYN_ACK] {
        let missed = Facts { missed: 2, ..facts };
        assert_eq!(outcome(missed, TERMS, 10_000), Outcome::Unknown);
        let elsewhere = Terms {
            elsewhere: true,
            ..TERMS
        };
        assert_eq!(outcome(facts, elsewhere, 10_000), Outcome::Unknown);
    }
}
