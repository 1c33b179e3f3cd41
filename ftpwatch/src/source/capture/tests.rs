//! Both ways through a capture: packets taken as they lie there, and all through pcap-parser.

use std::io::{self, Cursor};

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;

/// A pcap of real traffic, little-endian, with microseconds.
const REAL: &[u8] = include_bytes!("../../../tests/captures/vsftpd-works.pcap");

/// In what form it is read.
#[derive(Clone, Copy, Debug)]
struct Form {
    pcapng: bool,
    big_endian: bool,
    nanoseconds: bool,
}

impl Form {
    fn word(self, number: u32) -> [u8; 4] {
        if self.big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        }
    }

    fn words(self, numbers: &[u32]) -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|&number| self.word(number))
            .collect()
    }

    fn half(self, number: u16) -> [u8; 2] {
        let [a, b, c, d] = self.word(number.into());
        if self.big_endian { [c, d] } else { [a, b] }
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().next_multiple_of(4);
        let length = self.word(u32::try_from(padded).expect("it is short") + 12);
        let padding = vec![0; padded - body.len()];
        [&self.word(kind), &length, body, &padding, &length].concat()
    }

    /// The packets of [`REAL`].
    fn capture(self) -> Vec<u8> {
        let mut bytes = if self.pcapng {
            let versions = [self.half(1), self.half(0)].concat();
            let section = [&self.word(0x1a2b_3c4d), versions.as_slice(), &[0xff; 8]].concat();
            let link = [self.half(1), self.half(0)].concat();
            let resolution = [self.half(9), self.half(1)].concat();
            let digits = if self.nanoseconds { 9 } else { 6 };
            let interface = [
                link,
                self.words(&[0]),
                resolution,
                vec![digits, 0, 0, 0],
                vec![0; 4],
            ];
            [
                self.block(0x0a0d_0d0a, &section),
                self.block(1, &interface.concat()),
            ]
            .concat()
        } else {
            let magic = if self.nanoseconds {
                0xa1b2_3c4d
            } else {
                0xa1b2_c3d4
            };
            let versions = [self.half(2), self.half(4)].concat();
            [
                self.words(&[magic]),
                versions,
                self.words(&[0, 0, 0x4_0000, 1]),
            ]
            .concat()
        };
        let unit = if self.nanoseconds { 1_000 } else { 1 };
        let mut rest = &REAL[24..];
        let mut number = 0;
        while let Some((header, after)) = rest.split_first_chunk::<16>() {
            let word = |at: usize| u32::from_le_bytes(*header[at..].first_chunk().expect("four"));
            let (frame, after) = after.split_at(word(8) as usize);
            let lengths = [word(8), word(12)];
            if self.pcapng {
                let ticks = (u64::from(word(0)) * 1_000_000 + u64::from(word(4))) * u64::from(unit);
                let times = [(ticks >> 32) as u32, ticks as u32];
                let mut body = self.words(&[&[0], times.as_slice(), &lengths].concat());
                body.extend(frame);
                if number % 5 == 1 {
                    body.resize(body.len().next_multiple_of(4), 0);
                    // A drop count, or a comment.
                    body.extend(self.half(if number % 2 == 0 { 4 } else { 1 }));
                    body.extend([self.half(8).as_slice(), &[1; 8], &[0; 4]].concat());
                }
                bytes.extend(self.block(6, &body));
            } else {
                bytes
                    .extend(self.words(&[&[word(0), word(4) * unit], lengths.as_slice()].concat()));
                bytes.extend(frame);
            }
            (rest, number) = (after, number + 1);
        }
        bytes
    }
}

/// All that is read, as text.
fn through(
    bytes: &[u8],
    read: impl FnOnce(Capture, &mut dyn FnMut(Item<'_>) -> io::Result<()>) -> io::Result<Tally>,
) -> (Vec<String>, String) {
    let mut items = Vec::new();
    let Ok(capture) = Capture::from_stream(Cursor::new(bytes.to_vec())) else {
        return (items, String::new());
    };
    let tally = read(capture, &mut |item| {
        items.push(format!("{item:?}"));
        Ok(())
    });
    (items, format!("{:?}", tally.expect("nothing fails")))
}

fn either_way(bytes: &[u8]) -> [(Vec<String>, String); 2] {
    [
        through(bytes, |capture, each| capture.read(each)),
        through(bytes, |mut capture, each| {
            loop {
                if let Some(tally) = capture.advance(each)? {
                    return Ok(tally);
                }
            }
        }),
    ]
}

fn forms() -> impl Strategy<Value = Form> {
    any::<[bool; 3]>().prop_map(|[pcapng, big_endian, nanoseconds]| Form {
        pcapng,
        big_endian,
        nanoseconds,
    })
}

proptest! {
    #[test]
    fn the_same_either_way(
        form in forms(),
        changes in vec((any::<Index>(), any::<u8>()), 0..8),
        cut in any::<Option<Index>>(),
    ) {
        let mut bytes = form.capture();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let [plain, parsed] = either_way(&bytes);
        prop_assert_eq!(plain, parsed);
    }
}

#[test]
fn all_is_read_either_way() {
    for bits in 0..8 {
        let form = Form {
            pcapng: bits & 1 != 0,
            big_endian: bits & 2 != 0,
            nanoseconds: bits & 4 != 0,
        };
        let [plain, parsed] = either_way(&form.capture());
        assert_eq!(plain, parsed, "{form:?}");
        let (items, tally) = plain;
        assert!(items.len() > 20, "{form:?}: {items:?}");
        assert!(tally.contains("end: Whole"), "{form:?}: {tally}");
    }
}
