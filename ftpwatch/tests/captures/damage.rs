//! Captures that are not whole: what is there is read, the rest is said.

use crate::{
    formats::gzip,
    pcap::Pcap,
    pcapng::PcapNg,
    reading::{Reading, of},
    story::{OUTCOMES, every_outcome},
};

fn pcap() -> Vec<u8> {
    Pcap::default().file(&every_outcome().ethernet())
}

fn pcapng() -> PcapNg {
    let mut pcapng = PcapNg::new(false);
    pcapng.interface(1, 0, &[]);
    for (at, frame) in every_outcome().ethernet() {
        pcapng.enhanced(0, at / 1_000, &frame, &[]);
    }
    pcapng
}

/// The first endpoint was connected; that is said, and so is that the rest is missing.
#[track_caller]
fn assert_partly(reading: &Reading, said: &str) {
    assert_eq!(
        reading.outcomes().first().map(String::as_str),
        Some("connected"),
        "{reading:?}"
    );
    assert_ne!(reading.status, Some(2), "{reading:?}");
    assert!(reading.stderr.contains(said), "{reading:?}");
    assert!(
        reading
            .stderr
            .ends_with("lost: 1 captures not read to the end\n"),
        "{reading:?}"
    );
}

#[track_caller]
fn assert_nothing(reading: &Reading, said: &str) {
    assert_eq!(reading.status, Some(2), "{reading:?}");
    assert_eq!(reading.stdout, "", "{reading:?}");
    assert_eq!(reading.stderr.lines().count(), 2, "{reading:?}");
    assert!(reading.stderr.contains(said), "{reading:?}");
}

/// Wherever a capture is cut, it is no crash, and never a failure that was none.
#[test]
fn cut_anywhere() {
    let whole = of(&pcap()).outcomes();
    for bytes in [pcap(), pcapng().bytes, gzip(&pcap())] {
        for length in (0..bytes.len()).step_by(bytes.len() / 40) {
            let reading = of(&bytes[..length]);
            assert!(!reading.stderr.contains("panicked"), "{reading:?}");
            assert!(
                reading.status.is_some_and(|status| status <= 2),
                "{reading:?}"
            );
            let found = reading.outcomes();
            for (outcome, expected) in found.iter().zip(&whole) {
                let undecided = ["unknown", "unused"].contains(&outcome.as_str());
                assert!(outcome == expected || undecided, "{length}: {reading:?}");
            }
        }
    }
}

#[test]
fn cut_in_the_middle() {
    let bytes = pcap();
    assert_partly(
        &of(&bytes[..bytes.len() - 100]),
        "ends in the middle of a packet",
    );
    let bytes = pcapng().bytes;
    assert_partly(
        &of(&bytes[..bytes.len() - 100]),
        "ends in the middle of a packet",
    );
    let bytes = gzip(&pcap());
    assert_partly(&of(&bytes[..bytes.len() - 100]), "the rest cannot be read");
}

#[test]
fn cut_in_the_first_packet() {
    assert_nothing(&of(&pcap()[..30]), "no packet that can be read");
    assert_nothing(&of(&pcapng().bytes[..60]), "no packet that can be read");
}

/// Nobody captured anything: that is a capture, too.
#[test]
fn nothing_in_it() {
    for bytes in [Pcap::default().header(), PcapNg::new(false).bytes] {
        let reading = of(&bytes);
        assert_eq!(reading.status, Some(0), "{reading:?}");
        assert!(
            reading.stderr.starts_with("0 control sessions"),
            "{reading:?}"
        );
    }
}

#[test]
fn a_length_that_cannot_be() {
    let mut bytes = pcap();
    let length = bytes.len();
    bytes.extend(Pcap::default().packet(0, &[]));
    bytes[length + 8..length + 12].fill(0xff);
    bytes.extend([0; 100_000]);
    assert_partly(&of(&bytes), "damaged");
}

/// A file system that was not written to the end leaves zeros.
#[test]
fn zeros_at_the_end() {
    assert_partly(&of(&[pcap(), vec![0; 4_096]].concat()), "damaged");
    assert_partly(&of(&[pcapng().bytes, vec![0; 4_096]].concat()), "damaged");
}

/// A block whose inside makes no sense: its length says where the next one begins.
#[test]
fn senseless_blocks() {
    let whole = pcapng();
    let frames = every_outcome().ethernet();
    let mut pcapng = PcapNg::new(false);
    pcapng.interface(1, 0, &[]);
    for (at, frame) in &frames {
        // A packet longer than its block.
        pcapng.block(6, &[[0; 12], [0xfe; 12]].concat());
        // An interface that nobody described.
        pcapng.enhanced(7, at / 1_000, frame, &[]);
        pcapng.enhanced(0, at / 1_000, frame, &[]);
    }
    let reading = of(&pcapng.bytes);
    assert_eq!(reading.what(), of(&whole.bytes).what());
    let expected = format!(
        "lost: {} blocks of a pcapng that make no sense\n",
        2 * frames.len()
    );
    assert!(reading.stderr.ends_with(&expected), "{reading:?}");
}

#[test]
fn an_unknown_link_type() {
    let radio = Pcap {
        link_type: 127,
        ..Pcap::default()
    };
    assert_nothing(
        &of(&radio.file(&every_outcome().ethernet())),
        "link type is 127",
    );
    // Beside one that is known, it is counted.
    let mut both = pcapng();
    both.interface(127, 0, &[]).enhanced(1, 0, b"beacon", &[]);
    let reading = of(&both.bytes);
    assert_eq!(reading.outcomes(), OUTCOMES, "{reading:?}");
    assert!(
        reading.stderr.contains("1 packets of link type 127"),
        "{reading:?}"
    );
}
