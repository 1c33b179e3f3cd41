//! Servers on loopback: what works, each thing that can be wrong, the command line.

use super::lab::process::Process;
use super::lab::{Directory, SOON};
use super::scripted::{Connection, Done, FullPort, NAME_IN_LISTING, Server, closed_port};
use super::{BAD_INPUT, FAILURES, FINE, assert_refused, command, probe, probe_json, told};
use rustix::process::Signal;

/// Answers PASV with `reply`, and EPSV not at all well.
fn only_pasv(reply: impl Fn(&mut Connection) -> String + Send + Sync + 'static) -> Server {
    Server::start(move |verb, connection| match verb {
        "PASV" => {
            let reply = reply(connection);
            connection.say(&reply).expect("the client is there");
            Done::Yes
        }
        "EPSV" => {
            connection.say("502 No EPSV").expect("the client is there");
            Done::Yes
        }
        _ => Done::No,
    })
}

fn reply_227(address: [u8; 4], port: u16) -> String {
    let ([a, b, c, d], [p, q]) = (address, port.to_be_bytes());
    format!("227 Entering Passive Mode ({a},{b},{c},{d},{p},{q}).")
}

#[test]
fn works() {
    let server = Server::start(|_, _| Done::No);
    let address = server.address.to_string();
    let (events, ended) = probe_json(&[&address], FINE);
    for code in [229, 227] {
        assert_eq!(
            told(&events, code),
            ("connected".into(), None, vec![]),
            "{ended}"
        );
    }
    let outcome = &events[0];
    assert_eq!(outcome["observer"]["vantage"], "client", "{ended}");
    assert_eq!(outcome["observer"]["hook"], "probe", "{ended}");
    assert_eq!(outcome["server"]["port"], server.address.port(), "{ended}");
    assert_eq!(outcome["command"], "LIST", "{ended}");
    assert_eq!(outcome["connected"]["via"], "advertised", "{ended}");
    assert!(
        ended.stderr.contains("Passive mode works from here."),
        "{ended}"
    );
    assert!(!format!("{ended}").contains(NAME_IN_LISTING), "{ended}");
    let verbs = server.verbs();
    assert_eq!(verbs[..4], ["USER", "PASS", "EPSV", "LIST"], "{verbs:?}");
    assert_eq!(verbs.last().map(String::as_str), Some("QUIT"), "{verbs:?}");
}

#[test]
fn the_table_has_a_row_for_each_way() {
    let server = Server::start(|_, _| Done::No);
    let ended = probe(&[&server.address.to_string()]).ok();
    let rows = ended
        .stdout
        .lines()
        .filter(|line| line.contains("connected"));
    assert_eq!(rows.count(), 2, "{ended}");
}

#[test]
fn nobody_listens() {
    let port = closed_port();
    let server = only_pasv(move |_| reply_227([127, 0, 0, 1], port.number));
    let (events, ended) = probe_json(&[&server.address.to_string()], FAILURES);
    let wanted = ("refused".into(), Some("not_listening".into()), vec![]);
    assert_eq!(told(&events, 227), wanted, "{ended}");
    assert!(!server.verbs().contains(&"LIST".to_owned()), "{ended}");
    assert!(
        ended
            .stderr
            .contains("Passive mode does not work from here."),
        "{ended}"
    );
    assert!(
        ended
            .stderr
            .contains("EPSV over IPv4: the server does not do it: 502"),
        "{ended}"
    );
}

#[test]
fn no_answer() {
    let full = FullPort::new();
    let port = full.number;
    let server = only_pasv(move |_| reply_227([127, 0, 0, 1], port));
    let (events, ended) = probe_json(&["-t", "1s", &server.address.to_string()], FAILURES);
    let wanted = ("no_answer".into(), Some("dropped_beyond".into()), vec![]);
    assert_eq!(told(&events, 227), wanted, "{ended}");
    assert_eq!(events[0]["confidence"], "high", "{ended}");
    let waited = events[0]["waited_ms"].as_u64().expect("a number");
    assert!(waited >= 1000, "{ended}");
}

/// 127.0.0.2 is another address that is this host's too: nobody listens there, and somebody at the control address.
#[test]
fn another_address() {
    let server = only_pasv(|connection| reply_227([127, 0, 0, 2], connection.listen()));
    let (events, ended) = probe_json(&[&server.address.to_string()], FAILURES);
    let wanted = ("connected".into(), None, vec!["address_mismatch".into()]);
    assert_eq!(told(&events, 227), wanted, "{ended}");
    assert_eq!(events[0]["connected"]["via"], "control_address", "{ended}");
    assert!(
        ended
            .stderr
            .contains("only for clients that ignore the advertised address"),
        "{ended}"
    );
}

#[test]
fn zero_address_is_not_tried() {
    let port = closed_port();
    let server = only_pasv(move |_| reply_227([0, 0, 0, 0], port.number));
    let (events, ended) = probe_json(&[&server.address.to_string()], FAILURES);
    let wanted = ("no_syn".into(), Some("unusable_address".into()), vec![]);
    assert_eq!(told(&events, 227), wanted, "{ended}");
    assert!(ended.stdout.contains("was not tried"), "{ended}");
}

#[test]
fn port_zero_is_not_tried() {
    let server = only_pasv(|_| reply_227([127, 0, 0, 1], 0));
    let (events, ended) = probe_json(&[&server.address.to_string()], FAILURES);
    let wanted = ("no_syn".into(), Some("unusable_address".into()), vec![]);
    assert_eq!(told(&events, 227), wanted, "{ended}");
}

#[test]
fn undecodable() {
    let server = only_pasv(|_| "227 Entering Passive Mode (127,0,0,1,999,1).".into());
    let (events, ended) = probe_json(&[&server.address.to_string()], FAILURES);
    assert_eq!(events[0]["event_type"], "finding", "{ended}");
    assert_eq!(events[0]["finding"], "undecodable_advertisement", "{ended}");
    assert!(ended.stderr.contains("(127,0,0,1,999,1)"), "{ended}");
}

#[test]
fn neither_epsv_nor_pasv() {
    let server = only_pasv(|_| "502 No PASV either".into());
    let (events, ended) = probe_json(&[&server.address.to_string()], FAILURES);
    let findings = events
        .iter()
        .filter(|event| event["finding"] == "passive_refused");
    assert_eq!(findings.count(), 2, "{ended}");
}

#[test]
fn the_transfer_fails_after_the_connection() {
    let server = Server::start(|verb, connection| match verb {
        "LIST" => {
            connection
                .say("425 Security: Bad IP connecting.")
                .expect("the client");
            Done::Yes
        }
        _ => Done::No,
    });
    let (events, ended) = probe_json(&["--mode", "epsv", &server.address.to_string()], FAILURES);
    assert_eq!(told(&events, 229).0, "connected", "{ended}");
    let transfer = events
        .iter()
        .find(|event| event["event_type"] == "transfer");
    let transfer = transfer.unwrap_or_else(|| panic!("no transfer: {ended}"));
    assert_eq!(
        transfer["control_reply"]["text"], "425 Security: Bad IP connecting.",
        "{ended}"
    );
}

#[test]
fn a_refused_listing_is_no_failure() {
    let server = Server::start(|verb, connection| match verb {
        "LIST" => {
            connection
                .say("550 /home/ann/private: Permission denied")
                .expect("the client");
            Done::Yes
        }
        _ => Done::No,
    });
    let ended = probe(&["--mode", "epsv", &server.address.to_string()]).ok();
    assert!(ended.stderr.contains("refused with 550"), "{ended}");
    assert!(!format!("{ended}").contains("private"), "{ended}");
}

#[test]
fn data_do_not_come() {
    let server = Server::start(|verb, connection| match verb {
        "LIST" => {
            connection.say("150 Here it comes").expect("the client");
            let _data = connection.accept();
            connection.hang()
        }
        _ => Done::No,
    });
    let words = ["--mode", "epsv", "-t", "1s", &server.address.to_string()];
    let (events, ended) = probe_json(&words, FAILURES);
    assert_eq!(told(&events, 229).0, "connected", "{ended}");
    assert!(
        events
            .iter()
            .any(|event| event["finding"] == "transfer_stalled"),
        "{ended}"
    );
}

#[test]
fn a_port_outside_the_range_is_warned_of() {
    let server = Server::start(|_, _| Done::No);
    let words = [
        "--mode",
        "epsv",
        "--passive-range",
        "1-2",
        &server.address.to_string(),
    ];
    let (events, ended) = probe_json(&words, FINE);
    let wanted = ("connected".into(), None, vec!["port_out_of_range".into()]);
    assert_eq!(told(&events, 229), wanted, "{ended}");
}

#[test]
fn ports_are_drawn() {
    // A server with a range of eight ports, four of which are open; it takes them in turn.
    let open: Vec<_> = (0..4).map(|_| super::scripted::held_port()).collect();
    let mut ports: Vec<u16> = open.iter().map(|held| held.number).collect();
    let closed: Vec<_> = (0..4).map(|_| closed_port()).collect();
    ports.extend(closed.iter().map(|closed| closed.number));
    let (low, high) = (*ports.iter().min().unwrap(), *ports.iter().max().unwrap());
    let next = std::sync::atomic::AtomicUsize::new(0);
    let server = only_pasv(move |_| {
        let turn = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        reply_227([127, 0, 0, 1], ports[turn % ports.len()])
    });
    let range = format!("{low}-{high}");
    let address = server.address.to_string();
    let words = ["--mode", "pasv", "-t", "1s", "--ports", &range, &address];
    let (events, ended) = probe_json(&words, FAILURES);
    let ports = events.iter().find(|event| event["event_type"] == "ports");
    let ports = ports.unwrap_or_else(|| panic!("no ports: {ended}"));
    assert_eq!(ports["tried"], 8, "{ended}");
    assert_eq!(ports["connected"], 4, "{ended}");
    drop((open, closed));
}

#[test]
fn samples_are_enough() {
    let server = Server::start(|_, _| Done::No);
    let address = server.address.to_string();
    let words = [
        "--mode",
        "pasv",
        "--ports",
        "1-65535",
        "--samples",
        "5",
        &address,
    ];
    let (events, ended) = probe_json(&words, FINE);
    let ports = events.iter().find(|event| event["event_type"] == "ports");
    let tried = ports.expect("ports")["tried"].as_u64().expect("a number");
    assert!((5..9).contains(&tried), "{ended}");
}

mod who {
    use super::*;

    const USER: &str = "ann-the-user";
    const PASSWORD: &str = "correct horse";

    fn heard(server: &Server, line: &str) -> bool {
        server
            .heard
            .lock()
            .expect("commands")
            .iter()
            .any(|heard| heard == line)
    }

    #[test]
    fn password_from_a_file() {
        let directory = Directory::new("password");
        let file = directory.path().join("password");
        std::fs::write(&file, format!("{PASSWORD}\nand more\n")).expect("a file");
        let server = Server::start(|_, _| Done::No);
        let file = file.to_string_lossy();
        let ended = probe(&[
            "--user",
            USER,
            "--password-file",
            &file,
            &server.address.to_string(),
        ])
        .ok();
        assert!(heard(&server, &format!("USER {USER}")), "{ended}");
        assert!(heard(&server, &format!("PASS {PASSWORD}")), "{ended}");
        for secret in [USER, PASSWORD] {
            assert!(
                !ended.stdout.contains(secret) && !ended.stderr.contains(secret),
                "{ended}"
            );
        }
    }

    #[test]
    fn password_from_the_environment() {
        let server = Server::start(|_, _| Done::No);
        let mut command = command(&["--user", USER, &server.address.to_string()]);
        let ended = Process::start(command.env("FTPWATCH_PASSWORD", PASSWORD))
            .wait(SOON)
            .ok();
        assert!(heard(&server, &format!("PASS {PASSWORD}")), "{ended}");
        assert!(
            !ended.stdout.contains(PASSWORD) && !ended.stderr.contains(PASSWORD),
            "{ended}"
        );
    }

    /// A line end would begin another command.
    #[test]
    fn no_command_is_smuggled_in() {
        let server = Server::start(|_, _| Done::No);
        let address = server.address.to_string();
        let mut with_line_end = command(&["--user", USER, &address]);
        with_line_end.env("FTPWATCH_PASSWORD", "a\r\nDELE b");
        assert_refused(&Process::start(&mut with_line_end).wait(SOON));
        let ended = probe(&["--user", "a\r\nDELE b", &address]);
        assert_eq!(ended.status.code(), Some(BAD_INPUT), "{ended}");
        assert_eq!(server.verbs(), Vec::<String>::new());
    }

    #[test]
    fn no_terminal_no_prompt() {
        let server = Server::start(|_, _| Done::No);
        // In a session of its own there is no terminal to ask on.
        let mut command = std::process::Command::new("setsid");
        command.arg("--wait").arg(super::super::FTPWATCH);
        command.args(["probe", "--user", USER, &server.address.to_string()]);
        command.env_remove("FTPWATCH_PASSWORD");
        let ended = Process::start(&mut command).wait(SOON);
        assert_refused(&ended);
        assert!(ended.stderr.contains("--password-file"), "{ended}");
    }

    #[test]
    fn password_files_that_are_none() {
        let directory = Directory::new("password");
        let empty = directory.path().join("empty");
        std::fs::write(&empty, "").expect("a file");
        let missing = directory.path().join("missing");
        for file in [&empty, &missing] {
            let file = file.to_string_lossy();
            assert_refused(&probe(&[
                "--user",
                USER,
                "--password-file",
                &file,
                "127.0.0.1:1",
            ]));
        }
    }

    #[test]
    fn refused() {
        let server = Server::start(|verb, connection| match verb {
            "PASS" => {
                let text = format!("530 Login incorrect, {USER} {PASSWORD}");
                connection.say(&text).expect("the client");
                Done::Yes
            }
            _ => Done::No,
        });
        let mut command = command(&["--user", USER, &server.address.to_string()]);
        let ended = Process::start(command.env("FTPWATCH_PASSWORD", PASSWORD)).wait(SOON);
        assert_refused(&ended);
        assert!(ended.stderr.contains("530"), "{ended}");
        assert!(
            !ended.stderr.contains(PASSWORD) && !ended.stderr.contains(USER),
            "{ended}"
        );
    }
}

#[test]
fn no_such_host() {
    let ended = probe(&["nosuch.invalid"]);
    assert_refused(&ended);
    assert!(ended.stderr.contains("nosuch.invalid"), "{ended}");
}

#[test]
fn nobody_at_the_control_port() {
    let port = closed_port();
    let ended = probe(&[&format!("127.0.0.1:{}", port.number)]);
    assert_refused(&ended);
    assert!(ended.stderr.contains("refuses"), "{ended}");
}

#[test]
fn no_answer_at_the_control_port() {
    let full = FullPort::new();
    let address = format!("127.0.0.1:{}", full.number);
    let ended = probe(&["--connect-timeout", "500ms", &address]);
    assert_refused(&ended);
    assert!(ended.stderr.contains("did not answer"), "{ended}");
}

#[test]
fn no_address_of_that_family() {
    assert_refused(&probe(&["-6", "127.0.0.1"]));
}

#[test]
fn bad_usage() {
    for words in [
        &[] as &[&str],
        &["ftp://127.0.0.1"],
        &["127.0.0.1:ftp"],
        &["ann@127.0.0.1"],
        &["-4", "-6", "127.0.0.1"],
        &["--tls", "perhaps", "127.0.0.1"],
        &["--mode", "port", "127.0.0.1"],
        &["--password-file", "x", "127.0.0.1"],
        &["--samples", "5", "127.0.0.1"],
        &["--ports", "5", "127.0.0.1"],
        &["--password", "x", "127.0.0.1"],
        &["-t", "0s", "127.0.0.1"],
    ] {
        let ended = probe(words);
        assert_eq!(ended.status.code(), Some(BAD_INPUT), "{ended}");
        assert_eq!(ended.stdout, "", "{ended}");
        assert!(!ended.stderr.contains("panicked"), "{ended}");
    }
}

#[test]
fn ctrl_c_ends_at_once_and_quietly() {
    let server = Server::start(|verb, connection| match verb {
        "greet" => {
            connection
                .heard
                .lock()
                .expect("commands")
                .push("here".into());
            connection.hang()
        }
        _ => Done::No,
    });
    let process = Process::start(&mut command(&[
        "--connect-timeout",
        "1h",
        &server.address.to_string(),
    ]));
    super::lab::wait_until("the client is there", SOON, || {
        (!server.verbs().is_empty()).then_some(())
    });
    process.signal(Signal::INT);
    let ended = process.wait(SOON);
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&ended.status),
        Some(2),
        "{ended}"
    );
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        ("", ""),
        "{ended}"
    );
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let server = Server::start(|_, _| Done::No);
    let mut command = std::process::Command::new("sh");
    let script = format!("{} probe {} | true", super::FTPWATCH, server.address);
    // The reader may be gone before or after the first line; neither is worth a word of complaint.
    let ended = Process::start(command.args(["-c", &script])).wait(SOON);
    assert!(
        !ended.stderr.contains("panicked") && !ended.stderr.contains("Broken pipe"),
        "{ended}"
    );
}
