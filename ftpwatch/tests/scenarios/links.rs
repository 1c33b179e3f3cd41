//! What a segment is wrapped in.

use ftpwatch_common::{counter::Counter, endpoint::missed};

use super::replies::{assert_advertised, begun};
use super::{Scenario, Step};
use crate::packets::{Envelope, Family, QINQ, VLAN};

const PORT: u16 = 50_002;

/// A transfer in which every packet is wrapped in `envelope`: it is seen whole.
fn transfer_in(family: Family, envelope: Envelope) -> Scenario {
    let (mut talk, mut script) = begun(family);
    talk.envelope = envelope.clone();
    script.send_all(talk.exchange(PORT));
    script.send(talk.client("RETR a"));
    script.send_all(talk.data(PORT).handshake());
    script.send(talk.server("150 Here it comes"));
    script.send(talk.server("226 Done"));
    script.send(talk.client_acks());
    script.send(talk.client("QUIT"));
    script.send_all(talk.closing());
    for step in &mut script.0 {
        if let Step::Packet(packet) = step {
            *packet = packet.clone().wrapped(&envelope);
        }
    }
    Scenario::new(script, move |seen| {
        let endpoint = seen.endpoint();
        assert_advertised(endpoint, family, PORT);
        assert_eq!(&endpoint.command, b"RETR");
        assert_eq!((endpoint.connected, endpoint.final_code), (1, 226));
        assert_ne!(seen.control().ended_at, 0);
        assert_eq!(seen.count(Counter::Gaps), 0);
        assert_eq!(seen.count(Counter::Unreadable), 0);
    })
}

pub fn one_tag(family: Family) -> Scenario {
    let envelope = Envelope {
        tags: vec![VLAN],
        ..Envelope::default()
    };
    transfer_in(family, envelope)
}

pub fn two_tags(family: Family) -> Scenario {
    let envelope = Envelope {
        tags: vec![QINQ, VLAN],
        ..Envelope::default()
    };
    transfer_in(family, envelope)
}

/// IPv4 options, IPv6 extension headers of every kind, TCP options: as long as they get.
pub fn header_options(family: Family) -> Scenario {
    let envelope = Envelope {
        ip_options: 40,
        extensions: vec![0, 60, 43, 51, 60],
        tcp_options: 40,
        ..Envelope::default()
    };
    transfer_in(family, envelope)
}

/// An Ethernet frame is no shorter than 60 bytes: what fills it up is no payload.
pub fn padded_frames(family: Family) -> Scenario {
    let envelope = Envelope {
        padded_to: 150,
        ..Envelope::default()
    };
    transfer_in(family, envelope)
}

/// Of a reply that came in fragments nothing is believed.
pub fn a_fragment(family: Family) -> Scenario {
    let (mut talk, mut script) = begun(family);
    script.send_all(talk.exchange(PORT));
    script.send(talk.client("RETR a"));
    let mut packet = talk.server("150 Here it comes");
    packet.envelope.first_fragment = true;
    script.send(packet);
    Scenario::new(script, move |seen| {
        let endpoint = seen.endpoint();
        assert_eq!(endpoint.announced, 0);
        assert_eq!(endpoint.missed, missed::REPLIES);
        assert_eq!(seen.count(Counter::Unreadable), 1);
    })
}

/// A packet that ends too early, wherever that is, harms nobody: what is missing is known to be.
pub fn cut_short(family: Family) -> Scenario {
    let script = |missing: usize| {
        let (mut talk, mut script) = begun(family);
        script.send_all(talk.exchange(PORT));
        let mut packet = talk.server("125 Here it comes");
        packet.envelope.missing = missing;
        script.send(packet);
        script.send(talk.client_acks());
        script.send(talk.client("RETR a"));
        script
    };
    Scenario::any((1..=38).map(script).collect(), move |seen| {
        let endpoint = seen.endpoint();
        assert_eq!(&endpoint.command, b"RETR");
        assert_eq!(endpoint.announced, 0);
        assert_eq!(endpoint.missed, missed::REPLIES);
    })
}
