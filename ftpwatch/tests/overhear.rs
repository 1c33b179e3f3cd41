//! What is heard of control connections in TLS: the probes on a library, and the programs on the wire. Needs root: `cargo
//! xtask test`.
//!
//! What belongs here: that what is said is found to be its connection's, and nobody else's, whatever goes by meanwhile. The
//! library is this test's own (`overhear/library.rs`): it sends, while it is called, whatever the test wants. Real
//! libraries, servers and clients are in ftps.rs.

#[allow(dead_code, reason = "each test file uses a part of the bench")]
mod bench;
#[path = "overhear/library.rs"]
mod library;
#[allow(unused_macros, reason = "what is played here is not in the table")]
mod packets;
#[allow(unused_macros, reason = "what is played here is not in the table")]
mod scenarios;
#[path = "overhear/talk.rs"]
mod talk;

use std::process::{Command, Stdio};

use ftpwatch_common::counter::Counter;
use ftpwatch_common::endpoint::missed;
use library::Object;
use packets::Packet;
use talk::{Stage, Talk, pasv, record};

const PORT: u16 = 50_010;

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_session_is_read() {
    let mut stage = Stage::new();
    let mut talk = Talk::new(&mut stage, 1);
    talk.says(&mut stage, "220 Hello");
    talk.log_in(&mut stage);
    talk.advertises(&mut stage, PORT);
    talk.hears(&mut stage, "RETR secret-name");
    talk.says(&mut stage, "150 secret-name");
    let seen = stage.seen();
    assert_eq!(seen.control().blind, 2);
    let endpoint = seen.endpoint();
    talk.assert_advertised(endpoint, PORT);
    assert_eq!((&endpoint.command, endpoint.announced), (b"RETR", 150));
    assert_eq!(endpoint.missed, 0);
    assert_eq!(
        seen.news(),
        [
            "opened",
            "banner",
            "blind",
            "read",
            "banner",
            "advertised",
            "announced"
        ]
    );
    for count in [Counter::TlsLost, Counter::TlsFull] {
        assert_eq!(seen.count(count), 0, "{count:?}");
    }
}

/// Of what clients say, verbs leave the process and no more; of what servers say, what is kept in clear text.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn names_and_passwords_stay_where_they_are() {
    let mut stage = Stage::new();
    let mut talk = Talk::new(&mut stage, 1);
    talk.hears(&mut stage, "USER alice-the-user");
    talk.says(&mut stage, "331 alice-the-user, your password");
    talk.hears(&mut stage, "PASS hunter2-the-password");
    talk.says(&mut stage, "230 Welcome alice-the-user");
    talk.advertises(&mut stage, PORT);
    talk.hears(&mut stage, "RETR the-file.txt");
    talk.says(&mut stage, "550 the-file.txt: no such file");
    let seen = stage.seen();
    assert_eq!(seen.endpoint().final_code, 550);
    let bytes = [seen.bytes(), stage.kept()].concat();
    for name in ["alice", "hunter2", "the-file"] {
        assert!(
            !bytes
                .windows(name.len())
                .any(|window| window == name.as_bytes()),
            "{name}"
        );
    }
}

/// What another connection sends again, on the same processor, while this one's task is in the library.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_record_that_is_sent_again_in_between_misleads_nobody() {
    let mut stage = Stage::new();
    let mut other = Talk::new(&mut stage, 2);
    // Of the same length as what is written below, and in the records of nobody who is heard.
    let again: Vec<Packet> = (0..8)
        .map(|_| other.sends_unheard(&mut stage, "200 Go on"))
        .collect();
    let mut talk = Talk::new(&mut stage, 1);
    for packet in &again {
        talk.says_while(&mut stage, "200 Go on", std::slice::from_ref(packet), false);
    }
    assert_eq!(stage.blind(), [1, 1], "nothing of its own was sent");

    for packet in again {
        talk.says_while(&mut stage, "200 Go on", &[packet], true);
    }
    talk.advertises(&mut stage, PORT);
    assert_eq!(stage.blind(), [1, 2]);
    assert_eq!(stage.seen().endpoint().flow.client, talk.client());
}

/// What waited to be sent on another connection leaves just then, and fits as well: who knows whose the object is?
#[test]
#[ignore = "needs root: cargo xtask test"]
fn what_fits_two_connections_is_nobodys() {
    let mut stage = Stage::new();
    let mut other = Talk::new(&mut stage, 2);
    let mut talk = Talk::new(&mut stage, 1);
    for first in [true, false, true, false] {
        let packet = other.makes("200 Go on");
        if first {
            talk.says_while(&mut stage, "200 Go on", &[packet], true);
        } else {
            talk.says_before(&mut stage, "200 Go on", &[packet]);
        }
    }
    assert_eq!(stage.blind(), [1, 1]);
    // Nothing was lost meanwhile.
    talk.advertises(&mut stage, PORT);
    talk.says(&mut stage, "200 Go on");
    assert_eq!(stage.blind(), [1, 2]);
    talk.assert_advertised(stage.seen().endpoint(), PORT);
}

/// It happened all the same, twice: the first words of its own show it, and nothing is believed that was not its own.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_mistake_is_found_out() {
    let mut stage = Stage::new();
    let mut other = Talk::new(&mut stage, 2);
    let mut talk = Talk::new(&mut stage, 1);
    for _ in 0..2 {
        let packet = other.makes("200 Go on");
        talk.says_while(&mut stage, "200 Go on", &[packet], false);
    }
    let mistaken = stage.seen();
    assert_eq!(mistaken.controls[0].blind, 2, "as it was meant to be");
    for _ in 0..4 {
        other.says(&mut stage, "200 It is me");
        talk.says(&mut stage, "200 And me");
    }
    other.advertises(&mut stage, PORT);
    talk.advertises(&mut stage, PORT + 1);
    let seen = stage.seen();
    assert!(seen.count(Counter::TlsLost) > 0);
    for endpoint in &seen.endpoints {
        let client = if endpoint.port == PORT {
            other.client()
        } else {
            talk.client()
        };
        assert_eq!(endpoint.flow.client, client);
    }
    assert_eq!(stage.blind(), [2, 2]);
}

/// Data connections use the same library, and are passed over.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn what_is_no_conversation_is_dull() {
    let mut stage = Stage::new();
    let mut talk = Talk::new(&mut stage, 1);
    talk.log_in(&mut stage);
    let data = Object::new();
    data.writes(b"\x89PNG and so on", || {});
    data.writes(b"227 Entering Passive Mode (1,2,3,4,5,6)\r\n", || {});
    let upload = Object::new();
    upload.reads(b"<html>");
    upload.reads(b"RETR x\r\n");
    let web = Object::new();
    web.reads(b"GET / HTTP/1.1\r\n");
    web.writes(b"HTTP/1.1 200 OK\r\n", || {});
    talk.advertises(&mut stage, PORT);
    talk.assert_advertised(stage.seen().endpoint(), PORT);
    for object in [&data, &upload, &web] {
        assert!(!stage.listens_to(object));
    }
    assert!(stage.listens_to(&talk.object));
    talk.object.frees();
    assert!(!stage.listens_to(&talk.object));
}

/// A write that would have to wait is called for again, and is one all the same.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_write_that_is_repeated_is_one() {
    let mut stage = Stage::new();
    let mut talk = Talk::new(&mut stage, 1);
    talk.log_in(&mut stage);
    talk.hears(&mut stage, "PASV");
    let text = pasv(PORT) + "\r\n";
    talk.object.fails_to_write(text.as_bytes());
    talk.object.fails_to_write(text.as_bytes());
    talk.says(&mut stage, &pasv(PORT));
    assert_eq!(stage.seen().count(Counter::Advertised), 1);
}

/// A reply in parts, in one call each and one segment for all.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn replies_in_parts() {
    let mut stage = Stage::new();
    let mut talk = Talk::new(&mut stage, 1);
    talk.log_in(&mut stage);
    talk.hears(&mut stage, "PASV");
    let reply = pasv(PORT) + "\r\n";
    let (first, second) = reply.split_at(20);
    talk.object.writes(first.as_bytes(), || {});
    talk.object.writes(second.as_bytes(), || {});
    let records = [record(first.len()), record(second.len())].concat();
    let packet = talk.wire.server_sends(&records);
    stage.take(&packet);
    talk.assert_advertised(stage.seen().endpoint(), PORT);
}

/// More than there is room for, before it is known whose it is: the session is one that cannot be read.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn what_finds_no_room_is_not_read() {
    let mut stage = Stage::new();
    let mut talk = Talk::new(&mut stage, 1);
    for _ in 0..40 {
        talk.object.writes(b"200 Go on\r\n", || {});
    }
    talk.log_in(&mut stage);
    talk.advertises(&mut stage, PORT);
    let seen = stage.seen();
    assert_eq!(seen.control().blind, 1);
    assert_eq!(seen.endpoints, []);
}

/// While it is read: what was advertised before is not judged by what is not heard.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn what_is_lost_while_it_is_read() {
    let mut stage = Stage::new();
    let mut talk = Talk::new(&mut stage, 1);
    talk.log_in(&mut stage);
    talk.advertises(&mut stage, PORT);
    for _ in 0..40 {
        talk.object.writes(b"200 Go on\r\n", || {});
    }
    talk.says(&mut stage, "200 Go on");
    let seen = stage.seen();
    assert_eq!(seen.control().blind, 1);
    assert_eq!(seen.endpoint().missed, missed::REPLIES | missed::COMMANDS);
    assert_eq!(seen.count(Counter::TlsLost), 1);
}

/// CCC: back to clear text.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn clear_again() {
    let mut stage = Stage::new();
    let mut talk = Talk::new(&mut stage, 1);
    talk.log_in(&mut stage);
    talk.hears(&mut stage, "CCC");
    talk.says(&mut stage, "200 In clear");
    talk.object.frees();
    for packet in talk.wire.exchange(PORT) {
        stage.take(&packet);
    }
    let seen = stage.seen();
    assert_eq!(seen.control().blind, 0);
    talk.assert_advertised(seen.endpoint(), PORT);
}

/// Through the functions that say how much in another way.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn the_other_functions() {
    let mut stage = Stage::new();
    let mut talk = Talk::new(&mut stage, 1);
    talk.object.extended = true;
    talk.log_in(&mut stage);
    talk.advertises(&mut stage, PORT);
    talk.hears(&mut stage, "STOR x");
    talk.says(&mut stage, "150 Go on");
    let seen = stage.seen();
    talk.assert_advertised(seen.endpoint(), PORT);
    assert_eq!(&seen.endpoint().command, b"STOR");
}

/// A buffer that is not there costs the conversation, and nothing else.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn memory_that_cannot_be_read() {
    let mut stage = Stage::new();
    let mut talk = Talk::new(&mut stage, 1);
    talk.log_in(&mut stage);
    talk.object.writes_nothing_at(64);
    talk.advertises(&mut stage, PORT);
    let seen = stage.seen();
    assert_eq!((seen.control().blind, seen.endpoints.len()), (1, 0));
    assert_eq!(seen.count(Counter::TlsLost), 1);
}

/// A server that ends without being done with its object leaves nothing for long.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn the_dead_are_forgotten() {
    /// In the environment of the process that dies.
    const DIES: &str = "FTPWATCH_TEST_SPEAKS_AND_DIES";
    if std::env::var_os(DIES).is_some() {
        Object::new().writes(b"220 Hello\r\n", || {});
        return;
    }
    let mut stage = Stage::new();
    let mut talk = Talk::new(&mut stage, 1);
    talk.log_in(&mut stage);
    let mut child = Command::new(std::env::current_exe().expect("this test is a file"))
        .args(["--exact", "the_dead_are_forgotten", "--include-ignored"])
        .env(DIES, "1")
        .stdout(Stdio::null())
        .spawn()
        .expect("it can be run once more");
    assert!(child.wait().expect("it ends").success());
    assert!(stage.knows(child.id()));
    stage.follow();
    assert!(!stage.knows(child.id()));
    assert!(
        stage.listens_to(&talk.object),
        "of the living nothing is forgotten"
    );
}
