//! Several processors at once: the two directions of a connection, and the interfaces of a bridge, are never handled in
//! turn.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Barrier;

use aya::programs::{SchedClassifier, TestRun as _, TestRunOptions};
use ftpwatch_common::counter::Counter;
use ftpwatch_common::packet::Link;

use crate::bench::{Bench, Program};
use crate::packets::{Conversation, Family};
use crate::scenarios::Store as _;

const CONVERSATIONS: u16 = 500;

/// All on one port of one server.
const PORT: u16 = 50_008;

/// A conversation from the greeting to its data connection.
fn packets(number: u16) -> Vec<Vec<u8>> {
    let client = SocketAddr::new(Family::V4.client(7), 10_000 + number);
    let server = SocketAddr::new(Family::V4.server(10), 21);
    let mut talk = Conversation::between(client, server);
    let mut packets = talk.opening();
    packets.extend(talk.exchange(1024 + number));
    packets.push(talk.client("RETR a"));
    let mut data = talk.data(1024 + number);
    data.client.set_port(10_000 + number);
    packets.extend(data.handshake());
    packets.push(talk.server("150 Here it comes"));
    packets.push(talk.server("226 Done"));
    packets.extend(talk.closing());
    packets
        .iter()
        .map(|packet| packet.bytes(Link::Ethernet))
        .collect()
}

/// Every processor sees every packet, as on a bridge with that many ports: each counts once.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn see_the_same_packets() {
    // A processor that is taken away from this machine in the middle of it holds an entry for too long, and a packet
    // goes by unread. That is counted, and rare.
    let undisturbed = (0..5).any(|_| {
        let mut bench = Bench::new(Program::Ether);
        let conversations: Vec<_> = (0..CONVERSATIONS).map(packets).collect();
        run_on_two(&mut bench, [&conversations, &conversations]);
        if bench.counters()[Counter::Contended as usize] > 0 {
            return false;
        }
        let endpoints = bench.endpoints();
        assert_eq!(endpoints.len(), usize::from(CONVERSATIONS));
        for endpoint in endpoints {
            let seen = (endpoint.connected, endpoint.final_code, endpoint.missed);
            assert_eq!(seen, (1, 226, 0), "{endpoint:?}");
            assert_eq!(endpoint.attempts[0].syns, 1);
            assert_eq!(endpoint.attempts[1].syn_at, 0);
            assert_eq!((endpoint.half_open, endpoint.released), (0, 1));
        }
        assert_eq!(bench.counters()[Counter::Gaps as usize], 0);
        true
    });
    assert!(
        undisturbed,
        "entries were held for too long, five times in a row"
    );
}

/// Each processor has its own connections, but all of them on one port, with one count.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn share_a_port() {
    let mut bench = Bench::new(Program::Ether);
    let half =
        |from: u16| -> Vec<_> { (from..CONVERSATIONS).step_by(2).map(on_one_port).collect() };
    run_on_two(&mut bench, [&half(0), &half(1)]);
    assert_eq!(bench.counters()[Counter::Contended as usize], 0);
    let endpoints = bench.endpoints();
    assert_eq!(endpoints.len(), usize::from(CONVERSATIONS));
    assert!(endpoints.iter().all(|endpoint| endpoint.connected == 1));
    assert!(bench.port(PORT).pending && !bench.port(PORT).half_open);
    bench.retire_endpoints();
    assert!(!bench.port(PORT).pending && !bench.port(PORT).half_open);
}

/// A client of its own, and the same port for all.
fn on_one_port(number: u16) -> Vec<Vec<u8>> {
    let [high, low] = number.to_be_bytes();
    let client = SocketAddr::new(Ipv4Addr::new(198, 18, high, low).into(), 40_000);
    let server = SocketAddr::new(Family::V4.server(10), 21);
    let mut talk = Conversation::between(client, server);
    let mut packets = talk.opening();
    packets.extend(talk.exchange(PORT));
    packets.extend(talk.data(PORT).handshake());
    packets
        .iter()
        .map(|packet| packet.bytes(Link::Ethernet))
        .collect()
}

/// Conversations, as packets, as bytes.
type Traffic = Vec<Vec<Vec<u8>>>;

fn run_on_two(bench: &mut Bench, traffic: [&Traffic; 2]) {
    let program = bench
        .kernel
        .ebpf_mut()
        .program("ftpwatch_ether")
        .expect("it is there");
    let program: &SchedClassifier = program.try_into().expect("it is of that kind");
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        for conversations in traffic {
            scope.spawn(|| {
                start.wait();
                for packet in conversations.iter().flatten() {
                    let options = TestRunOptions {
                        data_in: Some(packet),
                        ..TestRunOptions::new()
                    };
                    program.test_run(options).expect("the program can be run");
                }
            });
        }
    });
}
