//! Link types, and what is before the IP header in each.
//!
//! The numbers and the headers: <https://www.tcpdump.org/linktypes.html>.

use ftpwatch_common::packet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Link};

const NULL: u16 = 0;
const ETHERNET: u16 = 1;
/// OpenBSD's, and everybody else's, number for raw IP, where a capture has the number of its own system.
const RAW_ELSEWHERE: [u16; 2] = [12, 14];
const RAW: u16 = 101;
const LOOP: u16 = 108;
const COOKED: u16 = 113;
const IPV4: u16 = 228;
const IPV6: u16 = 229;
const COOKED_2: u16 = 276;

const VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// A link type's name; `None` for one that is not known here.
#[must_use]
pub const fn name(link_type: u16) -> Option<&'static str> {
    Some(match link_type {
        NULL => "BSD loopback",
        LOOP => "OpenBSD loopback",
        ETHERNET => "Ethernet",
        RAW => "raw IP",
        IPV4 => "raw IPv4",
        IPV6 => "raw IPv6",
        COOKED => "Linux cooked",
        COOKED_2 => "Linux cooked v2",
        other if other == RAW_ELSEWHERE[0] || other == RAW_ELSEWHERE[1] => "raw IP",
        _ => return None,
    })
}

/// The packet from where the engine can read it. `None` where it holds no IP.
#[must_use]
pub fn strip(link_type: u16, bytes: &[u8]) -> Option<(Link, &[u8])> {
    match link_type {
        ETHERNET => Some((Link::Ethernet, bytes)),
        // The address family, whose numbers for IPv6 differ from system to system; the header tells, too.
        NULL | LOOP => Some((Link::Ip, bytes.get(4..)?)),
        // Packet type, ARPHRD type, address; the protocol last.
        COOKED => cooked(bytes, 14, 16),
        // The protocol first.
        COOKED_2 => cooked(bytes, 0, 20),
        _ => Some((Link::Ip, bytes)),
    }
}

fn cooked(bytes: &[u8], protocol_at: usize, mut header: usize) -> Option<(Link, &[u8])> {
    let number = |at: usize| Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let mut protocol = number(protocol_at)?;
    // Two tags at most, as the engine has it for Ethernet.
    for _ in 0..2 {
        if VLAN.contains(&protocol) {
            protocol = number(header + 2)?;
            header += 4;
        }
    }
    let ip = [ETHERTYPE_IPV4, ETHERTYPE_IPV6].contains(&protocol);
    ip.then_some((Link::Ip, bytes.get(header..)?))
}
