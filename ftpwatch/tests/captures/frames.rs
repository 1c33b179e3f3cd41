//! What is before the IP header, link type by link type (<https://www.tcpdump.org/linktypes.html>).

use ftpwatch_common::packet::Link;

use crate::packets::{Packet, QINQ, VLAN};

/// A link type, and how it frames a packet.
pub type Framing = (u16, fn(&Packet) -> Vec<u8>);

/// All that can be read, some in several forms.
pub const ALL: [Framing; 16] = [
    (1, |packet| packet.bytes(Link::Ethernet)),
    (1, |packet| tagged(packet, &[VLAN])),
    (1, |packet| tagged(packet, &[QINQ, VLAN])),
    (12, raw),
    (14, raw),
    (101, raw),
    (228, raw),
    (229, raw),
    (0, |packet| null(packet, u32::to_le_bytes)),
    (0, |packet| null(packet, u32::to_be_bytes)),
    (108, |packet| null(packet, u32::to_be_bytes)),
    (113, |packet| cooked(packet, &[])),
    (113, |packet| cooked(packet, &[VLAN])),
    (276, |packet| cooked_2(packet, &[])),
    (276, |packet| cooked_2(packet, &[VLAN])),
    (276, |packet| cooked_2(packet, &[QINQ, VLAN])),
];

fn tagged(packet: &Packet, tags: &[u16]) -> Vec<u8> {
    let mut packet = packet.clone();
    packet.envelope.tags = tags.to_vec();
    packet.bytes(Link::Ethernet)
}

fn raw(packet: &Packet) -> Vec<u8> {
    packet.bytes(Link::Ip)
}

fn null(packet: &Packet, order: fn(u32) -> [u8; 4]) -> Vec<u8> {
    // FreeBSD's number for IPv6.
    let family = if packet.from.is_ipv4() { 2 } else { 28 };
    [order(family).to_vec(), raw(packet)].concat()
}

/// The EtherTypes of the tags, then that of the packet.
fn kinds(packet: &Packet, tags: &[u16]) -> Vec<u16> {
    let ip = if packet.from.is_ipv4() {
        0x0800
    } else {
        0x86dd
    };
    [tags, &[ip]].concat()
}

/// Tags, and the kinds that come after each.
fn after(kinds: &[u16]) -> Vec<u8> {
    let rest = kinds.iter().skip(1);
    rest.flat_map(|kind| [&[0, 42], kind.to_be_bytes().as_slice()].concat())
        .collect()
}

/// Outgoing, from an Ethernet device.
fn cooked(packet: &Packet, tags: &[u16]) -> Vec<u8> {
    let kinds = kinds(packet, tags);
    let mut bytes = vec![0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
    bytes.extend(kinds[0].to_be_bytes());
    bytes.extend(after(&kinds));
    [bytes, raw(packet)].concat()
}

fn cooked_2(packet: &Packet, tags: &[u16]) -> Vec<u8> {
    let kinds = kinds(packet, tags);
    let mut bytes = kinds[0].to_be_bytes().to_vec();
    bytes.extend([0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0]);
    bytes.extend(after(&kinds));
    [bytes, raw(packet)].concat()
}
