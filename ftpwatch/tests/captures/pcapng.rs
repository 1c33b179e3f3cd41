//! Writes pcapng (draft-ietf-opsawg-pcapng).

use crate::pcap::number;

/// A pcapng, block by block.
#[derive(Clone, Debug, Default)]
pub struct PcapNg {
    /// What was written.
    pub bytes: Vec<u8>,
    big_endian: bool,
}

impl PcapNg {
    /// A section header and nothing else.
    pub fn new(big_endian: bool) -> Self {
        let mut file = Self::default();
        file.section(big_endian);
        file
    }

    /// Another section.
    pub fn section(&mut self, big_endian: bool) -> &mut Self {
        self.big_endian = big_endian;
        let version = [self.half(1), self.half(0)].concat();
        let body = [self.word(0x1a2b_3c4d).to_vec(), version, vec![0xff; 8]];
        self.block(0x0a0d_0d0a, &body.concat())
    }

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

    /// A number of eight bytes.
    pub fn long(&self, number: u64) -> [u8; 8] {
        if self.big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        }
    }

    /// A block of any kind.
    pub fn block(&mut self, kind: u32, body: &[u8]) -> &mut Self {
        let body = padded(body);
        let length = self.word(number(body.len() + 12));
        let block = [&self.word(kind), &length, body.as_slice(), &length].concat();
        self.bytes.extend(block);
        self
    }

    /// An option.
    pub fn option(&self, code: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).expect("it fits");
        let head = [self.half(code), self.half(length)].concat();
        [head, padded(value)].concat()
    }

    /// An interface, with options.
    pub fn interface(&mut self, link_type: u16, snaplen: usize, options: &[Vec<u8>]) -> &mut Self {
        let head = [self.half(link_type), self.half(0)].concat();
        let body = [head, self.word(number(snaplen)).to_vec(), options.concat()];
        self.block(1, &body.concat())
    }

    fn times(&self, ticks: u64) -> Vec<u8> {
        let high = u32::try_from(ticks >> 32).expect("32 bits are left");
        let low = u32::try_from(ticks & 0xffff_ffff).expect("32 bits are left");
        [self.word(high), self.word(low)].concat()
    }

    fn lengths(&self, frame: &[u8]) -> Vec<u8> {
        [
            self.word(number(frame.len())),
            self.word(number(frame.len())),
        ]
        .concat()
    }

    /// An enhanced packet block, with options.
    pub fn enhanced(
        &mut self,
        interface: u32,
        ticks: u64,
        frame: &[u8],
        options: &[Vec<u8>],
    ) -> &mut Self {
        let head = [
            self.word(interface).to_vec(),
            self.times(ticks),
            self.lengths(frame),
        ];
        let body = [head.concat(), padded(frame), options.concat()];
        self.block(6, &body.concat())
    }

    /// A simple packet block.
    pub fn simple(&mut self, frame: &[u8]) -> &mut Self {
        let body = [&self.word(number(frame.len())), frame].concat();
        self.block(3, &body)
    }

    /// The packet block of old.
    pub fn obsolete(&mut self, interface: u16, ticks: u64, frame: &[u8]) -> &mut Self {
        let head = [self.half(interface), self.half(0xffff)].concat();
        let body = [head, self.times(ticks), self.lengths(frame), frame.to_vec()];
        self.block(2, &body.concat())
    }
}

/// Up to a multiple of four.
fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
