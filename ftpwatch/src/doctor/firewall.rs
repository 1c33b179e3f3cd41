//! This host's own firewall: does it let a client's SYN to the passive range pass? Rules are listed by the tools that
//! know them, which change nothing, and only where the kernel's part is there already: listing would load it.

mod iptables;
mod judge;
mod matching;
mod nft;
mod read;
mod rules;
#[cfg(test)]
mod tests;
mod walk;

use std::{collections::BTreeMap, fs, net::IpAddr, ops::RangeInclusive};

use nix::ifaddrs::getifaddrs;

use super::{
    check::{Check, Group},
    feature::Features,
    server::{Families, Server},
};
use crate::address::{is_private, is_public};

use matching::Host;
use rules::Ruleset;

const GROUP: Group = Group::Firewall;

/// The rules, as far as they can be read.
#[derive(Default)]
pub struct Firewall {
    rules: Ruleset,
    /// What could not be read, and what to do about it.
    unseen: Vec<(String, &'static str)>,
    /// FTP connections are given to the helper, by a rule or by the old setting; `None` where that could not be
    /// seen.
    pub assigns_helper: Option<bool>,
}

impl Firewall {
    /// Reads all that this host has.
    pub fn read(features: &Features) -> Self {
        let listed = read::Listed::of_this_host(features);
        let addresses = places().into_values().flatten().collect();
        let mut firewall = Self::of(listed, addresses);
        if has_automatic_helpers() {
            firewall.assigns_helper = Some(true);
        }
        firewall
    }

    /// The rules that are `listed`, on a host with the `addresses`.
    fn of(listed: read::Listed, addresses: Vec<IpAddr>) -> Self {
        let host = Host {
            addresses: addresses.into_iter().collect(),
            untracks: listed.mentions(&["\"notrack\"", "--notrack", "NOTRACK"]),
            // As a state of a connection, `dnat` is no rule that makes it so.
            redirects: listed.mentions(&[
                "\"dnat\":",
                "\"redirect\":",
                "\"DNAT\"",
                "\"REDIRECT\"",
                "-j DNAT",
                "-j REDIRECT",
            ]),
        };
        let mut rules = Ruleset::default();
        let mut unseen = listed.unseen;
        for (text, v6) in [(&listed.iptables, false), (&listed.ip6tables, true)] {
            rules.extend(iptables::parse(text, v6, &host));
        }
        if let Some(text) = &listed.nft {
            match nft::parse(text, &listed.of_iptables, &host) {
                Some(parsed) => rules.extend(parsed),
                None => unseen.push((
                    "what nft prints is no JSON".into(),
                    "Is it nftables 0.9 or newer?",
                )),
            }
        }
        let by_nft = listed.nft.as_deref().is_some_and(nft::assigns_helper);
        let by_iptables = [&listed.iptables, &listed.ip6tables].iter().any(|text| {
            text.lines()
                .any(|line| line.contains("-j CT") && line.contains("--helper ftp"))
        });
        Self {
            assigns_helper: match by_nft || by_iptables {
                true => Some(true),
                false => unseen.is_empty().then_some(false),
            },
            rules,
            unseen,
        }
    }
}

/// What is said of the control ports of `servers` and the passive `ranges`.
pub fn checks(
    firewall: &Firewall,
    servers: &[Server],
    ranges: &[RangeInclusive<u16>],
) -> Vec<Check> {
    let mut checks: Vec<Check> = firewall
        .unseen
        .iter()
        .map(|(what, advice)| Check::unknown(GROUP, "rules", what.clone()).advise(*advice))
        .collect();
    let ports = servers
        .iter()
        .flat_map(|server| server.ports.iter().copied());
    let families = families(servers);
    let judge = judge::Judge {
        firewall,
        places: &places(),
        families,
    };
    let mut ports: Vec<u16> = ports.collect();
    ports.sort_unstable();
    ports.dedup();
    checks.extend(
        ports
            .into_iter()
            .flat_map(|port| judge.checks(judge::CONTROL, port..=port)),
    );
    if ranges.is_empty() {
        let found =
            "no passive range is known: it is neither configured here nor named (--passive-range)";
        checks.push(Check::ok(GROUP, judge::PASSIVE, found));
    }
    checks.extend(
        ranges
            .iter()
            .flat_map(|range| judge.checks(judge::PASSIVE, range.clone())),
    );
    checks
}

/// The setting that gives every connection to the helper of its port: off since Linux 4.7, gone since 6.0.
pub fn has_automatic_helpers() -> bool {
    let setting = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_helper");
    setting.is_ok_and(|value| value.trim() == "1")
}

/// Both, where nothing is known of a server.
fn families(servers: &[Server]) -> Families {
    let mut families = Families::default();
    for server in servers {
        families.v4 |= server.families.v4;
        families.v6 |= server.families.v6;
    }
    if families == Families::default() {
        return Families { v4: true, v6: true };
    }
    families
}

/// The interfaces that clients may come in by: those with an address that others may know.
fn places() -> BTreeMap<String, Vec<IpAddr>> {
    let mut places: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    for entry in getifaddrs().into_iter().flatten() {
        let address = entry.address.and_then(|address| {
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        });
        if let Some(address) = address.filter(|&ip| is_public(ip) || is_private(ip)) {
            places
                .entry(entry.interface_name)
                .or_default()
                .push(address);
        }
    }
    places
}
