//! The interfaces of this host.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
};

use ftpwatch_common::packet::Link;
use nix::{
    ifaddrs::{InterfaceAddress, getifaddrs},
    net::if_::InterfaceFlags,
};

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
    let mut host = Host::default();
    for entry in getifaddrs().map_err(cannot_list)? {
        let Some(address) = &entry.address else {
            continue;
        };
        if let Some(v4) = address.as_sockaddr_in() {
            host.addresses.insert(v4.ip().into());
        } else if let Some(v6) = address.as_sockaddr_in6() {
            host.addresses.insert(v6.ip().into());
        } else if let Some(interface) = interface(&entry) {
            host.interfaces.insert(interface.name.clone(), interface);
        }
    }
    Ok(host)
}

fn interface(entry: &InterfaceAddress) -> Option<Interface> {
    let link = entry.address.as_ref()?.as_link_addr()?;
    Some(Interface {
        name: entry.interface_name.clone(),
        index: u32::try_from(link.ifindex()).ok()?,
        link: if ETHERNET.contains(&link.hatype()) {
            Link::Ethernet
        } else {
            Link::Ip
        },
        up: entry.flags.contains(InterfaceFlags::IFF_UP),
        loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
    })
}

fn cannot_list(error: nix::Error) -> Error {
    Error::host(
        format!("the interfaces cannot be listed: {error}"),
        "Is this a restricted container? ftpwatch needs a netlink socket.",
    )
}
