//! What can be told of the plainest packets in passing: Ethernet or nothing, IP without options or extension headers,
//! TCP.
//!
//! That is nearly all there are, and nearly none is of interest: so these few bytes are looked at before
//! [`walk`](ftpwatch_common::packet::walk) takes in all of the headers, which counts wherever there is a doubt.

use ftpwatch_common::packet::Link;

const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
const TCP: u8 = 6;

/// The smallest offset of data that a TCP header can have, where it has it.
const DATA_OFFSET: u8 = 5 << 4;

/// What the gate asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// Source port, host order.
    pub source: u16,
    /// Destination port, host order.
    pub destination: u16,
    /// The flags.
    pub flags: u8,
}

/// The segment of a packet, if it is one of the plainest.
#[inline]
pub fn glance(bytes: &[u8], link: Link) -> Option<Glance> {
    match link {
        Link::Ethernet => match *bytes.first_chunk::<14>()? {
            [.., a, b] if [a, b] == IPV4 => v4(bytes.get(14..)?),
            [.., a, b] if [a, b] == IPV6 => v6(bytes.get(14..)?),
            _ => None,
        },
        Link::Ip => match bytes.first()? >> 4 {
            4 => v4(bytes),
            6 => v6(bytes),
            _ => None,
        },
    }
}

/// Version 4 with a header of 20 bytes, and not a fragment after the first (RFC 791, section 3.1).
#[inline]
fn v4(packet: &[u8]) -> Option<Glance> {
    let header = packet.first_chunk::<40>()?;
    let first = (header[6] & 0x1f) | header[7] == 0;
    let plain = header[0] == 0x45 && header[9] == TCP && first && header[32] >= DATA_OFFSET;
    plain.then(|| tcp([header[20], header[21], header[22], header[23]], header[33]))
}

/// No extension header (RFC 8200, section 3).
#[inline]
fn v6(packet: &[u8]) -> Option<Glance> {
    let header = packet.first_chunk::<60>()?;
    let plain = header[6] == TCP && header[52] >= DATA_OFFSET;
    plain.then(|| tcp([header[40], header[41], header[42], header[43]], header[53]))
}

#[inline]
const fn tcp([a, b, c, d]: [u8; 4], flags: u8) -> Glance {
    Glance {
        source: u16::from_be_bytes([a, b]),
        destination: u16::from_be_bytes([c, d]),
        flags,
    }
}

#[cfg(test)]
mod tests {
    use ftpwatch_common::packet::walk;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// Bytes that look like a packet, one way or another.
    fn packets() -> impl Strategy<Value = Vec<u8>> {
        let kinds = prop_oneof![Just(vec![]), Just(IPV4.to_vec()), Just(IPV6.to_vec())];
        let first = prop_oneof![Just(0x45), Just(0x46), Just(0x60), any::<u8>()];
        let changes = vec(
            (0..80_usize, prop_oneof![Just(TCP), Just(0x50), any::<u8>()]),
            0..6,
        );
        (kinds, first, changes, 0..100_usize).prop_map(|(kind, first, changes, length)| {
            let ip = if kind.is_empty() { 0 } else { 14 };
            let mut bytes = vec![0; 100];
            bytes[12..12 + kind.len()].copy_from_slice(&kind);
            bytes[ip] = first;
            bytes[ip + if first == 0x60 { 6 } else { 9 }] = TCP;
            bytes[ip + if first == 0x60 { 52 } else { 32 }] = 0x50;
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            bytes.truncate(length);
            bytes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        /// What is told in passing is what a walk over the headers finds.
        #[test]
        fn agrees_with_the_walk(bytes in packets(), ethernet: bool) {
            let link = if ethernet { Link::Ethernet } else { Link::Ip };
            if let Some(Glance { source, destination, flags }) = glance(&bytes, link) {
                let segment = walk(bytes.as_slice(), link, 100).expect("there is a segment");
                let walked = (segment.source, segment.destination, segment.flags);
                prop_assert_eq!((source, destination, flags), walked);
            }
        }
    }

    #[test]
    fn the_plainest_are_told() {
        for (link, ip, version) in [
            (Link::Ethernet, 14, 4),
            (Link::Ip, 0, 4),
            (Link::Ethernet, 14, 6),
            (Link::Ip, 0, 6),
        ] {
            let mut bytes = [0; 80];
            let (kind, first, protocol, tcp) = match version {
                4 => (IPV4, 0x45, 9, 20),
                _ => (IPV6, 0x60, 6, 40),
            };
            bytes[12..14].copy_from_slice(&kind);
            bytes[ip] = first;
            bytes[ip + protocol] = TCP;
            bytes[ip + tcp + 1] = 20;
            bytes[ip + tcp + 3] = 21;
            bytes[ip + tcp + 12] = 0x80;
            bytes[ip + tcp + 13] = 0x10;
            let told = Glance {
                source: 20,
                destination: 21,
                flags: 0x10,
            };
            assert_eq!(
                glance(&bytes, link),
                Some(told),
                "{link:?}, version {version}"
            );
        }
    }
}
