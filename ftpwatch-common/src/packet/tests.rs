//! What is let go at a glance is what a walk over the headers finds nothing in.

use proptest::{collection::vec, prelude::*};
use std::{cell::Cell, vec::Vec};

use super::*;

/// Bytes that look like a packet, one way or another.
fn packets() -> impl Strategy<Value = (Vec<u8>, Link)> {
    let kinds = prop_oneof![
        4 => Just(Some(ETHERTYPE_IPV4)),
        4 => Just(Some(ETHERTYPE_IPV6)),
        1 => any::<u16>().prop_map(Some),
        4 => Just(None),
    ];
    let first = prop_oneof![Just(0x45), Just(0x46), Just(0x60), any::<u8>()];
    let protocol = prop_oneof![4 => Just(TCP), 1 => Just(UDP), 1 => Just(ICMP), 1 => any::<u8>()];
    let changes = vec((0..100_usize, any::<u8>()), 0..4);
    (kinds, first, protocol, changes, 0..100_usize).prop_map(
        |(kind, first, protocol, changes, length)| {
            let mut bytes = std::vec![0; 100];
            let (link, network) = match kind {
                Some(kind) => {
                    bytes[12..14].copy_from_slice(&kind.to_be_bytes());
                    (Link::Ethernet, EthHdr::LEN)
                }
                None => (Link::Ip, 0),
            };
            let (protocol_at, transport) = if first >> 4 == 6 { (6, 40) } else { (9, 20) };
            bytes[network] = first;
            bytes[network + protocol_at] = protocol;
            bytes[network + transport + 12] = 0x50;
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            bytes.truncate(length);
            (bytes, link)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn what_is_let_go_is_what_a_walk_finds_nothing_in((bytes, link) in packets()) {
        let walked = walk(bytes.as_slice(), link, 100);
        let seen = Cell::new(None);
        let gone = lets_go(bytes.as_slice(), link, |from, to, flags| {
            seen.set(Some((from.host(), to.host(), flags)));
            false
        });
        match (seen.get(), gone) {
            (Some(told), gone) => {
                prop_assert!(!gone);
                match walked {
                    Ok(segment) => {
                        let found = (segment.source, segment.destination, segment.flags);
                        prop_assert_eq!(told, found);
                    }
                    Err(skip) => prop_assert!(matches!(skip, Skip::Malformed | Skip::Short), "{skip:?}"),
                }
            }
            (None, true) => prop_assert!(
                matches!(walked, Err(Skip::NotTcp | Skip::Malformed | Skip::Short)),
                "{walked:?}"
            ),
            (None, false) => {}
        }
    }
}

#[test]
fn the_plainest_are_told() {
    for (link, network) in [(Link::Ethernet, EthHdr::LEN), (Link::Ip, 0)] {
        for (kind, first, protocol, tcp) in
            [(ETHERTYPE_IPV4, 0x45, 9, 20), (ETHERTYPE_IPV6, 0x60, 6, 40)]
        {
            let mut bytes = [0; 80];
            bytes[12..14].copy_from_slice(&kind.to_be_bytes());
            bytes[network] = first;
            bytes[network + protocol] = TCP;
            bytes[network + tcp + 1] = 20;
            bytes[network + tcp + 3] = 21;
            bytes[network + tcp + 12] = 0x80;
            bytes[network + tcp + 13] = 0x10;
            let gone = lets_go(bytes.as_slice(), link, |from, to, flags| {
                (from.host(), to.host(), flags) == (20, 21, 0x10)
            });
            assert!(gone, "{link:?} {first:x}");
        }
    }
}
