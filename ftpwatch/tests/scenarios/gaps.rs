//! Bytes that never came by: what was not seen is not believed, and is known to be missing.

use ftpwatch_common::{counter::Counter, endpoint::missed};

use super::replies::{assert_advertised, begun};
use super::{Scenario, Script, Seen};
use crate::packets::{Conversation, Family};

const PORT: u16 = 50_003;

/// An endpoint, and then something that goes unseen.
fn advertised(family: Family) -> (Conversation, Script) {
    let (mut talk, mut script) = begun(family);
    script.send_all(talk.exchange(PORT));
    (talk, script)
}

fn assert_missed(seen: &Seen, bits: u32) {
    assert_eq!(seen.endpoint().missed, bits);
    assert_eq!(seen.count(Counter::Gaps), 1);
}

pub fn in_the_servers_bytes(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    talk.server("425 Failed to establish connection.");
    script.send(talk.server("200 Fine"));
    Scenario::new(script, |seen| assert_missed(seen, missed::REPLIES))
}

pub fn in_the_servers_bytes_told_by_the_client(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    talk.server("425 Failed to establish connection.");
    script.send(talk.client_acks());
    Scenario::new(script, |seen| assert_missed(seen, missed::REPLIES))
}

pub fn in_the_servers_bytes_told_by_an_empty_segment(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    talk.server("425 Failed to establish connection.");
    script.send(talk.server_acks());
    script.send(talk.client_acks());
    script.send(talk.server("200 Fine"));
    Scenario::new(script, |seen| assert_missed(seen, missed::REPLIES))
}

pub fn in_the_clients_bytes(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    talk.client("ABOR");
    script.send(talk.client("NOOP"));
    Scenario::new(script, |seen| assert_missed(seen, missed::COMMANDS))
}

pub fn in_the_clients_bytes_told_by_the_server(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    talk.client("ABOR");
    script.send(talk.server_acks());
    Scenario::new(script, |seen| assert_missed(seen, missed::COMMANDS))
}

pub fn in_the_clients_bytes_told_by_an_empty_segment(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    talk.client("ABOR");
    script.send(talk.client_acks());
    script.send(talk.server_acks());
    script.send(talk.client("NOOP"));
    Scenario::new(script, |seen| assert_missed(seen, missed::COMMANDS))
}

/// No two halves of different replies make a whole one.
pub fn in_the_middle_of_a_reply(family: Family) -> Scenario {
    let reply = b"227 Entering Passive Mode (203,0,113,10,195,83).\r\n";
    let script = |(from, to): (usize, usize)| {
        let (mut talk, mut script) = begun(family);
        script.send(talk.client("PASV"));
        script.send(talk.server_sends(&reply[..from]));
        talk.server_sends(&reply[from..to]);
        script.send(talk.server_sends(&reply[to..]));
        script.send(talk.client_acks());
        script
    };
    let gaps = (0..reply.len()).flat_map(|from| [(from, from + 1), (from, reply.len() - 2)]);
    // The line end alone tells nothing of what was before it, and what is left before it is no gap.
    let gaps = gaps.filter(|(from, to)| from < to);
    Scenario::any(gaps.map(script).collect(), |seen| {
        assert_eq!(seen.endpoints, []);
        assert_eq!(seen.count(Counter::Advertised), 0);
        assert_eq!(seen.count(Counter::Gaps), 1);
    })
}

/// Segments that overtook each other are read in order. That one was missing for a while is not forgotten.
pub fn and_order(family: Family) -> Scenario {
    let (mut talk, mut script) = advertised(family);
    script.send(talk.client("RETR a"));
    let (first, second) = (talk.server("150 Here it comes"), talk.server("226 Done"));
    script.send_all([second, first]);
    script.send(talk.client_acks());
    Scenario::new(script, |seen| {
        let endpoint = seen.endpoint();
        assert_eq!((endpoint.announced, endpoint.final_code), (150, 226));
        assert_eq!(endpoint.missed, missed::REPLIES);
    })
}

/// So is a reply whose halves overtook each other, each seen twice or not.
pub fn and_the_order_of_halves(family: Family) -> Scenario {
    let reply = b"227 Entering Passive Mode (203,0,113,10,195,83).\r\n";
    let scripts = [false, true].map(|twice| {
        let (mut talk, mut script) = begun(family);
        script.send(talk.client("PASV"));
        let first = talk.server_sends(&reply[..30]);
        let second = talk.server_sends(&reply[30..]);
        for packet in [second, first] {
            script.send(packet.clone());
            if twice {
                script.send(packet);
            }
        }
        script.send(talk.client_acks());
        script
    });
    Scenario::any(scripts.into(), |seen| {
        assert_eq!(seen.count(Counter::Advertised), 1);
        assert_eq!(seen.endpoint().port, PORT);
    })
}

/// A 227 in three segments, in this order, acknowledged at the end.
fn thirds(family: Family, order: [usize; 3]) -> Script {
    let (mut talk, mut script) = begun(family);
    script.send(talk.client("PASV"));
    let thirds = [
        "227 Entering Pass",
        "ive Mode (203,0,113,",
        "10,195,83).\r\n",
    ];
    let segments = thirds.map(|third| talk.server_sends(third.as_bytes()));
    script.send_all(order.map(|number| segments[number].clone()));
    script.send(talk.client_acks());
    script
}

/// As long as one is kept, and no other has to be.
pub fn and_the_order_of_thirds(family: Family) -> Scenario {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [2, 0, 1]];
    let scripts = orders.map(|order| thirds(family, order));
    Scenario::any(scripts.into(), |seen| {
        assert_eq!(seen.endpoint().port, PORT);
        assert!(seen.endpoint().acked_at > seen.endpoint().advertised_at);
    })
}

/// Two that wait are one too many: nothing is made of the rest.
pub fn and_the_order_of_more_than_is_kept(family: Family) -> Scenario {
    let scripts = [[1, 2, 0], [2, 1, 0]].map(|order| thirds(family, order));
    Scenario::any(scripts.into(), |seen| {
        assert_eq!(seen.endpoints, []);
        assert_ne!(seen.count(Counter::Gaps), 0);
    })
}

/// Nor is one kept that is longer than replies are.
pub fn and_the_order_of_long_segments(family: Family) -> Scenario {
    let script = |length: usize| {
        let (mut talk, mut script) = advertised(family);
        script.send(talk.client("RETR a"));
        let first = talk.server("150 Here it comes");
        let filler = "x".repeat(length - "226 \r\n".len());
        script.send(talk.server(&format!("226 {filler}")));
        script.send(first);
        script.send(talk.client_acks());
        script
    };
    let lengths = vec![255, 256, 257, 1_000];
    Scenario::any(lengths.into_iter().map(script).collect(), |seen| {
        let endpoint = seen.endpoint();
        assert_eq!(endpoint.missed, missed::REPLIES);
        // The longer ones are read when they come, as an answer to nobody knows what.
        let kept = (endpoint.announced, endpoint.final_code) == (150, 226);
        let passed = (endpoint.announced, endpoint.final_code) == (0, 0);
        assert!(kept || passed, "{endpoint:?}");
    })
}

/// What is advertised after a gap is whole again.
pub fn and_what_follows(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    talk.client("CWD a");
    talk.server("250 Fine");
    script.send_all(talk.exchange(PORT));
    script.send(talk.client("RETR a"));
    script.send(talk.server("150 Here it comes"));
    Scenario::new(script, move |seen| {
        assert_advertised(seen.endpoint(), family, PORT);
        assert_eq!(seen.endpoint().announced, 150);
        assert_ne!(seen.count(Counter::Gaps), 0);
    })
}

/// A control connection that was there before anybody looked is picked up at its next reply.
pub fn from_the_start(family: Family) -> Scenario {
    let mut talk = Conversation::new(family);
    talk.opening();
    let mut script = Script::new();
    script.send_all(talk.exchange(PORT));
    script.send(talk.client("RETR a"));
    script.send(talk.server("150 Here it comes"));
    Scenario::new(script, |seen| {
        let endpoint = seen.endpoint();
        assert_eq!((endpoint.port, endpoint.announced), (PORT, 150));
        assert_eq!(&endpoint.command, b"RETR");
        assert!(endpoint.acked_at > endpoint.advertised_at);
        assert_eq!(seen.news(), ["opened", "advertised", "announced"]);
        assert_eq!(seen.count(Counter::Gaps), 0);
    })
}
