//! A capture to measure with: FTP sessions that transfer, some that cannot, and everybody else's packets between them.
//!
//! The same number of packets makes the same file, byte for byte.

mod file;
mod segment;
mod session;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::{fmt, io};

pub use file::{Form, Format, WHOLE, Writer};
use segment::Noise;
use session::Session;

/// Nanoseconds since 1970 of the first packet.
const BEGIN: u64 = 1_750_000_000_000_000_000;

/// How many sessions there are at a time.
const AT_ONCE: u64 = 64;

/// Nanoseconds between the beginnings of the first sessions.
const APART: u64 = 7_000_000;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Packets.
    pub packets: u64,
    /// Of those, the ones on control connections.
    pub control: u64,
    /// Control connections.
    pub sessions: u64,
    /// Endpoints that were advertised.
    pub endpoints: u64,
    /// Of those, the ones that no SYN came for.
    pub failures: u64,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} packets, {} of them on {} control connections; {} endpoints, {} of which no SYN comes for",
            self.packets, self.control, self.sessions, self.endpoints, self.failures
        )
    }
}

/// Writes `packets` packets, and those that the last sessions end with.
///
/// # Errors
///
/// Those of writing.
pub fn write<W: io::Write>(writer: &mut Writer<W>, packets: u64) -> io::Result<Content> {
    let noise = Noise::new();
    let mut content = Content::default();
    let mut frame = Vec::new();
    let mut begun = 0;
    let mut next = |content: &mut Content| {
        begun += 1;
        let session = Session::new(begun);
        content.sessions += u64::from(session.endpoints > 0);
        content.endpoints += session.endpoints;
        content.failures += session.failures;
        session
    };
    let mut sessions: Vec<Session> = (0..AT_ONCE).map(|_| next(&mut content)).collect();
    let mut due: BinaryHeap<Reverse<(u64, usize)>> = (0..AT_ONCE)
        .zip(0..)
        .map(|(number, slot)| Reverse((BEGIN + number * APART, slot)))
        .collect();
    while let Some(Reverse((at, slot))) = due.pop() {
        let Some(step) = sessions[slot].step() else {
            if content.packets < packets {
                sessions[slot] = next(&mut content);
                due.push(Reverse((at, slot)));
            }
            continue;
        };
        step.segment.write(&noise, &mut frame);
        writer.packet(at, &frame)?;
        content.packets += 1;
        content.control += u64::from(step.on_control);
        due.push(Reverse((at + step.pause, slot)));
    }
    writer.finish()?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, packets: u64) -> (Content, Vec<u8>) {
        let mut bytes = Vec::new();
        let form = Form {
            format,
            snaplen: 1_000,
        };
        let mut writer = Writer::new(&mut bytes, form).unwrap();
        let content = write(&mut writer, packets).unwrap();
        (content, bytes)
    }

    #[test]
    fn the_same_again() {
        let (content, bytes) = written(Format::Pcap, 20_000);
        assert_eq!((content, bytes), written(Format::Pcap, 20_000));
        // What the sessions at the end had still to say is a few hundred packets each.
        let most = 20_000 + AT_ONCE * 700;
        assert!((20_000..most).contains(&content.packets), "{content:?}");
        assert!(content.failures > 0, "{content:?}");
        assert!(content.endpoints > 10 * content.failures, "{content:?}");
        assert!(content.packets > 10 * content.control, "{content:?}");
    }

    /// Each record says how long it is, so a walk over the file ends where the file does.
    #[test]
    fn records_are_whole() {
        let (content, bytes) = written(Format::Pcap, 1_000);
        let (mut at, mut packets, mut last) = (24, 0, 0);
        while at < bytes.len() {
            let word = |offset| {
                let bytes = bytes[at + offset..].first_chunk().unwrap();
                u32::from_le_bytes(*bytes)
            };
            let time = u64::from(word(0)) * 1_000_000 + u64::from(word(4));
            assert!(time >= last && word(8) == word(12).min(1_000));
            (at, packets, last) = (at + 16 + word(8) as usize, packets + 1, time);
        }
        assert_eq!((at, packets), (bytes.len(), content.packets));
    }

    #[test]
    fn blocks_are_whole() {
        let (content, bytes) = written(Format::PcapNg, 1_000);
        let word = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().unwrap());
        let (mut at, mut packets) = (0, 0);
        while at < bytes.len() {
            let length = word(at + 4) as usize;
            assert_eq!(word(at + length - 4) as usize, length);
            packets += u64::from(word(at) == 6);
            at += length;
        }
        assert_eq!((at, packets), (bytes.len(), content.packets));
    }
}
