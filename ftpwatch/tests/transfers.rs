//! Nothing false about transfers that work: a thousand of them at once over each hook, by curl, lftp and Python's ftplib;
//! and ten thousand by all clients that the lab has, over both versions of IP.
//!
//! What belongs here: many transfers, all of which work, and the books that must balance afterwards. Faults belong in
//! faults.rs.

mod lab;

use lab::Directory;
use lab::client::{PATIENCE, Trust};
use lab::process::Process;
use lab::server::{FILE, MANY, MANY_COUNT, Server};
use lab::stage::{At, Fault, Stage};
use lab::topology::Family::{self, V4, V6};
use lab::watch::{Hook, Watch};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long all of them together may take. It is said only of a machine that hangs.
const LONG: Duration = Duration::from_secs(300);

/// Four clients with a session each, and as many files each as make a thousand.
const CLIENTS: usize = 4;

macro_rules! thousand {
    ($($name:ident($fault:ident, $at:ident, $hook:ident, $family:ident);)+) => {$(
        #[test]
        #[ignore = "needs root: cargo xtask test"]
        fn $name() {
            check(Fault::$fault, At::$at, Hook::$hook, $family);
        }
    )+};
}

thousand! {
    tcx_ipv4(Nothing, Server, Tcx, V4);
    tcx_ipv6(Nothing, Server, Tcx, V6);
    clsact_ipv4(Nothing, Server, Clsact, V4);
    clsact_ipv6(Nothing, Server, Clsact, V6);
    xdp_ipv4(Nothing, Server, Xdp, V4);
    xdp_ipv6(Nothing, Server, Xdp, V6);
    router_tcx_ipv4(Nothing, Router, Tcx, V4);
    nat_server_tcx_ipv4(NatRight, Server, Tcx, V4);
    nat_gateway_tcx_ipv4(NatRight, Gateway, Tcx, V4);
    nat_gateway_tcx_ipv6(NatRight, Gateway, Tcx, V6);
    nat_gateway_xdp_ipv4(NatRight, Gateway, Xdp, V4);
}

/// PASV and EPSV, IPv4 and IPv6, sessions with thousands of transfers and sessions with one.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn ten_thousand_by_all_clients() {
    let stage = Stage::with_both_versions();
    let downloads = [Directory::new("download"), Directory::new("download")];
    let names: Vec<String> = (0..MANY_COUNT).map(|i| format!("{MANY}/{i:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let four_times = names.repeat(4);
    let get_all = |directory: &Directory| {
        let once = format!("mget -O {} {MANY}/*;", directory.path().display());
        once.repeat(2)
    };
    let v4 = stage.client_over(V4);
    let v6 = stage.client_over(V6);
    // Four at a time: this is about what is said, and not about how much a debug build can take in a second.
    let advertised = all_connect(&stage, At::Server, Hook::Tcx, 11, || {
        finish([
            v4.curl(&[], &four_times),
            v4.lftp(Trust::Advertised, &get_all(&downloads[0])),
            v4.ncftp(&format!("{MANY}/*")),
            v4.ftplib(Trust::Advertised, PATIENCE, FILE, 2000),
        ]);
        finish([
            v4.curl(&["--disable-epsv"], &four_times),
            v6.lftp(Trust::Advertised, &get_all(&downloads[1])),
            v4.tnftp(&names),
            v6.ftplib(Trust::Control, PATIENCE, FILE, 2000),
        ]);
        finish([
            v6.curl(&[], &four_times),
            v6.tnftp(&names),
            v4.ftplib(Trust::Control, PATIENCE, FILE, 2000),
        ]);
    });
    assert!(advertised >= 10_000, "only {advertised} were asked for");
}

#[track_caller]
fn check(fault: Fault, at: At, hook: Hook, family: Family) {
    let stage = Stage::set(fault, family);
    let download = Directory::new("download");
    let advertised = all_connect(&stage, at, hook, CLIENTS, || {
        finish(transfer(&stage, &download));
    });
    // lftp asks for lists of files besides.
    assert!(
        advertised >= CLIENTS * MANY_COUNT,
        "only {advertised} were asked for"
    );
}

/// Lets clients transfer, and checks that all of it was seen to work, each once, by the server's own log. How many
/// endpoints there were.
#[track_caller]
fn all_connect(
    stage: &Stage,
    at: At,
    hook: Hook,
    least_sessions: usize,
    transfer: impl FnOnce(),
) -> usize {
    let Server::Vsftpd(server) = &stage.server else {
        unreachable!("a real server")
    };
    let before = server.advertised().len();
    let watch = Watch::start(stage.namespace(at), at.interfaces(), hook, &[]);
    transfer();
    let advertised = server.advertised().len() - before;
    let report = watch.stop();
    assert_eq!(
        report.of_type("advertised").len(),
        advertised,
        "endpoints, and vsftpd's log of them: {}",
        summary(&report)
    );
    let mut outcomes = BTreeMap::new();
    for outcome in report.of_type("outcome") {
        *outcomes.entry(outcome.text("/outcome")).or_insert(0) += 1;
        assert!(
            outcome.text("/outcome") == "connected"
                && outcome.json["warnings"] == serde_json::json!([]),
            "{outcome:#?}\n{}",
            summary(&report)
        );
    }
    assert_eq!(
        outcomes,
        BTreeMap::from([("connected", advertised)]),
        "{}",
        summary(&report)
    );
    for event_type in ["late", "transfer", "loss", "finding"] {
        assert!(
            report.of_type(event_type).is_empty(),
            "{:#?}",
            report.of_type(event_type)
        );
    }
    let sessions = report.of_type("session");
    assert!(
        sessions.len() >= least_sessions,
        "{} sessions: {}",
        sessions.len(),
        summary(&report)
    );
    let in_sessions: u64 = sessions
        .iter()
        .filter_map(|session| session.number("/outcomes/connected"))
        .sum();
    assert_eq!(
        in_sessions, advertised as u64,
        "endpoints of all sessions: {sessions:#?}"
    );
    assert!(
        sessions
            .iter()
            .all(|session| session.text("/visibility") == "clear"),
        "{sessions:#?}"
    );
    advertised
}

/// Waits until all of them have succeeded.
#[track_caller]
fn finish<const COUNT: usize>(clients: [Process; COUNT]) {
    for client in clients {
        client.wait(LONG).ok();
    }
}

/// What it said at its end; the lines of a thousand transfers help nobody.
fn summary(report: &lab::watch::Report) -> &str {
    &report.ended.stderr
}

fn transfer(stage: &Stage, download: &Directory) -> [Process; CLIENTS] {
    let client = stage.client();
    let names: Vec<String> = (0..MANY_COUNT).map(|i| format!("{MANY}/{i:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let get_all = format!("mget -O {} {MANY}/*", download.path().display());
    [
        client.curl(&[], &names),
        client.curl(&["--disable-epsv"], &names),
        client.lftp(Trust::Advertised, &get_all),
        client.ftplib(Trust::Advertised, PATIENCE, FILE, MANY_COUNT),
    ]
}
