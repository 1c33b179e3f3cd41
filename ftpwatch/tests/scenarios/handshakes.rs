//! What belongs to an endpoint: four-tuples whose SYN was seen since it was advertised, and nothing else.

use std::net::SocketAddr;

use ftpwatch_common::endpoint::{Attempt, Endpoint, missed};

use super::replies::begun;
use super::seen::attempts;
use super::{Scenario, Script, Seen};
use crate::packets::{Conversation, Data, Family, advertisement};

const PORT: u16 = 50_004;

/// The server's own address was advertised.
fn advertised(family: Family) -> (Conversation, Script) {
    let (mut talk, mut script) = begun(family);
    script.send_all(talk.exchange(PORT));
    (talk, script)
}

/// A private address was advertised, which is not the server's.
fn advertised_elsewhere(family: Family) -> (Conversation, Script, SocketAddr) {
    let (mut talk, mut script) = begun(family);
    let address = family.private(222);
    script.send(talk.client("PASV"));
    script.send(talk.server(&advertisement(address, PORT)));
    script.send(talk.client_acks());
    (talk, script, SocketAddr::new(address, PORT))
}

#[track_caller]
fn only_attempt(endpoint: &Endpoint) -> &Attempt {
    let attempts = attempts(endpoint);
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    attempts[0]
}

#[track_caller]
fn assert_connected(seen: &Seen) -> &Attempt {
    let endpoint = seen.endpoint();
    let attempt = only_attempt(endpoint);
    assert!(attempt.syn_at < attempt.syn_ack_at && attempt.syn_ack_at < attempt.ack_at);
    assert_eq!(
        (attempt.rst_at, attempt.aborted, attempt.foreign),
        (0, 0, 0)
    );
    assert_eq!((endpoint.connected, endpoint.missed), (1, 0));
    assert_eq!(seen.news_of_endpoints(), ["advertised", "connected"]);
    attempt
}

pub fn to_the_advertised_address(family: Family) -> Scenario {
    let (mut talk, mut script, address) = advertised_elsewhere(family);
    script.send_all(talk.data_to(address).handshake());
    Scenario::new(script, move |seen| {
        let attempt = assert_connected(seen);
        assert_eq!((attempt.via_control, attempt.port), (0, 50_001));
        assert_eq!(attempt.client, family.client(7).into());
    })
}

/// Where another was advertised.
pub fn to_the_control_address(family: Family) -> Scenario {
    let (mut talk, mut script, _) = advertised_elsewhere(family);
    script.send_all(talk.data(PORT).handshake());
    Scenario::new(script, |seen| {
        assert_eq!(assert_connected(seen).via_control, 1)
    })
}

/// Where that is the advertised one.
pub fn to_either(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    script.send_all(talk.data(PORT).handshake());
    Scenario::new(script, |seen| {
        assert_eq!(assert_connected(seen).via_control, 0)
    })
}

/// SYN, or SYN and SYN-ACK, and nothing more: no news, but it is in the store.
pub fn without_an_end(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let (first, second) = (talk.data(PORT), talk.data(PORT));
    script.send(first.syn());
    script.send(second.syn()).send(second.syn_ack());
    Scenario::new(script, |seen| {
        let attempts = attempts(seen.endpoint());
        assert_eq!(attempts.len(), 2);
        assert!(attempts[0].is_unanswered() && !attempts[0].is_half_open());
        assert!(attempts[1].is_half_open());
        assert_eq!(seen.endpoint().half_open, 1);
        assert_eq!(seen.news_of_endpoints(), ["advertised"]);
    })
}

pub fn syn_again(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let data = talk.data(PORT);
    script.send(data.syn()).pause(150);
    script
        .send(data.syn())
        .send(data.syn_ack())
        .send(data.ack());
    Scenario::new(script, |seen| {
        let attempt = assert_connected(seen);
        assert_eq!(attempt.syns, 2);
        assert!(attempt.last_syn_at > attempt.syn_at);
    })
}

/// The same SYN on two interfaces.
pub fn syn_twice(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let data = talk.data(PORT);
    script.send(data.syn()).send(data.syn());
    Scenario::new(script, |seen| {
        assert_eq!(only_attempt(seen.endpoint()).syns, 1)
    })
}

pub fn refused(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let data = talk.data(PORT);
    script.send(data.syn()).send(data.refusal());
    // Seen on another interface.
    script.send(data.refusal());
    Scenario::new(script, |seen| {
        let attempt = only_attempt(seen.endpoint());
        assert!(attempt.rst_at > attempt.syn_at);
        assert_eq!(attempt.syn_ack_at, 0);
        assert_eq!(seen.news_of_endpoints(), ["advertised", "refused"]);
    })
}

/// A RST that does not acknowledge the SYN is about something else.
pub fn resets_of_something_else(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let data = talk.data(PORT);
    script.send(data.syn());
    for acknowledgement in [
        data.isn,
        data.isn.wrapping_sub(1),
        data.isn.wrapping_add(1 << 20),
    ] {
        let mut rst = data.refusal();
        rst.acknowledgement = acknowledgement;
        script.send(rst);
    }
    // Without an acknowledgement, and from another port.
    script.send(data.server_rst());
    script.send(talk.data(PORT).refusal());
    Scenario::new(script, |seen| {
        assert!(only_attempt(seen.endpoint()).is_unanswered());
        assert_eq!(seen.news_of_endpoints(), ["advertised"]);
    })
}

/// It is noted and told, and is not the client's.
pub fn from_elsewhere(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let mut data = talk.data(PORT);
    data.client.set_ip(family.client(99));
    script.send_all(data.handshake());
    Scenario::new(script, move |seen| {
        let attempt = only_attempt(seen.endpoint());
        assert_eq!(
            (attempt.foreign, attempt.client),
            (1, family.client(99).into())
        );
        assert_ne!(attempt.ack_at, 0);
        assert_eq!(seen.endpoint().connected, 0);
        assert_eq!(seen.news_of_endpoints(), ["advertised", "connected"]);
    })
}

/// Several SYNs from several ports may belong to one endpoint, and any may connect.
pub fn four_and_a_fifth(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let tries: Vec<Data> = (0..5).map(|_| talk.data(PORT)).collect();
    script.send_all(tries.iter().map(Data::syn));
    script.send(tries[2].syn_ack()).send(tries[2].ack());
    Scenario::new(script, |seen| {
        let endpoint = seen.endpoint();
        let done: Vec<bool> = attempts(endpoint).iter().map(|a| a.ack_at != 0).collect();
        assert_eq!(done, [false, false, true, false]);
        assert_eq!((endpoint.connected, endpoint.missed), (1, missed::ATTEMPTS));
    })
}

/// A refused attempt makes room for a new one.
pub fn after_refusals(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    for _ in 0..6 {
        let data = talk.data(PORT);
        script.send(data.syn()).send(data.refusal());
    }
    script.send_all(talk.data(PORT).handshake());
    Scenario::new(script, |seen| {
        assert_eq!((seen.endpoint().connected, seen.endpoint().missed), (1, 0));
    })
}

/// However many knock, the client finds room.
pub fn after_strangers(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    for host in 100..106 {
        let mut data = talk.data(PORT);
        data.client.set_ip(family.client(host));
        script.send(data.syn()).send(data.syn_ack());
    }
    script.send_all(talk.data(PORT).handshake());
    Scenario::new(script, |seen| {
        assert_eq!((seen.endpoint().connected, seen.endpoint().missed), (1, 0));
    })
}

/// A client that always uses the same source port, as some do.
pub fn from_the_same_port_again(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let data = talk.data(PORT);
    script.send(data.syn()).send(data.refusal());
    script.send_all(data.again().handshake());
    Scenario::new(script, |seen| {
        let endpoint = seen.endpoint();
        assert_eq!(endpoint.connected, 1);
        assert_eq!(
            seen.news_of_endpoints(),
            ["advertised", "refused", "connected"]
        );
    })
}

pub fn aborted_by_the_client(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let data = talk.data(PORT);
    script
        .send(data.syn())
        .send(data.syn_ack())
        .send(data.client_rst());
    Scenario::new(script, assert_aborted)
}

pub fn aborted_by_the_server(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let data = talk.data(PORT);
    script
        .send(data.syn())
        .send(data.syn_ack())
        .send(data.server_rst());
    // An acknowledgement of what is no more.
    script.send(data.ack());
    Scenario::new(script, assert_aborted)
}

fn assert_aborted(seen: &Seen) {
    let endpoint = seen.endpoint();
    let attempt = only_attempt(endpoint);
    assert_ne!(attempt.syn_ack_at, 0);
    assert_eq!((attempt.aborted, attempt.ack_at, attempt.rst_at), (1, 0, 0));
    assert_eq!((endpoint.connected, endpoint.half_open), (0, 0));
    assert_eq!(seen.news_of_endpoints(), ["advertised"]);
}

/// The last ACK was lost; the data that follows acknowledges as well.
pub fn data_for_the_last_ack(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let data = talk.data(PORT);
    script.send(data.syn()).send(data.syn_ack());
    script.send(data.client_sends(b"what is to be stored"));
    Scenario::new(script, |seen| {
        assert_connected(seen);
    })
}

/// RFC 7413: the SYN-ACK acknowledges them too.
pub fn data_in_the_syn(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let data = talk.data(PORT);
    let (mut syn, mut syn_ack) = (data.syn(), data.syn_ack());
    syn.payload = b"what is to be stored".to_vec();
    syn_ack.acknowledgement = syn_ack.acknowledgement.wrapping_add(20);
    script.send_all([syn, syn_ack, data.ack()]);
    Scenario::new(script, |seen| {
        assert_connected(seen);
    })
}

/// What came before the advertisement does not belong to it, nor does an answer without a question.
pub fn too_early(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    let (early, unasked) = (talk.data(PORT), talk.data(PORT));
    script.send(early.syn());
    script.send_all(talk.exchange(PORT));
    script.send(early.syn_ack()).send(early.ack());
    script.send(unasked.syn_ack()).send(unasked.ack());
    script.send(unasked.refusal());
    Scenario::new(script, |seen| {
        assert_eq!(attempts(seen.endpoint()).len(), 0);
        assert_eq!(seen.news_of_endpoints(), ["advertised"]);
    })
}

/// To a port of another server's, and to another port.
pub fn of_nobody(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let elsewhere = SocketAddr::new(family.server(11), PORT);
    script.send_all(talk.data_to(elsewhere).handshake());
    script.send_all(talk.data(PORT + 1).handshake());
    script.send(talk.data(PORT + 1).refusal());
    Scenario::new(script, |seen| {
        assert_eq!(attempts(seen.endpoint()).len(), 0);
        assert_eq!(seen.news_of_endpoints(), ["advertised"]);
    })
}
