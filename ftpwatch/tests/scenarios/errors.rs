//! ICMP errors about a SYN or a SYN-ACK: evidence that is noted, and decides nothing yet.

use ftpwatch_common::endpoint::{Endpoint, RejectedSegment};

use super::replies::begun;
use super::{Scenario, Script, Seen};
use crate::packets::{Conversation, Family, Packet};

const PORT: u16 = 50_009;

/// "Administratively prohibited", as a firewall says it.
const fn prohibited(family: Family) -> (u8, u8) {
    match family {
        Family::V4 => (3, 13),
        Family::V6 => (1, 1),
    }
}

/// The error that a gateway sends about `packet`.
fn rejected(family: Family, packet: Packet) -> Packet {
    let (kind, code) = prohibited(family);
    packet.rejected(family.private(1), kind, code)
}

fn advertised(family: Family) -> (Conversation, Script) {
    let (mut talk, mut script) = begun(family);
    script.send_all(talk.exchange(PORT));
    (talk, script)
}

fn assert_rejected(endpoint: &Endpoint, family: Family, what: RejectedSegment) {
    assert_eq!(endpoint.rejected, what as u8);
    assert_ne!(endpoint.rejected_at, 0);
    assert_eq!(endpoint.rejected_by, family.private(1).into());
    let said = (endpoint.rejected_type, endpoint.rejected_code);
    assert_eq!(said, prohibited(family));
}

fn assert_not_rejected(seen: &Seen) {
    for endpoint in &seen.endpoints {
        assert_eq!((endpoint.rejected, endpoint.rejected_at), (0, 0));
    }
}

pub fn about_the_syn(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let data = talk.data(PORT);
    script.send(data.syn());
    script.send(rejected(family, data.syn()));
    Scenario::new(script, move |seen| {
        let endpoint = seen.endpoint();
        assert_rejected(endpoint, family, RejectedSegment::Syn);
        assert!(endpoint.attempts[0].is_unanswered());
        assert_eq!(seen.news_of_endpoints(), ["advertised"]);
    })
}

pub fn about_the_syn_ack(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let data = talk.data(PORT);
    script.send(data.syn()).send(data.syn_ack());
    script.send(rejected(family, data.syn_ack()));
    Scenario::new(script, move |seen| {
        let endpoint = seen.endpoint();
        assert_rejected(endpoint, family, RejectedSegment::SynAck);
        assert!(endpoint.attempts[0].is_half_open());
        assert_eq!(seen.news_of_endpoints(), ["advertised"]);
    })
}

/// The first one counts.
pub fn once(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let data = talk.data(PORT);
    script.send(data.syn());
    script.send(rejected(family, data.syn()));
    script.send(data.syn().rejected(family.private(2), 3, 1));
    script.send(data.syn_ack());
    script.send(rejected(family, data.syn_ack()));
    Scenario::new(script, move |seen| {
        assert_rejected(seen.endpoint(), family, RejectedSegment::Syn);
    })
}

/// That a packet is too big is no error of this kind, nor is a redirect, an echo, or news of neighbours.
pub fn of_no_interest(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let data = talk.data(PORT);
    script.send(data.syn());
    let messages: &[(u8, u8)] = match family {
        Family::V4 => &[(3, 4), (5, 1), (8, 0), (0, 0), (13, 0)],
        Family::V6 => &[(2, 0), (137, 0), (128, 0), (129, 0), (135, 0)],
    };
    for &(kind, code) in messages {
        script.send(data.syn().rejected(family.private(1), kind, code));
    }
    Scenario::new(script, assert_not_rejected)
}

/// Another sequence number, port or client, or a SYN that nobody saw.
pub fn about_something_else(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let (data, unseen) = (talk.data(PORT), talk.data(PORT));
    let mut stranger = talk.data(PORT);
    stranger.client.set_ip(family.client(99));
    script.send(data.syn()).send(data.syn_ack());
    script.send(stranger.syn());
    let others = [
        data.again().syn(),
        data.again().syn_ack(),
        data.ack(),
        unseen.syn(),
        unseen.syn_ack(),
        stranger.syn(),
        talk.data(PORT + 1).syn(),
        talk.client_acks(),
    ];
    for packet in others {
        script.send(rejected(family, packet));
    }
    Scenario::new(script, assert_not_rejected)
}

pub fn about_the_endpoint_before(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    let old = talk.data(PORT);
    script.send(old.syn());
    script.send_all(talk.exchange(PORT));
    script.send(talk.data(PORT).syn());
    script.send(rejected(family, old.syn()));
    Scenario::new(script, move |seen| {
        assert_rejected(&seen.endpoints[0], family, RejectedSegment::Syn);
        assert_eq!(seen.endpoints[1].rejected, 0);
    })
}

/// Of a segment whose sequence number is not quoted whole nothing is known.
pub fn cut_short(family: Family) -> Scenario {
    // IPv4 quotes eight bytes of the TCP header, IPv6 all twenty.
    let spare = match family {
        Family::V4 => 1,
        Family::V6 => 13,
    };
    let script = |missing: usize| {
        let (mut talk, mut script) = advertised(family);
        let data = talk.data(PORT);
        script.send(data.syn());
        let mut error = rejected(family, data.syn());
        error.envelope.missing = missing;
        script.send(error);
        script
    };
    Scenario::any(
        (spare..spare + 30).map(script).collect(),
        assert_not_rejected,
    )
}
