//! Who gives when there is no room for more.

use std::net::{Ipv4Addr, SocketAddr};

use ftpwatch_common::{endpoint::missed, record::Why};

use super::super::room::{Given, Giver};
use super::*;

/// Room for so many: beyond 48 somebody gives, until there are 40. A server's share is 32.
const ROOM: usize = 64;

/// Between these two hosts, one of several.
fn talk(client: u8, server: u8, number: u16) -> Conversation {
    let at = |network: u8, host: u8, port| {
        SocketAddr::new(Ipv4Addr::new(198, network, 100, host).into(), port)
    };
    let mut talk = Conversation::between(at(51, client, 40_000 + number), at(18, server, 21));
    // With the same numbers they would be one, seen before and after address translation.
    talk.client_next ^= u32::from(number) << 16 | u32::from(client) << 8 | u32::from(server);
    talk.server_next ^= u32::from(number) << 16 | u32::from(client) << 8 | u32::from(server);
    talk
}

fn server(number: u8) -> Giver {
    Giver::Server(Ipv4Addr::new(198, 18, 100, number).into())
}

impl Stage {
    fn with_little_room() -> Self {
        let mut stage = Self::new();
        stage.tracker.set_room(ROOM);
        stage
    }

    /// Each of them is told of an endpoint, and does not come.
    fn advertise_to(&mut self, talks: impl IntoIterator<Item = Conversation>) {
        for (talk, port) in talks.into_iter().zip(PORT..) {
            let mut talk = talk;
            self.send_all(talk.opening());
            self.send_all(talk.exchange(port));
        }
    }

    fn make_room(&mut self) -> Option<Given> {
        let given = self.tracker.make_room(self.now);
        self.after();
        given
    }

    fn count(&self, wanted: Outcome) -> usize {
        self.cases().filter(|case| case.outcome == wanted).count()
    }
}

#[test]
fn nobody_gives_while_there_is_room() {
    let mut stage = Stage::with_little_room();
    stage.advertise_to((0..48).map(|number| talk(1, 1, number)));
    assert_eq!(stage.make_room(), None);
    stage.advertise_to([talk(2, 1, 0)]);
    assert!(stage.make_room().is_some());
}

/// A client may have eight failures remembered, and others theirs.
#[test]
fn a_client_has_so_many_failures_remembered() {
    let mut stage = Stage::with_little_room();
    stage.advertise_to((0..12).map(|number| talk(1, 1, number)));
    stage.advertise_to([talk(2, 1, 0)]);
    stage.wait(TIMEOUT);
    let given = Given {
        forgotten: 4,
        unknown: Vec::new(),
    };
    assert_eq!(stage.make_room(), Some(given));
    assert_eq!(stage.count(Outcome::NoSyn), 13);
    let mut left: Vec<u16> = stage.memory.endpoints().iter().map(|e| e.port).collect();
    left.sort_unstable();
    assert_eq!(
        left,
        [&[PORT], &Vec::from_iter(PORT + 4..PORT + 12)[..]].concat()
    );
    assert_eq!(stage.make_room(), None);
}

/// What the store refused is unknown, and it is said whose it was.
#[test]
fn who_was_refused_is_named() {
    let (mut stage, mut talk) = Stage::begun();
    for packet in talk.exchange(PORT) {
        stage.pass(packet);
    }
    for record in stage.records() {
        if let Record::Endpoint(mut endpoint) = record {
            endpoint.why = Why::Unstored as u32;
            endpoint.missed = missed::ROOM;
            let record = Record::Endpoint(endpoint);
            stage.tracker.take(record, stage.now, &mut &stage.memory);
        }
    }
    let given = stage.make_room().expect("it was refused");
    let client = talk.client.ip();
    assert_eq!(given.unknown, [(Giver::Client(client), 1)]);
}

#[test]
fn what_has_its_outcome_gives_first() {
    let mut stage = Stage::with_little_room();
    stage.advertise_to((0..45).map(|number| talk(number as u8, 1, number)));
    stage.wait(TIMEOUT);
    stage.advertise_to((45..50).map(|number| talk(1, 1, number)));
    let given = Given {
        forgotten: 10,
        unknown: Vec::new(),
    };
    assert_eq!(stage.make_room(), Some(given));
    assert_eq!(stage.count(Outcome::Unknown), 0);
}

#[test]
fn a_server_that_many_wait_for_gives_before_others() {
    let mut stage = Stage::with_little_room();
    stage.advertise_to((10..15).map(|other| talk(other, 2, 0)));
    stage.advertise_to((100..150).map(|other| talk(other, 1, 0)));
    let given = Given {
        forgotten: 0,
        unknown: vec![(server(1), 15)],
    };
    assert_eq!(stage.make_room(), Some(given));
}

#[test]
fn where_nobody_has_more_than_a_share_the_oldest_give() {
    let mut stage = Stage::with_little_room();
    for host in 1..=4 {
        stage.advertise_to((0..13).map(|number| talk(host, host, number)));
    }
    let given = Given {
        forgotten: 0,
        unknown: vec![(Giver::Everybody, 12)],
    };
    assert_eq!(stage.make_room(), Some(given));
    let first = stage.cases().all(|case| {
        let view = case.views.client_side();
        view.flow.client.ip() == Ipv4Addr::new(198, 51, 100, 1)
    });
    assert!(first, "the oldest");
}

/// A server gives until it has its share, and then others do.
#[test]
fn one_after_the_other() {
    let mut stage = Stage::with_little_room();
    stage.advertise_to((0..21).map(|number| talk(1, 1, number)));
    stage.advertise_to((100..134).map(|other| talk(other, 2, 0)));
    let given = stage.make_room().expect("there are too many");
    assert_eq!(given.unknown, [(server(2), 2), (Giver::Everybody, 13)]);
}

/// A transfer that goes on has its outcome, and is not unknown because of room.
#[test]
fn transfers_that_go_on_are_no_unknown_endpoints() {
    let mut stage = Stage::with_little_room();
    for number in 0..50 {
        let mut talk = talk(1, 1, number);
        stage.send_all(talk.opening());
        let port = PORT + number;
        stage.send_all(talk.exchange(port));
        stage.send_all(talk.data(port).handshake());
    }
    let given = stage.make_room().expect("there are too many");
    assert_eq!((given.forgotten, stage.count(Outcome::Unknown)), (10, 0));
    assert_eq!(stage.count(Outcome::Connected), 50);
}
