use super::{super::vsftpd, *};
use crate::doctor::check::Status;

fn judged(told: Option<&str>, takes_names: bool, own: &[&str]) -> (Status, String) {
    let passive = Passive {
        address: told.map(str::to_owned),
        takes_names,
        ..Passive::default()
    };
    let own = own.iter().map(|ip| ip.parse().unwrap()).collect();
    let resolve = |name: &str| {
        let known = name == "ftp.example.org";
        known.then(|| {
            vec![
                "2001:db8::1".parse().unwrap(),
                "203.0.113.10".parse().unwrap(),
            ]
        })
    };
    let check = address(&passive, vsftpd::WORDS, &own, &resolve);
    assert_eq!(
        check.advice.is_empty(),
        check.status == Status::Ok,
        "{check:?}"
    );
    (check.status, check.found)
}

const BEHIND_NAT: [&str; 3] = ["127.0.0.1", "10.0.0.5", "fe80::1"];
const PUBLIC: [&str; 2] = ["127.0.0.1", "203.0.113.10"];

#[test]
fn addresses() {
    use Status::{Failed, Ok, Warning};
    for (told, takes_names, own, expected, says) in [
        (None, false, &PUBLIC as &[&str], Ok, "connected to"),
        (None, false, &BEHIND_NAT, Warning, "10.0.0.5"),
        (Some("203.0.113.10"), false, &PUBLIC, Ok, "own"),
        (Some("203.0.113.10"), false, &BEHIND_NAT, Ok, "behind NAT"),
        (
            Some("203.0.113.99"),
            false,
            &PUBLIC,
            Warning,
            "not an address of this host",
        ),
        (Some("10.0.0.5"), false, &BEHIND_NAT, Warning, "private"),
        (Some("172.16.40.222"), false, &PUBLIC, Warning, "private"),
        (Some("0.0.0.0"), false, &PUBLIC, Failed, "nobody"),
        (Some("127.0.0.1"), false, &PUBLIC, Failed, "nobody"),
        (Some("255.255.255.255"), false, &PUBLIC, Failed, "nobody"),
        (Some("\"203.0.113.10\""), false, &PUBLIC, Failed, "quotes"),
        (Some("2001:db8::1"), false, &PUBLIC, Failed, "IPv6"),
        (
            Some("ftp.example.org"),
            false,
            &PUBLIC,
            Failed,
            "no IP address",
        ),
        (Some("ftp.example.org"), true, &PUBLIC, Ok, "own"),
        (
            Some("nosuch.example.org"),
            true,
            &PUBLIC,
            Failed,
            "does not resolve",
        ),
        (Some("a\u{1b}[2Jb"), true, &PUBLIC, Failed, "\\u{1b}"),
    ] {
        let (status, found) = judged(told, takes_names, own);
        assert_eq!(status, expected, "{told:?}: {found}");
        assert!(found.contains(says), "{told:?}: {found}");
    }
}

#[test]
fn ranges() {
    use Status::{Failed, Ok, Warning};
    for (given, expected) in [
        (None, Warning),
        (Some((50_000, 50_100)), Ok),
        (Some((50_000, 50_003)), Warning),
        (Some((50_100, 50_000)), Failed),
        (Some((0, 50_000)), Failed),
        (Some((1, u16::MAX)), Ok),
    ] {
        assert_eq!(range(given, vsftpd::WORDS).status, expected, "{given:?}");
    }
}

#[test]
fn passive_mode_is_off() {
    let passive = Passive {
        disabled: true,
        ..Passive::default()
    };
    let checks = checks(&passive, vsftpd::WORDS, &HashSet::new());
    assert!(
        checks
            .iter()
            .any(|c| c.check == "passive-mode" && c.status == Status::Failed)
    );
}
