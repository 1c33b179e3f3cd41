//! The fast way and the slow way are one: what a decoder takes at once leaves it as the same bytes do one by one.

use std::vec::Vec;

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::{command::CommandDecoder, reply::ReplyDecoder};

#[test]
fn finds_the_first_of_two_wherever_it_is() {
    for length in 0..40_u32 {
        for place in 0..length {
            let mut bytes = [b'\x0b'; 48];
            bytes[place as usize] = b'\n';
            bytes[place as usize + 1..].fill(0xff);
            let mut window = Copy::default();
            window.fill(&bytes);
            for from in 0..=place {
                assert_eq!(find(&window, from, length, b'\n', b'\n'), place);
                assert_eq!(find(&window, from, length, 0xff, b'\n'), place);
                assert_eq!(find(&window, from, place, 0xff, b'\n'), place);
            }
            let after = (place + 1).min(length);
            assert_eq!(find(&window, after, length, b'\n', b'\n'), length);
        }
    }
}

/// A window whose bytes beyond the end are those of another packet, as in the kernel.
struct Stale<'a> {
    bytes: &'a [u8],
    stale: &'a [u8],
}

impl Window for Stale<'_> {
    fn byte(&self, at: u32) -> u8 {
        let at = at as usize;
        let byte = self.bytes.get(at).or_else(|| self.stale.get(at));
        byte.copied().unwrap_or(b'\n')
    }

    fn word(&self, at: u32) -> u64 {
        u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|byte| self.byte(at + byte)))
    }
}

/// The host's own window, with another packet's bytes beyond the end.
fn copied(window: &Stale<'_>) -> Copy {
    let mut copy = Copy::default();
    copy.fill(window.stale);
    copy.fill(window.bytes);
    copy
}

/// Each segment taken at once, as far as that goes, and byte by byte.
fn compare<D: Clone + PartialEq + core::fmt::Debug>(
    start: D,
    segments: &[Vec<u8>],
    take: impl Fn(&mut D, &Stale<'_>, u32, u32) -> Taken,
    step: impl Fn(&mut D, u8) -> bool,
) {
    let (mut fast, mut slow) = (start.clone(), start);
    for (index, bytes) in segments.iter().enumerate() {
        let stale = &segments[(index + 1) % segments.len()];
        let window = Stale { bytes, stale };
        let end = bytes.len() as u32;
        let mut at = 0;
        while at < end {
            let taken = take(&mut fast, &window, at, end);
            assert!(taken.bytes > 0 && taken.bytes <= end - at);
            for offset in 0..taken.bytes {
                let complete = step(&mut slow, bytes[(at + offset) as usize]);
                let last = offset + 1 == taken.bytes;
                assert_eq!(complete, last && taken.complete);
            }
            assert_eq!(
                fast,
                slow,
                "after {:?}",
                &bytes[..(at + taken.bytes) as usize]
            );
            at += taken.bytes;
        }
    }
}

/// Pieces of what is said on control connections, whole lines and less, and any bytes.
fn pieces(lines: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => select(lines).prop_map(|line| line.as_bytes().to_vec()),
        3 => (select(lines), 0..60_usize).prop_map(|(line, cut)| {
            line.as_bytes().iter().copied().take(cut).collect()
        }),
        2 => (select(lines), 0..60_usize, any::<u8>()).prop_map(|(line, at, byte)| {
            let mut line = line.as_bytes().to_vec();
            let at = at.min(line.len() - 1);
            line[at] = byte;
            line
        }),
        1 => select(&["\r\n", "\n", "\r", " ", "227", "229 ", "\u{fb}"][..])
            .prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..20),
    ];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

const REPLIES: &[&str] = &[
    "227 Entering Passive Mode (192,0,2,1,195,80).\r\n",
    "227 Entering Passive Mode (10,1,20,3,4,255)\r\n",
    "227 Entering Passive Mode (010,01,20,3,4,05).\r\n",
    "227 Entering Passive Mode (192,0,2,256,195,80).\r\n",
    "227 Entering Passive Mode (192,0,2,1,195,80\r\n",
    "227 Entering Passive Mode (192,0,2,1,195,80). Or not.\r\n",
    "227 Entering Passive Mode (192, 0,2,1,195,80).\r\n",
    "227 Entering Passive Mode (192,0,2,1,195,80).\n",
    "227 Entering Passive Mode (192,0,2,1,195,80,1).\r\n",
    "227 =192,0,2,1,195,80\r\n",
    "227-Entering Passive Mode (192,0,2,1,195,80).\r\n",
    "229 Entering Extended Passive Mode (|||50000|)\r\n",
    "229 Entering Extended Passive Mode (|||65536|).\r\n",
    "229 Entering Extended Passive Mode (|||00021|).\r\n",
    "229 Entering Extended Passive Mode (||||).\r\n",
    "229 Entering Extended Passive Mode (|||123456|)\r\n",
    "229 Extended Passive mode OK (|||40001|)\r\n",
    "229 Extended Passive mode OK (|||x|)\r\n",
    "228 Entering Long Passive Mode (4,4,192,0,2,1,2,195,80)\r\n",
    "220 (vsFTPd 3.0.3)\r\n",
    "220-Welcome\r\n",
    "220 \r\n",
    "150 Opening BINARY mode data connection for a (1,2,3,4,5,6).\r\n",
    "226 Transfer complete.\r\n",
    "226\r\n",
    "226\n",
    "999 What\r\n",
    "099 What\r\n",
    "2267 What\r\n",
    "425 Security: Bad IP connecting.\r\n",
    "211-Features:\r\n",
    " EPSV\r\n",
    "211 End\r\n",
    "2 1\r\n",
    "22\r7 x\r\n",
    "\r\n\r\n",
];

const COMMANDS: &[&str] = &[
    "USER anonymous\r\n",
    "PASV\r\n",
    "pasv\n",
    "EPSV ALL\r\n",
    "RETR a\u{ff}b\r\n",
    "CWD /\r\n",
    "CCC\r\n",
    "P@SW\r\n",
    "PASVX\r\n",
    "XA\r\n",
    " QUIT\r\n",
    "STOR\tfile\r\n",
    "\r\n\n",
];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4_000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn replies_are_the_same_at_once_and_byte_by_byte(segments in vec(pieces(REPLIES), 1..4)) {
        compare(
            ReplyDecoder::START,
            &segments,
            |decoder, window, at, end| {
                let mut other = *decoder;
                let taken = other.take(&copied(window), at, end);
                assert_eq!(taken, decoder.take(window, at, end));
                assert_eq!(other, *decoder);
                taken
            },
            ReplyDecoder::step,
        );
    }

    #[test]
    fn commands_are_the_same_at_once_and_byte_by_byte(segments in vec(pieces(COMMANDS), 1..4)) {
        compare(
            CommandDecoder::START,
            &segments,
            |decoder, window, at, end| decoder.take(window, at, end),
            CommandDecoder::step,
        );
    }
}

/// Lines that are in vain if they go the slow way.
#[test]
fn what_nearly_every_server_sends_is_taken_at_once() {
    for line in [
        "227 Entering Passive Mode (192,0,2,1,195,80).\r\n",
        "227 Entering Passive Mode (1,2,3,4,5,6)\r\n",
        "229 Entering Extended Passive Mode (|||50000|)\r\n",
        "229 Extended Passive mode OK (|||50000|)\r\n",
        "226 Transfer complete.\r\n",
        "250-A\r\n",
    ] {
        let mut decoder = ReplyDecoder::START;
        let end = line.len() as u32;
        let mut window = Copy::default();
        window.fill(line.as_bytes());
        let taken = decoder.take(&window, 0, end);
        assert_eq!(taken.bytes, end, "{line}");
    }
    for line in ["PASV\r\n", "RETR some file\r\n", "CWD /\r\n"] {
        let mut decoder = CommandDecoder::START;
        let end = line.len() as u32;
        let mut window = Copy::default();
        window.fill(line.as_bytes());
        let taken = decoder.take(&window, 0, end);
        assert_eq!((taken.bytes, taken.complete), (end, true), "{line}");
    }
}
