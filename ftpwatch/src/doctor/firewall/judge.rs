//! What the rules make of a range of ports, said in a line for each version of IP.

use std::{collections::BTreeMap, net::IpAddr, ops::RangeInclusive};

use super::{
    Firewall, GROUP,
    rules::{Fate, Packet},
};
use crate::doctor::{
    check::{Check, Status},
    server::Families,
};

/// Who asks, and what about.
pub struct Judge<'a> {
    pub firewall: &'a Firewall,
    /// Interfaces that clients come in by, and their addresses.
    pub places: &'a BTreeMap<String, Vec<IpAddr>>,
    pub families: Families,
}

/// The check of a control port.
pub const CONTROL: &str = "control-port";

/// The check of a passive range.
pub const PASSIVE: &str = "passive-range";

/// So many parts of a range are named one by one.
const MOST: usize = 6;

/// Ports that fare alike.
type Parts = Vec<(RangeInclusive<u16>, Fate)>;

impl Judge<'_> {
    /// A line for each version of IP that is served, and has an address here.
    pub fn checks(&self, name: &'static str, range: RangeInclusive<u16>) -> Vec<Check> {
        let wanted = [(false, self.families.v4), (true, self.families.v6)];
        let wanted = wanted.into_iter().filter(|(_, wanted)| *wanted);
        wanted
            .filter_map(|(v6, _)| self.check(name, &range, v6))
            .collect()
    }

    fn check(&self, name: &'static str, range: &RangeInclusive<u16>, v6: bool) -> Option<Check> {
        // A helper opens data connections alone.
        let helps = name != CONTROL && self.firewall.assigns_helper != Some(false);
        let mut by_fate: Vec<(Parts, Vec<&str>)> = Vec::new();
        let places = self.places.iter();
        for (interface, _) in places.filter(|(_, ips)| ips.iter().any(|ip| ip.is_ipv6() == v6)) {
            let parts = self.parts(range, v6, interface, helps);
            match by_fate.iter_mut().find(|(known, _)| *known == parts) {
                Some((_, interfaces)) => interfaces.push(interface),
                None => by_fate.push((parts, vec![interface])),
            }
        }
        let worst = by_fate
            .iter()
            .flat_map(|(parts, _)| parts.iter().map(|(_, fate)| fate))
            .max_by_key(|fate| self.rank(fate))?
            .clone();
        let version = if v6 { "IPv6" } else { "IPv4" };
        let said: Vec<String> = by_fate
            .iter()
            .map(|(parts, interfaces)| {
                let place = match by_fate.len() {
                    1 => String::new(),
                    _ => format!(" on {}", interfaces.join(", ")),
                };
                format!("{}{place}", said(parts))
            })
            .collect();
        let found = format!("{version}: {}", said.join("; "));
        Some(self.conclude(name, range, found, &worst))
    }

    /// What the worst of it means.
    fn conclude(
        &self,
        name: &'static str,
        range: &RangeInclusive<u16>,
        found: String,
        worst: &Fate,
    ) -> Check {
        let unseen = !self.firewall.unseen.is_empty();
        match worst {
            Fate::Open if unseen => Check::unknown(
                GROUP,
                name,
                format!("{found}, by the rules that could be read"),
            )
            .advise("See the rest yourself: `nft list ruleset`, `iptables -S`, `ip6tables -S`."),
            Fate::Open => Check::ok(GROUP, name, found),
            Fate::CannotTell(rule) => {
                Check::unknown(GROUP, name, format!("{found}; it depends on {rule}")).advise(
                    "See whether that lets every client pass: `nft list ruleset`, `iptables -S`.",
                )
            }
            Fate::OnlyHelper => open(Check::warning(GROUP, name, found), range),
            Fate::Closed => open(Check::failed(GROUP, name, found), range),
        }
    }

    fn rank(&self, fate: &Fate) -> (u8, u8) {
        let status = self.conclude("", &(0..=0), String::new(), fate).status;
        let status = match status {
            Status::Ok => 0,
            Status::Unknown => 1,
            Status::Warning => 2,
            Status::Failed => 3,
        };
        (status, u8::from(*fate == Fate::Closed))
    }

    /// The parts of `range` that fare alike. `helps`: a helper may open them.
    fn parts(&self, range: &RangeInclusive<u16>, v6: bool, interface: &str, helps: bool) -> Parts {
        let rules = &self.firewall.rules;
        let edges = rules.ports.range(range.clone()).copied();
        let mut starts: Vec<u16> = [*range.start()].into_iter().chain(edges).collect();
        starts.dedup();
        let ends = starts
            .iter()
            .skip(1)
            .map(|next| next - 1)
            .chain([*range.end()]);
        let mut parts: Parts = Vec::new();
        for (start, end) in starts.iter().copied().zip(ends) {
            let fate = match rules.fate(&Packet {
                port: start,
                v6,
                interface,
            }) {
                // Nobody gives it anything, so nothing comes of it.
                Fate::OnlyHelper if !helps => Fate::Closed,
                fate => fate,
            };
            match parts.last_mut() {
                Some((last, known)) if *known == fate => *last = *last.start()..=end,
                _ => parts.push((start..=end, fate)),
            }
        }
        parts
    }
}

fn said(parts: &Parts) -> String {
    if parts.len() > MOST {
        return counted(parts);
    }
    let parts: Vec<String> = parts
        .iter()
        .map(|(range, fate)| format!("{} {}", shown(range, '-'), word(fate)))
        .collect();
    parts.join(", ")
}

/// How many ports fare how, where there are too many parts to name each.
fn counted(parts: &Parts) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (range, fate) in parts {
        *counts.entry(word(fate)).or_default() += range.len();
    }
    let (first, last) = (parts.first(), parts.last());
    let ends = first
        .zip(last)
        .map(|((first, _), (last, _))| *first.start()..=*last.end());
    let counts: Vec<String> = counts
        .iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let of = ends.map_or_else(String::new, |ends| format!("of {}: ", shown(&ends, '-')));
    format!("{of}{}", counts.join(", "))
}

const fn word(fate: &Fate) -> &'static str {
    match fate {
        Fate::Open => "open",
        Fate::OnlyHelper => "open only through the FTP helper, which cannot read FTPS",
        Fate::Closed => "closed",
        Fate::CannotTell(_) => "cannot tell",
    }
}

/// How to open it.
fn open(check: Check, range: &RangeInclusive<u16>) -> Check {
    let (ports, of_ufw) = (shown(range, '-'), shown(range, ':'));
    check
        .advise(format!(
            "nftables: `tcp dport {ports} accept` in the chain of the input hook"
        ))
        .advise(format!(
            "firewalld: `firewall-cmd --permanent --add-port={ports}/tcp && firewall-cmd --reload`"
        ))
        .advise(format!("ufw: `ufw allow {of_ufw}/tcp`"))
}

fn shown(range: &RangeInclusive<u16>, separator: char) -> String {
    match (range.start(), range.end()) {
        (low, high) if low == high => low.to_string(),
        (low, high) => format!("{low}{separator}{high}"),
    }
}
