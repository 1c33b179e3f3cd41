//! The interfaces of this host.

use std::{
    collections::{BTreeMap, HashSet},
    io,
    net::IpAddr,
};

use ftpwatch_common::packet::Link;
use nix::ifaddrs::getifaddrs;
use serde::{Deserialize, Serialize};

use super::netlink::{self, LinkFacts};
use crate::error::Error;

/// ARPHRD_ETHER and ARPHRD_LOOPBACK (`linux/if_arp.h`): the kernel hands out both with Ethernet headers.
const ETHERNET: [u16; 2] = [1, 772];

/// Which interface it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InterfaceId {
    /// The network namespace: 0 is this process's own, 1 the first of `--netns`, and so on.
    pub namespace: usize,
    /// Its index there, which is never used again while the namespace is there.
    pub index: u32,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name; in another namespace than this process's own that namespace's before it, as in `blue/eth0`.
    pub name: String,
    /// The network namespace that it is in: see [`InterfaceId`].
    pub namespace: usize,
    /// Its index.
    pub index: u32,
    /// What its packets begin with.
    #[serde(with = "LinkOf")]
    pub link: Link,
    /// It is up.
    pub up: bool,
    /// It is up, and there is somebody at the other end.
    pub running: bool,
    /// It is the loopback interface.
    pub loopback: bool,
}

impl Interface {
    /// Which one it is.
    #[must_use]
    pub const fn id(&self) -> InterfaceId {
        InterfaceId {
            namespace: self.namespace,
            index: self.index,
        }
    }

    /// Its name inside of its namespace. No interface has a slash in it.
    #[must_use]
    pub fn device(&self) -> &str {
        device(&self.name)
    }

    /// Whether one of `names` is its own, with or without the namespace's before it.
    #[must_use]
    pub fn is_among(&self, names: &[String]) -> bool {
        names.iter().any(|name| is_name_of(name, &self.name))
    }
}

/// Whether `name`, on the command line, means the interface that is shown as `shown`.
#[must_use]
pub fn is_name_of(name: &str, shown: &str) -> bool {
    name == shown || name == device(shown)
}

fn device(shown: &str) -> &str {
    shown.rsplit_once('/').map_or(shown, |(_, device)| device)
}

/// [`Link`], which knows nothing of serde, on its way.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Link")]
enum LinkOf {
    Ethernet,
    Ip,
}

/// What this host has, or one network namespace of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Host {
    /// All interfaces, by name.
    pub interfaces: BTreeMap<String, Interface>,
    /// All addresses.
    pub addresses: HashSet<IpAddr>,
}

impl Host {
    /// What the network namespace `number` has, which is called `name`.
    #[must_use]
    pub fn of_namespace(self, number: usize, name: &str) -> Self {
        let interfaces = self.interfaces.into_values().map(|interface| Interface {
            name: format!("{name}/{}", interface.name),
            namespace: number,
            ..interface
        });
        Self {
            interfaces: interfaces.map(|i| (i.name.clone(), i)).collect(),
            ..self
        }
    }
}

/// Asks the kernel what this thread's network namespace has.
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
        namespace: 0,
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
