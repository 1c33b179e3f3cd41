//! FTP servers on this host: who listens on the control ports, and what their configuration says of passive mode.

mod files;
mod judge;
mod proftpd;
mod pure_ftpd;
mod vsftpd;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    net::IpAddr,
    ops::RangeInclusive,
};

use super::check::{Check, Group};
use crate::{
    host::{
        owners::{self, Process},
        sockets::{self, Socket},
    },
    source::kernel::host,
};

use files::Files;

const GROUP: Group = Group::Server;

/// A server that was found.
#[derive(Clone, Debug)]
pub struct Server {
    /// The control ports that it listens on.
    pub ports: BTreeSet<u16>,
    /// The passive ports that it is told to use, where that is known.
    pub range: Option<RangeInclusive<u16>>,
    /// The versions of IP that it listens on.
    pub families: Families,
}

/// Versions of IP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Families {
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
}

/// What a configuration says of passive mode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passive {
    /// Where it was read.
    pub source: String,
    /// Passive mode is switched off.
    pub disabled: bool,
    /// The ports. `None`: any.
    pub range: Option<(u16, u16)>,
    /// What it is told to advertise.
    pub address: Option<String>,
    /// It may be a host name.
    pub takes_names: bool,
    /// What is odd about the file, and may make it count differently.
    pub notes: Vec<String>,
}

/// What a kind of server calls things.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Its name.
    name: &'static str,
    /// How to set the range, to 50000–50100.
    range: &'static str,
    /// What the address is called.
    address: &'static str,
    /// How to set the address.
    set_address: &'static str,
}

/// A kind of server: its executable, how its configuration is found and read, its words.
struct Kind {
    executable: &'static str,
    read: fn(&Files, &Process) -> Option<Passive>,
    words: Words,
}

const KINDS: [Kind; 3] = [
    Kind {
        executable: "vsftpd",
        read: vsftpd::read,
        words: vsftpd::WORDS,
    },
    Kind {
        executable: "proftpd",
        read: proftpd::read,
        words: proftpd::WORDS,
    },
    Kind {
        executable: "pure-ftpd",
        read: pure_ftpd::read,
        words: pure_ftpd::WORDS,
    },
];

/// The servers on `control_ports`, and what is to be said of them.
pub fn checks(control_ports: &[u16]) -> (Vec<Check>, Vec<Server>) {
    const NAME: &str = "listens";
    let wanted: HashSet<u16> = control_ports.iter().copied().collect();
    let listeners = match sockets::select(|s| s.listening && wanted.contains(&s.local.port())) {
        Ok(listeners) => listeners,
        Err(error) => {
            let check = Check::unknown(GROUP, NAME, format!("sockets cannot be listed: {error}"));
            return (vec![check.advise("It takes /proc/net.")], Vec::new());
        }
    };
    if listeners.is_empty() {
        let found = format!(
            "nobody listens on {}: watch here as a gateway does, or name the control port (-p)",
            listed(&control_ports.iter().copied().collect())
        );
        return (vec![Check::ok(GROUP, NAME, found)], Vec::new());
    }
    let addresses = host().map(|host| host.addresses).unwrap_or_default();
    let mut checks = Vec::new();
    let mut servers = Vec::new();
    for (process, sockets) in by_process(&listeners) {
        let (said, server) = one(process.as_ref(), &sockets, &addresses);
        checks.extend(said);
        servers.push(server);
    }
    (checks, servers)
}

/// Sockets by who listens on them. A server that forks has one socket in many processes: its first counts.
fn by_process(listeners: &[Socket]) -> Vec<(Option<Process>, Vec<Socket>)> {
    let holders = owners::of(&listeners.iter().map(|socket| socket.inode).collect());
    let mut found: BTreeMap<Option<u32>, (Option<Process>, Vec<Socket>)> = BTreeMap::new();
    for socket in listeners {
        let holding = holders.iter().filter(|h| h.inodes.contains(&socket.inode));
        let pids: HashSet<u32> = holding.clone().map(|holder| holder.process.pid).collect();
        let first = holding
            .map(|holder| &holder.process)
            .filter(|process| !pids.contains(&process.parent))
            .min_by_key(|process| process.pid);
        let entry = found.entry(first.map(|process| process.pid));
        entry
            .or_insert_with(|| (first.cloned(), Vec::new()))
            .1
            .push(*socket);
    }
    found.into_values().collect()
}

fn one(
    process: Option<&Process>,
    sockets: &[Socket],
    addresses: &HashSet<IpAddr>,
) -> (Vec<Check>, Server) {
    const NAME: &str = "listens";
    let places: Vec<String> = sockets.iter().map(|s| s.local.to_string()).collect();
    let mut server = Server {
        ports: sockets.iter().map(|socket| socket.local.port()).collect(),
        range: None,
        families: families(sockets),
    };
    let places = places.join(", ");
    let Some(process) = process else {
        let check = Check::unknown(GROUP, NAME, format!("somebody listens on {places}"))
            .advise("Run it as root to see who: it takes CAP_SYS_PTRACE.");
        return (vec![check], server);
    };
    let found = format!("{} (pid {}) listens on {places}", process.name, process.pid);
    let mut checks = vec![Check::ok(GROUP, NAME, found)];
    let Some(kind) = KINDS.iter().find(|kind| process.name == kind.executable) else {
        checks.push(stranger(&process.name));
        return (checks, server);
    };
    match (kind.read)(&Files::of(process.pid), process) {
        Some(passive) => {
            // With none set it may be any that needs no privilege.
            let (low, high) = passive.range.unwrap_or((1024, u16::MAX));
            server.range = (low <= high).then_some(low..=high);
            checks.extend(judge::checks(&passive, kind.words, addresses));
        }
        None => checks.push(
            Check::unknown(
                GROUP,
                "configuration",
                format!("the configuration of {} cannot be read", process.name),
            )
            .advise("Run it as root, or name the range: --passive-range LO-HI."),
        ),
    }
    (checks, server)
}

/// A file that was not named to us: a server that wrote over its command line may read another.
fn usual(place: &str) -> String {
    format!("{place}, its usual place")
}

/// Who is not one of the three, or stands in for one.
fn stranger(name: &str) -> Check {
    const NAME: &str = "configuration";
    match name {
        "docker-proxy" | "rootlessport" => Check::unknown(
            GROUP,
            NAME,
            format!("{name} passes connections on to a container: the server is in there"),
        )
        .advise("Publish the passive range as well, port by port: `docker run -p 40000-40100:40000-40100`.")
        .advise("Have the server advertise this host's address, not the container's."),
        "systemd" | "xinetd" | "inetd" => Check::unknown(
            GROUP,
            NAME,
            format!("{name} starts the server when a client comes: which one, it knows"),
        )
        .advise("See `systemctl list-sockets`, or its configuration; and name the range: --passive-range LO-HI."),
        _ => Check::unknown(
            GROUP,
            NAME,
            format!("the configuration of {name} is not one that can be read here"),
        )
        .advise("See yourself which passive ports and address it is told, and name the range: --passive-range LO-HI."),
    }
}

fn families(sockets: &[Socket]) -> Families {
    let mut families = Families::default();
    for socket in sockets {
        match socket.local.ip() {
            IpAddr::V4(_) => families.v4 = true,
            // One for all addresses takes IPv4 too, by default.
            IpAddr::V6(address) => {
                families.v6 = true;
                families.v4 |= address.is_unspecified();
            }
        }
    }
    families
}

fn listed(ports: &BTreeSet<u16>) -> String {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    match ports.len() {
        1 => format!("port {}", ports[0]),
        2..=8 => format!("ports {}", ports.join(", ")),
        count => format!("any of {count} ports"),
    }
}
