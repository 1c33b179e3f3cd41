//! A gateway that translates addresses sees every connection twice: it is one all the same.

use std::net::SocketAddr;

use super::packets::Data;
use super::*;

/// A conversation as the server sees it and as the client does. The server's greeting passes the server's side first.
struct Gateway {
    stage: Stage,
    inside: Conversation,
    outside: Conversation,
}

impl Gateway {
    /// The server is at a private address, and clients know it by a public one.
    fn new() -> Self {
        let client = SocketAddr::new(Family::V4.client(7), 40_000);
        let inside = SocketAddr::new(Family::V4.private(10), 21);
        let outside = SocketAddr::new(Family::V4.server(10), 21);
        let inside = Conversation::between(client, inside);
        let mut gateway = Self {
            stage: Stage::new(),
            outside: inside.translated(client, outside),
            inside,
        };
        gateway.both(|talk| talk.opening());
        gateway
    }

    /// Both sides see what is sent: the server's the server's packets first, the client's the client's.
    fn both(&mut self, packets: impl Fn(&mut Conversation) -> Vec<Packet>) {
        let (inside, outside) = (packets(&mut self.inside), packets(&mut self.outside));
        for (inside, outside) in inside.into_iter().zip(outside) {
            self.pair(inside, outside);
        }
    }

    fn pair(&mut self, inside: Packet, outside: Packet) {
        if inside.from.port() == 21 || inside.from.port() == PORT {
            self.stage.send_all([inside, outside]);
        } else {
            self.stage.send_all([outside, inside]);
        }
    }

    /// The server advertises `address`, which the gateway does not change.
    fn advertise(&mut self, address: std::net::IpAddr) {
        let line = packets::advertisement(address, PORT);
        self.both(|talk| vec![talk.client("PASV"), talk.server(&line), talk.client_acks()]);
    }

    fn connect(&mut self) {
        let outside = self.outside.data(PORT);
        let inside = Data {
            server: SocketAddr::new(self.inside.server.ip(), PORT),
            ..outside.clone()
        };
        for (inside, outside) in inside.handshake().into_iter().zip(outside.handshake()) {
            self.pair(inside, outside);
        }
    }
}

#[test]
fn one_session_and_one_endpoint() {
    let mut gateway = Gateway::new();
    gateway.advertise(Family::V4.server(10));
    gateway.connect();
    gateway.both(|talk| vec![talk.client("RETR a"), talk.server("150 Here it comes")]);
    gateway.both(|talk| vec![talk.server("226 Done"), talk.client("QUIT")]);
    gateway.both(|talk| talk.closing().to_vec());
    let stage = &mut gateway.stage;
    assert_eq!(stage.words(), ["advertised", "connected", "session"]);
    assert_eq!(
        (
            stage.tracker.books().sessions,
            stage.tracker.books().endpoints
        ),
        (1, 1)
    );
    // The client's side of it is shown.
    let case = stage.case();
    assert_eq!(
        case.views.client_side().flow.server,
        Family::V4.server(10).into()
    );
    assert_eq!(case.views.flows().count(), 2);
    let session = stage.sessions().next().unwrap();
    assert_eq!(session.flow.server, Family::V4.server(10).into());
    assert_eq!(session.endpoints, 1);
    // And both sides of it go.
    stage.wait(LINGER);
    assert_eq!(stage.memory.sizes(), (0, 0, 0));
}

/// The address is judged as the client sees it: a public one in front of a private server is as it should be, and the
/// private one is what a server behind NAT does wrong.
#[test]
fn judged_from_the_clients_side() {
    for (address, fault) in [
        (Family::V4.server(10), None),
        (Family::V4.private(10), Some(Fault::Private)),
    ] {
        let mut gateway = Gateway::new();
        gateway.advertise(address);
        gateway.stage.wait(TIMEOUT + SECOND);
        assert_eq!(gateway.stage.words(), ["advertised", "no_syn"]);
        assert_eq!(gateway.stage.case().fault, fault);
    }
}

/// What either side saw was there.
#[test]
fn seen_on_one_side_is_seen() {
    let mut gateway = Gateway::new();
    gateway.advertise(Family::V4.server(10));
    let data = gateway.outside.data(PORT);
    gateway.stage.send(data.syn());
    gateway.stage.wait(TIMEOUT + SECOND);
    assert_eq!(gateway.stage.case().outcome, Outcome::NoAnswer);
    gateway.stage.send_all([data.syn_ack(), data.ack()]);
    assert_eq!(gateway.stage.words(), ["advertised", "no_answer", "late"]);
}

/// Another endpoint on the same connection is another endpoint, and again one.
#[test]
fn one_after_the_other() {
    let mut gateway = Gateway::new();
    for _ in 0..3 {
        gateway.advertise(Family::V4.server(10));
        gateway.connect();
        gateway.both(|talk| vec![talk.client("RETR a"), talk.server("226 Done")]);
    }
    assert_eq!(gateway.stage.tracker.books().endpoints, 3);
    assert_eq!(gateway.stage.outcomes(), [Outcome::Connected; 3]);
    gateway.stage.finish();
    assert_eq!(gateway.stage.sessions().count(), 1);
}

/// Two clients that happen to begin with the same numbers are two, a second apart.
#[test]
fn the_same_numbers_later_are_another_session() {
    let (mut stage, talk) = Stage::advertised();
    stage.wait(2 * SECOND);
    let mut other = Conversation::between((Family::V4.client(8), 40_000).into(), talk.server);
    stage.send_all(other.opening());
    stage.send_all(other.exchange(PORT));
    assert_eq!(stage.tracker.books().sessions, 2);
    assert_eq!(stage.tracker.books().endpoints, 2);
}
