//! What is to be said of a server's passive range and address.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, ToSocketAddrs as _},
    sync::mpsc,
    thread,
    time::Duration,
};

use super::{GROUP, Passive, Words};
use crate::{
    address::{is_private, is_public},
    doctor::check::Check,
    escape::printable,
};

/// A range of fewer ports is used up by a few clients: each transfer takes one, and keeps it a while.
const FEW: u32 = 10;

/// How long a name may take to be resolved.
const PATIENCE: Duration = Duration::from_secs(5);

/// A line for each thing.
pub fn checks(passive: &Passive, words: Words, own: &HashSet<IpAddr>) -> Vec<Check> {
    let source = printable(passive.source.as_bytes());
    let mut checks = vec![Check::ok(
        GROUP,
        "configuration",
        format!("{}: {source}", words.name),
    )];
    if !passive.notes.is_empty() {
        let found = format!("{}: {source}: {}", words.name, passive.notes.join("; "));
        checks = vec![
            Check::warning(GROUP, "configuration", found)
                .advise("What is said of range and address below may not be all: see yourself."),
        ];
    }
    if passive.disabled {
        let check = Check::failed(
            GROUP,
            "passive-mode",
            "passive mode is switched off (pasv_enable=NO)",
        );
        checks.push(check.advise("Set `pasv_enable=YES`: most clients use nothing else."));
    }
    checks.push(range(passive.range, words));
    checks.push(address(passive, words, own, &resolve));
    checks
}

fn range(range: Option<(u16, u16)>, words: Words) -> Check {
    const NAME: &str = "passive-range";
    let set = format!(
        "Set it: {}, and open those ports in every firewall.",
        words.range
    );
    let Some((low, high)) = range else {
        return Check::warning(
            GROUP,
            NAME,
            "none is set: it may be any port from 1024 on, which no firewall can reasonably open",
        )
        .advise(set);
    };
    if low == 0 || low > high {
        let check = Check::failed(GROUP, NAME, format!("{low}-{high} is no range"));
        return check.advise(set);
    }
    let count = u32::from(high - low) + 1;
    let found = format!("{low}-{high}, {count} ports");
    if count < FEW {
        return Check::warning(
            GROUP,
            NAME,
            format!("{found}: few, as each transfer takes one"),
        )
        .advise("Make it wider: some ports for each client that transfers at the same time.");
    }
    Check::ok(GROUP, NAME, found)
}

const ADDRESS: &str = "passive-address";

/// Judges what is advertised. `resolve` says what a name means.
fn address(
    passive: &Passive,
    words: Words,
    own: &HashSet<IpAddr>,
    resolve: &dyn Fn(&str) -> Option<Vec<IpAddr>>,
) -> Check {
    let Some(told) = &passive.address else {
        return not_told(words, own);
    };
    let shown = printable(told.as_bytes());
    let what = format!("{} {shown}", words.address);
    let quotes = ['"', '\''];
    if told.starts_with(quotes) || told.ends_with(quotes) {
        return Check::failed(
            GROUP,
            ADDRESS,
            format!("{what}: the quotes are taken for part of it"),
        )
        .advise(format!("Set {}, without quotes.", words.set_address));
    }
    let addresses = match told.parse() {
        Ok(ip) => vec![ip],
        Err(_) if !passive.takes_names => {
            return Check::failed(GROUP, ADDRESS, format!("{what} is no IP address"))
                .advise("Set an IP address, or `pasv_addr_resolve=YES`, which takes names.");
        }
        Err(_) => match resolve(told) {
            Some(addresses) => addresses,
            None => {
                return Check::failed(
                    GROUP,
                    ADDRESS,
                    format!("{what} is a name that does not resolve here"),
                )
                .advise("Name one that does, or the IP address itself.")
                .advise("The server asks once, when it starts: restart it then.");
            }
        },
    };
    let v4 = addresses.iter().find_map(|ip| match ip {
        IpAddr::V4(v4) => Some(*v4),
        IpAddr::V6(_) => None,
    });
    match v4 {
        Some(ip) => told_v4(&what, ip, words, own),
        None => Check::failed(
            GROUP,
            ADDRESS,
            format!("{what} is an IPv6 address, which a 227 cannot hold (RFC 959)"),
        )
        .advise(format!(
            "Set {}, in IPv4. IPv6 clients use EPSV, which names no address.",
            words.set_address
        )),
    }
}

fn told_v4(what: &str, told: Ipv4Addr, words: Words, own: &HashSet<IpAddr>) -> Check {
    let ip = IpAddr::V4(told);
    let right = format!("Set {}.", words.set_address);
    if !is_public(ip) && !is_private(ip) || told.is_broadcast() {
        return Check::failed(
            GROUP,
            ADDRESS,
            format!("{what}: nobody can connect to {told} from elsewhere"),
        )
        .advise(right);
    }
    let public = own_v4(own).any(|own| is_public(own.into()));
    match (own.contains(&ip), is_public(ip)) {
        (true, true) => Check::ok(GROUP, ADDRESS, format!("{what}, this host's own")),
        (true, false) => private(&format!("{what}, this host's own"), &right),
        (false, true) if !public => Check::ok(
            GROUP,
            ADDRESS,
            format!("{what}: right if this host is behind NAT, and that is the address outside"),
        ),
        (false, true) => Check::warning(
            GROUP,
            ADDRESS,
            format!("{what}: not an address of this host, which has a public one of its own"),
        )
        .advise("Right behind a load balancer or 1:1 NAT; else take it out, or set the right one."),
        (false, false) => Check::warning(
            GROUP,
            ADDRESS,
            format!("{what}: a private address, and none of this host's"),
        )
        .advise(right),
    }
}

/// Then it is the one that the client connected to, as the server sees it.
fn not_told(words: Words, own: &HashSet<IpAddr>) -> Check {
    let mut addresses: Vec<Ipv4Addr> = own_v4(own).collect();
    addresses.sort();
    if addresses.iter().any(|&ip| is_public(ip.into())) || addresses.is_empty() {
        let found = "the one that the client connected to, as nothing else is set";
        return Check::ok(GROUP, ADDRESS, found);
    }
    let shown: Vec<String> = addresses.iter().map(Ipv4Addr::to_string).collect();
    private(
        &format!(
            "{} is not set, and this host has private addresses alone ({})",
            words.address,
            shown.join(", ")
        ),
        &format!(
            "Set {}; not needed where all clients are on the same private network.",
            words.set_address
        ),
    )
}

fn private(what: &str, advice: &str) -> Check {
    let found = format!("{what}: clients from the Internet are told a private one");
    Check::warning(GROUP, ADDRESS, found).advise(advice)
}

/// IPv4 addresses that others may know.
fn own_v4(own: &HashSet<IpAddr>) -> impl Iterator<Item = Ipv4Addr> {
    own.iter().filter_map(|ip| match ip {
        IpAddr::V4(v4) if !v4.is_loopback() && !v4.is_link_local() => Some(*v4),
        _ => None,
    })
}

/// What the resolver of this host says, if it says so soon. An interface has a name too, which ProFTPD takes.
fn resolve(name: &str) -> Option<Vec<IpAddr>> {
    let of_interface = nix::ifaddrs::getifaddrs().ok()?.filter_map(|entry| {
        let address = entry.address?.as_sockaddr_in()?.ip();
        (entry.interface_name == name).then_some(IpAddr::V4(address))
    });
    let of_interface: Vec<IpAddr> = of_interface.collect();
    if !of_interface.is_empty() {
        return Some(of_interface);
    }
    let (answer, answers) = mpsc::channel();
    let name = name.to_owned();
    // Left alone where it takes longer: it ends with the process.
    thread::spawn(move || {
        let found = (name.as_str(), 21).to_socket_addrs().ok();
        let found = found.map(|found| found.map(|address| address.ip()).collect());
        let _ = answer.send(found);
    });
    answers.recv_timeout(PATIENCE).ok()?
}

#[cfg(test)]
mod tests;
