//! Packets with nothing out of the ordinary about them, as they lie in the buffer.
//!
//! What these take, pcap-parser and [`Decoder::take`](super::decode::Decoder::take) would take just so. Wherever
//! there is a doubt, they do not.

use super::{LARGEST_PACKET, blocks::Raw, decode::Pcap, section::Section};

/// Type, length, interface, time, lengths; and the length once more.
const ENHANCED: usize = 28 + 4;

/// The type of an enhanced packet block.
const ENHANCED_PACKET: u32 = 6;

/// A packet of a pcap (draft-ietf-opsawg-pcap, section 5), and what is after it.
#[inline]
pub fn pcap<'a>(pcap: &Pcap, bytes: &'a [u8]) -> Option<(Raw<'a>, &'a [u8])> {
    let (header, rest) = bytes.split_first_chunk::<16>()?;
    let [seconds, fraction, captured, total] = words(header, pcap.big_endian);
    if pcap.modified || captured > LARGEST_PACKET || captured == 0 {
        return None;
    }
    let (packet, rest) = rest.split_at_checked(usize::try_from(captured).ok()?)?;
    let raw = Raw {
        link_type: pcap.link_type,
        at: Some(pcap.time(seconds, fraction)?),
        bytes: packet,
        total,
        after_loss: false,
    };
    Some((raw, rest))
}

/// An enhanced packet block without options (draft-ietf-opsawg-pcapng, section 4.3), and what is after it.
#[inline]
pub fn pcapng<'a>(section: &Section, bytes: &'a [u8]) -> Option<(Raw<'a>, &'a [u8])> {
    let (header, rest) = bytes.split_first_chunk::<28>()?;
    let [kind, length, interface, high, low, captured, total] = words(header, section.big_endian);
    if kind != ENHANCED_PACKET || captured > LARGEST_PACKET {
        return None;
    }
    let captured = usize::try_from(captured).ok()?;
    let padded = captured.next_multiple_of(4);
    let (packet, rest) = rest.split_at_checked(padded)?;
    let (end, rest) = rest.split_first_chunk::<4>()?;
    let [again] = words(end, section.big_endian);
    if usize::try_from(length).ok()? != padded + ENHANCED || again != length {
        return None;
    }
    let interface = section.interface(interface)?;
    let raw = Raw {
        link_type: interface.link_type,
        at: Some(interface.time(u64::from(high) << 32 | u64::from(low))),
        bytes: packet.get(..captured)?,
        total,
        after_loss: false,
    };
    Some((raw, rest))
}

/// Numbers of four bytes.
#[inline]
fn words<const BYTES: usize, const WORDS: usize>(
    bytes: &[u8; BYTES],
    big_endian: bool,
) -> [u32; WORDS] {
    const { assert!(BYTES == 4 * WORDS) };
    let (chunks, _) = bytes.as_chunks::<4>();
    std::array::from_fn(|at| {
        if big_endian {
            u32::from_be_bytes(chunks[at])
        } else {
            u32::from_le_bytes(chunks[at])
        }
    })
}
