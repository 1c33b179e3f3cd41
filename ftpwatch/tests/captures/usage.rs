//! The command line: what is refused and how, several captures, standard input.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::Stdio,
};

use crate::{
    packets::{Conversation, Family},
    pcap::Pcap,
    reading::{File, Reading, ftpwatch, json, of, read_from},
    story::{OUTCOMES, Story, every_outcome},
};

#[track_caller]
fn assert_refused(reading: &Reading, said: &[&str]) {
    assert_eq!(reading.status, Some(2), "{reading:?}");
    assert_eq!(reading.stdout, "", "{reading:?}");
    assert_eq!(
        reading.stderr.lines().count(),
        2,
        "one line what, one what to do: {reading:?}"
    );
    for words in said {
        assert!(reading.stderr.contains(words), "no {words}: {reading:?}");
    }
}

#[test]
fn no_capture() {
    assert_refused(&of(b""), &["is empty"]);
    assert_refused(&of(b"\n"), &["is no capture"]);
    assert_refused(
        &of(b"From: root\nTo: you\n"),
        &["is no capture", "tcpdump -w"],
    );
    assert_refused(
        &of(&[0x28, 0xb5, 0x2f, 0xfd, 0, 0]),
        &["is no capture", "zstd -dc"],
    );
    assert_refused(
        &of(&crate::formats::gzip(b"not here either")),
        &["is no capture"],
    );
    assert_refused(&of(b"\x1f\x8b\x08nonsense"), &["cannot read"]);
    assert_refused(&of(&Pcap::default().header()[..20]), &["is none"]);
    assert_refused(
        &of(&[0x0a, 0x0d, 0x0d, 0x0a, 1, 2, 3, 4, 5, 6, 7, 8]),
        &["is none"],
    );
    assert_refused(&read_from(b"", &["-"]), &["standard input is empty"]);
}

#[test]
fn no_file() {
    assert_refused(
        &json(Path::new("no/such.pcap"), &[]),
        &["cannot read no/such.pcap", "spelled"],
    );
    assert_refused(
        &json(&std::env::temp_dir(), &[]),
        &["Name the captures in it"],
    );
    assert_refused(&json(Path::new("no\x1b[31m"), &[]), &["no\\u{1b}[31m"]);
}

#[test]
fn bad_usage() {
    for words in [
        &[] as &[&str],
        &["--hook", "tcx", "x"],
        &["--timeout", "0s", "x"],
        &["-p", "0", "x"],
    ] {
        let reading = read_from(b"", words);
        assert_eq!(reading.status, Some(2), "{reading:?}");
        assert_eq!(reading.stdout, "", "{reading:?}");
    }
}

/// Each on its own, in order; one that cannot be read keeps no other from being read.
#[test]
fn several() {
    let capture = Pcap::default().file(&every_outcome().ethernet());
    let (one, two) = (File::new("one", &capture), File::new("two", &capture));
    let reading = read_from(
        b"",
        &["--format", "json", one.word(), "no/such", two.word()],
    );
    assert_eq!(reading.status, Some(2), "{reading:?}");
    assert_eq!(
        reading.outcomes(),
        [OUTCOMES, OUTCOMES].concat(),
        "{reading:?}"
    );
    assert!(
        reading
            .stderr
            .contains("6 control sessions, 10 passive endpoints"),
        "{reading:?}"
    );
    let files: Vec<_> = reading
        .events()
        .iter()
        .map(|event| event["observer"]["file"].clone())
        .collect();
    let expected = [
        vec![one.word(); files.len() / 2],
        vec![two.word(); files.len() / 2],
    ]
    .concat();
    assert_eq!(files, expected);
    let reading = read_from(b"", &["--format", "json", one.word(), two.word()]);
    assert_eq!(reading.status, Some(1), "{reading:?}");
}

#[test]
fn formats_and_shows() {
    let capture = Pcap::default().file(&every_outcome().ethernet());
    let file = File::new("shown", &capture);
    let table = read_from(b"", &[file.word()]);
    assert!(table.stdout.starts_with("TIME"), "{table:?}");
    assert!(
        table.stdout.contains("not_listening") && table.stdout.contains("local_drop"),
        "{table:?}"
    );
    assert!(!table.stdout.contains("unobserved"), "{table:?}");
    let all = json(&file.path, &["--show", "all"]);
    assert_eq!(all.events_of("advertised").len(), 5, "{all:?}");
    assert_eq!(all.events_of("stats").len(), 1, "{all:?}");
    let failures = json(&file.path, &["--show", "failures"]);
    assert_eq!(
        failures.outcomes(),
        ["refused", "no_answer"],
        "{failures:?}"
    );
}

#[test]
fn options_of_the_analysis() {
    let capture = Pcap::default().file(&every_outcome().ethernet());
    let file = File::new("options", &capture);
    // The server's answer to the next PASV is what ends it.
    let patient = json(&file.path, &["--timeout", "30s"]);
    let waited = patient.events_of("outcome")[3]["waited_ms"].as_u64();
    assert!(waited.is_some_and(|waited| waited > 19_000), "{patient:?}");
    let other = json(&file.path, &["-p", "2121"]);
    assert_eq!(
        (other.status, other.stdout.as_str()),
        (Some(0), ""),
        "{other:?}"
    );
    let range = json(&file.path, &["--passive-range", "40000-40100"]);
    let causes = range.events_of("outcome");
    assert_eq!(causes[3]["cause"], "port_out_of_range", "{range:?}");
    let pinned = json(&file.path, &["--vantage", "gateway"]);
    let unanswered = &pinned.events_of("outcome")[3];
    assert_eq!(unanswered["cause"], "dropped_beyond");
    assert_eq!(unanswered["confidence"], "high");
}

/// Clients and servers that are ignored are counted once, and in nothing else.
#[test]
fn some_are_ignored() {
    let capture = Pcap::default().file(&every_outcome().ethernet());
    let file = File::new("ignored", &capture);
    let server = Family::V4.server(10).to_string();
    let reading = json(&file.path, &["--ignore", &server, "--show", "all"]);
    assert_eq!(reading.outcomes(), ["refused", "unobserved"], "{reading:?}");
    assert_eq!(reading.events_of("session").len(), 2, "{reading:?}");
    assert_eq!(reading.events_of("advertised").len(), 2, "{reading:?}");
    assert!(
        !reading.stdout.contains(&format!("\"{server}\"")),
        "{reading:?}"
    );
    assert!(
        reading
            .stderr
            .contains("2 control sessions, 2 passive endpoints"),
        "{reading:?}"
    );
    assert!(
        reading.stderr.contains("\n1 session ignored\n"),
        "{reading:?}"
    );
    let nobody = json(
        &file.path,
        &["--ignore", "0.0.0.0/0,::/0", "--show", "outcomes"],
    );
    assert_eq!(
        (nobody.status, nobody.stdout.as_str()),
        (Some(0), ""),
        "{nobody:?}"
    );
    assert!(
        nobody.stderr.contains("\n3 sessions ignored\n"),
        "{nobody:?}"
    );
    let client = format!("{}/31", Family::V4.client(7));
    let clients = json(&file.path, &["--ignore", &client]);
    assert!(clients.stderr.contains(" ignored\n"), "{clients:?}");
}

/// Somebody else's tcpdump is still running: what is decided is told at once.
#[test]
fn as_they_come() {
    let capture = Pcap::default().file(&every_outcome().ethernet());
    let mut child = ftpwatch()
        .args(["--format", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("ftpwatch starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let (begin, rest) = capture.split_at(capture.len() - 500);
    // In pieces that end anywhere.
    for piece in begin.chunks(7) {
        stdin.write_all(piece).expect("ftpwatch reads on");
    }
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let first = lines.next().expect("a line").expect("UTF-8");
    assert!(first.contains(r#""outcome":"connected""#), "{first}");
    stdin.write_all(rest).expect("ftpwatch reads on");
    drop(stdin);
    assert_eq!(
        lines.count(),
        OUTCOMES.len() - 1 + 3,
        "outcomes and sessions"
    );
    assert_eq!(child.wait().expect("ftpwatch ends").code(), Some(1));
}

#[test]
fn a_closed_pipe() {
    let capture = Pcap::default().file(&every_outcome().ethernet());
    let mut child = ftpwatch()
        .args(["--format", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ftpwatch starts");
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may be gone before all is written.
    let _ = stdin.write_all(&capture);
    drop(stdin);
    let output = child.wait_with_output().expect("ftpwatch ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// The commonest filter keeps out what is looked for.
#[test]
fn nothing_but_control_connections() {
    let mut story = Story::new();
    let mut control = Conversation::new(Family::V4);
    story
        .then(control.opening())
        .then(control.exchange(50_001))
        .wait(20);
    story.then([control.client("NOOP")]);
    let filtered = of(&Pcap::default().file(&story.ethernet()));
    assert_eq!(filtered.outcomes(), ["no_syn"], "{filtered:?}");
    assert!(
        filtered.stderr.contains("no_syn proves nothing"),
        "{filtered:?}"
    );
    story.then(control.data(50_002).handshake());
    let whole = of(&Pcap::default().file(&story.ethernet()));
    assert_eq!(whole.outcomes(), ["no_syn"], "{whole:?}");
    assert!(!whole.stderr.contains("proves nothing"), "{whole:?}");
}
