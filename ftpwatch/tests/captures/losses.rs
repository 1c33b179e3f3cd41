//! Packets that are cut, and packets that are missing: what was readable counts, and absence proves nothing.

use crate::{
    packets::{Conversation, Family},
    pcap::Pcap,
    pcapng::PcapNg,
    reading::of,
    story::Story,
};

/// Of each packet the headers and a line: enough for all but the longest lines.
#[test]
fn snaplen() {
    let cut = Pcap {
        snaplen: 54 + 60,
        ..Pcap::default()
    };
    let mut story = Story::new();
    let mut control = Conversation::new(Family::V4);
    let retrieve = format!("RETR {}", "n".repeat(100));
    story.then(control.opening()).then(control.exchange(50_001));
    story.then(control.data(50_001).handshake());
    story.then([
        control.client(&retrieve),
        control.server("150 Here it comes."),
    ]);
    story.then([control.server("226 Done.")]);
    // It was cut before this one, which nobody tries; and after the next.
    story.then(control.exchange(50_002)).wait(20);
    story
        .then(control.exchange(50_003))
        .then([control.client(&retrieve)])
        .wait(20);
    story.then([control.client("NOOP")]);
    let reading = of(&cut.file(&story.ethernet()));
    assert_eq!(
        reading.outcomes(),
        ["connected", "no_syn", "unknown"],
        "{reading:?}"
    );
    assert!(
        reading
            .stderr
            .contains("2 control packets that could not be read"),
        "{reading:?}"
    );
    assert!(!reading.stdout.contains("nnn"), "{reading:?}");
}

/// Not even the headers.
#[test]
fn beheaded() {
    let cut = Pcap {
        snaplen: 40,
        ..Pcap::default()
    };
    let whole = Pcap::default();
    let mut story = Story::new();
    let mut control = Conversation::new(Family::V4);
    story.then(control.opening()).then(control.exchange(50_001));
    let mut bytes = whole.file(&story.ethernet());
    // The SYN may be in one of those that were cut off.
    let mut rest = Story::new();
    rest.wait(1).then(control.data(50_001).handshake()).wait(20);
    rest.then([control.client("NOOP")]);
    for (number, (at, frame)) in rest.ethernet().into_iter().enumerate() {
        let pcap = if number < 3 { cut } else { whole };
        bytes.extend(pcap.packet(at, &frame));
    }
    let reading = of(&bytes);
    assert_eq!(reading.outcomes(), ["unknown"], "{reading:?}");
    assert!(
        reading
            .stderr
            .contains("3 packets cut off within their headers"),
        "{reading:?}"
    );
}

/// What was lost when it was captured may have been the SYN.
#[test]
fn dropped_when_captured() {
    let mut pcapng = PcapNg::new(true);
    pcapng.interface(1, 0, &[]);
    let mut story = Story::new();
    let mut control = Conversation::new(Family::V4);
    story
        .then(control.opening())
        .then(control.exchange(50_001))
        .wait(20);
    story.then([control.client("NOOP")]);
    let frames = story.ethernet();
    for (number, (at, frame)) in frames.iter().enumerate() {
        let dropped = pcapng.option(4, &pcapng.long(u64::from(number + 1 == frames.len())));
        pcapng.enhanced(0, at / 1_000, frame, &[dropped]);
    }
    assert_eq!(
        of(&pcapng.bytes).outcomes(),
        ["no_syn"],
        "the time-out was over before"
    );
    let mut before = PcapNg::new(true);
    before.interface(1, 0, &[]);
    for (at, frame) in &frames {
        let dropped = before.option(4, &before.long(3));
        before.enhanced(0, at / 1_000, frame, &[dropped]);
    }
    let statistics = before.option(5, &before.long(42));
    before.block(5, &[&[0; 12], statistics.as_slice()].concat());
    let reading = of(&before.bytes);
    assert!(reading.stderr.contains("42 packets dropped"), "{reading:?}");
}
