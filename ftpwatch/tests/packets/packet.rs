//! One TCP segment, and what it is wrapped in.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ftpwatch_common::packet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Link, flag};

/// The EtherType of an 802.1Q tag.
pub const VLAN: u16 = 0x8100;
/// The EtherType of an 802.1ad tag.
pub const QINQ: u16 = 0x88a8;

const TCP: u8 = 6;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
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
    /// What goes by is not the segment, but an ICMP error to its sender that quotes it.
    pub quoted_by: Option<Error>,
}

/// An ICMP error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Who sends it.
    pub from: IpAddr,
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
}

impl Error {
    /// The error about `packet`, from the IP header on. With IPv4 it quotes no more than it has to.
    fn about(&self, packet: &Packet) -> Vec<u8> {
        let mut quoted = packet.ip();
        let protocol = if packet.from.is_ipv4() {
            quoted.truncate(20 + packet.envelope.ip_options + 8);
            ICMP
        } else {
            ICMPV6
        };
        let header = Header {
            protocol,
            ..Header::default()
        };
        let message = [&[self.kind, self.code, 0, 0, 0, 0, 0, 0], quoted.as_slice()].concat();
        header.before(self.from, packet.from.ip(), &message)
    }
}

/// An IP header.
#[derive(Default)]
struct Header {
    options: usize,
    fragment: bool,
    protocol: u8,
}

impl Header {
    /// `payload` with the header before it.
    fn before(&self, from: IpAddr, to: IpAddr, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let length = 20 + self.options;
                bytes.extend([0x40 | byte(length / 4), 0]);
                bytes.extend(short(length + payload.len()).to_be_bytes());
                // "More fragments", or else "do not fragment".
                bytes.extend([0, 1, if self.fragment { 0x20 } else { 0x40 }, 0]);
                bytes.extend([64, self.protocol, 0, 0]);
                bytes.extend(from.octets());
                bytes.extend(to.octets());
                // "No operation".
                bytes.extend(vec![1; self.options]);
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                bytes.extend([0x60, 0, 0, 0]);
                bytes.extend(short(payload.len()).to_be_bytes());
                bytes.extend([self.protocol, 64]);
                bytes.extend(from.octets());
                bytes.extend(to.octets());
            }
            _ => panic!("one packet has addresses of two kinds: {from}, {to}"),
        }
        bytes.extend(payload);
        bytes
    }
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
        bytes.extend(match &self.envelope.quoted_by {
            Some(error) => error.about(self),
            None => self.ip(),
        });
        let padded = bytes.len().max(self.envelope.padded_to);
        bytes.resize(padded, 0);
        bytes.truncate(padded.saturating_sub(self.envelope.missing));
        bytes
    }

    /// From the IP header on.
    fn ip(&self) -> Vec<u8> {
        let segment = self.segment();
        if self.from.is_ipv4() {
            let header = Header {
                options: self.envelope.ip_options,
                fragment: self.envelope.first_fragment,
                protocol: TCP,
            };
            return header.before(self.from.ip(), self.to.ip(), &segment);
        }
        let (protocol, extensions) = self.extensions();
        let header = Header {
            protocol,
            ..Header::default()
        };
        let payload = [extensions, segment].concat();
        header.before(self.from.ip(), self.to.ip(), &payload)
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

    /// The ICMP error about this packet that `from` sends to its sender.
    pub fn rejected(mut self, from: IpAddr, kind: u8, code: u8) -> Self {
        self.envelope.quoted_by = Some(Error { from, kind, code });
        self
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
        write!(f, "\"{}\"", self.payload.escape_ascii())?;
        match &self.envelope.quoted_by {
            Some(Error { from, kind, code }) => write!(f, " quoted by {from} ({kind}, {code})"),
            None => Ok(()),
        }
    }
}

fn byte(number: usize) -> u8 {
    u8::try_from(number).expect("it fits into a byte")
}

fn short(number: usize) -> u16 {
    u16::try_from(number).expect("it fits into two bytes")
}
