//! Servers that are out to hang, flood or deceive: each is bounded, and gets a clear word.

use super::scripted::{Connection, Done, Server};
use super::{FAILURES, FINE, assert_refused, probe, probe_json};

fn greets(with: impl Fn(&mut Connection) -> Done + Send + Sync + 'static) -> Server {
    Server::start(move |verb, connection| match verb {
        "greet" => with(connection),
        _ => Done::No,
    })
}

#[test]
fn silence() {
    let server = greets(Connection::hang);
    let ended = probe(&["--connect-timeout", "500ms", &server.address.to_string()]);
    assert_refused(&ended);
    assert!(ended.stderr.contains("said nothing"), "{ended}");
}

#[test]
fn closes_at_once() {
    let server = greets(|_| Done::Close);
    let ended = probe(&[&server.address.to_string()]);
    assert_refused(&ended);
    assert!(
        ended.stderr.contains("closed the control connection"),
        "{ended}"
    );
}

#[test]
fn another_protocol() {
    let server = greets(|connection| {
        let _ = connection.send(b"SSH-2.0-OpenSSH_9.2\r\n");
        connection.hang()
    });
    let ended = probe(&["--connect-timeout", "500ms", &server.address.to_string()]);
    assert_refused(&ended);
    assert!(ended.stderr.contains("make no reply"), "{ended}");
}

#[test]
fn a_line_without_an_end() {
    let server = greets(|connection| {
        while connection.send(&[b'x'; 4096]).is_ok() {}
        Done::Close
    });
    let ended = probe(&[&server.address.to_string()]);
    assert_refused(&ended);
    assert!(
        ended.stderr.contains("without an end of the reply"),
        "{ended}"
    );
}

#[test]
fn lines_without_an_end() {
    let server = greets(|connection| {
        while connection.send(b"220-and another\r\n").is_ok() {}
        Done::Close
    });
    let ended = probe(&[&server.address.to_string()]);
    assert_refused(&ended);
    assert!(
        ended.stderr.contains("without an end of the reply"),
        "{ended}"
    );
}

#[test]
fn a_long_line_that_ends_is_a_reply() {
    let server = greets(|connection| {
        let line = format!("220 {}\r\n", "x".repeat(60_000));
        connection.send(line.as_bytes()).expect("the client");
        Done::Yes
    });
    probe(&[&server.address.to_string()]).ok();
}

#[test]
fn line_feeds_alone() {
    let server = greets(|connection| {
        connection.send(b"220 hello\n").expect("the client");
        Done::Yes
    });
    probe(&[&server.address.to_string()]).ok();
}

#[test]
fn control_characters_are_shown_and_not_obeyed() {
    let server = Server::start(|verb, connection| match verb {
        "EPSV" | "PASV" => {
            let reply = b"227 \x1b[2J\x1b]0;owned\x07\xe2\x80\xae(1,2,3)\r\n";
            connection.send(reply).expect("the client");
            Done::Yes
        }
        _ => Done::No,
    });
    for format in ["table", "json"] {
        let ended = probe(&["--format", format, &server.address.to_string()]);
        assert_eq!(ended.status.code(), Some(FAILURES), "{ended}");
        for text in [&ended.stdout, &ended.stderr] {
            assert!(!text.contains(['\x1b', '\x07', '\u{202e}']), "{ended}");
        }
        assert!(ended.stderr.contains("\\u{1b}[2J"), "{ended}");
    }
}

#[test]
fn data_without_an_end() {
    let server = Server::start(|verb, connection| match verb {
        "LIST" => {
            connection.say("150 Here it comes").expect("the client");
            let mut data = connection.accept();
            while data.write_all(&[b'x'; 65_536]).is_ok() {}
            let _ = connection.say("426 Gone");
            Done::Yes
        }
        _ => Done::No,
    });
    let (events, ended) = probe_json(&["--mode", "epsv", &server.address.to_string()], FINE);
    assert!(
        events[0]["evidence"]
            .to_string()
            .contains("more than is read"),
        "{ended}"
    );
}

#[test]
fn silence_after_the_question() {
    let server = Server::start(|verb, connection| match verb {
        "EPSV" => connection.hang(),
        _ => Done::No,
    });
    let address = server.address.to_string();
    let words = ["--mode", "epsv", "--connect-timeout", "2s", &address];
    let (events, ended) = probe_json(&words, FAILURES);
    assert_eq!(events[0]["finding"], "no_reply", "{ended}");
}

/// What is said after AUTH's reply in the clear must not count as said under TLS.
#[test]
fn words_put_in_before_tls() {
    let server = Server::start(|verb, connection| match verb {
        "AUTH" => {
            connection
                .send(b"234 Go on\r\n230 Welcome\r\n")
                .expect("the client");
            connection.hang()
        }
        _ => Done::No,
    });
    let ended = probe(&["--tls", "explicit", &server.address.to_string()]);
    assert_refused(&ended);
    assert!(ended.stderr.contains("in the clear"), "{ended}");
    assert_eq!(server.verbs(), ["AUTH"], "{ended}");
}
