//! What ftpwatch says of one endpoint: each fault, over each hook and version of IP, seen from the server and from the
//! gateway in front of it, with a real vsftpd and real clients.
//!
//! What belongs here: rows of [`faults!`]: a stage, a client, a place to look on from, and the outcome and cause that
//! the contract names for it. That the faults are what they say is shown in wire.rs. Many transfers belong in
//! transfers.rs, the command line in cli.rs.

mod lab;

use lab::SOON;
use lab::fault::{CLOSED_PORT, NOWHERE, PRIVATE};
use lab::server::{FILE, PASSIVE_PORTS};
use lab::stage::{At, Behaviour, Fault, Stage};
use lab::topology::Family::{self, V4, V6};
use lab::watch::{Event, Hook, Watch, seconds};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The time-out in these tests (`-t`), so that they end. It is longer than the slow client is slow.
const TIMEOUT: Duration = Duration::from_secs(3);

/// A time-out that nobody waits for: the client gives up first.
const LONG_TIMEOUT: Duration = Duration::from_secs(10);

/// One row.
struct Case {
    fault: Fault,
    behaviour: Behaviour,
    at: At,
    timeout: Duration,
    outcome: &'static str,
    cause: Option<&'static str>,
    /// Not looked at where the contract does not say.
    warnings: Option<&'static [&'static str]>,
}

macro_rules! faults {
    ($(
        $(#[$doc:meta])*
        $name:ident: $fault:ident, $behaviour:ident, seen at $at:ident $(for $timeout:ident)?
            => $outcome:ident $(because $cause:ident)? $(with $warnings:tt)?, over $families:tt;
    )+) => {$(
        $(#[$doc])*
        mod $name {
            use super::*;

            const CASE: Case = Case {
                fault: Fault::$fault,
                behaviour: Behaviour::$behaviour,
                at: At::$at,
                timeout: faults!(@timeout $($timeout)?),
                outcome: stringify!($outcome),
                cause: faults!(@cause $($cause)?),
                warnings: faults!(@warnings $($warnings)?),
            };

            #[track_caller]
            fn check(hook: Hook, family: Family) {
                CASE.check(hook, family);
            }

            faults!(@tests $families);
        }
    )+};
    (@timeout) => { TIMEOUT };
    (@timeout $timeout:ident) => { $timeout };
    (@cause) => { None };
    (@cause $cause:ident) => { Some(stringify!($cause)) };
    (@warnings) => { Some(&[]) };
    (@warnings [any]) => { None };
    (@warnings [$($warning:ident)+]) => { Some(&[$(stringify!($warning)),+]) };
    (@tests [V4 V6]) => { faults!(@tests [V4]); faults!(@tests [V6]); };
    (@tests [V4]) => {
        faults!(@test tcx_ipv4, Tcx, V4);
        faults!(@test clsact_ipv4, Clsact, V4);
        faults!(@test xdp_ipv4, Xdp, V4);
    };
    (@tests [V6]) => {
        faults!(@test tcx_ipv6, Tcx, V6);
        faults!(@test clsact_ipv6, Clsact, V6);
        faults!(@test xdp_ipv6, Xdp, V6);
    };
    (@test $name:ident, $hook:ident, $family:ident) => {
        #[test]
        #[ignore = "needs root: cargo xtask test"]
        fn $name() {
            check(Hook::$hook, $family);
        }
    };
}

faults! {
    works_seen_at_server: Nothing, Curl, seen at Server => connected, over [V4 V6];
    works_seen_at_router: Nothing, Curl, seen at Router => connected, over [V4 V6];
    works_with_pasv: Nothing, TrustingCurl, seen at Server => connected, over [V4];

    // A packet that passes a bridge and its port is one.
    works_seen_on_bridge_and_port: Nothing, Curl, seen at Bridge => connected, over [V4 V6];
    dropped_on_server_seen_on_bridge_and_port: DroppedOnServer, Ftplib, seen at Bridge
        => no_answer because local_drop, over [V4];
    dropped_in_front_seen_on_bridge_and_port: DroppedInFront, Ftplib, seen at Bridge
        => no_syn because path_blocked, over [V4];

    /// The SYN comes another way, and the control connection says that the transfer ran.
    data_takes_another_way: OtherWay, CurlPasv, seen at Server => unobserved, over [V4];

    // The address goes nowhere.
    wrong_address_seen_at_server: WrongAddress, TrustingFtplib, seen at Server
        => no_syn because address_mismatch, over [V4];
    wrong_address_seen_at_router: WrongAddress, TrustingFtplib, seen at Router
        => no_answer because address_mismatch, over [V4];
    wrong_address_ignored: WrongAddress, CurlPasv, seen at Server => connected with [address_mismatch], over [V4];
    wrong_address_refused_by_client: WrongAddress, Refuses, seen at Server => no_syn because client_refused, over [V4];
    private_address_seen_at_server: PrivateAddress, TrustingCurl, seen at Server
        => no_syn because private_address, over [V4];
    private_address_seen_at_router: PrivateAddress, Lftp, seen at Router
        => no_answer because private_address, over [V4];
    /// The first cause of the contract's table that fits is named, and `private_address` stands before `client_refused`.
    private_address_refused_by_client: PrivateAddress, Refuses, seen at Server
        => no_syn because private_address, over [V4];
    zero_address: ZeroAddress, TrustingPasv, seen at Server => no_syn because unusable_address, over [V4 V6];
    zero_address_ignored: ZeroAddress, CurlPasv, seen at Server => connected with [address_mismatch], over [V4];

    // Address and port are right, and the way is not.
    dropped_in_front_seen_at_server: DroppedInFront, Ftplib, seen at Server => no_syn because path_blocked, over [V4 V6];
    dropped_in_front_seen_at_router: DroppedInFront, Ftplib, seen at Router
        => no_answer because dropped_beyond, over [V4 V6];
    dropped_in_front_client_gives_up: DroppedInFront, Impatient, seen at Server for LONG_TIMEOUT
        => no_syn because path_blocked, over [V4];
    dropped_on_server: DroppedOnServer, Ftplib, seen at Server => no_answer because local_drop, over [V4 V6];
    dropped_on_server_seen_at_router: DroppedOnServer, Ftplib, seen at Router
        => no_answer because dropped_beyond, over [V4];
    dropped_on_server_client_gives_up: DroppedOnServer, Impatient, seen at Server for LONG_TIMEOUT
        => no_answer because local_drop, over [V4];
    reset_on_server: ResetOnServer, Ftplib, seen at Server => refused because not_listening, over [V4 V6];
    reset_on_server_seen_at_router: ResetOnServer, Ftplib, seen at Router => refused because not_listening, over [V4];
    rejected_on_server: RejectedOnServer, Ftplib, seen at Server => refused because rejected, over [V4 V6];
    rejected_on_server_seen_at_router: RejectedOnServer, Ftplib, seen at Router => refused because rejected, over [V4 V6];
    rejected_by_router: RejectedByRouter, Ftplib, seen at Router => refused because rejected, over [V4];
    /// What the router rejects never comes to the server, and the client gives up at once: nothing is to be seen there.
    rejected_by_router_seen_at_server: RejectedByRouter, Ftplib, seen at Server => unused, over [V4];
    nobody_listens: NobodyListens, Ftplib, seen at Server => refused because not_listening, over [V4 V6];
    answer_dropped_seen_at_server: AnswerDropped, Ftplib, seen at Server => no_ack because return_path, over [V4 V6];
    /// Behind the router the SYN-ACK is seen to come, in front of it nothing: the same fault.
    answer_dropped_seen_at_router: AnswerDropped, Ftplib, seen at Router => no_ack because return_path, over [V4 V6];

    // 1:1 NAT between. A public address that is advertised from a private one is as it should be: no warning.
    nat_right_seen_at_server: NatRight, TrustingFtplib, seen at Server => connected, over [V4 V6];
    nat_right_seen_at_gateway: NatRight, TrustingFtplib, seen at Gateway => connected, over [V4 V6];
    nat_wrong_seen_at_server: NatWrong, TrustingFtplib, seen at Server => no_syn because private_address, over [V4];
    nat_wrong_seen_at_gateway: NatWrong, TrustingFtplib, seen at Gateway => no_syn because private_address, over [V4];
    /// Whether `address_mismatch` is to be said where the server's own address was advertised and NAT made the SYN come
    /// to it, the contract leaves open.
    nat_wrong_ignored_seen_at_server: NatWrong, CurlPasv, seen at Server => connected with [any], over [V4];
    nat_wrong_ignored_seen_at_gateway: NatWrong, CurlPasv, seen at Gateway => connected with [any], over [V4];

    // Nothing is wrong, and the client has its ways.
    client_quits_at_once: Nothing, QuitsAtOnce, seen at Server => unused, over [V4 V6];
    client_asks_for_missing_file: Nothing, FileMissing, seen at Server => unused, over [V4 V6];
    client_connects_late: Nothing, ConnectsLate, seen at Server => connected, over [V4 V6];
}

impl Case {
    /// A machine that has other things to do may make ftpwatch late once, but not twice.
    #[track_caller]
    fn check(&self, hook: Hook, family: Family) {
        if let Err(late) = self.play(hook, family) {
            eprintln!("once more: {late}");
            if let Err(late) = self.play(hook, family) {
                panic!("late twice: {late}");
            }
        }
    }

    /// Plays the case and checks all that was said of it. The error is that it was said too late.
    #[track_caller]
    fn play(&self, hook: Hook, family: Family) -> Result<(), String> {
        let stage = Stage::set_for(self.at, self.fault, family);
        let timeout = seconds(self.timeout);
        let mut watch = Watch::start(
            stage.namespace(self.at),
            self.at.interfaces(),
            hook,
            &["--timeout", &timeout],
        );
        let client = stage.play(self.behaviour);
        let advertised = watch.wait_for("advertisement", |event| event.is("advertised"));
        let outcome = watch.wait_for("outcome", |event| event.is("outcome"));
        match client {
            Some(client) if ["connected", "unobserved"].contains(&self.outcome) => {
                drop(client.wait(SOON).ok())
            }
            client => drop(client), // it may still be trying
        }
        let report = watch.stop();

        let all = format!("{}\n--- wanted of it: {}", report.ended, outcome.json);
        let cause = outcome.json["cause"].as_str();
        assert_eq!(
            (outcome.text("/outcome"), cause),
            (self.outcome, self.cause),
            "{all}"
        );
        assert!(outcome.json["warnings"].is_array(), "{all}");
        if let Some(warnings) = self.warnings {
            assert_eq!(
                outcome.json["warnings"],
                serde_json::json!(warnings),
                "{all}"
            );
        }

        // One endpoint, reported once, and nothing else that could alarm anybody.
        for (event_type, count) in [
            ("advertised", 1),
            ("outcome", 1),
            ("late", 0),
            ("transfer", 0),
            ("loss", 0),
        ] {
            assert_eq!(
                report.of_type(event_type).len(),
                count,
                "events of type {event_type}: {all}"
            );
        }

        self.check_fields(&stage, hook, &outcome, &all);
        for secret in [FILE, "anonymous"] {
            assert!(!all.contains(secret), "{secret} left the kernel: {all}");
        }
        self.check_time(&advertised, &outcome)
            .map_err(|late| format!("{late}: {all}"))
    }

    /// A failure is reported within the time-out plus one second, and a give-up is noticed.
    fn check_time(&self, advertised: &Event, outcome: &Event) -> Result<(), String> {
        let waited = Duration::from_millis(outcome.number("/waited_ms").expect("waited_ms"));
        let passed = outcome.came - advertised.came;
        let limit = match self.behaviour {
            Behaviour::QuitsAtOnce | Behaviour::Refuses | Behaviour::FileMissing => {
                Duration::from_secs(1)
            }
            // It closes two seconds after its SYN, which is more than the second that makes it a failure.
            Behaviour::Impatient => Duration::from_secs(3),
            _ => self.timeout + Duration::from_secs(1),
        };
        if waited > limit || passed > limit {
            return Err(format!(
                "waited {waited:?}, said after {passed:?}, with a limit of {limit:?}"
            ));
        }
        if self.behaviour == Behaviour::ConnectsLate {
            let after = outcome.number("/connected/after_ms").expect("after_ms");
            if !(1900..3000).contains(&after) {
                return Err(format!("connected after {after} ms"));
            }
        }
        Ok(())
    }

    /// What the contract says of the fields of an outcome.
    #[track_caller]
    fn check_fields(&self, stage: &Stage, hook: Hook, outcome: &Event, all: &str) {
        let is = |pointer: &str, wanted: &str| {
            assert_eq!(outcome.text(pointer), wanted, "{pointer}: {all}")
        };
        let topology = &stage.topology;
        assert_eq!(outcome.json["schema"], 1, "{all}");
        let timestamp = outcome.text("/timestamp");
        assert!(
            timestamp.len() == 27 && timestamp.ends_with('Z'),
            "{timestamp} is not UTC with microseconds: {all}"
        );

        // On the gateway the server has two addresses, and the contract does not say which one is shown.
        let servers: &[IpAddr] = match self.at {
            At::Server | At::Bridge => &[topology.server_address(stage.family)],
            At::Router => &[topology.public_address(stage.family)],
            At::Gateway => &[
                topology.public_address(stage.family),
                topology.server_address(stage.family),
            ],
        };
        let one_of = |pointer: &str, wanted: &[IpAddr]| {
            let text = outcome.text(pointer);
            assert!(
                wanted.iter().any(|address| address.to_string() == text),
                "{pointer} is {text}: {all}"
            );
        };
        is(
            "/client/ip",
            &topology.client_address(stage.family).to_string(),
        );
        one_of("/server/ip", servers);
        assert_eq!(outcome.number("/server/port"), Some(21), "{all}");

        // EPSV stands for the address of the control connection.
        let pasv = matches!(self.behaviour, Behaviour::TrustingPasv)
            || stage.family == V4 && !matches!(self.behaviour, Behaviour::Curl);
        let code = if pasv { 227 } else { 229 };
        assert_eq!(outcome.number("/reply/code"), Some(code), "{all}");
        assert!(
            outcome.text("/reply/text").starts_with(&format!("{code} ")),
            "{all}"
        );
        match self.fault {
            Fault::WrongAddress => is("/advertised/ip", &NOWHERE.to_string()),
            Fault::PrivateAddress => is("/advertised/ip", &PRIVATE.to_string()),
            Fault::ZeroAddress => is("/advertised/ip", &Ipv4Addr::UNSPECIFIED.to_string()),
            Fault::NatRight if pasv => {
                is("/advertised/ip", &topology.public_address(V4).to_string())
            }
            Fault::NatWrong => is("/advertised/ip", &topology.server_address(V4).to_string()),
            _ => one_of("/advertised/ip", servers),
        }
        let port = outcome.number("/advertised/port").expect("a port");
        assert!(
            PASSIVE_PORTS.contains(&u16::try_from(port).expect("a port")),
            "{all}"
        );
        if self.fault == Fault::NobodyListens {
            assert_eq!(port, u64::from(CLOSED_PORT), "{all}");
        }

        match self.outcome {
            "no_syn" | "unused" | "unobserved" => {
                assert!(outcome.json["connected"].is_null(), "no SYN came: {all}")
            }
            _ => {
                is(
                    "/connected/client_ip",
                    &topology.client_address(stage.family).to_string(),
                );
                assert_eq!(outcome.number("/connected/port"), Some(port), "{all}");
                self.check_via(outcome, all);
            }
        }
        if self.cause.is_some() {
            assert!(
                ["high", "medium", "low"].contains(&outcome.text("/confidence")),
                "{all}"
            );
            assert!(
                outcome.json["advice"]
                    .as_array()
                    .is_some_and(|advice| !advice.is_empty()),
                "{all}"
            );
        }

        is(
            "/observer/vantage",
            if matches!(self.at, At::Server | At::Bridge) {
                "server"
            } else {
                "gateway"
            },
        );
        // XDP can't be on a bridge and its port at once; tc may take its place.
        if self.at != At::Bridge || hook != Hook::Xdp {
            is("/observer/hook", hook.name());
        }
        let interfaces = outcome.json["observer"]["interfaces"]
            .as_array()
            .expect("interfaces");
        assert!(!interfaces.is_empty(), "{all}");
        for interface in interfaces {
            assert!(
                self.at
                    .interfaces()
                    .contains(&interface.as_str().unwrap_or_default()),
                "{all}"
            );
        }
    }

    /// By which address the SYN came. Where advertised and control address are one, the contract leaves open which of
    /// the two names it has; and on the gateway, with NAT, which of its two sides is told.
    #[track_caller]
    fn check_via(&self, outcome: &Event, all: &str) {
        const ADVERTISED: &str = "advertised";
        const CONTROL: &str = "control_address";
        let one_address = outcome.text("/advertised/ip") == outcome.text("/server/ip");
        let expected: &[&str] = match self.fault {
            _ if one_address => &[ADVERTISED, CONTROL],
            Fault::WrongAddress | Fault::PrivateAddress | Fault::ZeroAddress => {
                match self.behaviour {
                    Behaviour::CurlPasv => &[CONTROL],
                    _ => &[ADVERTISED],
                }
            }
            Fault::NatRight if self.at == At::Server => &[CONTROL],
            _ => &[ADVERTISED, CONTROL],
        };
        let via = outcome.text("/connected/via");
        assert!(expected.contains(&via), "via {via}: {all}");
    }
}

/// A data connection that comes after the failure was reported corrects it.
mod late {
    use super::*;

    #[track_caller]
    fn check(hook: Hook, family: Family) {
        let stage = Stage::set(Fault::DroppedOnServer, family);
        let server = stage.namespace(At::Server);
        let mut watch = Watch::start(server, At::Server.interfaces(), hook, &["--timeout", "1s"]);
        let client = stage.play(Behaviour::Ftplib).expect("a real client");
        let outcome = watch.wait_for("outcome", |event| event.is("outcome"));
        stage.mend_path(server);
        // The client's next SYN gets through.
        let late = watch.wait_for("correction", |event| event.is("late"));
        client.wait(SOON).ok();
        let report = watch.stop();
        let all = &report.ended;
        assert_eq!(outcome.text("/outcome"), "no_answer", "{all}");
        assert_eq!(late.text("/corrects"), "no_answer", "{all}");
        for field in ["client", "server", "advertised"] {
            assert_eq!(late.json[field], outcome.json[field], "{field}: {all}");
        }
        assert_eq!(report.of_type("outcome").len(), 1, "decided once: {all}");
        assert_eq!(report.of_type("late").len(), 1, "{all}");
    }

    faults!(@tests [V4 V6]);
}
