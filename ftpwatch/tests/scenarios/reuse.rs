//! Ports, addresses and four-tuples that are used again, or by several at once.

use std::net::SocketAddr;

use ftpwatch_common::endpoint::missed;

use super::replies::{assert_advertised, begun};
use super::seen::attempts;
use super::{Scenario, Script};
use crate::packets::{Conversation, Family, advertisement};

const PORT: u16 = 50_005;

/// The same port is advertised again at once, while packets of the old connection are still under way.
pub fn port_with_late_packets(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    script.send_all(talk.exchange(PORT));
    let old = talk.data(PORT);
    script.send_all(old.handshake());
    script.send_all(talk.exchange(PORT));
    let new = talk.data(PORT);
    script.send_all([old.syn(), old.syn_ack(), old.ack(), old.server_rst()]);
    script.send(new.syn());
    script.send_all([
        old.refusal(),
        old.client_rst(),
        old.syn(),
        old.syn_ack(),
        old.ack(),
    ]);
    script.send(new.syn_ack());
    script.send_all([old.ack(), old.server_rst()]);
    Scenario::new(script, move |seen| {
        let [first, second] = seen.endpoints.as_slice() else {
            panic!("{:?}", seen.endpoints);
        };
        assert_eq!((first.connected, attempts(first).len()), (1, 1));
        assert_eq!(second.previous, first.id);
        assert_eq!((second.connected, second.missed), (0, 0));
        let [attempt] = attempts(second)[..] else {
            panic!("{:?}", second.attempts);
        };
        assert_eq!((attempt.port, attempt.syns), (50_002, 1));
        assert!(attempt.is_half_open() && attempt.rst_at == 0);
        assert_eq!(
            seen.news_of_endpoints(),
            ["advertised", "connected", "advertised"]
        );
    })
}

/// The first was refused, and the late copies of that say nothing of the second.
pub fn port_that_was_refused(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    script.send_all(talk.exchange(PORT));
    let old = talk.data(PORT);
    script.send(old.syn()).send(old.refusal());
    script.send_all(talk.exchange(PORT));
    script.send(old.syn()).send(old.refusal());
    script.send_all(talk.data(PORT).handshake());
    script.send(old.refusal());
    Scenario::new(script, |seen| {
        assert_eq!(seen.endpoints[0].connected, 0);
        assert_eq!(seen.endpoints[1].connected, 1);
        assert_eq!(attempts(&seen.endpoints[1]).len(), 1);
    })
}

/// Two back ends behind one address, which advertise one port to two clients.
pub fn port_of_two_clients(family: Family) -> Scenario {
    let (mut one, mut script) = begun(family);
    let client = SocketAddr::new(family.client(8), 40_000);
    let mut other = Conversation::between(client, one.server).again();
    script.send_all(other.opening());
    script.send_all(one.exchange(PORT));
    script.send_all(other.exchange(PORT));
    let (data, others) = (one.data(PORT), other.data(PORT));
    script.send(others.syn()).send(data.syn());
    script.send(data.syn_ack()).send(others.refusal());
    script.send(data.ack());
    Scenario::new(script, move |seen| {
        let [first, second] = seen.endpoints.as_slice() else {
            panic!("{:?}", seen.endpoints);
        };
        assert_eq!(first.flow.client, family.client(7).into());
        assert_eq!((first.connected, second.connected), (1, 0));
        assert_ne!(attempts(second)[0].rst_at, 0);
        for endpoint in [first, second] {
            let [attempt] = attempts(endpoint)[..] else {
                panic!("{:?}", endpoint.attempts);
            };
            assert_eq!((attempt.foreign, attempt.client), (0, endpoint.flow.client));
            assert_eq!(endpoint.missed, 0);
        }
    })
}

/// Two control connections of one client, and both are given the same port: a SYN can only be the newer one's.
pub fn port_of_two_sessions(family: Family) -> Scenario {
    let (mut one, mut script) = begun(family);
    let client = SocketAddr::new(family.client(7), 40_001);
    let mut other = Conversation::between(client, one.server).again();
    script.send_all(other.opening());
    script.send_all(one.exchange(PORT));
    script.send_all(other.exchange(PORT));
    script.send_all(other.data(PORT).handshake());
    Scenario::new(script, |seen| {
        let [first, second] = seen.endpoints.as_slice() else {
            panic!("{:?}", seen.endpoints);
        };
        assert_eq!((first.connected, first.missed), (0, missed::SHADOWED));
        assert_eq!((second.connected, second.missed), (1, 0));
    })
}

/// What is transferred may look like a reply; where it goes may be a control port, if there are many.
pub fn port_that_is_a_control_port(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    script.send_all(talk.exchange(990));
    let data = talk.data(990);
    script.send_all(data.handshake());
    script.send(data.server_sends(b"220 This is a file\r\n227 (1,2,3,4,5,6)\r\n"));
    Scenario::new(script, |seen| {
        assert_eq!(seen.endpoint().connected, 1);
        assert_eq!(seen.controls.len(), 1);
    })
}

/// One control connection, before and after the translation of the server's address: no other, although it has another
/// four-tuple.
pub fn port_seen_twice(family: Family) -> Scenario {
    let mut outside = Conversation::new(family);
    let server = SocketAddr::new(family.private(10), 21);
    let mut inside = outside.translated(outside.client, server);
    let mut script = Script::new();
    for (inside, outside) in inside.opening().into_iter().zip(outside.opening()) {
        script.send(inside).send(outside);
    }
    let line = advertisement(family.server(10), PORT);
    for talk in [&mut inside, &mut outside] {
        script.send(talk.client("PASV"));
        script.send(talk.server(&line));
    }
    script.send_all(outside.data(PORT).handshake());
    Scenario::new(script, |seen| {
        let [inside, outside] = seen.endpoints.as_slice() else {
            panic!("{:?}", seen.endpoints);
        };
        assert_eq!((inside.missed, outside.missed), (0, 0));
        assert_eq!((inside.connected, outside.connected), (0, 1));
    })
}

/// The old connection's end went unseen.
pub fn four_tuple_opened_again(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    script.send_all(talk.exchange(PORT));
    let mut new = talk.again();
    script.send_all(new.opening());
    // A copy of the SYN, from another interface.
    script.send_all(talk.again().handshake());
    script.send_all(new.exchange(PORT + 1));
    Scenario::new(script, move |seen| {
        let [first, second] = seen.endpoints.as_slice() else {
            panic!("{:?}", seen.endpoints);
        };
        assert_eq!((first.port, first.released), (PORT, 1));
        assert_ne!(first.gave_up_at, 0);
        assert_advertised(second, family, PORT + 1);
        assert_eq!(
            seen.news(),
            [
                "opened",
                "banner",
                "advertised",
                "gave up",
                "ended",
                "opened",
                "banner",
                "advertised"
            ]
        );
        assert_eq!(seen.control().id, second.control);
        assert_eq!(seen.control().current, second.id);
    })
}

pub fn four_tuple_after_its_end(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    script.send_all(talk.closing());
    let mut new = talk.again();
    script.send_all(new.opening());
    script.send_all(new.exchange(PORT));
    Scenario::new(script, move |seen| {
        assert_advertised(seen.endpoint(), family, PORT);
        assert_eq!(
            seen.news(),
            [
                "opened",
                "banner",
                "ended",
                "opened",
                "banner",
                "advertised"
            ]
        );
    })
}

/// Not even the new connection's SYN was seen.
pub fn four_tuple_without_a_syn(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    script.send_all(talk.exchange(PORT));
    let mut new = talk.again();
    script.send_all(new.opening().into_iter().skip(3));
    script.send_all(new.exchange(PORT + 1));
    Scenario::new(script, move |seen| {
        assert_eq!(seen.endpoints[0].released, 1);
        assert_advertised(&seen.endpoints[1], family, PORT + 1);
        assert_eq!(seen.control().id, seen.endpoints[1].control);
    })
}

/// What is sent again after the end opens nothing.
pub fn late_packets_after_the_end(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    let exchange = talk.exchange(PORT);
    script.send_all(exchange.clone());
    let closing = talk.closing();
    script.send_all(closing.clone());
    script.send_all(exchange);
    script.send_all(closing);
    Scenario::new(script, |seen| {
        assert_eq!(seen.endpoints.len(), 1);
        assert_eq!(
            seen.news(),
            ["opened", "banner", "advertised", "gave up", "ended"]
        );
    })
}

/// An endpoint that was retired while its handshake was half open, and its control connection with it.
pub fn forgotten_in_the_middle(family: Family) -> Scenario {
    let mut talk = Conversation::new(family);
    let mut script = Script::new();
    script.send_all(talk.opening());
    script.send_all(talk.exchange(PORT));
    let data = talk.data(PORT);
    script.send(data.syn()).send(data.syn_ack());
    script.forget();
    script.send(data.ack()).send(data.refusal());
    script.send(talk.client("RETR a"));
    script.send(talk.server("425 Failed to establish connection."));
    script.send_all(talk.exchange(PORT));
    script.send_all(talk.data(PORT).handshake());
    Scenario::new(script, move |seen| {
        assert_eq!(seen.endpoint().connected, 1);
        assert_eq!(seen.endpoint().previous, 0);
        assert_eq!(attempts(seen.endpoint()).len(), 1);
    })
}
