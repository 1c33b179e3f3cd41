//! Any bytes said by both sides in turn, in segments cut anywhere, some of which begin with all of the one before: the
//! engine makes of them what it makes of the bytes uncut. All pieces of what one side says have one time, so that
//! everything has to be the same to the bit. Of sessions that become encrypted, that holds only before.
//!
//! The input: per turn a byte for the side (bit 0) and how it is cut (the rest seeds the cuts), then a line's bytes up
//! to a zero byte, which ends the turn.

#![no_main]

use std::cell::RefCell;

use ftpwatch::source::memory::Memory;
use ftpwatch_common::{
    control::Control,
    counter::{COUNTERS, Counter},
    endpoint::Endpoint,
    packet::Link,
    record::{Progress, Record},
};
use ftpwatch_fuzz::{Conversation, Side, balance};
use libfuzzer_sys::fuzz_target;

/// A side says this much at once at most.
const LONGEST: usize = 4_000;

struct Turn<'a> {
    side: Side,
    seed: u8,
    bytes: &'a [u8],
}

fn turns(input: &[u8]) -> impl Iterator<Item = Turn<'_>> {
    let turns = input.split(|&byte| byte == 0);
    turns.filter_map(|turn| {
        let (&first, bytes) = turn.split_first()?;
        let side = if first & 1 == 0 {
            Side::Client
        } else {
            Side::Server
        };
        let seed = first >> 1;
        let bytes = &bytes[..bytes.len().min(LONGEST)];
        (!bytes.is_empty()).then_some(Turn { side, seed, bytes })
    })
}

/// Cuts as `seed` says: byte by byte, or in pieces of one to sixteen bytes.
fn pieces(bytes: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut state = u32::from(seed) + 1;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = match seed {
            0 => 1,
            _ => usize::from(state.to_be_bytes()[0] & 15) + 1,
        };
        let (piece, after) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[derive(Debug, PartialEq)]
struct Made {
    /// The session was encrypted: from then on, what a segment begins and ends with decides whether it is read.
    blind: bool,
    records: Vec<Vec<u8>>,
    endpoints: Vec<Endpoint>,
    controls: Vec<Control>,
    counters: [u64; COUNTERS],
}

thread_local! {
    /// For the uncut and for the cut. For all runs, as making one takes longer than most of them: they are empty again
    /// at the end of each, and have then given away the same ids.
    static MEMORIES: RefCell<[Memory; 2]> = RefCell::new(memories());
}

fn memories() -> [Memory; 2] {
    [Memory::new(&[21]), Memory::new(&[21])]
}

fn made(memory: &Memory, input: &[u8], cut: bool) -> Made {
    let mut talk = Conversation::default();
    let mut now = 1_000;
    let mut give = |side, again: &[u8], bytes: &[u8], now| {
        let packet = talk.say_again(side, again, bytes);
        let total = u32::try_from(packet.len()).expect("it is short");
        let taken = memory.take(&packet, Link::Ip, total, now);
        assert!(taken.is_ok(), "{taken:?}");
    };
    give(Side::Server, &[], b"220 Hello.\r\n", now);
    for Turn { side, seed, bytes } in turns(input) {
        now += 1_000;
        if cut {
            let mut before: &[u8] = &[];
            for piece in pieces(bytes, seed) {
                give(side, before, piece, now);
                before = if seed & 64 == 0 { &[] } else { piece };
            }
        } else {
            give(side, &[], bytes, now);
        }
    }
    let mut records = Vec::new();
    let mut blind = false;
    while let Some(record) = memory.next_record() {
        records.push(match record {
            Record::Endpoint(endpoint) => bytemuck::bytes_of(&endpoint).to_vec(),
            Record::Session(session) => {
                blind |= session.progress == Progress::Blind as u32;
                bytemuck::bytes_of(&session).to_vec()
            }
            Record::Line(line) => bytemuck::bytes_of(&line).to_vec(),
        });
    }
    let mut endpoints = memory.endpoints();
    endpoints.sort_by_key(|endpoint| endpoint.id);
    let mut counters = memory.counters();
    // What differs, and has to: there are more segments, and each comes to something.
    for counter in Counter::FATES.into_iter().chain([Counter::ControlSegments]) {
        counters[counter as usize] = 0;
    }
    let made = Made {
        blind,
        records,
        endpoints,
        controls: memory.controls(),
        counters,
    };
    balance(memory);
    made
}

fuzz_target!(|input: &[u8]| {
    MEMORIES.with_borrow_mut(|memories| {
        let [uncut, cut] = &*memories;
        let (uncut, cut) = (made(uncut, input, false), made(cut, input, true));
        if uncut.blind || cut.blind {
            assert_eq!(uncut.blind, cut.blind);
            // They may not have given away the same ids.
            *memories = self::memories();
        } else {
            assert_eq!(uncut, cut);
        }
    });
});
