//! However a capture comes in pieces, the same is found in it.

use std::io::{self, Cursor, Read};

use ftpwatch::source::capture::{Capture, End, Item, Tally};

use crate::{
    formats::{gzip, sections},
    pcap::Pcap,
    story::every_outcome,
};

/// Hands out no more than so many bytes at once, and is interrupted before each.
struct Trickle {
    bytes: Cursor<Vec<u8>>,
    piece: usize,
    interrupted: bool,
}

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = buffer.len().min(self.piece);
        self.bytes.read(&mut buffer[..length])
    }
}

/// All packets, as text.
fn packets(stream: impl Read + 'static) -> (Vec<String>, Tally) {
    let mut packets = Vec::new();
    let capture = Capture::from_stream(stream).expect("it is a capture");
    let tally = capture.read(|item| {
        if let Item::Packet(packet) = item {
            packets.push(format!("{packet:?}"));
        }
        Ok(())
    });
    (packets, tally.expect("nothing is written"))
}

#[test]
fn in_pieces() {
    let pcap = Pcap::default().file(&every_outcome().ethernet());
    // More than one buffer's worth, with section headers at any place.
    let many = [sections(false, false), sections(true, true)]
        .concat()
        .repeat(20);
    for bytes in [gzip(&pcap), pcap, many] {
        let (whole, _) = packets(Cursor::new(bytes.clone()));
        assert!(!whole.is_empty());
        for piece in [1, 7, 4_093] {
            let trickle = Trickle {
                bytes: Cursor::new(bytes.clone()),
                piece,
                interrupted: false,
            };
            let (found, tally) = packets(trickle);
            assert_eq!(found, whole, "in pieces of {piece}");
            assert!(matches!(tally.end, End::Whole), "{tally:?}");
            assert_eq!(tally.losses(), [], "in pieces of {piece}");
        }
    }
}

/// Packets as large as segmentation offload makes them, and larger than the buffer is to begin with.
#[test]
fn large_packets() {
    let frames: Vec<_> = (1..6)
        .map(|number| (number * 1_000, vec![0; 50_000 * number as usize]))
        .collect();
    let (found, tally) = packets(Cursor::new(Pcap::default().file(&frames)));
    assert_eq!(found.len(), 5);
    assert!(matches!(tally.end, End::Whole), "{tally:?}");
}
