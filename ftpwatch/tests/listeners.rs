//! Who listens on what, with real servers: the port that a server listens on is the one that it advertised.
//!
//! What belongs here: what `host` sees of servers that fork, give up their rights, or serve everybody in one process.

mod lab;

use ftpwatch::host::{Listening, listeners_of};
use ftpwatch_common::address::Flow;
use lab::client::Dialogue;
use lab::server::daemons::Kind;
use lab::server::{CONTROL_PORT, PASSIVE_PORTS};
use lab::stage::{Fault, Stage};
use lab::topology::Family;
use std::net::SocketAddr;

macro_rules! servers {
    ($($name:ident($kind:ident, $family:ident);)+) => {$(
        #[test]
        #[ignore = "needs root: cargo xtask test"]
        fn $name() {
            two_sessions(Kind::$kind, Family::$family);
        }
    )+};
}

servers! {
    vsftpd_ipv4(Vsftpd, V4);
    vsftpd_ipv6(Vsftpd, V6);
    proftpd_ipv4(Proftpd, V4);
    proftpd_ipv6(Proftpd, V6);
    pure_ftpd_ipv4(PureFtpd, V4);
    pure_ftpd_ipv6(PureFtpd, V6);
    pyftpdlib_ipv4(Pyftpdlib, V4);
    pyftpdlib_ipv6(Pyftpdlib, V6);
}

/// Two sessions at once, each with an endpoint that nobody connects to yet.
#[track_caller]
fn two_sessions(kind: Kind, family: Family) {
    let stage = Stage::with(kind, Fault::Nothing, family);
    let client = stage.client();
    let (mut one, mut other) = (client.log_in(), client.log_in());
    let (first, second) = (one.passive(), other.passive());
    assert_ne!(first.port(), second.port());

    let others = |port: u16| port == second.port();
    let found = look(&stage, &one, first.port(), &others);
    assert!(found.advertised, "{kind:?} advertised {first}: {found:?}");
    assert_eq!(found.instead(), None);
    let owner = found.owner.as_ref().expect("root sees the owner");
    let executable = match kind {
        Kind::Pyftpdlib => "python3",
        _ => kind.name(),
    };
    assert!(owner.name.starts_with(executable), "{owner:?}");
    assert_eq!(found.shared, kind == Kind::Pyftpdlib, "{found:?}");

    // Had something on the way made another port of it, this is what would be seen.
    let wrong = free_port(first, second);
    let found = look(&stage, &one, wrong, &others);
    assert!(!found.advertised, "nobody listens on {wrong}: {found:?}");
    assert_eq!(found.instead(), Some(first.port()), "{kind:?}: {found:?}");

    one.quit();
    other.quit();
}

fn look(
    stage: &Stage,
    session: &Dialogue<'_>,
    advertised: u16,
    known: &(dyn Fn(u16) -> bool + Sync),
) -> Listening {
    let peer = session.local_address();
    let flow = Flow {
        client: peer.ip().into(),
        server: stage.topology.server_address(stage.family).into(),
        client_port: peer.port(),
        server_port: CONTROL_PORT,
    };
    let found = stage
        .topology
        .server
        .enter(|| listeners_of(&flow, advertised, &|port| known(port)));
    found.expect("the control connection ends there")
}

fn free_port(first: SocketAddr, second: SocketAddr) -> u16 {
    let mut ports = PASSIVE_PORTS;
    ports
        .find(|port| ![first.port(), second.port()].contains(port))
        .expect("there are sixteen")
}
