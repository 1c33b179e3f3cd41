//! From the first byte of a packet to its TCP segment: links, VLAN tags, IPv4 options, IPv6 extension
//! headers.
//!
//! The walk stops at the first thing that says "not for us", and copies no address: most packets leave
//! here.

use network_types::{
    eth::EthHdr,
    ip::{IpProto, Ipv4Hdr, Ipv6Hdr},
    tcp::TcpHdr,
};

use crate::address::{Address, WirePort};

/// Read access to the bytes of a packet. Offsets count from the first byte that the link hands over.
pub trait Bytes {
    /// The `N` bytes at `offset`, or `None` where the packet (or what can be read of it) ends before.
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// The `N` 32-bit numbers at `offset`, in host order, or `None`. Of a header some are needed, and the others cost
    /// nothing.
    #[inline(always)]
    fn words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        let mut words = [0; N];
        for (index, word) in words.iter_mut().enumerate() {
            *word = u32::from_be_bytes(self.load(offset + 4 * index)?);
        }
        Some(words)
    }
}

impl Bytes for [u8] {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.get(offset..)?.first_chunk().copied()
    }

    #[inline(always)]
    fn words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        let (words, _) = self.get(offset..)?.as_chunks();
        words
            .first_chunk()
            .map(|words| words.map(u32::from_be_bytes))
    }
}

/// Bytes that can be looked at where they are.
pub trait Direct {
    /// The `length` bytes at `offset`, or `None` where what can be looked at ends before.
    fn head(&self, offset: usize, length: usize) -> Option<impl Head>;
}

impl Direct for [u8] {
    #[inline(always)]
    fn head(&self, offset: usize, length: usize) -> Option<impl Head> {
        self.get(offset..)?.get(..length)
    }
}

/// Bytes at places that are known when the program is compiled: one instruction each, and no more checks.
pub trait Head {
    /// The byte at `AT`.
    fn byte<const AT: usize>(&self) -> u8;

    /// The 16-bit number at `AT`, in the network's order.
    fn half<const AT: usize>(&self) -> u16;
}

impl Head for &[u8] {
    #[inline(always)]
    fn byte<const AT: usize>(&self) -> u8 {
        self[AT]
    }

    #[inline(always)]
    fn half<const AT: usize>(&self) -> u16 {
        u16::from_ne_bytes([self[AT], self[AT + 1]])
    }
}

/// IPv4, as an EtherType.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// IPv6, as an EtherType.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERTYPE_QINQ: u16 = 0x88a8;

const TCP: u8 = IpProto::Tcp as u8;
const UDP: u8 = IpProto::Udp as u8;
const ICMP: u8 = IpProto::Icmp as u8;
const ICMPV6: u8 = IpProto::Ipv6Icmp as u8;
const HOP_BY_HOP: u8 = IpProto::HopOpt as u8;
const ROUTING: u8 = IpProto::Ipv6Route as u8;
const FRAGMENT: u8 = IpProto::Ipv6Frag as u8;
const AUTHENTICATION: u8 = IpProto::Ah as u8;
const DESTINATION_OPTIONS: u8 = IpProto::Ipv6Opts as u8;

/// How many extension headers are walked. RFC 8200 knows six before TCP, each at most once.
const EXTENSION_HEADERS: usize = 6;

/// TCP's flags (RFC 9293, section 3.1).
pub mod flag {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronize sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// The acknowledgement number means something.
    pub const ACK: u8 = 0x10;
}

/// Why a packet has no TCP segment to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Another protocol, or a fragment other than the first.
    NotTcp,
    /// ICMP or ICMPv6, which may be an error about a segment.
    Icmp(Icmp),
    /// It ends before its headers do, as far as can be read.
    Short,
    /// Its headers contradict themselves.
    Malformed,
}

/// Where an ICMP message is in its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Offset of the IP header.
    pub network: u32,
    /// Offset of the ICMP header.
    pub at: u32,
    /// It is ICMPv6.
    pub v6: bool,
}

/// Where a TCP segment is in its packet, and its header. Addresses are read on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Segment {
    /// Offset of the IP header.
    pub network: u32,
    /// The IP header is IPv6.
    pub v6: bool,
    /// The IP packet is the first of several fragments: its payload is not whole.
    pub fragment: bool,
    /// Source port, host order.
    pub source: u16,
    /// Destination port, host order.
    pub destination: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number.
    pub acknowledgement: u32,
    /// The flags, as in [`flag`].
    pub flags: u8,
    /// Offset of the payload.
    pub payload: u32,
    /// Bytes of payload that the IP header promises.
    pub length: u32,
}

impl Segment {
    /// No segment.
    pub const EMPTY: Self = Self {
        network: 0,
        v6: false,
        fragment: false,
        source: 0,
        destination: 0,
        sequence: 0,
        acknowledgement: 0,
        flags: 0,
        payload: 0,
        length: 0,
    };

    /// Source and destination port.
    #[inline(always)]
    #[must_use]
    pub const fn ports(&self) -> [WirePort; 2] {
        [WirePort::new(self.source), WirePort::new(self.destination)]
    }

    /// Whether all of `flags` are set.
    #[inline(always)]
    #[must_use]
    pub const fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// The first sequence number after this segment: SYN and FIN count for one each.
    #[inline(always)]
    #[must_use]
    pub const fn end(&self) -> u32 {
        let control = ((self.flags >> 1) & 1) + (self.flags & 1);
        self.sequence
            .wrapping_add(self.length)
            .wrapping_add(control as u32)
    }

    /// Reads the addresses. `false` where the packet ends before.
    #[inline(always)]
    pub fn addresses<B: Bytes + ?Sized>(
        &self,
        bytes: &B,
        source: &mut Address,
        destination: &mut Address,
    ) -> bool {
        let network = self.network as usize;
        if self.v6 {
            let Some([a, b, c, d, e, f, g, h]) = bytes.words(network + 8) else {
                return false;
            };
            *source = Address::from_words([a, b, c, d]);
            *destination = Address::from_words([e, f, g, h]);
        } else {
            let Some([from, to]) = bytes.words(network + 12) else {
                return false;
            };
            *source = Address::from_words([0, 0, 0xffff, from]);
            *destination = Address::from_words([0, 0, 0xffff, to]);
        }
        true
    }
}

/// What the bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// An Ethernet header.
    Ethernet,
    /// An IP header, of the version that its first four bits say (tun, WireGuard, PPP).
    Ip,
}

/// Finds the TCP segment of a packet of `total` bytes.
///
/// # Errors
///
/// [`Skip`] says why there is none.
#[inline(always)]
pub fn walk<B: Bytes + ?Sized>(bytes: &B, link: Link, total: u32) -> Result<Segment, Skip> {
    match link {
        Link::Ethernet => {
            let mut at = EthHdr::LEN;
            let mut kind = u16::from_be_bytes(bytes.load::<2>(12).ok_or(Skip::Short)?);
            // Two tags at most: 802.1Q within 802.1ad.
            for _ in 0..2 {
                if kind != ETHERTYPE_VLAN && kind != ETHERTYPE_QINQ {
                    break;
                }
                kind = u16::from_be_bytes(bytes.load::<2>(at + 2).ok_or(Skip::Short)?);
                at += 4;
            }
            match kind {
                ETHERTYPE_IPV4 => ipv4(bytes, at, total),
                ETHERTYPE_IPV6 => ipv6(bytes, at, total),
                _ => Err(Skip::NotTcp),
            }
        }
        // One byte would do, but the verifier takes no range from a comparison that allows for just one.
        Link::Ip => match bytes.load::<4>(0).ok_or(Skip::Short)?[0] >> 4 {
            4 => ipv4(bytes, 0, total),
            6 => ipv6(bytes, 0, total),
            _ => Err(Skip::NotTcp),
        },
    }
}

/// Whether a packet can be let go at a glance. `dull` tells, by source port, destination port and flags, whether a segment
/// is of no interest. Where headers are not the usual ones (VLAN tags, options, extension headers) or out of reach, and
/// for ICMP, the answer is `false`: only [`walk`] can tell.
#[inline(always)]
pub fn lets_go<B, F>(bytes: &B, link: Link, dull: F) -> bool
where
    B: Direct + ?Sized,
    F: Fn(WirePort, WirePort, u8) -> bool,
{
    const IPV4: u16 = ETHERTYPE_IPV4.to_be();
    const IPV6: u16 = ETHERTYPE_IPV6.to_be();
    const VLAN: u16 = ETHERTYPE_VLAN.to_be();
    const QINQ: u16 = ETHERTYPE_QINQ.to_be();
    match link {
        Link::Ethernet => match bytes.head(12, 2).map(|head| head.half::<0>()) {
            Some(IPV4) => lets_ipv4_go(bytes, EthHdr::LEN, dull),
            Some(IPV6) => lets_ipv6_go(bytes, EthHdr::LEN, dull),
            Some(VLAN | QINQ) | None => false,
            Some(_) => true,
        },
        // One byte would do, but the verifier takes no range from a comparison that allows for just one.
        Link::Ip => match bytes.head(0, 2).map(|head| head.byte::<0>() >> 4) {
            Some(4) => lets_ipv4_go(bytes, 0, dull),
            Some(6) => lets_ipv6_go(bytes, 0, dull),
            Some(_) => true,
            None => false,
        },
    }
}

#[inline(always)]
fn lets_ipv4_go<B, F>(bytes: &B, network: usize, dull: F) -> bool
where
    B: Direct + ?Sized,
    F: Fn(WirePort, WirePort, u8) -> bool,
{
    let Some(head) = bytes.head(network, Ipv4Hdr::LEN + TcpHdr::LEN) else {
        let short = bytes.head(network, Ipv4Hdr::LEN);
        return short.is_some_and(|head| head.byte::<9>() == UDP);
    };
    match head.byte::<9>() {
        TCP if head.half::<6>() & 0x1fff_u16.to_be() != 0 => true,
        TCP if head.byte::<0>() == 0x45 => {
            let [from, to] = [head.half::<20>(), head.half::<22>()];
            dull(WirePort(from), WirePort(to), head.byte::<33>())
        }
        TCP | ICMP => false,
        _ => true,
    }
}

#[inline(always)]
fn lets_ipv6_go<B, F>(bytes: &B, network: usize, dull: F) -> bool
where
    B: Direct + ?Sized,
    F: Fn(WirePort, WirePort, u8) -> bool,
{
    let Some(head) = bytes.head(network, Ipv6Hdr::LEN + TcpHdr::LEN) else {
        let short = bytes.head(network, Ipv6Hdr::LEN);
        return short.is_some_and(|head| head.byte::<6>() == UDP);
    };
    match head.byte::<6>() {
        TCP => {
            let [from, to] = [head.half::<40>(), head.half::<42>()];
            dull(WirePort(from), WirePort(to), head.byte::<53>())
        }
        UDP => true,
        _ => false,
    }
}

#[inline(always)]
fn ipv4<B: Bytes + ?Sized>(bytes: &B, network: usize, total: u32) -> Result<Segment, Skip> {
    let header = bytes
        .words::<{ Ipv4Hdr::LEN / 4 }>(network)
        .ok_or(Skip::Short)?;
    let fragment = header[1] as u16;
    let protocol = (header[2] >> 16) as u8;
    if (protocol != TCP && protocol != ICMP) || fragment & 0x1fff != 0 {
        return Err(Skip::NotTcp);
    }
    let header_bytes = (header[0] >> 24 & 0xf) as usize * 4;
    if header_bytes < Ipv4Hdr::LEN || header[0] >> 28 != 4 {
        return Err(Skip::Malformed);
    }
    if protocol == ICMP {
        return Err(Skip::Icmp(Icmp {
            network: network as u32,
            at: (network + header_bytes) as u32,
            v6: false,
        }));
    }
    let length = header[0] & 0xffff;
    // Segmentation offload can leave the length at zero (BIG TCP): then the packet's own counts.
    let end = if length == 0 {
        total
    } else {
        network as u32 + length
    };
    let mut segment = tcp(bytes, network + header_bytes, end, total)?;
    segment.network = network as u32;
    segment.fragment = fragment & 0x2000 != 0;
    Ok(segment)
}

#[inline(always)]
fn ipv6<B: Bytes + ?Sized>(bytes: &B, network: usize, total: u32) -> Result<Segment, Skip> {
    let header = bytes.words::<2>(network).ok_or(Skip::Short)?;
    let length = header[1] >> 16;
    let end = if length == 0 {
        total
    } else {
        (network + Ipv6Hdr::LEN) as u32 + length
    };
    let mut next = (header[1] >> 8) as u8;
    let mut at = network + Ipv6Hdr::LEN;
    let mut fragment = false;
    for _ in 0..EXTENSION_HEADERS {
        if next == TCP {
            break;
        }
        let extension = bytes.load::<4>(at).ok_or(Skip::Short)?;
        let bytes_long = match next {
            // RFC 8200, section 4: in units of eight bytes, less one.
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => (usize::from(extension[1]) + 1) * 8,
            FRAGMENT => {
                let offset = u16::from_be_bytes([extension[2], extension[3]]);
                if offset & 0xfff8 != 0 {
                    return Err(Skip::NotTcp);
                }
                fragment = offset & 1 != 0;
                8
            }
            // RFC 4302, section 2.2: in units of four bytes, less two.
            AUTHENTICATION => (usize::from(extension[1]) + 2) * 4,
            ICMPV6 => {
                return Err(Skip::Icmp(Icmp {
                    network: network as u32,
                    at: at as u32,
                    v6: true,
                }));
            }
            _ => return Err(Skip::NotTcp),
        };
        next = extension[0];
        at += bytes_long;
    }
    if next != TCP {
        return Err(Skip::NotTcp);
    }
    let mut segment = tcp(bytes, at, end, total)?;
    segment.network = network as u32;
    segment.v6 = true;
    segment.fragment = fragment;
    Ok(segment)
}

#[inline(always)]
fn tcp<B: Bytes + ?Sized>(bytes: &B, at: usize, end: u32, total: u32) -> Result<Segment, Skip> {
    let header = bytes.words::<{ TcpHdr::LEN / 4 }>(at).ok_or(Skip::Short)?;
    let header_bytes = (header[3] >> 28) * 4;
    if header_bytes < TcpHdr::LEN as u32 {
        return Err(Skip::Malformed);
    }
    let payload = at as u32 + header_bytes;
    // An Ethernet frame may be padded beyond the IP packet, never the other way round.
    let end = if end > total { total } else { end };
    Ok(Segment {
        network: 0,
        v6: false,
        fragment: false,
        source: (header[0] >> 16) as u16,
        destination: header[0] as u16,
        sequence: header[1],
        acknowledgement: header[2],
        flags: (header[3] >> 16) as u8,
        payload,
        length: end.saturating_sub(payload),
    })
}

/// An ICMP error: who sent it, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Rejection {
    /// Who sent the error.
    pub from: Address,
    /// The ICMP type.
    pub kind: u8,
    /// The ICMP code.
    pub code: u8,
}

impl Rejection {
    /// No error.
    pub const NONE: Self = Self {
        from: Address::ANY,
        kind: 0,
        code: 0,
    };
}

impl Icmp {
    /// Reads the message, if it is an error about a TCP segment, into `rejection`, and what it quotes of the
    /// segment (addresses, ports, sequence number) into the others. `false` if it is none.
    ///
    /// An error quotes the IP header and at least eight bytes after it (RFC 792, RFC 4443). That a packet is
    /// too big for a link is no such error: the sender sends smaller ones.
    #[inline(always)]
    pub fn read<B: Bytes + ?Sized>(
        &self,
        bytes: &B,
        rejection: &mut Rejection,
        segment: &mut Segment,
        source: &mut Address,
        destination: &mut Address,
    ) -> bool {
        let quoted = self.at as usize + 8;
        let Some([kind, code]) = bytes.load::<2>(self.at as usize) else {
            return false;
        };
        let error = if self.v6 {
            matches!(kind, 1 | 3 | 4)
        } else {
            matches!((kind, code), (3, 0..=3 | 5..) | (11 | 12, _))
        };
        let Some(at) = self.quoted_tcp(bytes).filter(|_| error) else {
            return false;
        };
        let Some(ports) = bytes.load::<4>(at) else {
            return false;
        };
        let Some(sequence) = bytes.load::<4>(at + 4) else {
            return false;
        };
        *segment = Segment::EMPTY;
        segment.network = quoted as u32;
        segment.v6 = self.v6;
        segment.source = u16::from_be_bytes([ports[0], ports[1]]);
        segment.destination = u16::from_be_bytes([ports[2], ports[3]]);
        segment.sequence = u32::from_be_bytes(sequence);
        rejection.kind = kind;
        rejection.code = code;
        self.read_sender(bytes, &mut rejection.from)
            && segment.addresses(bytes, source, destination)
    }

    /// Offset of the TCP header that is quoted.
    #[inline(always)]
    fn quoted_tcp<B: Bytes + ?Sized>(&self, bytes: &B) -> Option<usize> {
        let quoted = self.at as usize + 8;
        let (protocol, header_bytes) = if self.v6 {
            (bytes.load::<1>(quoted + 6)?[0], Ipv6Hdr::LEN)
        } else {
            let first = bytes.load::<1>(quoted)?[0];
            (
                bytes.load::<1>(quoted + 9)?[0],
                usize::from(first & 0xf) * 4,
            )
        };
        (protocol == TCP).then_some(quoted + header_bytes)
    }

    #[inline(always)]
    fn read_sender<B: Bytes + ?Sized>(&self, bytes: &B, from: &mut Address) -> bool {
        let network = self.network as usize;
        if self.v6 {
            bytes.load::<16>(network + 8).is_some_and(|address| {
                *from = Address(address);
                true
            })
        } else {
            bytes.load::<4>(network + 12).is_some_and(|octets| {
                *from = Address::v4(octets);
                true
            })
        }
    }
}

#[cfg(test)]
mod tests;
