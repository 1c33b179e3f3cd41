//! `ftpwatch doctor`: what it finds of real servers, firewalls and helpers, that it changes nothing, and its usage.
//!
//! What belongs here: what the whole program says. What single files and rulesets mean is tested beside the code.

mod lab;

use lab::netns::Namespace;
use lab::process::{Ended, Process, run};
use lab::server::daemons::Kind;
use lab::stage::{At, Fault, Stage};
use lab::topology::Family::V4;
use lab::watch::{FTPWATCH, Hook, Watch};
use lab::{Directory, SOON, is_root, leftovers};
use serde_json::Value;
use std::process::Command;

const FINE: i32 = 0;
const BAD_USAGE: i32 = 2;
const CANNOT_WATCH: i32 = 3;

fn doctor(command: &mut Command, words: &[&str]) -> Ended {
    let ended = Process::start(command.arg("doctor").args(words)).wait(SOON);
    assert!(!ended.stderr.contains("panicked"), "{ended}");
    ended
}

/// The checks, each an object of the form that is promised.
#[track_caller]
fn checks(ended: &Ended) -> Vec<Value> {
    let parse = |line: &str| -> Value {
        let check: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON ({error}): {line}"));
        assert_eq!(check["schema"], 1, "{line}");
        for member in ["check", "group", "status", "found"] {
            assert!(check[member].is_string(), "{line}");
        }
        let advice = check["advice"].as_array().expect("advice");
        let status = check["status"].as_str().expect("a status");
        assert!(
            ["ok", "warning", "failed", "unknown"].contains(&status),
            "{line}"
        );
        assert_eq!(
            advice.is_empty(),
            status == "ok",
            "what to do, where something is: {line}"
        );
        check
    };
    ended.stdout.lines().map(parse).collect()
}

#[track_caller]
fn find<'a>(checks: &'a [Value], group: &str, name: &str) -> &'a Value {
    let mut found = checks
        .iter()
        .filter(|check| check["group"] == group && check["check"] == name);
    found
        .next()
        .unwrap_or_else(|| panic!("no {name} of {group}: {checks:#?}"))
}

#[track_caller]
fn assert_found(checks: &[Value], (group, name): (&str, &str), status: &str, says: &str) {
    let check = find(checks, group, name);
    assert_eq!(check["status"], status, "{check:#}");
    let found = check["found"].as_str().expect("what was found");
    assert!(found.contains(says), "no \"{says}\": {check:#}");
}

fn in_namespace(namespace: &Namespace, words: &[&str]) -> (Ended, Vec<Value>) {
    let mut all = vec!["--format", "json"];
    all.extend(words);
    let ended = doctor(&mut namespace.command(FTPWATCH), &all);
    let checks = checks(&ended);
    (ended, checks)
}

/// As somebody without rights: it says what it can see, and that this user cannot watch.
#[test]
fn without_root() {
    let words = ["--format", "json"];
    let ended = if is_root() {
        let directory = Directory::new("nobody");
        let copy = directory.path().join("ftpwatch");
        std::fs::copy(FTPWATCH, &copy).expect("a copy of ftpwatch");
        lab::open_to_all(&copy);
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "nobody", "--regid", "65534", "--clear-groups"]);
        doctor(command.arg(&copy), &words)
    } else {
        doctor(&mut Command::new(FTPWATCH), &words)
    };
    assert_eq!(ended.status.code(), Some(CANNOT_WATCH), "{ended}");
    assert_eq!(ended.stderr, "", "{ended}");
    let checks = checks(&ended);
    assert_found(&checks, ("watching", "capabilities"), "failed", "CAP_BPF");
    assert_found(&checks, ("watching", "programs"), "failed", "not permitted");
    assert_found(&checks, ("watching", "kernel"), "ok", "Linux");
    find(&checks, "interfaces", "interface");
    find(&checks, "helpers", "nf_conntrack_ftp");
}

#[test]
fn bad_usage() {
    for words in [
        &["--frobnicate"] as &[&str],
        &["--format", "xml"],
        &["--passive-range", "7"],
        &["-p", "0"],
        &["eth0"],
    ] {
        let ended = doctor(&mut Command::new(FTPWATCH), words);
        assert_eq!(ended.status.code(), Some(BAD_USAGE), "{ended}");
        assert_eq!(ended.stdout, "", "{ended}");
        assert_ne!(ended.stderr, "", "{ended}");
    }
}

/// `ftpwatch doctor | head -1` ends quietly.
#[test]
fn closed_pipe() {
    let script = "\"$0\" doctor; echo status $? >&2";
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{{ {script}; }} | true"), FTPWATCH]);
    let ended = Process::start(&mut command).wait(SOON).ok();
    assert!(!ended.stderr.contains("panicked"), "{ended}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended}");
}

#[test]
fn for_people() {
    let ended = doctor(&mut Command::new(FTPWATCH), &[]);
    let first = ended.stdout.lines().next();
    assert_eq!(first, Some("Can this host be watched?"), "{ended}");
    assert!(
        !ended.stdout.contains('\u{1b}'),
        "no colours in a pipe: {ended}"
    );
}

/// All that it might change, as text.
fn state(namespace: &Namespace, interfaces: &[&str]) -> String {
    let mut state = run(namespace.command("nft").args(["-a", "list", "ruleset"]), "");
    state += &run(namespace.command("tc").args(["qdisc", "show"]), "");
    state += &run(namespace.command("ip").args(["-d", "address", "show"]), "");
    for interface in interfaces {
        state += &leftovers::programs(namespace, interface).join("\n");
    }
    for file in ["/proc/modules", "/proc/sys/kernel/tainted"] {
        state += &std::fs::read_to_string(file).unwrap_or_default();
    }
    // What is pinned would outlive the process, and takes one of these. Other mounts are other tests'.
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let of_bpf = |line: &&str| line.split(' ').nth(2) == Some("bpf");
    let of_bpf: Vec<&str> = mounts.lines().filter(of_bpf).collect();
    state + &of_bpf.join("\n")
}

/// It loads, asks and lists, and leaves everything as it was.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn changes_nothing() {
    let stage = Stage::set(Fault::DroppedOnServer, V4);
    let server = &stage.topology.server;
    let before = state(server, &["s0", "lo"]);
    let (ended, checks) = in_namespace(server, &[]);
    assert_eq!(ended.status.code(), Some(FINE), "{ended}");
    assert_eq!(state(server, &["s0", "lo"]), before);
    assert_found(&checks, ("watching", "programs"), "ok", "unloaded again");
    assert_found(&checks, ("watching", "tc"), "ok", "");
}

macro_rules! servers {
    ($($name:ident($kind:ident, $source:literal);)+) => {$(
        #[test]
        #[ignore = "needs root: cargo xtask test"]
        fn $name() {
            finds_server(Kind::$kind, $source);
        }
    )+};
}

servers! {
    finds_vsftpd(Vsftpd, "vsftpd.conf");
    finds_proftpd(Proftpd, "/etc/proftpd/proftpd.conf");
    finds_pure_ftpd(PureFtpd, "/etc/pure-ftpd/conf");
}

/// The server, its range and address, and whether the firewall lets clients to it.
#[track_caller]
fn finds_server(kind: Kind, source: &str) {
    let stage = Stage::with(kind, Fault::Nothing, V4);
    let server = &stage.topology.server;
    let (ended, checks) = in_namespace(server, &[]);
    assert_eq!(ended.status.code(), Some(FINE), "{ended}");
    assert_found(&checks, ("server", "listens"), "ok", kind.name());
    assert_found(&checks, ("server", "listens"), "ok", ":21");
    assert_found(&checks, ("server", "configuration"), "ok", source);
    assert_found(&checks, ("server", "passive-range"), "ok", "40000-40015");
    assert_found(&checks, ("server", "passive-address"), "ok", "connected to");
    assert_found(&checks, ("firewall", "control-port"), "ok", "21 open");
    assert_found(
        &checks,
        ("firewall", "passive-range"),
        "ok",
        "40000-40015 open",
    );

    stage.break_path(Fault::DroppedOnServer);
    let (ended, checks) = in_namespace(server, &[]);
    assert_eq!(
        ended.status.code(),
        Some(FINE),
        "it can be watched: {ended}"
    );
    assert_found(&checks, ("firewall", "control-port"), "ok", "21 open");
    assert_found(
        &checks,
        ("firewall", "passive-range"),
        "failed",
        "40000-40015 closed",
    );
}

/// Behind NAT, and it does not know.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn private_address() {
    let stage = Stage::set(Fault::NatWrong, V4);
    let (_, checks) = in_namespace(&stage.topology.server, &[]);
    assert_found(
        &checks,
        ("server", "passive-address"),
        "warning",
        "10.100.20.222",
    );
}

/// Behind NAT, and it knows.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn public_address_behind_nat() {
    let stage = Stage::set(Fault::NatRight, V4);
    let (_, checks) = in_namespace(&stage.topology.server, &[]);
    assert_found(&checks, ("server", "passive-address"), "ok", "behind NAT");
}

/// The control port alone is open, and what is related: once with a rule that assigns the helper, once without.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn helper() {
    let stage = Stage::set(Fault::Nothing, V4);
    let server = &stage.topology.server;
    server.nft(
        "table inet host {
           ct helper ftp {
             type \"ftp\" protocol tcp
           }
           chain assign {
             type filter hook prerouting priority filter
           }
           chain input {
             type filter hook input priority filter; policy drop
             ct state established,related accept
             iifname lo accept
             tcp dport 21 accept
           }
         }",
    );
    let (_, checks) = in_namespace(server, &[]);
    assert_found(
        &checks,
        ("helpers", "nf_conntrack_ftp"),
        "ok",
        "does nothing",
    );
    assert_found(&checks, ("firewall", "control-port"), "ok", "21 open");
    assert_found(&checks, ("firewall", "passive-range"), "failed", "closed");

    server.nft("add rule inet host assign tcp dport 21 ct helper set ftp");
    let (_, checks) = in_namespace(server, &[]);
    assert_found(&checks, ("helpers", "nf_conntrack_ftp"), "warning", "FTPS");
    assert_found(&checks, ("firewall", "passive-range"), "warning", "FTPS");

    server.nft("add rule inet host input tcp dport 40000-40015 accept");
    let (_, checks) = in_namespace(server, &[]);
    assert_found(&checks, ("firewall", "passive-range"), "ok", "open");
}

/// A range that is named, on a host without a server; and rules that cannot be judged.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn range_of_the_command_line() {
    let stage = Stage::set(Fault::Nothing, V4);
    let client = &stage.topology.client;
    let words = ["--passive-range", "50000-50009"];
    let (_, checks) = in_namespace(client, &words);
    assert_found(&checks, ("server", "listens"), "ok", "nobody");
    assert_found(
        &checks,
        ("firewall", "passive-range"),
        "ok",
        "50000-50009 open",
    );
    client.nft(
        "table inet host {
           chain input {
             type filter hook input priority filter; policy drop
             tcp dport 50000-50009 limit rate 10/second accept
           }
         }",
    );
    let (_, checks) = in_namespace(client, &words);
    assert_found(
        &checks,
        ("firewall", "passive-range"),
        "unknown",
        "cannot tell",
    );
}

/// Programs on an interface are named: ftpwatch's own, by each hook.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn programs_on_interfaces() {
    let stage = Stage::set(Fault::Nothing, V4);
    let server = &stage.topology.server;
    for (hook, words) in [
        (Hook::Tcx, "tcx ingress ftpwatch_ether"),
        (Hook::Clsact, "clsact ingress ftpwatch_ether"),
        (Hook::Xdp, "XDP: ftpwatch_xdp"),
    ] {
        let watch = Watch::start(server, &["s0"], hook, &[]);
        let (_, checks) = in_namespace(server, &[]);
        let of_s0 = checks
            .iter()
            .find(|check| {
                check["found"]
                    .as_str()
                    .is_some_and(|found| found.starts_with("s0: "))
            })
            .unwrap_or_else(|| panic!("no s0: {checks:#?}"));
        let found = of_s0["found"].as_str().expect("what was found");
        assert!(found.contains(words), "{hook:?}: {found}");
        assert!(
            found.contains("Ethernet (veth)") && found.contains("MTU 1500"),
            "{found}"
        );
        watch.stop();
    }
}

/// A bridge names its ports, and each port its bridge.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn bridge() {
    let stage = Stage::set_for(At::Bridge, Fault::Nothing, V4);
    let (_, checks) = in_namespace(&stage.topology.server, &[]);
    let found: Vec<&str> = checks
        .iter()
        .filter(|check| check["check"] == "interface")
        .filter_map(|check| check["found"].as_str())
        .collect();
    let of = |name: &str| {
        let found = found.iter().find(|found| found.starts_with(name));
        *found.unwrap_or_else(|| panic!("no {name}: {found:?}"))
    };
    assert!(of("br0: ").contains("Ethernet (bridge)"), "{found:?}");
    assert!(of("br0: ").contains("ports: s0"), "{found:?}");
    assert!(of("s0: ").contains("port of br0"), "{found:?}");
}
