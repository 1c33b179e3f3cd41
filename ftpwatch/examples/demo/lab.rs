//! The network of the story, in namespaces of its own: nothing of this machine's is touched.
//!
//! ```text
//!   client                            servers
//!   lan0 10.100.20.7 ───────────────── dev0  10.100.20.222
//!   wan0 198.51.100.7 ── internet ──── prod0 203.0.113.10, 172.16.40.222
//! ```
//!
//! A real PRODFTP sits behind NAT: its gateway holds 203.0.113.10. Here its host holds both
//! addresses, because NAT would take tools and kernel modules that a newcomer may not have. To the
//! client it is the same: the public address answers, the private one leads nowhere.

use std::fmt;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};

use tokio::process::Command;

use crate::trouble::{Result, Trouble};

const PREFIX: &str = "ftpwatch-demo-";

/// A namespace of the story.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    Client,
    Internet,
    Servers,
}

const PLACES: [Place; 3] = [Place::Client, Place::Internet, Place::Servers];

/// The name of the namespace, which no other run has.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Place::Client => "client",
            Place::Internet => "internet",
            Place::Servers => "servers",
        };
        write!(f, "{PREFIX}{}-{name}", process::id())
    }
}

/// The namespaces, for as long as it lives.
#[derive(Debug)]
pub struct Lab(());

impl Lab {
    /// Makes the namespaces and the links between them.
    pub fn build() -> Result<Self> {
        sweep();
        // From here on, whatever there is of it goes when it is dropped.
        let lab = Lab(());
        for place in PLACES {
            ip(&format!("netns add {place}"))?;
            ip(&format!("-n {place} link set lo up"))?;
        }
        let (client, internet, servers) = (Place::Client, Place::Internet, Place::Servers);
        link(
            (client, "lan0", &["10.100.20.7/24"]),
            (servers, "dev0", &["10.100.20.222/24"]),
        )?;
        link(
            (client, "wan0", &["198.51.100.7/24"]),
            (internet, "client", &["198.51.100.1/24"]),
        )?;
        link(
            (internet, "servers", &["203.0.113.1/24"]),
            (servers, "prod0", &["203.0.113.10/24", "172.16.40.222/24"]),
        )?;
        ip(&format!("-n {client} route add default via 198.51.100.1"))?;
        ip(&format!("-n {servers} route add default via 203.0.113.1"))?;
        for private in ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"] {
            ip(&format!("-n {internet} route add blackhole {private}"))?;
        }
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        run(&["netns", "exec", &internet.to_string(), "sh", "-c", forward])?;
        Ok(lab)
    }

    /// A program that runs in one of the namespaces.
    pub fn command(&self, place: Place, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &place.to_string()])
            .arg(program);
        // In a process group of its own, Ctrl-C does not reach it: it is for the demo to end it.
        command.process_group(0).stdin(Stdio::null());
        command
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for place in PLACES {
            remove(&place.to_string());
        }
    }
}

/// One end of a link: where, its name, its addresses.
type End<'a> = (Place, &'a str, &'a [&'a str]);

fn link(one: End, other: End) -> Result<()> {
    let ((place, name, _), (peer_place, peer, _)) = (one, other);
    // Made inside: no name of it ever shows up outside, where it could be taken.
    ip(&format!(
        "-n {place} link add {name} type veth peer name {peer} netns {peer_place}"
    ))?;
    for (place, name, addresses) in [one, other] {
        for address in addresses {
            ip(&format!("-n {place} address add {address} dev {name}"))?;
        }
        ip(&format!("-n {place} link set {name} up"))?;
    }
    Ok(())
}

fn ip(line: &str) -> Result<()> {
    run(&line.split(' ').collect::<Vec<_>>())
}

fn run(args: &[&str]) -> Result<()> {
    let failed = |why: &dyn fmt::Display| {
        Trouble::new(
            format!("'ip {}': {why}", args.join(" ")),
            "in a container it needs to be a privileged one; or run the demo on the machine itself",
        )
    };
    let output = process::Command::new("ip")
        .args(args)
        .process_group(0)
        .output()
        .map_err(|e| failed(&e))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(&said.lines().next().unwrap_or("failed")))
}

/// Removes what an earlier run left that was killed before it could.
fn sweep() {
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    for name in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        let Some(owner) = owner.and_then(|pid| pid.parse::<u32>().ok()) else {
            continue;
        };
        if owner == process::id() || !Path::new(&format!("/proc/{owner}")).exists() {
            remove(&name);
            let _ = fs::remove_file(ready_file(owner));
        }
    }
}

/// The file by which ftpwatch says that it watches, for the demo with this process id. In /run,
/// where nobody but root can have put something in its way.
pub fn ready_file(demo: u32) -> PathBuf {
    PathBuf::from(format!("/run/{PREFIX}{demo}.ready"))
}

fn remove(namespace: &str) {
    // What is not there (any more) need not be removed.
    let _ = ip(&format!("netns delete {namespace}"));
}
