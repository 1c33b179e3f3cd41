//! One TCP segment, and what it is wrapped in.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ftpwatch_common::packet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Link, flag};

/// The EtherType of an 802.1Q tag.
pub const VLAN: u16 = 0x8100;
/// The EtherType of an 802.1ad tag.
pub const QINQ: u16 = 0x88a8;

const TCP: u8 = 6;
const AUTHENTICATION: u8 = 51;
const FRAGMENT: u8 = 44;

/// What a segment is wrapped in. Checksums are zero: nobody here looks at them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// EtherTypes of VLAN tags, outermost first. Only where there is Ethernet.
    pub tags: Vec<u16>,
    /// Bytes of IPv4 options, a multiple of four.
    pub ip_options: usize,
    /// IPv6 extension headers, by their protocol numbers.
    pub extensions: Vec<u8>,
    /// Bytes of TCP options, a multiple of four.
    pub tcp_options: usize,
    /// Zeros follow up to this size, as in a short Ethernet frame.
    pub padded_to: usize,
    /// As many bytes are cut off at the end.
    pub missing: usize,
    /// The packet says that it is the first of several fragments.
    pub first_fragment: bool,
}

/// A TCP segment from one side to the other.
#[derive(Clone, PartialEq, Eq)]
pub struct Packet {
    /// Who sends it.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number.
    pub acknowledgement: u32,
    /// As in [`flag`].
    pub flags: u8,
    /// What it carries.
    pub payload: Vec<u8>,
    /// What it is wrapped in.
    pub envelope: Envelope,
}

impl Packet {
    /// The packet on `link`.
    pub fn bytes(&self, link: Link) -> Vec<u8> {
        let mut bytes = Vec::new();
        if link == Link::Ethernet {
            bytes.extend([0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2]);
            for tag in &self.envelope.tags {
                bytes.extend(tag.to_be_bytes());
                bytes.extend([0, 42]);
            }
            let kind = if self.from.is_ipv4() {
                ETHERTYPE_IPV4
            } else {
                ETHERTYPE_IPV6
            };
            bytes.extend(kind.to_be_bytes());
        }
        let segment = self.segment();
        match (self.from.ip(), self.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let header = 20 + self.envelope.ip_options;
                let more = if self.envelope.first_fragment {
                    0x20
                } else {
                    0x40
                };
                bytes.extend([0x40 | byte(header / 4), 0]);
                bytes.extend(short(header + segment.len()).to_be_bytes());
                bytes.extend([0, 1, more, 0, 64, TCP, 0, 0]);
                bytes.extend(from.octets());
                bytes.extend(to.octets());
                // "No operation".
                bytes.extend(vec![1; self.envelope.ip_options]);
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let (next, extensions) = self.extensions();
                bytes.extend([0x60, 0, 0, 0]);
                bytes.extend(short(extensions.len() + segment.len()).to_be_bytes());
                bytes.extend([next, 64]);
                bytes.extend(from.octets());
                bytes.extend(to.octets());
                bytes.extend(extensions);
            }
            _ => panic!("one packet has addresses of two kinds: {self:?}"),
        }
        bytes.extend(segment);
        let padded = bytes.len().max(self.envelope.padded_to);
        bytes.resize(padded, 0);
        bytes.truncate(padded.saturating_sub(self.envelope.missing));
        bytes
    }

    /// The protocol number that stands first, and the headers up to TCP.
    fn extensions(&self) -> (u8, Vec<u8>) {
        let mut kinds = self.envelope.extensions.clone();
        if self.envelope.first_fragment {
            kinds.push(FRAGMENT);
        }
        let nexts = kinds.iter().skip(1).copied().chain([TCP]);
        let headers = kinds.iter().zip(nexts).flat_map(|(&kind, next)| {
            // Each sixteen bytes long, in the unit of its own; a fragment header is always eight.
            let mut header = vec![0; if kind == FRAGMENT { 8 } else { 16 }];
            header[0] = next;
            match kind {
                FRAGMENT => header[3] = 1,
                AUTHENTICATION => header[1] = 2,
                _ => header[1] = 1,
            }
            header
        });
        (kinds.first().copied().unwrap_or(TCP), headers.collect())
    }

    fn segment(&self) -> Vec<u8> {
        let header = 20 + self.envelope.tcp_options;
        let mut bytes = Vec::new();
        bytes.extend(self.from.port().to_be_bytes());
        bytes.extend(self.to.port().to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.acknowledgement.to_be_bytes());
        bytes.extend([byte(header / 4) << 4, self.flags]);
        bytes.extend([0xff, 0xff, 0, 0, 0, 0]);
        bytes.extend(vec![1; self.envelope.tcp_options]);
        bytes.extend(&self.payload);
        bytes
    }

    /// The same, in another envelope.
    pub fn wrapped(mut self, envelope: &Envelope) -> Self {
        self.envelope = envelope.clone();
        self
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (flag::SYN, "SYN "),
            (flag::FIN, "FIN "),
            (flag::RST, "RST "),
        ];
        write!(f, "{} > {} ", self.from, self.to)?;
        for (_, name) in names.iter().filter(|(bit, _)| self.flags & bit != 0) {
            f.write_str(name)?;
        }
        write!(f, "seq {} ", self.sequence)?;
        if self.flags & flag::ACK != 0 {
            write!(f, "ack {} ", self.acknowledgement)?;
        }
        write!(f, "\"{}\"", self.payload.escape_ascii())
    }
}

fn byte(number: usize) -> u8 {
    u8::try_from(number).expect("it fits into a byte")
}

fn short(number: usize) -> u16 {
    u16::try_from(number).expect("it fits into two bytes")
}
