//! A TCP segment in an Ethernet frame.

use std::net::{IpAddr, SocketAddr};

/// No more data.
pub const FIN: u8 = 0x01;
/// The first segment of a side.
pub const SYN: u8 = 0x02;
/// It is to be handed on at once.
pub const PUSH: u8 = 0x08;
/// It acknowledges something.
pub const ACK: u8 = 0x10;

/// Nobody's bytes: neither alike nor text, as what is transferred most often is packed.
pub struct Noise(Vec<u8>);

impl Noise {
    const SIZE: usize = 1 << 16;

    /// The same each time.
    pub fn new() -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let words = (0..Self::SIZE / 8).flat_map(|_| {
            // Marsaglia's xorshift64.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        Self(words.collect())
    }

    /// `length` of them, which depend on `number`.
    fn bytes(&self, number: u32, length: usize) -> &[u8] {
        let at = number as usize % (self.0.len() - length);
        &self.0[at..at + length]
    }
}

/// What a segment carries.
#[derive(Clone, Debug)]
pub enum Payload {
    /// This.
    Text(String),
    /// So many bytes.
    Noise(u16),
}

impl Payload {
    /// Nothing.
    pub const NONE: Self = Self::Noise(0);

    /// How many bytes that is.
    pub fn length(&self) -> u16 {
        match self {
            Self::Text(text) => u16::try_from(text.len()).unwrap_or(u16::MAX),
            Self::Noise(length) => *length,
        }
    }
}

/// A TCP segment. Its checksums are zero: nobody who is measured looks at them.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Who sends it.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// How many routers it may pass yet.
    pub ttl: u8,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number.
    pub acknowledgement: u32,
    /// The flags.
    pub flags: u8,
    /// What it carries.
    pub payload: Payload,
}

/// "No operation" twice, and the time stamps that Linux sends (RFC 7323).
const OPTIONS: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1];
const TCP_HEADER: u16 = 32;
const TCP: u8 = 6;

impl Segment {
    /// The frame, in place of what is in `frame`.
    pub fn write(&self, noise: &Noise, frame: &mut Vec<u8>) {
        let length = TCP_HEADER + self.payload.length();
        frame.clear();
        frame.extend([0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2]);
        match (self.from.ip(), self.to.ip()) {
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
                frame.extend(length.to_be_bytes());
                frame.extend([TCP, self.ttl]);
                frame.extend(from.octets());
                frame.extend(to.octets());
            }
            (from, to) => {
                frame.extend([0x08, 0, 0x45, 0]);
                frame.extend((20 + length).to_be_bytes());
                frame.extend([0, 1, 0x40, 0, self.ttl, TCP, 0, 0]);
                frame.extend(v4(from));
                frame.extend(v4(to));
            }
        }
        frame.extend(self.from.port().to_be_bytes());
        frame.extend(self.to.port().to_be_bytes());
        frame.extend(self.sequence.to_be_bytes());
        frame.extend(self.acknowledgement.to_be_bytes());
        frame.extend([0x80, self.flags, 0xff, 0xff, 0, 0, 0, 0]);
        frame.extend(OPTIONS);
        match &self.payload {
            Payload::Text(text) => frame.extend(text.as_bytes()),
            Payload::Noise(length) => {
                frame.extend(noise.bytes(self.sequence, usize::from(*length)));
            }
        }
    }
}

fn v4(address: IpAddr) -> [u8; 4] {
    match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(address) => address.to_ipv4().map_or([0; 4], |address| address.octets()),
    }
}
