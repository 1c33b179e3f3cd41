//! Writes pcap (draft-ietf-opsawg-pcap).

use crate::story::SECOND;

/// How a pcap is written.
#[derive(Clone, Copy, Debug)]
pub struct Pcap {
    /// Numbers are in network order.
    pub big_endian: bool,
    /// Fractions of a second are nanoseconds.
    pub nanoseconds: bool,
    /// The link type, and whatever is above it.
    pub link_type: u32,
    /// How much of a packet is kept.
    pub snaplen: usize,
}

impl Default for Pcap {
    fn default() -> Self {
        Self {
            big_endian: false,
            nanoseconds: false,
            link_type: 1,
            snaplen: 262_144,
        }
    }
}

impl Pcap {
    fn word(&self, number: u32) -> [u8; 4] {
        if self.big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        }
    }

    fn half(&self, number: u16) -> [u8; 2] {
        if self.big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        }
    }

    /// The file's header.
    pub fn header(&self) -> Vec<u8> {
        let magic = if self.nanoseconds {
            0xa1b2_3c4d
        } else {
            0xa1b2_c3d4
        };
        let mut bytes = self.word(magic).to_vec();
        bytes.extend(self.half(2));
        bytes.extend(self.half(4));
        for number in [0, 0, number(self.snaplen), self.link_type] {
            bytes.extend(self.word(number));
        }
        bytes
    }

    /// One packet.
    pub fn packet(&self, at: u64, frame: &[u8]) -> Vec<u8> {
        let unit = if self.nanoseconds { 1 } else { 1_000 };
        let kept = &frame[..frame.len().min(self.snaplen)];
        let mut bytes = Vec::new();
        for number in [
            u32::try_from(at / SECOND).expect("before 2106"),
            u32::try_from(at % SECOND / unit).expect("less than a second"),
            number(kept.len()),
            number(frame.len()),
        ] {
            bytes.extend(self.word(number));
        }
        [&bytes, kept].concat()
    }

    /// A file.
    pub fn file(&self, frames: &[(u64, Vec<u8>)]) -> Vec<u8> {
        let packets = frames.iter().map(|(at, frame)| self.packet(*at, frame));
        [self.header()]
            .into_iter()
            .chain(packets)
            .flatten()
            .collect()
    }
}

/// As a number of four bytes.
pub fn number(number: usize) -> u32 {
    u32::try_from(number).expect("it fits")
}
