use std::net::Ipv4Addr;

use super::*;
use crate::report::Reply;

const SERVER: u8 = 10;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("a time")
}

fn client(number: u32) -> IpAddr {
    Ipv4Addr::from(0x0a00_0000 + number).into()
}

fn server(number: u8) -> Peer {
    Peer {
        ip: Ipv4Addr::new(192, 0, 2, number).into(),
        port: 21,
    }
}

fn failure(seconds: i64, on: Peer, client: IpAddr, cause: Cause) -> Report {
    let outcome = if cause == Cause::NotListening {
        Outcome::Refused
    } else {
        Outcome::NoSyn
    };
    Report {
        timestamp: at(seconds),
        body: Body::Outcome(EndpointReport {
            outcome: Some(outcome),
            corrects: None,
            cause: Some(cause),
            confidence: None,
            explanation: None,
            warnings: Vec::new(),
            client: Peer {
                ip: client,
                port: 40_000,
            },
            server: on,
            reply: Reply {
                code: 227,
                text: String::new(),
            },
            advertised: on,
            connected: None,
            waited_ms: 10_000,
            evidence: Vec::new(),
            advice: vec!["mend it".into()],
            server_software: None,
            command: None,
            control_reply: None,
        }),
        observer: Observer {
            host: String::new(),
            file: None,
            vantage: None,
            interfaces: Vec::new(),
            hook: String::new(),
        },
    }
}

/// What was told, in order: state, cause, endpoints, clients.
#[derive(Default)]
struct Pager(Vec<(AlarmState, Option<Cause>, u64, u64)>);

impl Pager {
    fn hear(&mut self, reports: impl IntoIterator<Item = Report>) {
        for report in reports {
            let Body::Alarm(alarm) = report.body else {
                panic!("{report:?}");
            };
            let told = (alarm.state, alarm.cause, alarm.endpoints, alarm.clients);
            self.0.push(told);
        }
    }

    fn states(&self) -> Vec<AlarmState> {
        self.0.iter().map(|told| told.0).collect()
    }
}

const BLOCKED: Cause = Cause::PathBlocked;

use AlarmState::{Firing, Repeated, Resolved};

#[test]
fn ten_thousand_clients_are_one_alarm() {
    let mut alarms = Alarms::new(Clock::unix());
    let mut pager = Pager::default();
    for number in 0..10_000 {
        // All of them within a minute.
        let seconds = i64::from(number) * 59 / 10_000;
        pager.hear(alarms.fail(&failure(seconds, server(SERVER), client(number), BLOCKED)));
        pager.hear(alarms.due(at(seconds)));
    }
    assert_eq!(pager.0, [(Firing, Some(BLOCKED), 1, 1)]);
    pager.hear(alarms.due(at(60)));
    assert_eq!(pager.0[1..], [(Repeated, Some(BLOCKED), 10_000, 10_000)]);
}

#[test]
fn the_intervals_grow_and_quiet_is_quiet() {
    let mut alarms = Alarms::new(Clock::unix());
    let mut told = Vec::new();
    const MINUTE: i64 = 60;
    // Once a minute for a day; and nothing for the next.
    for minute in 0..48 * 60 {
        let seconds = minute * MINUTE;
        let report = failure(seconds, server(SERVER), client(1), BLOCKED);
        let alarm = if minute < 24 * 60 {
            alarms.fail(&report)
        } else {
            None
        };
        let due = alarms.due(at(seconds));
        told.extend(alarm.into_iter().chain(due).map(|_| minute));
    }
    // After 1, 5, 30 and 120 minutes, and then every six hours; the last one is of what was left.
    assert_eq!(told, [0, 1, 6, 36, 156, 516, 876, 1236, 1596]);
    assert_eq!(alarms.finish().len(), 0, "all was told");
    // After so long, the next is told at once.
    let report = failure(48 * 60 * MINUTE, server(SERVER), client(1), BLOCKED);
    assert!(alarms.fail(&report).is_some());
}

#[test]
fn two_causes_and_two_servers_are_alarms_of_their_own() {
    let mut alarms = Alarms::new(Clock::unix());
    let mut pager = Pager::default();
    for round in 0..3 {
        for on in [server(1), server(2)] {
            for cause in [BLOCKED, Cause::NotListening] {
                pager.hear(alarms.fail(&failure(round, on, client(1), cause)));
            }
        }
    }
    assert_eq!(pager.states(), [Firing; 4]);
}

#[test]
fn it_works_again_once_those_who_failed_connect() {
    let mut alarms = Alarms::new(Clock::unix());
    let mut pager = Pager::default();
    pager.hear(alarms.fail(&failure(0, server(SERVER), client(1), BLOCKED)));
    // Others always could, it seems: that says nothing.
    for number in 0..1000 {
        pager.hear(alarms.works(server(SERVER), client(100 + number), at(1)));
    }
    assert_eq!(pager.states(), [Firing]);
    for _ in 0..2 {
        pager.hear(alarms.works(server(SERVER), client(1), at(2)));
    }
    assert_eq!(pager.states(), [Firing], "twice may be luck");
    pager.hear(alarms.works(server(SERVER), client(1), at(3)));
    assert_eq!(pager.0[1], (Resolved, Some(BLOCKED), 1, 1));
    // It is over, and the next is the first again.
    pager.hear(alarms.fail(&failure(9, server(SERVER), client(1), BLOCKED)));
    assert_eq!(pager.0[2], (Firing, Some(BLOCKED), 1, 1));
    assert_eq!((alarms.groups, alarms.clients), (1, 1));
}

#[test]
fn where_everybody_failed_anybody_tells_that_it_works() {
    let mut alarms = Alarms::new(Clock::unix());
    let mut pager = Pager::default();
    for number in 0..5 {
        pager.hear(alarms.fail(&failure(0, server(SERVER), client(number), BLOCKED)));
    }
    pager.hear(alarms.works(server(9), client(77), at(1)));
    for number in 70..73 {
        pager.hear(alarms.works(server(SERVER), client(number), at(1)));
    }
    assert_eq!(pager.states(), [Firing, Resolved]);
    assert_eq!((alarms.groups, alarms.clients), (0, 0));
    assert!(alarms.servers.is_empty());
}

#[test]
fn what_fails_every_other_time_is_not_over_by_luck() {
    let mut alarms = Alarms::new(Clock::unix());
    let mut pager = Pager::default();
    for round in 0..20 {
        pager.hear(alarms.fail(&failure(round, server(SERVER), client(1), BLOCKED)));
        pager.hear(alarms.works(server(SERVER), client(1), at(round)));
    }
    // A run of nine is one of five hundred.
    for _ in 0..8 {
        pager.hear(alarms.works(server(SERVER), client(1), at(30)));
    }
    assert_eq!(pager.states(), [Firing]);
    pager.hear(alarms.works(server(SERVER), client(1), at(31)));
    assert_eq!(pager.states(), [Firing, Resolved]);
}

#[test]
fn memory_is_bounded_and_the_quietest_goes_first() {
    let mut alarms = Alarms::new(Clock::unix());
    let servers = u32::try_from(GROUPS).expect("a few");
    let on = |number: u32| Peer {
        ip: client(number),
        port: 21,
    };
    for number in 0..servers + 10 {
        let told = alarms.fail(&failure(i64::from(number), on(number), client(1), BLOCKED));
        assert!(told.is_some());
    }
    assert_eq!((alarms.groups, alarms.clients), (GROUPS, GROUPS));
    assert_eq!(alarms.forgotten(), 10);
    assert!(!alarms.servers.contains_key(&on(9)) && alarms.servers.contains_key(&on(10)));
    // And of clients, those that are not remembered are told of as more.
    for number in 0..100_000 {
        alarms.fail(&failure(9_999, on(20), client(number), BLOCKED));
    }
    assert_eq!(alarms.clients, CLIENTS);
    assert!(alarms.servers[&on(20)][0].more_clients);
}
