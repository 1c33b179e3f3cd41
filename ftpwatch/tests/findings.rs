//! What many sessions show together, said once: with a real vsftpd, through the real kernel path.
//!
//! What belongs here: a pattern, and what is said of it. When chance explains a pattern belongs in src/history/tests.rs,
//! what is said of one endpoint in faults.rs and matrix.rs.

mod lab;

use lab::SOON;
use lab::client::Client;
use lab::server::{FILE, PASSIVE_PORTS};
use lab::stage::{At, Stage};
use lab::topology::Family::{V4, V6};
use lab::watch::{Event, Hook, Report, Watch};
use std::net::SocketAddr;
use std::time::Duration;

use lab::fault::{DROPPED_HALF, Fault};

/// The time-out in these tests (`-t`): there are many endpoints to wait for.
const TIMEOUT: &str = "300ms";

/// How long a client waits that cannot connect: more than the second after which giving up is a failure.
const PATIENCE: Duration = Duration::from_millis(1_300);

/// How many endpoints there are at most before something is said.
const MANY: usize = 80;

fn watch(stage: &Stage) -> Watch<'_> {
    let at = At::Server;
    Watch::start(
        stage.namespace(at),
        at.interfaces(),
        Hook::Tcx,
        &["--timeout", TIMEOUT],
    )
}

/// Asks for an endpoint, and connects to it at `address`, or else at the one that was advertised. What works is used.
fn transfer(client: &Client<'_>, address: Option<SocketAddr>) {
    let mut dialogue = client.log_in();
    let mut endpoint = dialogue.passive();
    if let Some(address) = address {
        endpoint.set_ip(address.ip());
    }
    if client.namespace.connect(endpoint, PATIENCE).is_ok() {
        let again = dialogue.passive();
        dialogue.fetch(SocketAddr::new(endpoint.ip(), again.port()), FILE);
    }
    dialogue.quit();
}

/// The findings, after checking that each is said once.
#[track_caller]
fn only_finding(report: &Report) -> &Event {
    let findings = report.of_type("finding");
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings[0]
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn half_of_the_range_is_closed() {
    let stage = Stage::set(Fault::HalfDropped, V4);
    let mut watch = watch(&stage);
    let client = stage.client();
    let mut dialogue = client.log_in();
    let mut tried = 0;
    let said = |watch: &Watch<'_>| watch.events().iter().any(|event| event.is("finding"));
    while !said(&watch) {
        tried += 1;
        assert!(tried < MANY, "nothing was said of {tried} endpoints");
        let endpoint = dialogue.passive();
        if DROPPED_HALF.contains(&endpoint.port()) {
            let connected = client.namespace.connect(endpoint, PATIENCE);
            assert!(connected.is_err(), "{endpoint} is closed");
        } else {
            dialogue.fetch(endpoint, FILE);
        }
        watch.wait_until("outcome", |events| {
            events.iter().filter(|event| event.is("outcome")).count() == tried
        });
        // A finding follows its outcome at once.
        watch.take_what_there_is();
    }
    dialogue.quit();
    let report = watch.stop();
    let finding = only_finding(&report);
    assert_eq!(finding.text("/finding"), "passive_range_partly_blocked");
    assert_eq!(finding.text("/confidence"), "high");
    assert_eq!(finding.number("/server/port"), Some(21));
    let explanation = finding.text("/explanation");
    assert!(explanation.contains(" never do"), "{explanation}");
    let summary = &report.ended.stderr;
    assert!(summary.starts_with("SERVER"), "{summary}");
    let line = "finding: passive_range_partly_blocked at 203.0.113.10:21";
    assert!(summary.contains(line), "{summary}");
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn one_version_of_ip_is_closed() {
    let stage = Stage::with_both_versions();
    stage.break_path(Fault::Ipv6Dropped);
    let watch = watch(&stage);
    for _ in 0..10 {
        transfer(&stage.client_over(V4), None);
    }
    for _ in 0..5 {
        transfer(&stage.client_over(V6), None);
    }
    let report = watch.stop();
    let finding = only_finding(&report);
    assert_eq!(finding.text("/finding"), "address_family_fails");
    let explanation = finding.text("/explanation");
    assert!(explanation.contains("over IPv6 fail"), "{explanation}");
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn who_believes_the_address_fails() {
    let stage = Stage::set(Fault::PrivateAddress, V4);
    let watch = watch(&stage);
    let client = stage.client();
    for _ in 0..3 {
        transfer(&client, None);
        transfer(&client, Some(client.server));
    }
    let report = watch.stop();
    let finding = only_finding(&report);
    assert_eq!(finding.text("/finding"), "advertised_address_fails");
    let explanation = finding.text("/explanation");
    assert!(explanation.contains("172.16.40.222"), "{explanation}");
}

/// Nothing of the replies can be read, and what becomes of the data connections is seen all the same.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn encrypted_sessions_fail() {
    let stage = Stage::with_tls();
    stage.break_path(Fault::DroppedOnServer);
    let mut watch = watch(&stage);
    let options = ["--ssl-reqd", "--insecure", "--max-time", "2"];
    // It takes three different ports, and a server may draw one twice.
    let mut tried = 0;
    while !watch.events().iter().any(|event| event.is("finding")) {
        tried += 1;
        assert!(tried < MANY, "nothing was said of {tried} sessions");
        let ended = stage.client().curl(&options, &[FILE]).wait(SOON);
        assert!(!ended.status.success(), "{ended}");
        watch.wait_until("session", |events| {
            events.iter().filter(|event| event.is("session")).count() == tried
        });
        // A finding is due 300 ms after its SYN, and the session lasts two seconds.
        watch.take_what_there_is();
    }
    let report = watch.stop();
    let finding = only_finding(&report);
    assert_eq!(finding.text("/finding"), "tls_data_fails");
    assert_eq!(
        report.of_type("outcome").len(),
        0,
        "none was advertised in the clear"
    );
    for session in report.of_type("session") {
        assert_eq!(session.text("/visibility"), "tls");
    }
}

/// Encrypted transfers that work are no finding, and no outcome.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn encrypted_sessions_work() {
    let stage = Stage::with_tls();
    let watch = watch(&stage);
    for _ in 0..3 {
        let options = ["--ssl-reqd", "--insecure"];
        stage.client().curl(&options, &[FILE]).wait(SOON).ok();
    }
    let report = watch.stop();
    for event_type in ["finding", "outcome", "loss", "transfer", "late"] {
        let events = report.of_type(event_type);
        assert!(events.is_empty(), "{events:#?}");
    }
}

/// In front of the server something refuses data connections, as a host does that a container's ports are not published
/// on, and clients give up within milliseconds.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn failures_that_hide() {
    let stage = Stage::set(Fault::Nothing, V4);
    let (low, high) = (PASSIVE_PORTS.start(), PASSIVE_PORTS.end());
    stage.topology.router().nft(&format!(
        "table inet unpublished {{
           chain ports {{
             type filter hook forward priority filter
             tcp dport {low}-{high} reject with tcp reset
           }}
         }}"
    ));
    let watch = watch(&stage);
    for _ in 0..12 {
        transfer(&stage.client(), None);
    }
    let report = watch.stop();
    let finding = only_finding(&report);
    assert_eq!(finding.text("/finding"), "given_up_at_once");
    assert_eq!(finding.text("/confidence"), "low");
}
