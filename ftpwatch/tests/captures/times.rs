//! Time is what packets say, whatever that is.

use crate::{
    formats::{assert_same, plain},
    pcap::Pcap,
    pcapng::PcapNg,
    reading::of,
    story::{BEGIN, OUTCOMES, SECOND, every_outcome},
};

#[test]
fn nanoseconds_are_not_lost() {
    let nanoseconds = Pcap {
        nanoseconds: true,
        ..Pcap::default()
    };
    let mut frames = every_outcome().ethernet();
    for (at, _) in &mut frames {
        *at += 999;
    }
    assert_same("999 ns later", &of(&nanoseconds.file(&frames)));
    for (at, _) in &mut frames {
        *at += 1;
    }
    assert_ne!(of(&nanoseconds.file(&frames)).what(), plain().what());
}

/// Times that are out of order by a little, as several processors write them.
#[test]
fn a_little_out_of_order() {
    let mut frames = every_outcome().ethernet();
    for (number, (at, _)) in frames.iter_mut().enumerate() {
        if number % 3 == 1 {
            *at -= SECOND;
        }
    }
    let reading = of(&Pcap::default().file(&frames));
    assert_eq!(reading.outcomes(), OUTCOMES, "{reading:?}");
}

/// Two captures one after the other in one file, the later first: each is a capture of its own.
#[test]
fn far_out_of_order() {
    let early = every_outcome().ethernet();
    let late: Vec<_> = early
        .iter()
        .map(|(at, frame)| (at + 3_600 * SECOND, frame.clone()))
        .collect();
    let reading = of(&Pcap::default().file(&[late, early].concat()));
    assert_eq!(
        reading.outcomes(),
        [OUTCOMES, OUTCOMES].concat(),
        "{reading:?}"
    );
    assert!(reading.stderr.contains("the clock was set"), "{reading:?}");
    assert!(
        reading
            .stderr
            .contains("6 control sessions, 10 passive endpoints"),
        "{reading:?}"
    );
}

/// A capture that counts time from its own begin: zero is a time like any other.
#[test]
fn from_zero() {
    let frames = every_outcome().ethernet().into_iter();
    let frames: Vec<_> = frames.map(|(at, frame)| (at - BEGIN, frame)).collect();
    let reading = of(&Pcap::default().file(&frames));
    assert_eq!(reading.outcomes(), OUTCOMES, "{reading:?}");
    assert!(
        reading
            .stdout
            .starts_with(r#"{"schema":1,"timestamp":"1970-01-01T00:00:00."#)
    );
}

/// A simple packet block has no time: what needs none is found.
#[test]
fn packets_without_a_time() {
    let mut pcapng = PcapNg::new(true);
    pcapng.interface(1, 2_000, &[]);
    for (_, frame) in every_outcome().ethernet() {
        pcapng.simple(&frame);
    }
    let reading = of(&pcapng.bytes);
    let expected = ["connected", "refused", "unobserved", "unused", "unknown"];
    assert_eq!(reading.outcomes(), expected, "{reading:?}");
    assert!(reading.stderr.contains("without a time"), "{reading:?}");
}
