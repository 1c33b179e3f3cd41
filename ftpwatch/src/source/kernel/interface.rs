//! The interfaces of this host.

use std::{
    collections::{BTreeMap, HashSet},
    io,
    net::IpAddr,
};

use ftpwatch_common::packet::Link;
use nix::ifaddrs::getifaddrs;

use super::netlink::{self, LinkFacts};
use crate::error::Error;

/// ARPHRD_ETHER and ARPHRD_LOOPBACK (`linux/if_arp.h`): the kernel hands out both with Ethernet headers.
const ETHERNET: [u16; 2] = [1, 772];

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its index, which is never used again while the host runs.
    pub index: u32,
    /// What its packets begin with.
    pub link: Link,
    /// It is up.
    pub up: bool,
    /// It is up, and there is somebody at the other end.
    pub running: bool,
    /// It is the loopback interface.
    pub loopback: bool,
}

/// What this host has.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// All interfaces, by name.
    pub interfaces: BTreeMap<String, Interface>,
    /// All addresses.
    pub addresses: HashSet<IpAddr>,
}

/// Asks the kernel what this host has.
///
/// # Errors
///
/// When it does not tell.
pub fn host() -> Result<Host, Error> {
    // Asked for addresses, libc leaves out interfaces that have none, as tunnels may be.
    let links = netlink::links().map_err(|error| cannot_list(&error))?;
    let interfaces = links.into_iter().map(interface);
    let mut host = Host {
        interfaces: interfaces.map(|i| (i.name.clone(), i)).collect(),
        ..Host::default()
    };
    for entry in getifaddrs().map_err(|error| cannot_list(&error.into()))? {
        let Some(address) = &entry.address else {
            continue;
        };
        if let Some(v4) = address.as_sockaddr_in() {
            host.addresses.insert(v4.ip().into());
        } else if let Some(v6) = address.as_sockaddr_in6() {
            host.addresses.insert(v6.ip().into());
        }
    }
    Ok(host)
}

fn interface(link: LinkFacts) -> Interface {
    Interface {
        name: link.name,
        index: link.index,
        link: if ETHERNET.contains(&link.kind_of_header) {
            Link::Ethernet
        } else {
            Link::Ip
        },
        up: link.up,
        running: link.running,
        loopback: link.loopback,
    }
}

fn cannot_list(error: &io::Error) -> Error {
    Error::host(
        format!("the interfaces cannot be listed: {error}"),
        "Is this a restricted container? ftpwatch needs a netlink socket.",
    )
}
