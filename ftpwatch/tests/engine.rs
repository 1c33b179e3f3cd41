//! What packets mean: the engine over the host's store. Needs no privilege.
//!
//! What belongs here: running the scenarios (`scenarios/`) over the host's store, and what holds for any packets at all.
//! A new scenario belongs in the module of its subject there, and is run over the kernel's programs as well.

mod packets;
mod scenarios;

use ftpwatch::source::memory::Memory;
use ftpwatch_common::counter::Counter;
use ftpwatch_common::packet::{Link, Skip, walk};
use packets::{Envelope, Family, Packet, VLAN};
use proptest::prelude::*;
use scenarios::generate::{conversation, hostile};
use scenarios::{Host, Scenario, for_each_scenario, play};

/// Plays each of the scenario's scripts, on links with and without Ethernet headers.
fn run(scenario: impl Fn(Family) -> Scenario) {
    for family in Family::ALL {
        let Scenario { scripts, check } = scenario(family);
        for link in [Link::Ethernet, Link::Ip] {
            for script in &scripts {
                let shown = scenarios::ShownOnPanic(script);
                let (seen, _) = play(&mut Host::new(link), script, link);
                check(&seen);
                drop(shown);
            }
        }
    }
}

macro_rules! tests {
    ($($subject:ident { $($scenario:ident)* })*) => {
        $(mod $subject {
            $(#[test]
            fn $scenario() {
                crate::run(crate::scenarios::$subject::$scenario);
            })*
        })*
    };
}
for_each_scenario!(tests);

#[test]
fn only_what_is_meant_is_retired() {
    scenarios::retire::only_what_is_meant(&mut Host::new(Link::Ethernet));
}

/// What the walk through the headers says of packets that are not for us.
#[test]
fn other_packets() {
    let plain = packets::Conversation::new(Family::V6).opening().remove(3);
    let walked = |packet: &Packet, change: fn(&mut Vec<u8>)| {
        let mut bytes = packet.bytes(Link::Ethernet);
        change(&mut bytes);
        let total = u32::try_from(bytes.len()).unwrap();
        walk(bytes.as_slice(), Link::Ethernet, total).map(|segment| segment.length)
    };
    assert_eq!(walked(&plain, |_| ()), Ok(20));
    // UDP, and ARP.
    assert_eq!(walked(&plain, |bytes| bytes[20] = 17), Err(Skip::NotTcp));
    assert_eq!(walked(&plain, |bytes| bytes[13] = 6), Err(Skip::NotTcp));
    assert_eq!(walked(&plain, |bytes| bytes.truncate(70)), Err(Skip::Short));
    // A TCP header of 16 bytes.
    assert_eq!(
        walked(&plain, |bytes| bytes[66] = 0x40),
        Err(Skip::Malformed)
    );
    let wrapped = |envelope: Envelope| walked(&plain.clone().wrapped(&envelope), |_| ());
    let tagged = Envelope {
        tags: vec![VLAN; 3],
        ..Envelope::default()
    };
    assert_eq!(wrapped(tagged), Err(Skip::NotTcp));
    let extended = |extensions: usize| Envelope {
        extensions: vec![60; extensions],
        ..Envelope::default()
    };
    assert_eq!(wrapped(extended(6)), Ok(20));
    assert_eq!(wrapped(extended(7)), Err(Skip::NotTcp));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Whatever the network does, no endpoint comes of it that was not advertised, but for those that are said to be
    /// guessed. The store's books balance, which `play` sees to.
    #[test]
    fn nothing_is_made_up(generated in conversation()) {
        let (seen, _) = play(&mut Host::new(Link::Ip), &generated.script, Link::Ip);
        for endpoint in seen.endpoints.iter().filter(|endpoint| !endpoint.is_guessed()) {
            let advertised = (endpoint.address, endpoint.port);
            prop_assert!(generated.advertised.contains(&advertised), "{:?}", advertised);
        }
        prop_assert_eq!(seen.count(Counter::Unreadable), 0);
    }

    /// What somebody may send who means harm.
    #[test]
    fn hostile_bytes_are_survived(script in hostile()) {
        play(&mut Host::new(Link::Ethernet), &script, Link::Ethernet);
    }

    /// Not even a packet.
    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>, total: u32, ethernet: bool) {
        let link = if ethernet { Link::Ethernet } else { Link::Ip };
        let _ = Memory::new(&[21]).take(&bytes, link, total, 1);
    }
}
