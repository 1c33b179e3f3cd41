//! Real servers behind the faults of the lab, seen from the client's namespace.
//!
//! What belongs here: rows of [`probes!`]: a server, a fault, a version of IP, and what is said of each endpoint.

use super::lab::SOON;
use super::lab::process::{Ended, Process};
use super::lab::server::daemons::Kind::{self, Proftpd, PureFtpd, Vsftpd};
use super::lab::server::{FILE, PASSIVE_PORTS};
use super::lab::stage::{Fault, Stage};
use super::lab::topology::Family::{self, V4, V6};
use super::lab::watch::FTPWATCH;
use super::{FAILURES, FINE, events, told};

/// How long the probe waits for a data connection (`-t`), so that tests end.
const TIMEOUT: &str = "2s";

macro_rules! probes {
    ($($name:ident: $kind:ident, $family:ident, $fault:ident
        => $code:literal $outcome:ident $(because $cause:ident)? $(with $warning:ident)?
        $(, $code2:literal $outcome2:ident $(because $cause2:ident)? $(with $warning2:ident)?)?;
    )+) => {$(
        #[test]
        #[ignore = "needs root: cargo xtask test"]
        fn $name() {
            let rows: &[Row] = &[
                probes!(@row $code $outcome [$($cause)?] [$($warning)?]),
                $(probes!(@row $code2 $outcome2 [$($cause2)?] [$($warning2)?]),)?
            ];
            check($kind, Fault::$fault, $family, rows);
        }
    )+};
    (@row $code:literal $outcome:ident [$($cause:ident)?] [$($warning:ident)?]) => {
        Row {
            code: $code,
            outcome: stringify!($outcome),
            cause: [$(stringify!($cause))?].first().copied(),
            warning: [$(stringify!($warning))?].first().copied(),
        }
    };
}

/// What is said of the endpoint in the reply `code`.
struct Row {
    code: u16,
    outcome: &'static str,
    cause: Option<&'static str>,
    warning: Option<&'static str>,
}

probes! {
    vsftpd_works: Vsftpd, V4, Nothing => 229 connected, 227 connected;
    vsftpd_works_ipv6: Vsftpd, V6, Nothing => 229 connected;
    proftpd_works: Proftpd, V4, Nothing => 229 connected, 227 connected;
    proftpd_works_ipv6: Proftpd, V6, Nothing => 229 connected;
    pure_ftpd_works: PureFtpd, V4, Nothing => 229 connected, 227 connected;
    pure_ftpd_works_ipv6: PureFtpd, V6, Nothing => 229 connected;

    // The address is wrong; the same port at the control connection's connects.
    wrong_address: Vsftpd, V4, WrongAddress => 229 connected, 227 connected with address_mismatch;
    private_address: Vsftpd, V4, PrivateAddress => 229 connected, 227 connected with address_mismatch;
    zero_address: Vsftpd, V4, ZeroAddress => 229 connected, 227 connected with address_mismatch;
    nat_wrong: Vsftpd, V4, NatWrong => 229 connected, 227 connected with address_mismatch;
    nat_right: Vsftpd, V4, NatRight => 229 connected, 227 connected;
    nat_right_ipv6: Vsftpd, V6, NatRight => 229 connected;

    // The way is blocked.
    vsftpd_dropped_in_front: Vsftpd, V4, DroppedInFront
        => 229 no_answer because dropped_beyond, 227 no_answer because dropped_beyond;
    vsftpd_dropped_in_front_ipv6: Vsftpd, V6, DroppedInFront => 229 no_answer because dropped_beyond;
    proftpd_dropped_in_front: Proftpd, V4, DroppedInFront
        => 229 no_answer because dropped_beyond, 227 no_answer because dropped_beyond;
    pure_ftpd_dropped_in_front: PureFtpd, V4, DroppedInFront
        => 229 no_answer because dropped_beyond, 227 no_answer because dropped_beyond;
    vsftpd_dropped_on_server: Vsftpd, V4, DroppedOnServer
        => 229 no_answer because dropped_beyond, 227 no_answer because dropped_beyond;
    proftpd_dropped_on_server: Proftpd, V4, DroppedOnServer
        => 229 no_answer because dropped_beyond, 227 no_answer because dropped_beyond;
    pure_ftpd_dropped_on_server: PureFtpd, V4, DroppedOnServer
        => 229 no_answer because dropped_beyond, 227 no_answer because dropped_beyond;
    answer_dropped: Vsftpd, V4, AnswerDropped
        => 229 no_answer because dropped_beyond, 227 no_answer because dropped_beyond;
    vsftpd_reset: Vsftpd, V4, ResetOnServer
        => 229 refused because not_listening, 227 refused because not_listening;
    vsftpd_reset_ipv6: Vsftpd, V6, ResetOnServer => 229 refused because not_listening;
    proftpd_reset: Proftpd, V4, ResetOnServer
        => 229 refused because not_listening, 227 refused because not_listening;
    pure_ftpd_reset: PureFtpd, V4, ResetOnServer
        => 229 refused because not_listening, 227 refused because not_listening;
    vsftpd_rejected: Vsftpd, V4, RejectedOnServer => 229 refused because rejected, 227 refused because rejected;
    vsftpd_rejected_ipv6: Vsftpd, V6, RejectedOnServer => 229 refused because rejected;
    proftpd_rejected: Proftpd, V4, RejectedOnServer => 229 refused because rejected, 227 refused because rejected;
    pure_ftpd_rejected: PureFtpd, V4, RejectedOnServer => 229 refused because rejected, 227 refused because rejected;
    rejected_by_router: Vsftpd, V4, RejectedByRouter => 229 refused because rejected, 227 refused because rejected;
    rejected_by_router_ipv6: Vsftpd, V6, RejectedByRouter => 229 refused because rejected;
    nobody_listens: Vsftpd, V4, NobodyListens => 227 refused because not_listening;
}

fn stage(kind: Kind, fault: Fault, family: Family) -> Stage {
    match kind {
        Kind::Vsftpd => Stage::set(fault, family),
        kind => Stage::with(kind, fault, family),
    }
}

/// Probes the stage's server from the client's namespace.
fn probe(stage: &Stage, words: &[&str]) -> Ended {
    let mut command = stage.topology.client.command(FTPWATCH);
    command.args(["probe", "-t", TIMEOUT, "--format", "json"]);
    command.args(words).arg(stage.client().server.to_string());
    Process::start(&mut command).wait(SOON)
}

#[track_caller]
fn check(kind: Kind, fault: Fault, family: Family, rows: &[Row]) {
    let stage = stage(kind, fault, family);
    let ended = probe(&stage, &[]);
    let events = events(&ended);
    for row in rows {
        let (outcome, cause, warnings) = told(&events, row.code);
        let warning = warnings.first().map(String::as_str);
        assert_eq!(
            (outcome.as_str(), cause.as_deref(), warning),
            (row.outcome, row.cause, row.warning),
            "{}: {ended}",
            row.code
        );
    }
    let well = rows
        .iter()
        .all(|row| row.outcome == "connected" && row.warning.is_none());
    let status = if well { FINE } else { FAILURES };
    assert_eq!(ended.status.code(), Some(status), "{ended}");
    for secret in [FILE, "anonymous"] {
        assert!(
            !format!("{}{}", ended.stdout, ended.stderr).contains(secret),
            "{secret}: {ended}"
        );
    }
    if kind == Kind::Vsftpd && fault == Fault::RejectedByRouter {
        let router = if family == V4 {
            "198.51.100.1"
        } else {
            "2001:db8:c::1"
        };
        assert!(
            ended
                .stdout
                .contains(&format!("{router} answered the SYN with ICMP")),
            "{ended}"
        );
    }
}

/// Neither the advertised address answers, nor the port at the control connection's.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn wrong_and_blocked() {
    for (fault, cause) in [
        (Fault::WrongAddress, "address_mismatch"),
        (Fault::PrivateAddress, "private_address"),
        (Fault::ZeroAddress, "unusable_address"),
    ] {
        let stage = Stage::set(fault, V4);
        stage.break_path(Fault::DroppedInFront);
        let ended = probe(&stage, &["--mode", "pasv"]);
        let wanted = ("no_answer".to_owned(), Some(cause.to_owned()), vec![]);
        assert_eq!(told(&events(&ended), 227), wanted, "{ended}");
        assert_eq!(ended.status.code(), Some(FAILURES), "{ended}");
        assert!(
            ended.stdout.contains("does not answer either") || fault == Fault::ZeroAddress,
            "{ended}"
        );
    }
}

/// PASV over IPv6 cannot name the address; vsftpd says 0.0.0.0.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn pasv_over_ipv6() {
    let stage = Stage::set(Fault::Nothing, V6);
    let ended = probe(&stage, &["--mode", "pasv"]);
    let wanted = (
        "connected".to_owned(),
        None,
        vec!["address_mismatch".to_owned()],
    );
    assert_eq!(told(&events(&ended), 227), wanted, "{ended}");
}

/// This host has no way there, and sends nothing.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn no_route_to_the_advertised_address() {
    let stage = Stage::set(Fault::WrongAddress, V4);
    stage.break_path(Fault::DroppedInFront);
    stage
        .topology
        .client
        .ip("route add unreachable 192.0.2.0/24");
    let ended = probe(&stage, &["--mode", "pasv"]);
    assert!(
        ended
            .stdout
            .contains("no SYN left this host for 192.0.2.99"),
        "{ended}"
    );
    assert_eq!(
        told(&events(&ended), 227).1.as_deref(),
        Some("address_mismatch"),
        "{ended}"
    );
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn half_of_the_range_is_dropped() {
    for kind in [Vsftpd, Proftpd, PureFtpd] {
        let stage = stage(kind, Fault::Nothing, V4);
        let (first, last) = (*PASSIVE_PORTS.start(), *PASSIVE_PORTS.end());
        let middle = first + (last - first) / 2;
        stage.topology.router().nft(&format!(
            "table inet half {{
               chain fault {{
                 type filter hook forward priority filter
                 iifname r0 tcp dport {}-{last} counter drop
               }}
             }}",
            middle + 1
        ));
        let range = format!("{first}-{last}");
        let ended = probe(&stage, &["--ports", &range, "--mode", "pasv"]);
        let events = events(&ended);
        let ports = events.iter().find(|event| event["event_type"] == "ports");
        let ports = ports.unwrap_or_else(|| panic!("no ports: {ended}"));
        // ProFTPD never takes the last port of its range.
        let last = last - u16::from(kind == Proftpd);
        let blocked = last - middle;
        assert_eq!(ports["tried"], 8 + blocked, "{ended}");
        assert_eq!(ports["connected"], 8, "{ended}");
        let wanted = serde_json::json!([
            {"first": first, "last": middle, "outcome": "connected", "tried": 8},
            {"first": middle + 1, "last": last, "outcome": "no_answer", "tried": blocked},
        ]);
        assert_eq!(ports["runs"], wanted, "{ended}");
        assert!(
            ended
                .stderr
                .contains(&format!("{}-{last} no answer", middle + 1)),
            "{ended}"
        );
        assert!(
            !ended.stderr.contains("Passive mode works from here.\n"),
            "{ended}"
        );
        assert_eq!(ended.status.code(), Some(FAILURES), "{ended}");
    }
}
