//! Control connections that turn to TLS, begin in it, or turn back.

use ftpwatch_common::counter::Counter;
use ftpwatch_common::endpoint::{GiveUp, missed};

use super::replies::{assert_advertised, begun};
use super::{Scenario, Script};
use crate::packets::{Conversation, Data, Family};

const PORT: u16 = 50_010;

/// A record of the server's, which has in it what would be a reply.
const RECORD: &[u8] =
    b"\x17\x03\x03\x00\x40\r\n227 Entering Passive Mode (203,0,113,10,195,80).\r\n";

/// A handshake, as either side begins it.
const HELLO: &[u8] = b"\x16\x03\x01\x00\x05hello";

/// The server agreed to AUTH, and both sides went on in TLS.
fn encrypted_conversation(family: Family) -> (Conversation, Script) {
    let (mut talk, mut script) = begun(family);
    script.send_all(talk.exchange(PORT));
    script.send(talk.client("AUTH TLS"));
    script.send(talk.server("234 Go on"));
    script.send(talk.client_sends(HELLO));
    script.send(talk.server_sends(HELLO));
    script.send(talk.server_sends(RECORD));
    script.send(talk.client_sends(b"\x17\x03\x03\r\nQUIT\r\n"));
    (talk, script)
}

/// After 234 nothing can be read: not even what looks like a reply to whoever does not know where one begins.
pub fn encrypted(family: Family) -> Scenario {
    let (mut talk, mut script) = encrypted_conversation(family);
    script.send_all(talk.closing());
    Scenario::new(script, |seen| {
        let endpoint = seen.endpoint();
        assert_eq!(endpoint.missed, missed::REPLIES | missed::COMMANDS);
        assert_eq!(endpoint.gave_up, GiveUp::ClientClosed as u8);
        assert_eq!(seen.control().blind, 1);
        assert_eq!(
            seen.news(),
            [
                "opened",
                "banner",
                "advertised",
                "blind",
                "gave up",
                "ended"
            ]
        );
        assert_eq!(seen.count(Counter::Gaps), 0);
    })
}

/// The reply to AUTH comes once more, in clear text as it was: on loopback, or since its acknowledgement was lost.
pub fn accepted_twice(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    script.send(talk.client("AUTH TLS"));
    let accepted = talk.server("234 Go on");
    script.send(accepted.clone());
    script.send(talk.client_sends(HELLO));
    script.send(accepted);
    script.send(talk.server_sends(RECORD));
    Scenario::new(script, |seen| {
        assert_eq!(seen.control().blind, 1);
        assert_eq!(seen.endpoints, []);
    })
}

pub fn refused(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    script.send(talk.client("AUTH TLS"));
    script.send(talk.server("530 No"));
    // A 234 to something else is no consent.
    script.send(talk.client("NOOP"));
    script.send(talk.server("234 Odd"));
    script.send_all(talk.exchange(PORT));
    Scenario::new(script, move |seen| {
        assert_advertised(seen.endpoint(), family, PORT);
        assert_eq!(seen.control().blind, 0);
    })
}

/// CCC, and its answer, are in ciphertext; what follows is in clear text again.
pub fn clear_again(family: Family) -> Scenario {
    let (mut talk, mut script) = encrypted_conversation(family);
    script.send_all(talk.exchange(PORT + 1));
    script.send(talk.client("RETR a"));
    // The first reply in clear text is what shows it: the advertisement of this exchange.
    script.send(talk.server("150 Here it comes"));
    Scenario::new(script, move |seen| {
        let [before, after] = seen.endpoints.as_slice() else {
            panic!("{:?}", seen.endpoints);
        };
        assert_eq!(before.missed, missed::REPLIES | missed::COMMANDS);
        assert_advertised(after, family, PORT + 1);
        assert_eq!((&after.command, after.announced), (b"RETR", 150));
        assert_eq!(seen.control().blind, 0);
    })
}

/// On the port of implicit FTPS, a control connection is one though nothing of it can be read.
pub fn from_the_start(family: Family) -> Scenario {
    let mut talk = Conversation::new(family);
    talk.server.set_port(990);
    let mut script = Script::new();
    script.send_all(talk.handshake());
    script.send(talk.client_sends(HELLO));
    script.send(talk.server_sends(HELLO));
    script.send(talk.server_sends(RECORD));
    script.send_all(talk.closing());
    Scenario::new(script, |seen| {
        assert_eq!(seen.control().blind, 1);
        assert_eq!(seen.news(), ["opened", "blind", "ended"]);
    })
}

/// Elsewhere it is another protocol.
pub fn from_the_start_elsewhere(family: Family) -> Scenario {
    let mut talk = Conversation::new(family);
    let mut script = Script::new();
    script.send_all(talk.handshake());
    script.send(talk.client_sends(HELLO));
    script.send(talk.server_sends(HELLO));
    Scenario::new(script, |seen| assert_eq!(seen.news(), [""; 0]))
}

/// A conversation that is encrypted, before any endpoint.
fn encrypted_from_the_login(family: Family) -> (Conversation, Script) {
    let (mut talk, mut script) = begun(family);
    script.send(talk.client("AUTH TLS"));
    script.send(talk.server("234 Go on"));
    script.send(talk.client_sends(HELLO));
    script.send(talk.server_sends(RECORD));
    (talk, script)
}

/// From a client with an encrypted session to its server's `port`.
fn data(talk: &Conversation, from: u16, port: u16) -> Data {
    let (mut client, mut server) = (talk.client, talk.server);
    client.set_port(from);
    server.set_port(port);
    Data::new(client, server)
}

/// What the encrypted replies advertise is guessed from the SYNs.
pub fn data_that_connects(family: Family) -> Scenario {
    let (mut talk, mut script) = encrypted_from_the_login(family);
    script.send_all(data(&talk, 50_001, PORT).handshake());
    script.send_all(talk.closing());
    Scenario::new(script, move |seen| {
        let endpoint = seen.endpoint();
        assert!(endpoint.is_guessed());
        assert_eq!((endpoint.port, endpoint.connected), (PORT, 1));
        assert_eq!(endpoint.address, family.server(10).into());
        assert_eq!(seen.news_of_endpoints(), ["advertised", "connected"]);
        assert_eq!(seen.count(Counter::Advertised), 0);
    })
}

pub fn data_that_is_refused(family: Family) -> Scenario {
    let (talk, mut script) = encrypted_from_the_login(family);
    for (from, port) in [(50_001, PORT), (50_002, PORT + 1)] {
        let data = data(&talk, from, port);
        script.send(data.syn());
        script.send(data.refusal());
    }
    Scenario::new(script, |seen| {
        assert_eq!(seen.endpoints.len(), 2);
        let news = ["advertised", "refused", "advertised", "refused"];
        assert_eq!(seen.news_of_endpoints(), news);
    })
}

/// Not of interest: another client's, to a service's own port, after the session; and anything at all where the session
/// is in clear text.
pub fn data_of_others(family: Family) -> Scenario {
    let (mut talk, mut script) = encrypted_from_the_login(family);
    let mut other = data(&talk, 50_001, PORT);
    other.client.set_ip(family.client(8));
    script.send(other.syn());
    script.send(data(&talk, 50_002, 443).syn());
    script.send_all(talk.closing());
    script.send(data(&talk, 50_003, PORT).syn());
    let mut clear = talk.again();
    script.send_all(clear.opening());
    script.send(data(&clear, 50_004, PORT).syn());
    Scenario::new(script, |seen| assert_eq!(seen.endpoints, []))
}

/// Of two sessions between the same hosts, one is left.
pub fn data_of_the_session_that_is_left(family: Family) -> Scenario {
    let (mut talk, mut script) = encrypted_from_the_login(family);
    let mut other = talk.again();
    other.client.set_port(40_001);
    script.send_all(other.opening());
    script.send(other.client("AUTH TLS"));
    script.send(other.server("234 Go on"));
    script.send_all(other.closing());
    script.send(data(&talk, 50_001, PORT).syn());
    script.send_all(talk.closing());
    script.send(data(&talk, 50_002, PORT + 1).syn());
    Scenario::new(script, |seen| assert_eq!(seen.endpoint().port, PORT))
}
