//! Any bytes as packets: the walk through the headers and the engine over the host's store. Whatever comes, the books
//! of the store balance.
//!
//! The input is read like a pcap in little-endian order, with no check of anything, so that captures are a corpus: 24
//! bytes, of which byte 20 is the link type, then packets of a 16-byte header (seconds, microseconds, bytes captured,
//! bytes there were) and as many bytes as there are.

#![no_main]

use ftpwatch::source::memory::Memory;
use ftpwatch_common::{
    counter::{COUNTERS, Counter},
    packet::Link,
};
use ftpwatch_fuzz::balance;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((header, rest)) = input.split_first_chunk::<24>() else {
        return;
    };
    let link = if header[20] == 1 {
        Link::Ethernet
    } else {
        Link::Ip
    };
    MEMORY.with(|memory| take_all(memory, link, rest));
});

thread_local! {
    /// One for all runs, as making one takes longer than most of them: it is empty again at the end of each. What is
    /// said on these ports is looked at; several, as one may also be somebody's data port.
    static MEMORY: Memory = Memory::new(&[21, 2121, 50_000]);
}

fn take_all(memory: &Memory, link: Link, mut rest: &[u8]) {
    while let Some((header, after)) = rest.split_first_chunk::<16>() {
        let word = |at: usize| {
            let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
            u32::from_le_bytes(bytes)
        };
        let now = u64::from(word(0)) * 1_000_000_000 + u64::from(word(4)) * 1_000;
        let captured = usize::try_from(word(8)).unwrap_or(usize::MAX);
        let (packet, next) = after.split_at(captured.min(after.len()));
        let segment = memory.take(packet, link, word(12), now);
        if let Ok(segment) = segment {
            assert!(segment.payload >= segment.network + 40 || !segment.v6);
        }
        while memory.next_record().is_some() {}
        rest = next;
    }
    let counters: [u64; COUNTERS] = memory.counters();
    assert_eq!(counters[Counter::Contended as usize], 0);
    balance(memory);
}
