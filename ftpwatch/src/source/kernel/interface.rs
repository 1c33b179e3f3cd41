//! The interfaces of this host.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
};

use ftpwatch_common::packet::Link;
use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags};

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

/// All interfaces, by name.
///
/// # Errors
///
/// When the kernel does not tell.
pub fn interfaces() -> Result<BTreeMap<String, Interface>, Error> {
    let addresses = getifaddrs().map_err(cannot_list)?;
    let links = addresses.filter_map(|entry| {
        let link = entry.address.as_ref()?.as_link_addr()?;
        let interface = Interface {
            index: u32::try_from(link.ifindex()).ok()?,
            link: if ETHERNET.contains(&link.hatype()) {
                Link::Ethernet
            } else {
                Link::Ip
            },
            up: entry.flags.contains(InterfaceFlags::IFF_UP),
            loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
            name: entry.interface_name,
        };
        Some((interface.name.clone(), interface))
    });
    Ok(links.collect())
}

/// This host's own addresses.
///
/// # Errors
///
/// When the kernel does not tell.
pub fn local_addresses() -> Result<HashSet<IpAddr>, Error> {
    let addresses = getifaddrs().map_err(cannot_list)?;
    let ips = addresses.filter_map(|entry| {
        let address = entry.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    });
    Ok(ips.collect())
}

fn cannot_list(error: nix::Error) -> Error {
    Error::host(
        format!("the interfaces cannot be listed: {error}"),
        "Is this a restricted container? ftpwatch needs a netlink socket.",
    )
}
