//! Whether the tests of a rule hold for a client's SYN, for what both kinds of rules test.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv6Addr},
    ops::RangeInclusive,
};

use super::rules::{Holds, Packet};

/// What is known of this host.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Its addresses, those of loopback left out.
    pub addresses: HashSet<IpAddr>,
    /// Some rule takes packets out of connection tracking.
    pub untracks: bool,
    /// Some rule sends packets to another address or port.
    pub redirects: bool,
}

/// Ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports(pub Vec<RangeInclusive<u16>>);

impl Ports {
    /// `21,40000:40015`. Names are not looked up.
    pub fn parse(text: &str) -> Option<Self> {
        let one = |text: &str| match text.split_once(':') {
            Some((low, "")) => Some(low.parse().ok()?..=u16::MAX),
            Some(("", high)) => Some(0..=high.parse().ok()?),
            Some((low, high)) => Some(low.parse().ok()?..=high.parse().ok()?),
            None => text.parse().ok().map(|port| port..=port),
        };
        text.split(',').map(one).collect::<Option<_>>().map(Self)
    }

    /// Whether `port` is among them.
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(&port))
    }

    /// The first ports of what is alike: inside, and behind.
    pub fn edges(&self) -> impl Iterator<Item = u16> {
        self.0
            .iter()
            .flat_map(|range| [*range.start(), range.end().saturating_add(1)])
    }

    /// Whether a client's own port is among them. It may be any from 1024 on.
    pub fn of_client(&self) -> Holds {
        if self
            .0
            .iter()
            .any(|range| *range.start() <= 1024 && *range.end() == u16::MAX)
        {
            Holds::Yes
        } else if self.0.iter().all(|range| *range.end() < 1024) {
            Holds::No
        } else {
            Holds::Perhaps
        }
    }
}

/// Whether it comes in by one of these; `*` at the end stands for anything.
pub fn interface(names: &[String], packet: &Packet<'_>) -> Holds {
    let is = |name: &String| match name.strip_suffix('*') {
        Some(begin) => packet.interface.starts_with(begin),
        None => packet.interface == name,
    };
    Holds::known(names.iter().any(is))
}

/// Whether it comes from one of these networks. Clients are everywhere, but for where nobody else is.
pub fn source(networks: &[&str], v6: bool) -> Holds {
    let one = |network: &&str| match Network::parse(network) {
        Some(network) if network.address.is_ipv6() != v6 => Holds::No,
        Some(network) if network.length == 0 => Holds::Yes,
        Some(network) if network.address.is_loopback() => Holds::No,
        _ => Holds::Perhaps,
    };
    networks.iter().map(one).fold(Holds::No, Holds::or)
}

/// Whether it goes to one of these networks, wherever the server listens on this host.
pub fn destination(networks: &[&str], v6: bool, host: &Host) -> Holds {
    let Some(networks) = networks
        .iter()
        .map(|network| Network::parse(network))
        .collect::<Option<Vec<_>>>()
    else {
        return Holds::Perhaps;
    };
    let own = host.addresses.iter().filter(|ip| ip.is_ipv6() == v6);
    let within = own.map(|ip| networks.iter().any(|network| network.contains(*ip)));
    // Which of them the server is known by is not known.
    let inside: HashSet<bool> = within.collect();
    match (inside.contains(&true), inside.contains(&false)) {
        (true, false) => Holds::Yes,
        (false, true) => Holds::No,
        _ => Holds::Perhaps,
    }
}

/// Whether its connection is in one of these states: it is new, unless a helper expects it.
pub fn state(states: &[&str], host: &Host) -> Holds {
    let of = |state: &&str| match *state {
        "new" if host.untracks => Holds::Perhaps,
        "new" => Holds::Yes,
        "related" => Holds::ForHelper,
        "untracked" if host.untracks => Holds::Perhaps,
        "established" | "invalid" | "untracked" => Holds::No,
        "dnat" if !host.redirects => Holds::No,
        _ => Holds::Perhaps,
    };
    states.iter().map(of).fold(Holds::No, Holds::or)
}

/// Whether of the flags `mask` exactly `set` are set, SYN alone being set.
pub fn flags(mask: &[String], set: &[String]) -> Holds {
    const ALL: [&str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];
    let known = |flag: &String| ALL.contains(&flag.as_str());
    let whole = |flags: &[String]| flags.iter().all(known);
    if mask == ["all"] || !whole(mask) || !(whole(set) || set == ["none"]) {
        return Holds::Perhaps;
    }
    // Who uses ECN sets two more (RFC 3168, section 6.1.1).
    if mask.iter().any(|flag| flag == "ece" || flag == "cwr") {
        return Holds::Perhaps;
    }
    let is_set = |flag: &String| set.contains(flag);
    Holds::known(mask.iter().all(|flag| is_set(flag) == (flag == "syn")))
}

/// An address and how much of it counts.
#[derive(Clone, Copy, Debug)]
struct Network {
    address: IpAddr,
    length: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv6() { 128 } else { 32 };
        let length = length.unwrap_or(most);
        (length <= most).then_some(Self { address, length })
    }

    fn contains(self, ip: IpAddr) -> bool {
        if self.address.is_ipv6() != ip.is_ipv6() {
            return false;
        }
        let bits = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
            IpAddr::V6(v6) => Ipv6Addr::to_bits(v6),
        };
        let differ = bits(self.address) ^ bits(ip);
        differ.leading_zeros() >= self.length
    }
}
