//! When there is no room left: what is lost is counted, what is not stays right, and nothing is left behind.

use std::collections::HashSet;
use std::net::SocketAddr;

use ftpwatch::source::kernel::Room;
use ftpwatch_common::counter::Counter;
use ftpwatch_common::endpoint::{Endpoint, missed};
use ftpwatch_common::record::{RING_BYTES, Record, Why};

use crate::bench::{Bench, Program};
use crate::packets::{Conversation, Family, Packet, advertisement};
use crate::scenarios::Store as _;
use crate::scenarios::seen::word;

/// Rooms in the maps `CONTROLS` and `ENDPOINTS`.
const ROOM: usize = 32_768;

/// How many replies go into one segment.
const REPLIES: usize = 50;

fn count(bench: &mut Bench, counter: Counter) -> usize {
    let counters = bench.counters();
    usize::try_from(counters[counter as usize]).expect("it is not that many")
}

fn take(bench: &mut Bench, packets: impl IntoIterator<Item = Packet>) {
    for packet in packets {
        bench.take(&packet.bytes(bench.program.link()));
    }
}

/// The server advertises this many ports, from the first on.
fn advertise(talk: &mut Conversation, first: u16, ports: usize) -> Packet {
    let replies: Vec<String> = (first..)
        .take(ports)
        .map(|port| advertisement(talk.server.ip(), port))
        .collect();
    talk.server(&replies.join("\r\n"))
}

fn retire_all(bench: &mut Bench) {
    bench.retire_endpoints();
    assert_eq!((bench.endpoints().len(), bench.keys()), (0, 0));
    bench.assert_all_ports_shut();
}

/// Nobody reads the ring: the maps have what its records would have said.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn ring() {
    let mut bench = Bench::new(Program::Ether);
    let mut talk = Conversation::new(Family::V4);
    take(&mut bench, talk.opening());
    let rooms = RING_BYTES as usize / size_of::<Endpoint>();
    let mut advertised = 0;
    while advertised < rooms + 500 {
        let first = 1024 + u16::try_from(advertised).expect("there are that many ports");
        let packet = advertise(&mut talk, first, REPLIES);
        take(&mut bench, [packet, talk.client_acks()]);
        advertised += REPLIES;
    }
    let last = u16::try_from(1023 + advertised).expect("there are that many ports");
    take(&mut bench, talk.data(last).handshake());
    let lost = count(&mut bench, Counter::RingFull);
    assert!(lost > 0, "the ring is larger than it was thought to be");
    assert_eq!(count(&mut bench, Counter::Advertised), advertised);
    assert_eq!(count(&mut bench, Counter::EndpointsFull), 0);
    let endpoints = bench.endpoints();
    let ports: HashSet<u16> = endpoints.iter().map(|endpoint| endpoint.port).collect();
    assert_eq!((endpoints.len(), ports.len()), (advertised, advertised));
    let released = endpoints.iter().filter(|endpoint| endpoint.released != 0);
    assert_eq!(released.count(), advertised - 1);
    let connected = endpoints.iter().find(|endpoint| endpoint.connected != 0);
    assert_eq!(connected.map(|endpoint| endpoint.port), Some(last));
    // What found room is whole. There are an opening, a banner, two records of each endpoint and the connection.
    let records = bench.records();
    assert!(!records.iter().any(|record| word(record) == "strange"));
    assert_eq!(records.len() + lost, 2 + 2 * advertised - 1 + 1);
    retire_all(&mut bench);
}

/// An endpoint that finds no room is told of, once and as such, and leaves nothing behind.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn endpoints() {
    let mut bench = Bench::new(Program::Xdp);
    let mut talk = Conversation::new(Family::V4);
    take(&mut bench, talk.opening());
    let mut unstored = Vec::new();
    let mut advertised = 0;
    while advertised < ROOM + REPLIES {
        let first = 1024 + u16::try_from(advertised).expect("there are that many ports");
        let packet = advertise(&mut talk, first, REPLIES);
        take(&mut bench, [packet]);
        advertised += REPLIES;
        unstored.extend(
            bench
                .records()
                .into_iter()
                .filter_map(|record| match record {
                    Record::Endpoint(e) if e.why == Why::Unstored as u32 => Some(e.port),
                    _ => None,
                }),
        );
    }
    let without_room = advertised - ROOM;
    assert_eq!(count(&mut bench, Counter::RingFull), 0);
    assert_eq!(count(&mut bench, Counter::Advertised), advertised);
    assert_eq!(count(&mut bench, Counter::EndpointsFull), without_room);
    let last: Vec<u16> = (1024..).skip(ROOM).take(without_room).collect();
    assert_eq!(unstored, last);
    assert_eq!(bench.endpoints().len(), ROOM);
    assert_eq!(bench.keys(), 2 * ROOM);
    assert!(!bench.port(last[0]).pending);
    // Nothing is said of the last one that did find room, since it is not the one at hand any more.
    assert_eq!(bench.controls()[0].current, 0);
    take(&mut bench, talk.data(last[0]).handshake());
    assert!(bench.records().is_empty());
    // With room again, all is as before.
    retire_all(&mut bench);
    take(&mut bench, talk.exchange(60_000));
    take(&mut bench, talk.data(60_000).handshake());
    let news: Vec<&str> = bench.records().iter().map(word).collect();
    assert_eq!(news, ["advertised", "connected"]);
}

/// A control connection that finds no room is not watched, and that is counted.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn controls() {
    let mut bench = Bench::new(Program::Ip);
    let talk = |number: usize| {
        let port = u16::try_from(number % 60_000).expect("it is a port") + 1024;
        let host = u8::try_from(number / 60_000).expect("there are not that many") + 7;
        let client = SocketAddr::new(Family::V4.client(host), port);
        Conversation::between(client, SocketAddr::new(Family::V4.server(10), 21))
    };
    for number in 0..ROOM {
        take(&mut bench, [talk(number).server("220 Hello")]);
        bench.records();
    }
    assert_eq!(bench.controls().len(), ROOM);
    assert_eq!(count(&mut bench, Counter::ControlsFull), 0);
    let mut other = talk(ROOM);
    take(&mut bench, other.opening());
    take(&mut bench, other.exchange(50_000));
    assert_eq!(bench.controls().len(), ROOM);
    assert_eq!(bench.endpoints(), []);
    // At the greeting and at the 227.
    assert_eq!(count(&mut bench, Counter::ControlsFull), 2);
}

/// A client that has its share is refused more, and others are not.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn shares() {
    let mut bench = Bench::with_room(Program::Ether, Room::new(64, 64));
    let mut greedy = Conversation::new(Family::V4);
    take(&mut bench, greedy.opening());
    let packet = advertise(&mut greedy, 1_024, 20);
    take(&mut bench, [packet]);
    let refused = bench
        .records()
        .into_iter()
        .filter_map(|record| match record {
            Record::Endpoint(e) if e.why == Why::Unstored as u32 => Some((e.port, e.missed)),
            _ => None,
        });
    let expected = (1_040..1_044).map(|port| (port, missed::ROOM));
    assert_eq!(Vec::from_iter(refused), Vec::from_iter(expected));
    assert_eq!(count(&mut bench, Counter::ShareExceeded), 4);
    assert_eq!(count(&mut bench, Counter::EndpointsFull), 0);
    assert_eq!(bench.endpoints().len(), 16);
    let client = SocketAddr::new(Family::V4.client(8), 40_000);
    let mut other = Conversation::between(client, greedy.server);
    take(&mut bench, other.opening());
    take(&mut bench, other.exchange(50_000));
    assert_eq!(bench.endpoints().len(), 17);
    // What it gave it may have again, and no more.
    retire_all(&mut bench);
    let packet = advertise(&mut greedy, 2_048, 20);
    take(&mut bench, [packet]);
    assert_eq!(bench.endpoints().len(), 16);
    retire_all(&mut bench);
}
