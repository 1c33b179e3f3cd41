//! Whole rulesets, and what becomes of a SYN in them. Beside each `.json` is the `.nft` that it was printed for
//! (`nft -f FILE; nft -j list ruleset` in a namespace of its own); ufw.rules is of iptables-save.

mod chance;

use super::{
    rules::{Fate, Packet},
    *,
};

const SIMPLE: &str = include_str!("tests/simple.json");
const FIREWALLD: &str = include_str!("tests/firewalld.json");
const CAREFUL: &str = include_str!("tests/careful.json");
const UFW: &str = include_str!("tests/ufw.rules");

fn firewall(nft: Option<&str>, iptables: &str) -> Firewall {
    let addresses = ["203.0.113.10", "2001:db8::10"];
    let listed = read::Listed {
        nft: nft.map(str::to_owned),
        iptables: iptables.to_owned(),
        ..read::Listed::default()
    };
    Firewall::of(listed, addresses.map(|ip| ip.parse().unwrap()).into())
}

/// What becomes of a SYN to `port`: `open`, `helper`, `closed` or `?`.
fn fate(firewall: &Firewall, port: u16, v6: bool, interface: &str) -> &'static str {
    let packet = Packet {
        port,
        v6,
        interface,
    };
    match firewall.rules.fate(&packet) {
        Fate::Open => "open",
        Fate::OnlyHelper => "helper",
        Fate::Closed => "closed",
        Fate::CannotTell(_) => "?",
    }
}

#[track_caller]
fn assert_fates(firewall: &Firewall, expected: &[(u16, &str, &str)]) {
    for &(port, v4, v6) in expected {
        assert_eq!(fate(firewall, port, false, "eth0"), v4, "{port} on IPv4");
        assert_eq!(fate(firewall, port, true, "eth0"), v6, "{port} on IPv6");
    }
}

#[test]
fn no_rules_at_all() {
    let firewall = firewall(None, "");
    assert_fates(&firewall, &[(21, "open", "open"), (40_000, "open", "open")]);
    assert_eq!(firewall.assigns_helper, Some(false));
}

#[test]
fn a_simple_firewall() {
    let firewall = firewall(Some(SIMPLE), "");
    assert_fates(
        &firewall,
        &[
            (21, "open", "open"),
            (22, "?", "helper"),
            (40_000, "open", "open"),
            (40_007, "open", "open"),
            (40_008, "open", "open"),
            (40_010, "open", "open"),
            (40_011, "helper", "open"),
            (40_012, "?", "helper"),
            (40_013, "helper", "helper"),
            (40_014, "helper", "helper"),
        ],
    );
    assert_eq!(fate(&firewall, 40_013, false, "eth1"), "open");
    assert_eq!(firewall.assigns_helper, Some(false));
}

#[test]
fn firewalld_with_the_service_ftp() {
    let firewall = firewall(Some(FIREWALLD), "");
    assert_fates(
        &firewall,
        &[(21, "open", "open"), (40_000, "helper", "helper")],
    );
    assert_eq!(fate(&firewall, 40_000, false, "eth9"), "helper");
    assert_eq!(firewall.assigns_helper, Some(true));
}

#[test]
fn what_is_not_sure_is_not_said() {
    let firewall = firewall(Some(CAREFUL), "");
    assert_fates(
        &firewall,
        &[
            (40_000, "open", "open"),
            (40_001, "closed", "closed"),
            // What returns comes back after a jump, and is through after a goto.
            (40_002, "closed", "open"),
            (40_003, "open", "open"),
            (40_004, "?", "?"),
            (40_005, "?", "closed"),
            (40_006, "?", "?"),
            (40_007, "open", "open"),
            // Perhaps dropped here, surely there.
            (40_008, "closed", "closed"),
            (40_009, "open", "open"),
            (40_010, "open", "closed"),
            (40_011, "closed", "closed"),
            (40_012, "helper", "helper"),
            (40_013, "helper", "helper"),
            (40_014, "open", "open"),
            (40_015, "closed", "closed"),
            (40_016, "open", "open"),
            // Accepted by one chain, dropped by the next.
            (40_017, "closed", "closed"),
            (40_018, "?", "?"),
        ],
    );
}

#[test]
fn ufw() {
    let firewall = firewall(None, UFW);
    for (port, expected) in [
        (21, "open"),
        (40_000, "open"),
        (40_007, "open"),
        (40_008, "?"),
        (40_009, "?"),
        (40_010, "open"),
        (40_011, "helper"),
    ] {
        assert_eq!(fate(&firewall, port, false, "eth0"), expected, "{port}");
        assert_eq!(fate(&firewall, port, true, "eth0"), "open", "no IPv6 rules");
    }
    assert_eq!(fate(&firewall, 40_010, false, "eth1"), "helper");
    assert_eq!(fate(&firewall, 40_010, false, "lo"), "open");
}

#[test]
fn the_helper_of_iptables() {
    let raw = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp\nCOMMIT\n";
    assert_eq!(firewall(None, raw).assigns_helper, Some(true));
    assert_fates(&firewall(None, raw), &[(21, "open", "open")]);
}

#[test]
fn a_target_that_is_not_known() {
    let rules = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 40000 -j FROBNICATE\nCOMMIT\n";
    let firewall = firewall(None, rules);
    assert_fates(
        &firewall,
        &[(40_000, "?", "open"), (40_001, "open", "open")],
    );
}

#[test]
fn garbage_is_no_answer() {
    let firewall = firewall(Some("{\"nftables\": 3}"), "-A\n:\n*\n-A INPUT \"\n");
    assert_eq!(firewall.unseen.len(), 1);
    assert_eq!(firewall.assigns_helper, None);
}

/// The lines for a range, with an interface that has both versions of IP.
fn said(firewall: &Firewall, range: RangeInclusive<u16>, interfaces: &[&str]) -> Vec<Check> {
    let addresses: Vec<IpAddr> = vec!["203.0.113.10".parse().unwrap()];
    let places = interfaces
        .iter()
        .map(|&name| (name.to_owned(), addresses.clone()))
        .collect();
    let judge = judge::Judge {
        firewall,
        places: &places,
        families: Families { v4: true, v6: true },
    };
    judge.checks("passive-range", range)
}

#[test]
fn a_range_that_is_open_in_part() {
    use crate::doctor::check::Status;
    let firewall = firewall(Some(SIMPLE), "");
    let lines = said(&firewall, 40_000..=40_007, &["eth0"]);
    assert_eq!(lines.len(), 1, "IPv6 has no address here: {lines:?}");
    assert_eq!(lines[0].status, Status::Ok);
    assert_eq!(lines[0].found, "IPv4: 40000-40007 open");

    // Nobody assigns the helper: what only it could open is closed.
    let lines = said(&firewall, 40_006..=40_011, &["eth0"]);
    assert_eq!(lines[0].status, Status::Failed);
    assert_eq!(lines[0].found, "IPv4: 40006-40010 open, 40011 closed");
    assert!(
        lines[0]
            .advice
            .iter()
            .any(|line| line.contains("40006-40011"))
    );

    let lines = said(&firewall, 40_013..=40_013, &["eth0", "eth1"]);
    assert_eq!(lines[0].status, Status::Failed);
    assert_eq!(
        lines[0].found,
        "IPv4: 40013 closed on eth0; 40013 open on eth1"
    );
}

#[test]
fn a_range_that_depends() {
    use crate::doctor::check::Status;
    let lines = said(&firewall(Some(CAREFUL), ""), 40_004..=40_004, &["eth0"]);
    assert_eq!(lines[0].status, Status::Unknown);
    assert!(
        lines[0]
            .found
            .contains("nft -a list chain inet careful input"),
        "{lines:?}"
    );
    let lines = said(&firewall(Some(FIREWALLD), ""), 40_000..=40_004, &["eth0"]);
    assert_eq!(lines[0].status, Status::Warning);
    assert!(lines[0].found.contains("FTPS"), "{lines:?}");
}

#[test]
fn a_range_of_many_parts() {
    let lines = said(&firewall(Some(CAREFUL), ""), 40_000..=40_020, &["eth0"]);
    assert_eq!(
        lines[0].found.split(';').next(),
        Some("IPv4: of 40000-40020: 4 cannot tell, 8 closed, 9 open"),
        "{lines:?}"
    );
}
