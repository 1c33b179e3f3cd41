//! A section of a pcapng: its byte order, and the interfaces that its packets came through.

use pcap_parser::{InterfaceDescriptionBlock, PcapNGOption};

/// Interfaces beyond this are not believed.
const INTERFACES: usize = 1 << 16;

/// if_tsoffset (draft-ietf-opsawg-pcapng, section 4.2).
const TSOFFSET: u16 = 14;

const NANOSECONDS: u128 = 1_000_000_000;

/// An interface that was captured on.
#[derive(Clone, Copy, Debug)]
pub struct Interface {
    /// Its link type.
    pub link_type: u16,
    /// How much of a packet was captured at most. Zero: all.
    pub snaplen: u32,
    /// Packets that were lost when they were captured, as far as was said.
    pub dropped: u64,
    resolution: u8,
    offset: i64,
    /// Nanoseconds in a tick, where that is all there is to reckon with.
    unit: Option<u64>,
}

impl Interface {
    /// The time that `ticks` stand for, in nanoseconds since 1970.
    ///
    /// pcap-parser's own arithmetic knows no resolution that is a power of two, and no fractions beyond it.
    #[must_use]
    #[inline]
    pub fn time(&self, ticks: u64) -> u64 {
        const LAST: u64 = i64::MAX.unsigned_abs();
        match self.unit.and_then(|unit| ticks.checked_mul(unit)) {
            Some(time) => time.clamp(1, LAST),
            None => self.reckon(ticks),
        }
    }

    /// As [`Self::time`], however fine the clock.
    fn reckon(&self, ticks: u64) -> u64 {
        let exponent = u32::from(self.resolution & 0x7f);
        let ticks = u128::from(ticks) * NANOSECONDS;
        let nanoseconds = if self.resolution & 0x80 == 0 {
            // No u128 has more than 38 digits to lose.
            10u128
                .checked_pow(exponent)
                .map_or(0, |units| ticks / units)
        } else {
            ticks >> exponent
        };
        let offset = i128::from(self.offset) * 1_000_000_000;
        let time = i128::try_from(nanoseconds).unwrap_or(i128::MAX);
        limit(time.saturating_add(offset))
    }
}

/// Nanoseconds in a tick of this resolution, where it is a whole number of them.
fn unit(resolution: u8) -> Option<u64> {
    // The uppermost bit says that it is a power of two.
    let digits = 9_u32.checked_sub(resolution.into())?;
    Some(10_u64.pow(digits))
}

/// A time that everything downstream can reckon with: not zero, which means that something was not seen,
/// and far from where sums overflow (the year 2262).
#[must_use]
pub fn limit(nanoseconds: i128) -> u64 {
    const LAST: u64 = i64::MAX.unsigned_abs();
    u64::try_from(nanoseconds.max(1)).unwrap_or(LAST).min(LAST)
}

/// A section.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Numbers are in network order.
    pub big_endian: bool,
    interfaces: Vec<Interface>,
}

impl Section {
    /// A section without interfaces.
    #[must_use]
    pub const fn new(big_endian: bool) -> Self {
        Self {
            big_endian,
            interfaces: Vec::new(),
        }
    }

    /// The next interface. `false` when there are too many.
    pub fn describe(&mut self, block: &InterfaceDescriptionBlock<'_>) -> bool {
        let room = self.interfaces.len() < INTERFACES;
        if room {
            let offset = number(&block.options, TSOFFSET, self.big_endian).unwrap_or(0);
            self.interfaces.push(Interface {
                link_type: u16::try_from(block.linktype.0).unwrap_or(u16::MAX),
                snaplen: block.snaplen,
                dropped: 0,
                resolution: block.if_tsresol,
                offset: offset.cast_signed(),
                unit: unit(block.if_tsresol).filter(|_| offset == 0),
            });
        }
        room
    }

    /// The interface with this number.
    #[must_use]
    pub fn interface(&self, number: u32) -> Option<&Interface> {
        self.interfaces.get(usize::try_from(number).ok()?)
    }

    /// As [`Self::interface`], to change it.
    pub fn interface_mut(&mut self, number: u32) -> Option<&mut Interface> {
        self.interfaces.get_mut(usize::try_from(number).ok()?)
    }

    /// Packets that were lost when they were captured.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        let each = self.interfaces.iter().map(|interface| interface.dropped);
        each.fold(0, u64::saturating_add)
    }

    /// A number of four bytes.
    #[must_use]
    pub fn u32(&self, bytes: [u8; 4]) -> u32 {
        if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }
}

/// The option `code`, if it is a number of eight bytes. pcap-parser takes it for little-endian always.
#[must_use]
pub fn number(options: &[PcapNGOption<'_>], code: u16, big_endian: bool) -> Option<u64> {
    let option = options.iter().find(|option| option.code.0 == code)?;
    let bytes = *option.as_bytes().ok()?.first_chunk()?;
    Some(if big_endian {
        u64::from_be_bytes(bytes)
    } else {
        u64::from_le_bytes(bytes)
    })
}
