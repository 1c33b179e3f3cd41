//! From the blocks of either format to packets.

use std::io;

use pcap_parser::{
    BOM_MAGIC, Block, LegacyPcapBlock, OptionCode, PcapBlockOwned, PcapHeader, SHB_MAGIC,
};

use super::{
    End, Item, Packet, Tally,
    blocks::{Raw, enhanced, obsolete, simple},
    link, plain,
    section::{Section, number},
};

/// The packet block that the enhanced one took the place of (draft-ietf-opsawg-pcapng, appendix A).
const OBSOLETE_PACKET: u32 = 2;

type Each<'a> = &'a mut dyn FnMut(Item<'_>) -> io::Result<()>;

/// What has to be remembered from block to block.
#[derive(Debug, Default)]
pub struct Decoder {
    tally: Tally,
    kind: Kind,
}

#[derive(Debug, Default)]
enum Kind {
    #[default]
    Unknown,
    Pcap(Pcap),
    PcapNg(Section),
}

/// What a pcap's header says.
#[derive(Clone, Copy, Debug)]
pub struct Pcap {
    /// Numbers are in network order.
    pub big_endian: bool,
    /// Its packets have more to say than others: Kuznetzov's.
    pub modified: bool,
    /// The link type.
    pub link_type: u16,
    /// Nanoseconds in a unit of time.
    pub unit: u32,
}

impl Pcap {
    /// The time of a packet, in nanoseconds since 1970. `None` where that is none.
    #[inline]
    pub fn time(&self, seconds: u32, fraction: u32) -> Option<u64> {
        let fraction = u64::from(fraction) * u64::from(self.unit);
        // Within what `limit` allows: 32 bits of seconds last until 2106.
        let time = u64::from(seconds) * 1_000_000_000 + fraction;
        (fraction < 1_000_000_000).then_some(time.max(1))
    }
}

impl Decoder {
    /// Takes in the packets that `bytes` begin with, as long as there is nothing out of the ordinary about them.
    /// Returns how many bytes that were: what comes then is for [`Self::take`].
    pub fn take_plain(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(Item<'_>) -> io::Result<()>,
    ) -> io::Result<usize> {
        let mut rest = bytes;
        match &self.kind {
            Kind::Pcap(pcap) => {
                while let Some((raw, after)) = plain::pcap(pcap, rest) {
                    hand_on(&mut self.tally, &raw, each)?;
                    rest = after;
                }
            }
            Kind::PcapNg(section) => {
                while let Some((raw, after)) = plain::pcapng(section, rest) {
                    hand_on(&mut self.tally, &raw, each)?;
                    rest = after;
                }
            }
            Kind::Unknown => {}
        }
        Ok(bytes.len() - rest.len())
    }

    /// Takes in a block. Returns how the capture ends, if it does here.
    pub fn take(&mut self, block: &PcapBlockOwned<'_>, each: Each<'_>) -> io::Result<Option<End>> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => self.begin(header, each)?,
            PcapBlockOwned::Legacy(packet) => match self.pcap(packet) {
                Some(raw) => hand_on(&mut self.tally, &raw, each)?,
                None => return Ok(Some(End::Damaged)),
            },
            PcapBlockOwned::NG(block) => self.pcapng(block, each)?,
        }
        Ok(None)
    }

    /// A pcap's header.
    fn begin(&mut self, header: &PcapHeader, each: Each<'_>) -> io::Result<()> {
        // Above the link type there are the length of a frame check sequence, and flags.
        let link_type = (header.network.0 & 0xffff) as u16;
        let unit = if header.is_nanosecond_precision() {
            1
        } else {
            1_000
        };
        self.kind = Kind::Pcap(Pcap {
            big_endian: header.is_bigendian(),
            modified: header.is_modified_format(),
            link_type,
            unit,
        });
        each(Item::Interface(&link_name(link_type)))
    }

    /// A pcap's packet. `None` where it is none: nothing says where the next one begins, then.
    fn pcap<'a>(&self, packet: &LegacyPcapBlock<'a>) -> Option<Raw<'a>> {
        let Kind::Pcap(pcap) = &self.kind else {
            return None;
        };
        // Zeros are what a file is filled with whose end was never written.
        let blank = packet.caplen == 0 && packet.origlen == 0 && packet.ts_sec == 0;
        if blank {
            return None;
        }
        Some(Raw {
            link_type: pcap.link_type,
            at: Some(pcap.time(packet.ts_sec, packet.ts_usec)?),
            bytes: packet.data,
            total: packet.origlen,
            after_loss: false,
        })
    }

    fn pcapng(&mut self, block: &Block<'_>, each: Each<'_>) -> io::Result<()> {
        if let Block::SectionHeader(header) = block {
            self.close_section();
            self.kind = Kind::PcapNg(Section::new(header.big_endian()));
            return Ok(());
        }
        let Kind::PcapNg(section) = &mut self.kind else {
            return Ok(());
        };
        let raw = match block {
            Block::InterfaceDescription(interface) => {
                if section.describe(interface) {
                    let link_type = u16::try_from(interface.linktype.0).unwrap_or(u16::MAX);
                    let name = interface.if_name().and_then(Result::ok);
                    let name = name.filter(|name| !name.is_empty());
                    each(Item::Interface(name.unwrap_or(&link_name(link_type))))?;
                } else {
                    self.tally.senseless += 1;
                }
                return Ok(());
            }
            Block::InterfaceStatistics(statistics) => {
                let dropped = [OptionCode::IsbIfDrop, OptionCode::IsbOsDrop]
                    .map(|code| number(&statistics.options, code.0, section.big_endian));
                if let Some(interface) = section.interface_mut(statistics.if_id) {
                    // Counted since the capture began, each time anew.
                    interface.dropped = dropped.into_iter().flatten().fold(0, u64::saturating_add);
                }
                return Ok(());
            }
            Block::EnhancedPacket(packet) => enhanced(section, packet),
            Block::SimplePacket(packet) => simple(section, packet),
            Block::Unknown(unknown) => match section.u32(unknown.block_type.to_le_bytes()) {
                OBSOLETE_PACKET => obsolete(section, unknown),
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        match raw {
            Some(raw) => hand_on(&mut self.tally, &raw, each),
            None => {
                self.tally.senseless += 1;
                Ok(())
            }
        }
    }

    /// How long the next packet, or block, says that it is.
    #[must_use]
    pub fn announced(&self, rest: &[u8]) -> Option<u32> {
        let word = |at: usize| rest.get(at..)?.first_chunk().copied();
        let (at, big_endian) = match &self.kind {
            Kind::Unknown => return None,
            // After two words of time.
            Kind::Pcap(pcap) => (8, pcap.big_endian),
            // A section header has a byte order of its own, which comes after its length.
            Kind::PcapNg(_) if word(0)? == SHB_MAGIC.to_be_bytes() => {
                (4, word(8)? == BOM_MAGIC.to_be_bytes())
            }
            Kind::PcapNg(section) => (4, section.big_endian),
        };
        Some(if big_endian {
            u32::from_be_bytes(word(at)?)
        } else {
            u32::from_le_bytes(word(at)?)
        })
    }

    /// How many of the `rest` of the bytes a block has that is framed as it should.
    #[must_use]
    pub fn framed(&self, rest: &[u8]) -> Option<usize> {
        let Kind::PcapNg(section) = &self.kind else {
            return None;
        };
        let word = |at: usize| Some(section.u32(*rest.get(at..)?.first_chunk()?));
        let length = word(4)?;
        let size = usize::try_from(length).ok()?;
        let closed = size >= 12 && word(size.checked_sub(4)?)? == length;
        // A section header has a byte order of its own; what follows a bad one is anybody's guess.
        (closed && word(0)? != SHB_MAGIC).then_some(size)
    }

    /// A block is passed over.
    pub fn pass_over(&mut self) {
        self.tally.senseless += 1;
    }

    fn close_section(&mut self) {
        if let Kind::PcapNg(section) = &self.kind {
            self.tally.dropped = self.tally.dropped.saturating_add(section.dropped());
        }
    }

    /// What was read.
    #[must_use]
    pub fn finish(mut self, end: End) -> Tally {
        self.close_section();
        Tally { end, ..self.tally }
    }
}

/// Hands a packet on, if it is of a link that is known and has IP.
#[inline(always)]
fn hand_on(
    tally: &mut Tally,
    raw: &Raw<'_>,
    each: &mut (impl FnMut(Item<'_>) -> io::Result<()> + ?Sized),
) -> io::Result<()> {
    tally.packets += 1;
    if link::name(raw.link_type).is_none() {
        *tally.foreign.entry(raw.link_type).or_default() += 1;
        return Ok(());
    }
    tally.undated += u64::from(raw.at.is_none());
    let Some((link, bytes)) = link::strip(raw.link_type, raw.bytes) else {
        return Ok(());
    };
    let stripped = u32::try_from(raw.bytes.len() - bytes.len()).unwrap_or(u32::MAX);
    let captured = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    each(Item::Packet(&Packet {
        at: raw.at,
        link,
        bytes,
        // Some tools leave the length out.
        total: raw.total.saturating_sub(stripped).max(captured),
        after_loss: raw.after_loss,
    }))
}

fn link_name(link_type: u16) -> String {
    link::name(link_type).map_or_else(|| format!("link type {link_type}"), str::to_owned)
}
