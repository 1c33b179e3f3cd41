//! Many sessions at once.

use super::lab::ftps::Version;
use super::lab::ftps::dialogue::{Config, Secured};
use super::lab::server::daemons::Kind;
use super::lab::server::tls::{Begins, Tls};
use super::lab::server::{BIG, FILE, Setup};
use super::play::Stage;

/// How many control connections are open at once.
const SESSIONS: usize = 200;

/// How many connect at once: fewer than the least that a server lets wait to be accepted (vsftpd: 32), since a client
/// whose connection was dropped there waits for a greeting that never comes.
const CONNECTING: usize = 8;

/// Plays that many: once all of them are open, each asks for an endpoint and fetches a file, while a transfer of
/// another session goes on.
pub fn play_many(
    kind: Kind,
    begins: Begins,
    version: Version,
    options: &[&str],
) -> (Stage, super::Report) {
    let tls = Tls {
        begins,
        reuse_demanded: false,
    };
    let stage = Stage::set(kind, tls, |_, plain| Setup {
        passive_ports: 40_000..=41_999,
        ..plain
    });
    let watch = stage.watch(options);
    let open = || Secured::open(stage.client(), begins, Config::new(version, true)).log_in();
    let mut first = open();
    let endpoint = first.passive();
    let (size, _) = first.fetch_while(endpoint, BIG, || {
        let sessions = open_all(&open);
        std::thread::scope(|scope| {
            for mut session in sessions {
                scope.spawn(move || {
                    let endpoint = session.passive();
                    assert_eq!(session.fetch(endpoint, FILE).0, 30_000);
                    session.quit();
                });
            }
        });
    });
    assert_eq!(size, 2_000_000);
    first.quit();
    let report = stage.finish(watch);
    assert_eq!(stage.server.advertised().len(), SESSIONS + 1);
    (stage, report)
}

fn open_all<'a>(open: &(impl Fn() -> Secured<'a> + Sync)) -> Vec<Secured<'a>> {
    let some = || (0..SESSIONS / CONNECTING).map(|_| open()).collect();
    std::thread::scope(|scope| {
        let opening = [(); CONNECTING].map(|()| scope.spawn(some));
        let sessions = opening.map(|thread| thread.join().expect("they are all open"));
        sessions.into_iter().flat_map(|some: Vec<_>| some).collect()
    })
}

#[track_caller]
fn assert_blind(kind: Kind, begins: Begins, version: Version) {
    let (_stage, report) = play_many(kind, begins, version, &[]);
    let sessions = report.of_type("session");
    assert_eq!(sessions.len(), SESSIONS + 1);
    for session in sessions {
        assert_eq!(session.text("/visibility"), "tls", "{}", session.json);
    }
    for event_type in ["outcome", "late", "transfer", "finding", "loss"] {
        let events = report.of_type(event_type);
        assert!(events.is_empty(), "{events:#?}");
    }
}

/// What was told to be advertised is what the server's log names, as often as it does.
#[track_caller]
pub fn assert_same_endpoints(stage: &Stage, report: &super::Report) {
    let mut told: Vec<String> = report
        .of_type("advertised")
        .iter()
        .map(|event| {
            let port = event.number("/advertised/port").unwrap_or_default();
            format!("{}:{port}", event.text("/advertised/ip"))
        })
        .collect();
    let mut named: Vec<String> = stage
        .server
        .advertised()
        .iter()
        .map(ToString::to_string)
        .collect();
    told.sort();
    named.sort();
    assert_eq!(told, named);
}

#[track_caller]
fn assert_read(kind: Kind, begins: Begins, version: Version) {
    let (stage, report) = play_many(kind, begins, version, super::READ);
    assert_same_endpoints(&stage, &report);
    let outcomes = report.of_type("outcome");
    assert_eq!(outcomes.len(), SESSIONS + 1);
    for outcome in outcomes {
        assert_eq!(outcome.text("/outcome"), "connected", "{}", outcome.json);
    }
    for event_type in ["late", "transfer", "finding", "loss"] {
        let events = report.of_type(event_type);
        assert!(events.is_empty(), "{events:#?}");
    }
}

macro_rules! tests {
    ($($name:ident($kind:expr, $begins:expr, $version:expr);)*) => {
        mod blind {
            use super::*;
            $(
                #[test]
                #[ignore = "needs root: cargo xtask test"]
                fn $name() {
                    assert_blind($kind, $begins, $version);
                }
            )*
        }
        mod read {
            use super::*;
            $(
                #[test]
                #[ignore = "needs root: cargo xtask test"]
                fn $name() {
                    assert_read($kind, $begins, $version);
                }
            )*
        }
    };
}

tests! {
    vsftpd_has_many(Kind::Vsftpd, Begins::Explicit, Version::V13);
    proftpd_has_many(Kind::Proftpd, Begins::Implicit, Version::V12);
    pure_ftpd_has_many(Kind::PureFtpd, Begins::Explicit, Version::V13);
    pyftpdlib_has_many(Kind::Pyftpdlib, Begins::Implicit, Version::V13);
}
