//! The same packets in every format: the same endpoints.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use crate::{
    frames,
    pcap::Pcap,
    pcapng::PcapNg,
    reading::{Reading, of, read_from},
    story::{OUTCOMES, SECOND, STEP, every_outcome},
};

const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

/// The plainest capture of what happens.
pub fn plain() -> Reading {
    of(&Pcap::default().file(&every_outcome().ethernet()))
}

/// It says the same as the plainest capture of the same packets.
#[track_caller]
pub fn assert_same(name: &str, reading: &Reading) {
    assert_eq!(reading.status, Some(1), "{name}: {reading:?}");
    assert_eq!(reading.what(), plain().what(), "{name}");
    assert!(
        reading.stderr.ends_with("nothing was lost\n"),
        "{name}: {reading:?}"
    );
}

#[test]
fn the_plainest() {
    let reading = plain();
    assert_eq!(reading.outcomes(), OUTCOMES, "{reading:?}");
    assert_eq!(reading.status, Some(1));
    let sessions = reading.events_of("session");
    let open: Vec<_> = sessions
        .iter()
        .map(|session| &session["still_open"])
        .collect();
    assert_eq!(open, [false, false, true], "{reading:?}");
    let unanswered = &reading.events_of("outcome")[3];
    assert_eq!(unanswered["waited_ms"], 10_000);
    assert_eq!(unanswered["cause"], "local_drop");
    assert_eq!(unanswered["confidence"], "medium");
    assert!(!reading.stdout.contains("secret"), "{reading:?}");
    let observer = &unanswered["observer"];
    assert_eq!(observer["interfaces"], json!(["Ethernet"]));
    assert_eq!(observer["hook"], "capture");
    assert!(
        observer["file"]
            .as_str()
            .is_some_and(|file| file.ends_with("capture"))
    );
}

#[test]
fn byte_orders_and_precisions() {
    for big_endian in [false, true] {
        for nanoseconds in [false, true] {
            let pcap = Pcap {
                big_endian,
                nanoseconds,
                ..Pcap::default()
            };
            assert_same(
                &format!("{pcap:?}"),
                &of(&pcap.file(&every_outcome().ethernet())),
            );
        }
    }
}

#[test]
fn link_types() {
    for (number, (link_type, frame)) in frames::ALL.into_iter().enumerate() {
        let frames = every_outcome().framed(frame);
        let name = format!("number {number}, link type {link_type}");
        let pcap = Pcap {
            link_type: link_type.into(),
            ..Pcap::default()
        };
        assert_same(&name, &of(&pcap.file(&frames)));
        let mut pcapng = PcapNg::new(false);
        pcapng.interface(link_type, 0, &[]);
        for (at, frame) in &frames {
            pcapng.enhanced(0, at / 1_000, frame, &[]);
        }
        assert_same(&name, &of(&pcapng.bytes));
    }
}

/// With a frame check sequence of four bytes, as the header says above the link type.
#[test]
fn a_link_type_with_flags() {
    let mut frames = every_outcome().ethernet();
    for (_, frame) in &mut frames {
        frame.extend([0xde, 0xad, 0xbe, 0xef]);
    }
    let pcap = Pcap {
        link_type: 0x2400_0001,
        ..Pcap::default()
    };
    assert_same("FCS", &of(&pcap.file(&frames)));
}

/// Two interfaces with different link types, clocks and resolutions, in two sections of different byte orders.
#[test]
fn interfaces_and_sections() {
    for obsolete in [false, true] {
        for big_endian in [false, true] {
            let reading = of(&sections(big_endian, obsolete));
            assert_same("interfaces", &reading);
            let names = &reading.events()[4]["observer"]["interfaces"];
            assert_eq!(*names, json!(["eth0", "tun\\u{1b}0"]));
        }
    }
}

/// The sections of [`interfaces_and_sections`].
pub fn sections(big_endian: bool, obsolete: bool) -> Vec<u8> {
    let story = every_outcome();
    let (ethernet, raw) = (story.ethernet(), story.framed(frames::ALL[5].1));
    let mut pcapng = PcapNg::new(!big_endian);
    for (number, ((at, ethernet), (_, raw))) in ethernet.iter().zip(&raw).enumerate() {
        if number == 0 || number == 12 {
            pcapng.section(big_endian ^ (number == 0));
            // Sixty-fourths of a second, counted from 2001 on.
            let name = pcapng.option(IF_NAME, b"eth0");
            let resolution = pcapng.option(IF_TSRESOL, &[0x80 | 6]);
            let offset = pcapng.option(IF_TSOFFSET, &pcapng.long(SECOND));
            pcapng.interface(1, 0, &[name, resolution, offset]);
            // Tenths of microseconds, counted from before 1970.
            let name = pcapng.option(IF_NAME, b"tun\x1b0");
            let resolution = pcapng.option(IF_TSRESOL, &[7]);
            let offset = pcapng.option(IF_TSOFFSET, &pcapng.long(u64::MAX - 4 * SECOND + 1));
            pcapng.interface(101, 0, &[name, resolution, offset]);
        }
        let (interface, ticks, frame) = if number % 2 == 0 {
            (0, (at - SECOND * SECOND) / STEP, ethernet)
        } else {
            (1, at / 100 + 4 * SECOND * 10_000_000, raw)
        };
        if obsolete {
            pcapng.obsolete(interface, ticks, frame);
        } else {
            pcapng.enhanced(interface.into(), ticks, frame, &[]);
        }
    }
    pcapng.bytes
}

/// Blocks that say nothing of packets, and one of a kind that does not exist yet.
#[test]
fn other_blocks() {
    let mut pcapng = PcapNg::new(false);
    pcapng.interface(1, 0, &[]);
    for (at, frame) in every_outcome().ethernet() {
        pcapng.block(0x0bad, b"\x01\x02\x03\x04anything");
        pcapng.block(0x7777, b"the future");
        pcapng.block(4, &[0, 0, 0, 0]);
        pcapng.enhanced(0, at / 1_000, &frame, &[]);
    }
    pcapng.block(5, &[0; 12]);
    assert_same("other blocks", &of(&pcapng.bytes));
}

#[test]
fn gzipped() {
    let pcap = Pcap::default().file(&every_outcome().ethernet());
    let packed = gzip(&pcap);
    assert_same("gzip", &of(&packed));
    // As `cat` puts two together.
    let (head, tail) = pcap.split_at(1_000);
    assert_same("two members", &of(&[gzip(head), gzip(tail)].concat()));
    assert_same(
        "standard input",
        &read_from(&packed, &["--format", "json", "-"]),
    );
}

/// As gzip has it.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}
