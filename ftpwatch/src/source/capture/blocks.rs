//! The packets of a pcapng: one block for each, of one of three kinds.

use pcap_parser::{
    pcapng::{EnhancedPacketBlock, SimplePacketBlock, UnknownBlock},
    traits::PcapNGPacketBlock as _,
};

use super::section::{Section, number};

/// epb_dropcount.
const DROPCOUNT: u16 = 4;

/// A packet as a block has it.
pub struct Raw<'a> {
    /// Its link type.
    pub link_type: u16,
    /// As in [`Packet`](super::Packet).
    pub at: Option<u64>,
    /// From the first byte of its link.
    pub bytes: &'a [u8],
    /// How many bytes it had.
    pub total: u32,
    /// As in [`Packet`](super::Packet).
    pub after_loss: bool,
}

fn ticks(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// An enhanced packet block (draft-ietf-opsawg-pcapng, section 4.3). Here and below, `None` where it makes no
/// sense.
pub fn enhanced<'a>(section: &Section, packet: &'a EnhancedPacketBlock<'_>) -> Option<Raw<'a>> {
    let interface = section.interface(packet.if_id)?;
    let dropped = number(&packet.options, DROPCOUNT, section.big_endian);
    Some(Raw {
        link_type: interface.link_type,
        at: Some(interface.time(ticks(packet.ts_high, packet.ts_low))),
        bytes: packet.packet_data(),
        total: packet.origlen,
        after_loss: dropped.is_some_and(|count| count > 0),
    })
}

/// A simple packet block (section 4.4): it has neither interface (it is the first) nor time nor captured
/// length.
pub fn simple<'a>(section: &Section, packet: &'a SimplePacketBlock<'_>) -> Option<Raw<'a>> {
    let interface = section.interface(0)?;
    let data = packet.packet_data();
    let captured = match usize::try_from(interface.snaplen) {
        Ok(snaplen) if snaplen > 0 => data.len().min(snaplen),
        _ => data.len(),
    };
    Some(Raw {
        link_type: interface.link_type,
        at: None,
        bytes: data.get(..captured)?,
        total: packet.origlen,
        after_loss: false,
    })
}

/// What the enhanced packet block took the place of (appendix A): pcap-parser leaves it as it is.
pub fn obsolete<'a>(section: &Section, block: &'a UnknownBlock<'_>) -> Option<Raw<'a>> {
    let word = |at: usize| Some(section.u32(*block.data.get(at..)?.first_chunk()?));
    // Two numbers of 16 bits: the interface, and how many were dropped before, or all ones.
    let (first, second) = (word(0)? >> 16, word(0)? & 0xffff);
    let (interface, dropped) = if section.big_endian {
        (first, second)
    } else {
        (second, first)
    };
    let interface = section.interface(interface)?;
    let captured = usize::try_from(word(12)?).ok()?;
    Some(Raw {
        link_type: interface.link_type,
        at: Some(interface.time(ticks(word(4)?, word(8)?))),
        bytes: block.data.get(20..)?.get(..captured)?,
        total: word(16)?,
        after_loss: dropped != 0 && dropped != 0xffff,
    })
}
