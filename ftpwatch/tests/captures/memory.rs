//! Memory depends on what is open, not on how much was read.

use std::{fs, io::Write as _, net::SocketAddr, process::Stdio};

use ftpwatch::{
    cli,
    read::{Analysis, reporter},
    report::{Body, Report},
    source::capture,
};
use ftpwatch_common::packet::Link;

use crate::{
    packets::{Conversation, Family, Packet},
    pcap::Pcap,
    reading::ftpwatch,
    story::{BEGIN, SECOND, STEP},
};

/// The options that nobody gave.
pub fn options() -> cli::Analysis {
    use clap::Parser as _;

    let cli = cli::Cli::parse_from(["ftpwatch", "read", "-"]);
    match cli.command {
        cli::Command::Read(read) => read.analysis,
        other => panic!("{other:?}"),
    }
}

/// A control connection from a client of its own.
fn conversation(number: u16) -> Conversation {
    let client = SocketAddr::new(Family::V4.client(7), 1_024 + number);
    let server = SocketAddr::new(Family::V4.server(10), 21);
    let mut conversation = Conversation::between(client, server);
    conversation.client_next = u32::from(number) << 16;
    conversation
}

fn give(analysis: &mut Analysis<'_>, at: u64, packet: &Packet) {
    let bytes = packet.bytes(Link::Ethernet);
    let packet = capture::Packet {
        at: Some(at),
        link: Link::Ethernet,
        bytes: &bytes,
        total: u32::try_from(bytes.len()).expect("it is short"),
        after_loss: false,
    };
    analysis.take(&packet).expect("nothing is written");
}

#[test]
fn connections_that_end_are_let_go() {
    let options = options();
    let mut outcomes = 0;
    let mut count = |report: &Report| {
        outcomes += u32::from(report.body.is_outcome());
        Ok(())
    };
    let mut analysis = Analysis::new(&options, reporter(&options, "made".into()), &mut count);
    let mut now = BEGIN;
    for number in 0..3_000 {
        let mut control = conversation(number);
        let mut packets = control.opening();
        for _ in 0..3 {
            packets.extend(control.exchange(50_001));
            packets.extend(control.data(50_001).handshake());
            packets.push(control.client("RETR file"));
            packets.push(control.server("226 Done."));
        }
        packets.extend(control.closing());
        for packet in &packets {
            give(&mut analysis, now, packet);
            now += STEP;
        }
        // A connection takes half a second, and lingers for five.
        let (controls, endpoints, keys) = analysis.held();
        assert!(
            controls < 20 && endpoints < 5 && keys < 10,
            "{:?}",
            analysis.held()
        );
    }
    analysis.finish().expect("nothing is written");
    assert_eq!(outcomes, 9_000);
}

/// A client that was switched off ends nothing. Neither do failures, which are remembered for five minutes.
#[test]
fn connections_that_never_end_are_let_go() {
    let options = options();
    let mut sessions = 0;
    let mut count = |report: &Report| {
        sessions += u32::from(matches!(report.body, Body::Session(_)));
        Ok(())
    };
    let mut analysis = Analysis::new(&options, reporter(&options, "made".into()), &mut count);
    let mut now = BEGIN;
    for number in 0..1_000 {
        let mut control = conversation(number);
        let mut packets = control.opening();
        packets.extend(control.exchange(50_001));
        for packet in &packets {
            give(&mut analysis, now, packet);
        }
        now += 600 * SECOND;
        let (controls, endpoints, _) = analysis.held();
        assert!(controls < 50 && endpoints < 50, "{:?}", analysis.held());
    }
    analysis.finish().expect("nothing is written");
    assert_eq!(sessions, 1_000);
}

/// Four times what may be resident, most of it file after file that is transferred.
#[test]
fn little_is_resident_of_a_large_capture() {
    let mut child = ftpwatch()
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it can be run");
    let mut stdin = child.stdin.take().expect("it is a pipe");
    let pcap = Pcap::default();
    stdin.write_all(&pcap.header()).expect("it is read");
    let (mut now, mut written) = (BEGIN, 0);
    let mut number = 0;
    while written < 128 << 20 {
        let mut control = conversation(number);
        let mut packets = control.opening();
        packets.extend(control.exchange(50_001));
        let data = control.data(50_001);
        packets.extend(data.handshake());
        let segment = data.server_sends(&[0; 1_400]);
        packets.extend(std::iter::repeat_n(segment, 100));
        packets.push(control.server("226 Done."));
        packets.extend(control.closing());
        for packet in &packets {
            let record = pcap.packet(now, &packet.bytes(Link::Ethernet));
            stdin.write_all(&record).expect("it is read");
            written += record.len();
            now += STEP;
        }
        number += 1;
    }
    // What is in the pipe is not read yet; it is nothing beside the rest.
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"))
        .expect("its size is told");
    let resident: u64 = resident.parse().expect("it is a number");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let summary = String::from_utf8_lossy(&output.stderr);
    let found = format!("{number} control sessions, {number} passive endpoints");
    assert!(summary.contains(&found), "{summary}");
    assert!(resident < 32 << 10, "{resident} KiB are resident");
}
