//! Conversations by chance: any reply, cut anywhere, and a network that loses, repeats and reorders.

use std::net::SocketAddr;

use ftpwatch_common::address::Address;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{Script, Step};
use crate::packets::{Conversation, Data, Family, Packet, advertisement};

/// What servers say to PASV and EPSV. `{}` stands for a private address and a port as 227 has them, `<>` for a port as
/// 229 has it, `OWN` and `PRIVATE` for the whole reply that fits the family.
const REPLIES: &[&str] = &[
    "OWN",
    "PRIVATE",
    "227 Entering Passive Mode ({})",
    "227 Entering Passive Mode ({}).",
    "227-listen socket created\r\n227 ({})",
    "227-one\r\n two ({})\r\n227 done",
    "227 {}",
    "227 Mode 2 {}",
    "227 Entering passive mode. {}",
    "227 Entering Passive Mode ({},)",
    "229 Entering Extended Passive Mode (<>)",
    "229-Entering\r\n229 <>",
    "227 Entering Passive Mode (1216,256,2,127,127,127)",
    "229 Entering Extended Passive Mode (|||65536|)",
    "227 Logout.",
    "500 What?",
    "421 Timeout.",
];

/// Anything else that is said.
const OTHER_REPLIES: &[&str] = &[
    "150 Here it comes",
    "125 Already open",
    "226 Done",
    "250 Fine",
    "200 Fine",
    "425 Failed to establish connection.",
    "426 Cut off",
    "522 session reuse required",
    "550 No such file",
    "421 Timeout.",
    "230-Hello",
    "211-Features:\r\n EPSV\r\n UTF8\r\n211 End",
    "234 Go on",
    "221 Goodbye",
];

const COMMANDS: &[&str] = &[
    "PASV",
    "EPSV",
    "RETR a",
    "STOR a",
    "list",
    "ABOR",
    "QUIT",
    "CWD a",
    "PORT 1,2,3,4,5,6",
    "AUTH TLS",
    "NOOP",
    "PASV\r\nRETR a\r\nQUIT",
];

/// Few, so that they are used again.
const PORTS: &[u16] = &[50_000, 50_001, 50_002];

/// What happens next.
#[derive(Clone, Debug)]
enum Act {
    Command(&'static str),
    Advertise(&'static str, u16),
    Reply(&'static str),
    ClientAcks,
    ServerAcks,
    ClientCloses,
    ServerCloses,
    ServerResets,
    OpenAgain,
    Syn(u16, bool, bool),
    SynAck(Index),
    Ack(Index),
    Refusal(Index),
    ClientRst(Index),
    Reject(Index, u8),
}

fn act() -> impl Strategy<Value = Act> {
    let data = any::<Index>;
    prop_oneof![
        6 => select(COMMANDS).prop_map(Act::Command),
        8 => (select(REPLIES), select(PORTS)).prop_map(|(form, port)| Act::Advertise(form, port)),
        6 => select(OTHER_REPLIES).prop_map(Act::Reply),
        4 => Just(Act::ClientAcks),
        1 => Just(Act::ServerAcks),
        1 => Just(Act::ClientCloses),
        1 => Just(Act::ServerCloses),
        1 => Just(Act::ServerResets),
        1 => Just(Act::OpenAgain),
        6 => (select(PORTS), any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(port, own, foreign)| Act::Syn(port, own, foreign)),
        5 => data().prop_map(Act::SynAck),
        5 => data().prop_map(Act::Ack),
        2 => data().prop_map(Act::Refusal),
        1 => data().prop_map(Act::ClientRst),
        2 => (data(), 0..5u8).prop_map(|(which, kind)| Act::Reject(which, kind)),
    ]
}

/// What the network does to a packet.
#[derive(Clone, Debug)]
enum Fate {
    Arrives,
    ArrivesInTwo(Index),
    ArrivesTwice,
    IsLost,
    /// Behind as many that were sent after it.
    IsLate(usize),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        20 => Just(Fate::Arrives),
        6 => any::<Index>().prop_map(Fate::ArrivesInTwo),
        2 => Just(Fate::ArrivesTwice),
        1 => Just(Fate::IsLost),
        1 => (1..6usize).prop_map(Fate::IsLate),
    ]
}

/// A script, and what it advertises to whom ever reads all of it.
#[derive(Clone, Debug)]
pub struct Generated {
    /// What happens.
    pub script: Script,
    /// Address and port of each advertisement.
    pub advertised: Vec<(Address, u16)>,
}

/// A conversation by chance, and its way through a network that is not kind to it.
pub fn conversation() -> impl Strategy<Value = Generated> {
    let family = select(Family::ALL.as_slice());
    let acts = prop::collection::vec((act(), fate()), 1..40);
    (family, acts).prop_map(|(family, acts)| {
        let mut stage = Stage::new(family);
        for (act, fate) in acts {
            stage.play(&act, &fate);
        }
        stage.end()
    })
}

struct Stage {
    family: Family,
    talk: Conversation,
    data: Vec<Data>,
    sent: Vec<Packet>,
    /// Where in `sent` a late packet goes.
    late: Vec<(usize, Packet)>,
    advertised: Vec<(Address, u16)>,
}

impl Stage {
    fn new(family: Family) -> Self {
        let mut talk = Conversation::new(family);
        Self {
            family,
            sent: talk.opening(),
            talk,
            data: Vec::new(),
            late: Vec::new(),
            advertised: Vec::new(),
        }
    }

    fn play(&mut self, act: &Act, fate: &Fate) {
        let talk = &mut self.talk;
        let packets = match act {
            Act::Command(line) => vec![talk.client(line)],
            Act::Reply(line) => vec![talk.server(line)],
            Act::Advertise(form, port) => vec![self.advertise(form, *port)],
            Act::ClientAcks => vec![talk.client_acks()],
            Act::ServerAcks => vec![talk.server_acks()],
            Act::ClientCloses => vec![talk.client_fin()],
            Act::ServerCloses => vec![talk.server_fin()],
            Act::ServerResets => vec![talk.server_rst()],
            Act::OpenAgain => {
                *talk = talk.again();
                talk.opening()
            }
            Act::Syn(port, own, foreign) => vec![self.syn(*port, *own, *foreign)],
            Act::SynAck(which) => self.of(which, |data| data.syn_ack()),
            Act::Ack(which) => self.of(which, |data| data.ack()),
            Act::Refusal(which) => self.of(which, |data| data.refusal()),
            Act::ClientRst(which) => self.of(which, |data| data.client_rst()),
            Act::Reject(which, kind) => self.of(which, |data| {
                let packet = if kind % 2 == 0 {
                    data.syn()
                } else {
                    data.syn_ack()
                };
                packet.rejected(data.server.ip(), *kind, 1)
            }),
        };
        for packet in packets {
            self.send(packet, fate);
        }
    }

    fn advertise(&mut self, form: &str, port: u16) -> Packet {
        let (own, private, v4) = (
            self.talk.server.ip(),
            self.family.private(222),
            Family::V4.private(222),
        );
        self.advertised
            .extend([own, private, v4].map(|address| (address.into(), port)));
        match form {
            "OWN" => self.talk.passive(port),
            "PRIVATE" => self.talk.server(&advertisement(private, port)),
            _ => {
                let whole = advertisement(v4, port);
                let numbers = whole.split(['(', ')']).nth(1).expect("it has parentheses");
                let line = form.replace("{}", numbers);
                self.talk
                    .server(&line.replace("<>", &format!("|||{port}|")))
            }
        }
    }

    fn syn(&mut self, port: u16, own: bool, foreign: bool) -> Packet {
        let address = if own {
            self.family.server(10)
        } else {
            self.family.private(222)
        };
        let mut data = self.talk.data_to(SocketAddr::new(address, port));
        if foreign {
            data.client.set_ip(self.family.client(99));
        }
        let syn = data.syn();
        self.data.push(data);
        syn
    }

    fn of(&self, which: &Index, packet: impl Fn(&Data) -> Packet) -> Vec<Packet> {
        if self.data.is_empty() {
            return Vec::new();
        }
        // The latest are the likeliest to have something left to say.
        let recent = &self.data[self.data.len().saturating_sub(3)..];
        vec![packet(which.get(recent))]
    }

    fn send(&mut self, packet: Packet, fate: &Fate) {
        match fate {
            Fate::Arrives => self.sent.push(packet),
            Fate::ArrivesTwice => self.sent.extend([packet.clone(), packet]),
            Fate::IsLost => {}
            Fate::IsLate(behind) => self.late.push((self.sent.len() + behind, packet)),
            Fate::ArrivesInTwo(at) => self.sent.extend(cut(packet, at)),
        }
    }

    fn end(mut self) -> Generated {
        // From the last to the first, so that places stay what they are.
        for (at, packet) in self.late.into_iter().rev() {
            self.sent.insert(at.min(self.sent.len()), packet);
        }
        Generated {
            script: Script(self.sent.into_iter().map(Step::Packet).collect()),
            advertised: self.advertised,
        }
    }
}

/// The same bytes in two segments, where there are any.
fn cut(packet: Packet, at: &Index) -> Vec<Packet> {
    if packet.payload.len() < 2 {
        return vec![packet];
    }
    let at = 1 + at.index(packet.payload.len() - 1);
    let (head, tail) = packet.payload.split_at(at);
    let first = Packet {
        payload: head.to_vec(),
        ..packet.clone()
    };
    let second = Packet {
        payload: tail.to_vec(),
        sequence: packet.sequence.wrapping_add(head.len() as u32),
        ..packet.clone()
    };
    vec![first, second]
}

/// Bytes and numbers by chance, on the four-tuple of a control connection and to ports that it advertises.
pub fn hostile() -> impl Strategy<Value = Script> {
    let pieces: &[&[u8]] = &[
        b"227 (",
        b"229 ",
        b"228-",
        b"|||",
        b"1,2,3,4,195,80",
        b")\r\n",
        b"\r\n",
        b"PASV\r\n",
        b"\xff",
        b"\n",
        b"99999999999",
        b"226 ok\r\n",
        b"RETR",
        b" ",
    ];
    let piece = prop_oneof![
        select(pieces.to_vec()).prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    let payload = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
    let jump = prop_oneof![8 => Just(0), 2 => -200..200i32, 1 => any::<i32>()];
    let flags = prop_oneof![8 => Just(0x10u8), 1 => any::<u8>()];
    let acts = prop::collection::vec((any::<bool>(), any::<bool>(), flags, jump, payload), 1..40);
    acts.prop_map(|acts| {
        let mut talk = Conversation::new(Family::V4);
        let mut script = Script::new();
        script.send_all(talk.opening());
        for (from_client, data, flags, jump, payload) in acts {
            let mut packet = if from_client {
                talk.client_sends(&payload)
            } else {
                talk.server_sends(&payload)
            };
            packet.flags = flags;
            packet.sequence = packet.sequence.wrapping_add_signed(jump);
            packet.acknowledgement = packet.acknowledgement.wrapping_add_signed(jump / 2);
            if data {
                packet.from.set_port(50_000);
                packet.to.set_port(50_000);
            }
            script.send(packet);
        }
        script
    })
}
