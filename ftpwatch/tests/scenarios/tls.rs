//! Control connections that turn to TLS, begin in it, or turn back.

use ftpwatch_common::counter::Counter;
use ftpwatch_common::endpoint::{GiveUp, missed};

use super::replies::{assert_advertised, begun};
use super::{Scenario, Script};
use crate::packets::{Conversation, Family};

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
