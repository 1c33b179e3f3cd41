//! What servers say, and in how many pieces.

use ftpwatch_common::{address::Address, counter::Counter, endpoint::Endpoint};

use super::{Scenario, Script, Seen};
use crate::packets::{Conversation, Family, Packet, advertisement};

const PORT: u16 = 50_001;

/// A conversation that has begun.
pub fn begun(family: Family) -> (Conversation, Script) {
    let mut talk = Conversation::new(family);
    let mut script = Script::new();
    script.send_all(talk.opening());
    (talk, script)
}

/// The server's own address and `port` were advertised to the client, who acknowledged that, and nothing was missed.
pub fn assert_advertised(endpoint: &Endpoint, family: Family, port: u16) {
    assert_eq!(endpoint.address, Address::from(family.server(10)));
    assert_eq!(endpoint.port, port);
    assert_eq!(endpoint.code, if family == Family::V4 { 227 } else { 229 });
    assert_eq!(endpoint.flow.client, Address::from(family.client(7)));
    assert_eq!(endpoint.flow.server, Address::from(family.server(10)));
    assert_eq!(
        (endpoint.flow.client_port, endpoint.flow.server_port),
        (40_000, 21)
    );
    assert_eq!(endpoint.missed, 0);
    assert_eq!(endpoint.client_visible, 1);
}

fn assert_one_advertised(seen: &Seen, family: Family) {
    let endpoint = seen.endpoint();
    assert_advertised(endpoint, family, PORT);
    assert_eq!(
        endpoint.text.as_bytes(),
        reply(family).trim_end().as_bytes()
    );
    assert!(endpoint.acked_at > endpoint.advertised_at);
    assert_eq!(seen.control().current, endpoint.id);
    assert_eq!(seen.control().id, endpoint.control);
    assert_eq!(seen.news(), ["opened", "banner", "advertised"]);
    assert_eq!(seen.count(Counter::Advertised), 1);
    assert_eq!(seen.count(Counter::Gaps), 0);
    assert_eq!(seen.count(Counter::Undecodable), 0);
}

fn reply(family: Family) -> String {
    match family {
        Family::V4 => format!("{}\r\n", advertisement(family.server(10), PORT)),
        Family::V6 => format!("229 Entering Extended Passive Mode (|||{PORT}|)\r\n"),
    }
}

pub fn in_one_segment(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    script.send_all(talk.exchange(PORT));
    Scenario::new(script, move |seen| assert_one_advertised(seen, family))
}

/// Acknowledged as it comes: the first half's acknowledgement is not the reply's.
pub fn cut_anywhere_in_two(family: Family) -> Scenario {
    let reply = reply(family).into_bytes();
    let script = |at: usize| {
        let (mut talk, mut script) = begun(family);
        script.send(talk.client("PASV"));
        for part in [&reply[..at], &reply[at..]] {
            script.send(talk.server_sends(part));
            script.send(talk.client_acks());
        }
        script
    };
    Scenario::any((1..reply.len()).map(script).collect(), move |seen| {
        assert_one_advertised(seen, family);
    })
}

pub fn byte_by_byte(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    script.send(talk.client("PASV"));
    for byte in reply(family).bytes() {
        script.send(talk.server_sends(&[byte]));
        script.send(talk.client_acks());
    }
    Scenario::new(script, move |seen| assert_one_advertised(seen, family))
}

/// Each takes the place of the one before.
pub fn three_in_one_segment(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    script.send(talk.client_sends(b"PASV\r\nPASV\r\nPASV\r\n"));
    let replies: Vec<u8> = [1, 2, 3]
        .iter()
        .flat_map(|port| talk.clone().passive(*port).payload)
        .collect();
    script.send(talk.server_sends(&replies));
    script.send(talk.client_acks());
    Scenario::new(script, move |seen| {
        let ports: Vec<u16> = seen.endpoints.iter().map(|e| e.port).collect();
        assert_eq!(ports, [1, 2, 3]);
        let released: Vec<u8> = seen.endpoints.iter().map(|e| e.released).collect();
        assert_eq!(released, [1, 1, 0]);
        assert_eq!(
            seen.news_of_endpoints(),
            [
                "advertised",
                "gave up",
                "advertised",
                "gave up",
                "advertised"
            ]
        );
        let acked: Vec<bool> = seen.endpoints.iter().map(|e| e.acked_at != 0).collect();
        assert_eq!(acked, [false, false, true]);
        assert_eq!(seen.control().current, seen.endpoints[2].id);
    })
}

pub fn of_several_lines(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    let code = if family == Family::V4 { 227 } else { 229 };
    script.send(talk.client("PASV"));
    script.send(talk.server(&format!("{code}-listen socket created")));
    script.send(talk.server(" It is all yours."));
    script.send(talk.server_sends(reply(family).as_bytes()));
    script.send(talk.client_acks());
    Scenario::new(script, move |seen| assert_one_advertised(seen, family))
}

pub fn sent_again(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    let [ask, reply, ack] = talk.exchange(PORT);
    script.send_all([ask, reply.clone(), reply.clone(), ack, reply]);
    Scenario::new(script, move |seen| assert_one_advertised(seen, family))
}

/// Sent again and again, since no acknowledgement comes: the first copy goes by twice, as on a bridge and its port.
pub fn never_acknowledged(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    let [ask, reply, _] = talk.exchange(PORT);
    script.send_all([ask, reply.clone(), reply.clone()]);
    for _ in 0..2 {
        script.pause(150);
        script.send(reply.clone());
    }
    Scenario::new(script, move |seen| {
        let endpoint = seen.endpoint();
        assert_advertised(endpoint, family, PORT);
        assert_eq!((endpoint.resent, endpoint.acked_at), (2, 0));
        assert!(endpoint.advertised_at < endpoint.resent_at);
    })
}

/// Sent again together with what comes after it, or what came before: wherever it overlaps, it is read once.
pub fn sent_again_with_more(family: Family) -> Scenario {
    let script = |overlap: usize| {
        let (mut talk, mut script) = begun(family);
        script.send_all(talk.exchange(PORT));
        script.send(talk.client("RETR a"));
        let payload = reply(family).into_bytes();
        let tail = &payload[payload.len() - overlap..];
        let bytes = [tail, b"150 Here it comes\r\n"].concat();
        let mut again = talk.server_sends(&bytes);
        again.sequence = again.sequence.wrapping_sub(overlap as u32);
        talk.server_next = talk.server_next.wrapping_sub(overlap as u32);
        script.send(again);
        script.send(talk.client_acks());
        script
    };
    let all = reply(family).len();
    Scenario::any((1..=all).map(script).collect(), move |seen| {
        let endpoint = seen.endpoint();
        assert_advertised(endpoint, family, PORT);
        assert_eq!(endpoint.announced, 150);
        assert_eq!(seen.news_of_endpoints(), ["advertised", "announced"]);
    })
}

/// As on a bridge and its port.
pub fn every_packet_twice(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    let mut send = |packet: Packet| {
        script.send(packet.clone()).send(packet);
    };
    talk.exchange(PORT).into_iter().for_each(&mut send);
    send(talk.client("RETR a"));
    talk.data(PORT).handshake().into_iter().for_each(&mut send);
    send(talk.server("150 Here it comes"));
    send(talk.server("226 Done"));
    send(talk.client_acks());
    send(talk.client("QUIT"));
    send(talk.server("221 Goodbye"));
    talk.closing().into_iter().for_each(&mut send);
    Scenario::new(script, move |seen| {
        let endpoint = seen.endpoint();
        assert_advertised(endpoint, family, PORT);
        assert_eq!((endpoint.connected, endpoint.final_code), (1, 226));
        let attempts = super::seen::attempts(endpoint);
        assert_eq!(attempts.len(), 1);
        assert_eq!(attempts[0].syns, 1, "one SYN, seen twice");
        assert_eq!(
            seen.news(),
            [
                "opened",
                "banner",
                "advertised",
                "connected",
                "final",
                "ended"
            ]
        );
        assert_eq!(seen.count(Counter::Gaps), 0);
    })
}

/// Longer than what the kernel's half copies at a time.
pub fn in_a_long_segment(family: Family) -> Scenario {
    let script = |length: usize| {
        let mut talk = Conversation::new(family);
        let mut script = Script::new();
        script.send_all(talk.handshake());
        let mut bytes = b"220-Welcome\r\n".to_vec();
        while bytes.len() < length {
            bytes.extend(b" (1,2,3,4,5,6) is no endpoint here\r\n");
        }
        bytes.extend(b"220 ready\r\n");
        bytes.extend(reply(family).bytes());
        script.send(talk.server_sends(&bytes));
        script.send(talk.client_acks());
        script
    };
    let lengths = [150, 186, 222, 1_000, 2_900];
    Scenario::any(lengths.map(script).to_vec(), move |seen| {
        let endpoint = seen.endpoint();
        assert_eq!((endpoint.port, endpoint.missed), (PORT, 0));
        assert!(endpoint.acked_at > endpoint.advertised_at);
        // The reply is complete before the greeting's last line, as the bytes have it.
        assert_eq!(seen.news(), ["opened", "banner", "advertised"]);
    })
}

/// 227 and 228 name an address; 229 has the control connection's.
pub fn with_an_address(family: Family) -> Scenario {
    let address = family.private(222);
    let (mut talk, mut script) = begun(family);
    script.send(talk.client("PASV"));
    script.send(talk.server(&advertisement(address, PORT)));
    script.send(talk.client("LPSV"));
    script.send(talk.server("228 Entering Long Passive Mode (4,4,10,1,2,3,2,0,99)"));
    script.send(talk.client("EPSV"));
    script.send(talk.server("229 Entering Extended Passive Mode (|1|10.9.9.9|98|)"));
    Scenario::new(script, move |seen| {
        let [first, long, extended] = seen.endpoints.as_slice() else {
            panic!("{:?}", seen.endpoints);
        };
        assert_eq!((first.address, first.port), (address.into(), PORT));
        assert_eq!(first.code, if family == Family::V4 { 227 } else { 228 });
        assert_eq!((long.address, long.port), (Address::v4([10, 1, 2, 3]), 99));
        assert_eq!(extended.address, family.server(10).into());
        assert_eq!((extended.port, extended.code), (98, 229));
    })
}

pub fn that_cannot_be_decoded(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    script.send_all(talk.exchange(PORT));
    script.send(talk.client("PASV"));
    script.send(talk.server("227 Entering Passive Mode (203,0,113,256,195,80)."));
    script.send(talk.client("EPSV"));
    script.send(talk.server("229 Entering Extended Passive Mode (|||65536|)"));
    Scenario::new(script, move |seen| {
        // It was an answer, so the endpoint before is not waited for any more.
        assert_eq!(seen.endpoint().released, 1);
        assert_eq!(
            seen.news(),
            [
                "opened",
                "banner",
                "advertised",
                "gave up",
                "undecodable",
                "undecodable"
            ]
        );
        assert_eq!(seen.count(Counter::Undecodable), 2);
        assert_eq!(seen.count(Counter::Advertised), 1);
    })
}

/// A reply of several lines whose last line never comes: the client goes on, so it was over.
pub fn left_open(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    script.send(talk.client("PASS x"));
    script.send(talk.server("230-Hello"));
    script.send(talk.client_acks());
    script.send_all(talk.exchange(PORT));
    Scenario::new(script, move |seen| {
        assert_advertised(seen.endpoint(), family, PORT);
    })
}

/// The connection ends in the middle of an advertisement, wherever that is after its code: it was one, and nobody knows
/// of what.
pub fn cut_by_the_end(family: Family) -> Scenario {
    let reply = reply(family).into_bytes();
    let script = |at: usize| {
        let (mut talk, mut script) = begun(family);
        script.send(talk.client("PASV"));
        script.send(talk.server_sends(&reply[..at]));
        script.send(talk.server_rst());
        script
    };
    Scenario::any((4..reply.len()).map(script).collect(), |seen| {
        assert_eq!(seen.endpoints, []);
        assert_eq!(seen.count(Counter::Undecodable), 1);
        assert_eq!(seen.news(), ["opened", "banner", "undecodable", "ended"]);
    })
}

/// Names of users and files, and passwords, are nowhere in what the engine keeps or tells.
pub fn and_arguments_are_not_kept(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    for (command, reply) in [
        ("USER s3cret", "331 Password for s3cret, please"),
        ("PASS s3cret", "230 s3cret logged in"),
        ("ACCT s3cret", "202 s3cret"),
        ("PWD", "257 \"/s3cret\""),
        ("CWD s3cret", "250-s3cret is where you are\r\n250 s3cret"),
    ] {
        script.send(talk.client(command));
        script.send(talk.server(reply));
    }
    script.send_all(talk.exchange(PORT));
    script.send(talk.client("RETR s3cret"));
    script.send(talk.server("150 Opening data connection for s3cret"));
    script.send(talk.server("550 s3cret: No such file"));
    script.send(talk.client_sends(b"STOR s3cr"));
    Scenario::new(script, move |seen| {
        assert_eq!(seen.endpoint().final_code, 550);
        assert_eq!(seen.endpoint().command, *b"RETR");
        let bytes = seen.bytes();
        for part in [b"s3cr".as_slice(), b"S3CR"] {
            assert!(!bytes.windows(part.len()).any(|window| window == part));
        }
    })
}

/// Nobody said that 2121 is a control port.
pub fn on_another_port(family: Family) -> Scenario {
    let mut talk = Conversation::new(family);
    talk.server.set_port(2121);
    let mut script = Script::new();
    script.send_all(talk.opening());
    script.send_all(talk.exchange(PORT));
    script.send_all(talk.data(PORT).handshake());
    Scenario::new(script, assert_nothing)
}

/// Another protocol on the control port.
pub fn that_are_none(family: Family) -> Scenario {
    let greeted = |greeting: &str| {
        let mut talk = Conversation::new(family);
        let mut script = Script::new();
        script.send_all(talk.handshake());
        script.send(talk.server(greeting));
        script.send(talk.client("SSH-2.0-OpenSSH_10.0"));
        script.send(talk.client_acks());
        script
    };
    let greetings = [
        "SSH-2.0-OpenSSH_10.0",
        "HTTP/1.1 400",
        "720 no",
        "22",
        "2200 ",
    ];
    Scenario::any(greetings.map(greeted).to_vec(), |seen| {
        assert_eq!(seen.controls, []);
        assert_eq!(seen.news(), [""; 0]);
    })
}

fn assert_nothing(seen: &Seen) {
    assert_eq!(seen.endpoints, []);
    assert_eq!(seen.controls, []);
    assert_eq!(seen.news(), [""; 0]);
    assert_eq!(seen.counters, [0; _]);
}
