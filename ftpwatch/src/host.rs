//! What this host's kernel tells of its sockets and processes. Reads /proc and changes nothing: asking through
//! sock_diag would load that module where it is one.

pub mod libraries;
pub mod owners;
pub mod sockets;

use std::collections::{BTreeSet, HashSet};

use ftpwatch_common::address::Flow;
use serde::{Deserialize, Serialize};

use owners::{Holder, Process};
use sockets::Socket;

/// What the server of a control connection listens on, at the moment of asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// The advertised port is listened on: where it does not answer, a firewall stands in front.
    pub advertised: bool,
    /// Other ports that the process behind the control connection listens on, control ports and known ones left
    /// out.
    pub others: BTreeSet<u16>,
    /// Who holds the control connection. `None` where that may not be seen: it needs root, or CAP_SYS_PTRACE.
    pub owner: Option<Process>,
    /// That process accepts control connections itself, and so serves everybody: among `others` may be what has
    /// nothing to do with this session. Most servers have a process for each session.
    pub shared: bool,
}

impl Listening {
    /// The port that was opened instead of the advertised one, where exactly one can be meant.
    #[must_use]
    pub fn instead(&self) -> Option<u16> {
        let mut others = self.others.iter();
        match (self.advertised, others.next(), others.next()) {
            (false, Some(&port), None) => Some(port),
            _ => None,
        }
    }
}

/// Looks at what the server of the control connection `flow` listens on, now that it said `advertised`. `known`
/// tells the ports that are spoken for: control ports, and what was advertised to others.
///
/// Costs a few milliseconds, more where there are tens of thousands of connections or open files. `None` where the
/// control connection does not end in this network namespace, or has ended: nothing can be told then.
pub fn listeners_of(
    flow: &Flow,
    advertised: u16,
    known: &dyn Fn(u16) -> bool,
) -> Option<Listening> {
    let ends_here = |socket: &Socket| {
        socket.local == (flow.server.ip(), flow.server_port).into()
            && socket.remote == (flow.client.ip(), flow.client_port).into()
    };
    let found = sockets::select(|socket| socket.listening || ends_here(socket)).ok()?;
    let (listeners, control): (Vec<_>, Vec<_>) = found.into_iter().partition(|s| s.listening);
    let control = control.first()?;

    let inodes: HashSet<u64> = listeners.iter().chain([control]).map(|s| s.inode).collect();
    let holders = owners::of(&inodes);
    let family = owners::family(&holders, control.inode);
    let held = |socket: &&Socket| {
        let mut family = family.iter();
        family.any(|holder| holder.inodes.contains(&socket.inode))
    };
    let ours: BTreeSet<u16> = listeners
        .iter()
        .filter(held)
        .map(|s| s.local.port())
        .collect();
    // Another process may have that very port, on another address.
    let reaches = |socket: &&Socket| {
        socket.local.port() == advertised
            && (socket.is_for(flow.server.ip()) || ours.contains(&advertised))
    };
    let owner = holders
        .iter()
        .find(|holder| holder.inodes.contains(&control.inode));
    Some(Listening {
        advertised: listeners.iter().any(|socket| reaches(&socket)),
        others: ours
            .iter()
            .copied()
            .filter(|&port| port != advertised && port != flow.server_port && !known(port))
            .collect(),
        shared: owner.is_some_and(|owner| accepts(owner, &holders, &listeners, flow.server_port)),
        owner: owner.map(|holder| holder.process.clone()),
    })
}

/// Whether `owner` accepts connections to `port` itself. A server that forks may leave the listening socket to its
/// children (Pure-FTPd does), which make nothing of it: then the parent has it as well.
fn accepts(owner: &Holder, holders: &[Holder], listeners: &[Socket], port: u16) -> bool {
    let inherited = |inode: &u64| {
        let mut holders = holders.iter();
        holders
            .any(|other| other.process.pid == owner.process.parent && other.inodes.contains(inode))
    };
    let mut accepting = listeners
        .iter()
        .filter(|socket| socket.local.port() == port);
    accepting.any(|socket| owner.inodes.contains(&socket.inode) && !inherited(&socket.inode))
}

#[cfg(test)]
mod tests;
