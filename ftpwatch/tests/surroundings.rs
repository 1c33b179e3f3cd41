//! What happens around a watcher that runs for years: it does not get to run, the clock is set. What was lost is said, and
//! nothing else is.
//!
//! What belongs here: faults of the host that ftpwatch runs on, each with what it makes ftpwatch lose, and what is told of
//! that. Faults of FTP belong in faults.rs.

mod lab;
mod packets;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lab::frames::Frames;
use lab::netns::{Namespace, cable};
use lab::process::Process;
use lab::watch::{Hook, Report, Watch};
use lab::{Directory, SOON, wait_until};
use packets::{Conversation, Packet, ethernet};
use rustix::process::Signal;

/// The time-out in these tests.
const TIMEOUT: [&str; 2] = ["--timeout", "3s"];

/// A host, and a cable to it.
struct Wire {
    host: Namespace,
    _peer: Namespace,
    frames: Frames,
}

impl Wire {
    fn new() -> Self {
        let (host, peer) = (Namespace::new("server"), Namespace::new("client"));
        cable((&host, "s0"), (&peer, "c0"));
        let frames = peer.enter(|| Frames::onto("c0")).expect("there is a cable");
        Self {
            host,
            _peer: peer,
            frames,
        }
    }

    fn send(&self, packets: &[Packet]) {
        self.frames.send(ethernet(packets)).expect("it takes them");
    }
}

/// An endpoint is advertised, and used.
fn transfer(talk: &mut Conversation, port: u16) -> Vec<Packet> {
    let mut packets = Vec::from(talk.exchange(port));
    packets.push(talk.client("RETR a"));
    packets.extend(talk.data(port).handshake());
    packets.extend([talk.server("150 Here it comes"), talk.server("226 Done")]);
    packets
}

fn outcomes(report: &Report) -> BTreeMap<&str, usize> {
    let mut outcomes = BTreeMap::new();
    for event in report.of_type("outcome") {
        *outcomes.entry(event.text("/outcome")).or_insert(0) += 1;
    }
    outcomes
}

/// A process that does not get to run reads no news: the ring is full after some thousand. What was in the ring is in
/// the maps as well.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_watcher_that_was_stopped_has_missed_nothing() {
    const SESSIONS: u16 = 40;
    const EACH: u16 = 80;
    const STOPPED: Duration = Duration::from_secs(30);
    let wire = Wire::new();
    let mut watch = Watch::start(&wire.host, &["s0"], Hook::Tcx, &TIMEOUT);
    let mut talks: Vec<Conversation> = (0..SESSIONS).map(Conversation::numbered).collect();
    for talk in &mut talks {
        wire.send(&talk.opening());
    }
    watch.process().signal(Signal::STOP);
    for number in 0..EACH {
        for talk in &mut talks {
            wire.send(&transfer(talk, 20_000 + number));
        }
    }
    // The last of each: nobody comes.
    for talk in &mut talks {
        wire.send(&talk.exchange(50_000));
    }
    // Their time is over long since.
    let sent = Instant::now();
    wait_until("it was stopped for long", 2 * STOPPED, || {
        (sent.elapsed() > STOPPED).then_some(())
    });
    watch.process().signal(Signal::CONT);
    let all = usize::from(SESSIONS * (EACH + 1));
    watch.wait_until("every outcome", |events| {
        events.iter().filter(|event| event.is("outcome")).count() == all
    });
    let report = watch.stop();
    let connected = usize::from(SESSIONS * EACH);
    let expected = BTreeMap::from([("connected", connected), ("no_syn", SESSIONS.into())]);
    assert_eq!(outcomes(&report), expected, "{}", report.ended.stderr);
    let losses = report.of_type("loss");
    assert!(!losses.is_empty(), "the ring had room for all");
    for loss in losses {
        assert_eq!(
            (loss.text("/what"), loss.text("/state")),
            ("ring_full", "degraded")
        );
    }
    let summary = &report.ended.stderr;
    assert!(
        summary.contains("records lost: the ring buffer was full"),
        "{summary}"
    );
}

/// More endpoints than there is room for, and nobody reads what is new of them: of those without room that found none in
/// the ring either, their number is all that is known.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn maps_and_ring_full_at_a_time() {
    const SESSIONS: u16 = 30;
    const EACH: u16 = 300;
    const ROOM: u64 = 2_048;
    let wire = Wire::new();
    let room = ROOM.to_string();
    let options = [&TIMEOUT[..], &["--max-endpoints", &room]].concat();
    let mut watch = Watch::start(&wire.host, &["s0"], Hook::Tcx, &options);
    let mut talks: Vec<Conversation> = (0..SESSIONS).map(Conversation::numbered).collect();
    for talk in &mut talks {
        wire.send(&talk.opening());
    }
    watch.process().signal(Signal::STOP);
    for number in 0..EACH {
        for talk in &mut talks {
            wire.send(&transfer(talk, 20_000 + number));
        }
    }
    watch.process().signal(Signal::CONT);
    watch.wait_until("the loss", |events| {
        events.iter().any(|event| event.text("/what") == "untold")
    });
    for talk in &mut talks {
        wire.send(&talk.closing());
    }
    watch.wait_until("every session", |events| {
        events.iter().filter(|event| event.is("session")).count() == usize::from(SESSIONS)
    });
    let report = watch.stop();
    let stats = &report.of_type("stats")[0].json;
    let all = u64::from(SESSIONS * EACH);
    assert_eq!(stats["endpoints"], all);
    assert_eq!(stats["outcomes"]["connected"], ROOM);
    assert_eq!(stats["outcomes"]["unknown"], all - ROOM);
    let told = outcomes(&report);
    assert_eq!(told["connected"] as u64, ROOM);
    let untold: u64 = report
        .of_type("loss")
        .iter()
        .filter(|loss| loss.text("/what") == "untold")
        .filter_map(|loss| loss.number("/count"))
        .sum();
    assert_eq!(told["unknown"] as u64 + untold, all - ROOM);
}

/// One client that asks and asks, and a server that nobody can connect to: what others do is told as ever.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_client_with_far_too_many_endpoints_does_not_hide_the_others() {
    const MANY: u32 = 10_000;
    const OTHERS: u16 = 20;
    let wire = Wire::new();
    let options = [&TIMEOUT[..], &["--max-endpoints", "1024"]].concat();
    let mut watch = Watch::start(&wire.host, &["s0"], Hook::Tcx, &options);
    let mut greedy = Conversation::numbered(1_000);
    wire.send(&greedy.opening());
    let mut talks: Vec<Conversation> = (0..OTHERS).map(Conversation::numbered).collect();
    for talk in &mut talks {
        wire.send(&talk.opening());
    }
    let burst = MANY / u32::from(OTHERS);
    for (round, talk) in (0..).zip(&mut talks) {
        for number in 0..burst {
            let mut packets = Vec::from(greedy.exchange(1_024 + (number % 60_000) as u16));
            packets.push(greedy.client("RETR a"));
            packets.push(greedy.server("425 Failed to establish connection."));
            wire.send(&packets);
        }
        let port = 50_000 + round;
        wire.send(&if round % 2 == 0 {
            transfer(talk, port)
        } else {
            talk.exchange(port).into()
        });
    }
    let of_others = |event: &&lab::watch::Event| {
        event.is("outcome") && event.text("/client/ip") != greedy.client.ip().to_string()
    };
    watch.wait_until("the others' outcomes", |events| {
        events.iter().filter(of_others).count() == usize::from(OTHERS)
    });
    let report = watch.stop();
    let mut others = BTreeMap::new();
    for event in report.events.iter().filter(of_others) {
        *others.entry(event.text("/outcome")).or_insert(0) += 1;
    }
    let half = OTHERS / 2;
    assert_eq!(
        others,
        BTreeMap::from([("connected", half), ("no_syn", half)])
    );
    let stats = &report.of_type("stats")[0].json["outcomes"];
    let count = |outcome: &str| stats[outcome].as_u64().expect("a number");
    let expected = u64::from(MANY) + u64::from(half);
    assert_eq!(count("no_syn") + count("unknown"), expected);
    // It is named, or there was no room for its name either.
    let client = greedy.client.ip().to_string();
    let losses = report.of_type("loss");
    for loss in &losses {
        match loss.text("/what") {
            "share_exceeded" => assert!(loss.text("/meaning").contains(&client), "{loss:?}"),
            "forgotten" | "untold" | "ring_full" => {}
            _ => panic!("{loss:?}"),
        }
    }
    let told = |what: &str| losses.iter().any(|loss| loss.text("/what") == what);
    assert!(
        told("share_exceeded") || told("untold"),
        "there was room for all"
    );
}

/// A SYN cannot come where the interface is down: that none was seen is no evidence.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn an_interface_that_goes_down_is_a_loss_and_no_failure() {
    let wire = Wire::new();
    let mut watch = Watch::start(&wire.host, &["s0"], Hook::Tcx, &TIMEOUT);
    let mut talk = Conversation::numbered(1);
    wire.send(&talk.opening());
    wire.send(&talk.exchange(20_000));
    watch.wait_for("advertisement", |event| event.is("advertised"));
    wire.host.ip("link set s0 down");
    let loss = watch.wait_for("loss", |event| event.is("loss"));
    assert_eq!(loss.text("/what"), "interface_down");
    wire.host.ip("link set s0 up");
    let outcome = watch.wait_for("outcome", |event| event.is("outcome"));
    assert_eq!(outcome.text("/outcome"), "unknown");
    // It is watched as before.
    wait_until("packets pass", SOON, || {
        wire.frames.send(ethernet(&talk.exchange(20_001))).ok()
    });
    wire.send(&talk.data(20_001).handshake());
    let connected = watch.wait_for("connection", |event| event.text("/outcome") == "connected");
    assert_eq!(connected.number("/advertised/port"), Some(20_001));
    watch.stop();
}

/// A tunnel may have no address of its own kind (tun, WireGuard), and packets without Ethernet headers.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn tunnels_are_watched() {
    let host = Namespace::new("server");
    host.ip("tuntap add mode tun name t0\nlink set t0 up");
    let watch = Watch::start_with(&host, &[], &["--format", "json"]);
    let programs = lab::leftovers::programs(&host, "t0");
    assert!(
        !programs.is_empty(),
        "it is not watched: {}",
        watch.process()
    );
    let ended = watch.end_anyhow();
    assert!(ended.status.success(), "{ended}");
    lab::leftovers::assert_none(&host, "t0");
}

/// libfaketime, which sets the clock for one process.
fn faketime() -> PathBuf {
    let found = fs::read_dir("/usr/lib").expect("there are libraries");
    found
        .filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketime.so.1")))
        .find(|path| path.exists())
        .expect("libfaketime is installed: cargo xtask setup --tests")
}

/// Sets the clock while an endpoint is waited for.
#[track_caller]
fn set_clock(by: &str, said: &str, seconds: i64) {
    let wire = Wire::new();
    let directory = Directory::new("clock");
    let offset = directory.path().join("offset");
    fs::write(&offset, "+0").expect("there is room");
    let ready = directory.path().join("ready");
    let mut command = lab::watch::run_command(&wire.host, &["s0"], &TIMEOUT);
    command
        .args([
            "--format",
            "json",
            "--show",
            "all",
            "--count",
            "1",
            "--ready-file",
        ])
        .arg(&ready)
        .env("LD_PRELOAD", faketime())
        .env("FAKETIME_TIMESTAMP_FILE", &offset)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let process = Process::start(&mut command);
    wait_until("ftpwatch is ready", SOON, || ready.exists().then_some(()));
    let mut talk = Conversation::numbered(1);
    wire.send(&talk.opening());
    wire.send(&talk.exchange(20_000));
    process.stdout.wait_for("\"advertised\"");
    fs::write(&offset, by).expect("there is room");
    process.stderr.wait_for(said);
    let ended = process.wait(SOON);
    assert_eq!(ended.status.code(), Some(1), "{ended}");
    let events: Vec<serde_json::Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object"))
        .collect();
    let of_type = |wanted: &str| {
        let event = events.iter().find(|event| event["event_type"] == wanted);
        event.unwrap_or_else(|| panic!("no {wanted}: {ended}"))
    };
    let time = |wanted: &str| {
        let text = of_type(wanted)["timestamp"].as_str().expect("a time");
        text.parse::<jiff::Timestamp>().expect("a time")
    };
    let outcome = of_type("outcome");
    assert_eq!(outcome["outcome"], "no_syn", "{ended}");
    let waited = outcome["waited_ms"].as_i64().expect("a number");
    assert!((3_000..4_000).contains(&waited), "{waited} ms");
    let between = time("outcome").duration_since(time("advertised")).as_secs();
    assert!(
        (between - seconds - 3).abs() <= 2,
        "{between} s between the times that were told, and the clock was set by {seconds}"
    );
    assert!(
        events.iter().all(|event| event["event_type"] != "loss"),
        "{ended}"
    );
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_clock_set_forward_changes_no_outcome() {
    set_clock("+3600", "the clock was set forward by 1h", 3_600);
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_clock_set_back_changes_no_outcome() {
    set_clock("-3600", "the clock was set back by 1h", -3_600);
}
