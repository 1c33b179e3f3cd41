//! What really passed an interface, as tcpdump saw it.

use super::netns::Namespace;
use super::process::Process;
use super::{SOON, client, wait_until};
use rustix::process::Signal;
use std::net::{IpAddr, SocketAddr};

/// tcpdump on one interface, running.
pub struct Capture(Process);

/// A TCP packet.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Seconds.
    pub at: f64,
    pub source: SocketAddr,
    pub target: SocketAddr,
    /// As tcpdump writes them: `S`, `S.`, `.`, `P.`, `F.`, `R`, `R.`
    pub flags: String,
    /// Bytes after the headers.
    pub length: usize,
    /// What the packet says, on the control port.
    pub ftp: Option<String>,
}

impl Capture {
    /// Starts and waits until nothing passes unseen.
    pub fn start(namespace: &Namespace, interface: &str) -> Self {
        let process = Process::start(namespace.command("tcpdump").args([
            "-nn",
            "-tt",
            "-l",
            "--immediate-mode",
            "-i",
            interface,
            "tcp",
        ]));
        process.stderr.wait_for("listening on");
        Capture(process)
    }

    /// What has passed by now.
    pub fn stop(self) -> Vec<Packet> {
        let mut asked = 0;
        wait_until("tcpdump has shown what it was given", SOON, || {
            // It answers on standard error: "tcpdump: 12 packets captured, 12 packets received by filter, 0 …".
            let said = self.0.stderr.text();
            let answers = || said.lines().filter(|line| line.contains(" captured, "));
            if answers().count() < asked {
                return None;
            }
            let shown: Vec<u64> = answers().filter_map(first_number).collect();
            // Each answer it comes to between two looks at what it is given: when nothing was new at three of them, there
            // is nothing left. (How much it was given, it says as well, but with what its filter kept from it.)
            if let [.., first, second, third] = shown[..]
                && first == second
                && second == third
            {
                return Some(());
            }
            asked += 1;
            self.0.signal(Signal::USR1);
            None
        });
        self.0.signal(Signal::INT);
        self.0
            .wait(SOON)
            .ok()
            .stdout
            .lines()
            .filter_map(Packet::read)
            .collect()
    }
}

fn first_number(answer: &str) -> Option<u64> {
    answer
        .split(|c: char| !c.is_ascii_digit())
        .find_map(|number| number.parse().ok())
}

impl Packet {
    /// Whether it begins with `text`, on the control port.
    pub fn says(&self, text: &str) -> bool {
        self.ftp.as_ref().is_some_and(|ftp| ftp.starts_with(text))
    }

    /// Reads `1763800000.123456 IP 198.51.100.7.40132 > 203.0.113.10.21: Flags [P.], …: FTP: PASV`.
    fn read(line: &str) -> Option<Packet> {
        let mut words = line.split_whitespace();
        let at = words.next()?.parse().ok()?;
        if !words.next()?.starts_with("IP") {
            return None;
        }
        let source = socket_address(words.next()?)?;
        let target = socket_address(words.nth(1)?.strip_suffix(':')?)?;
        let flags = line.split_once("Flags [")?.1.split_once(']')?.0.to_owned();
        let (_, length) = line.split_once(", length ")?;
        let length = length.split([':', ' ']).next()?.trim().parse().ok()?;
        let ftp = line.split_once("FTP: ").map(|(_, text)| text.to_owned());
        Some(Packet {
            at,
            source,
            target,
            flags,
            length,
            ftp,
        })
    }
}

/// Reads tcpdump's `address.port`.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.rsplit_once('.')?;
    Some(SocketAddr::new(address.parse().ok()?, port.parse().ok()?))
}

impl std::fmt::Display for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Packet {
            at,
            source,
            target,
            flags,
            length,
            ftp,
        } = self;
        write!(
            f,
            "{at:.6} {source} > {target} [{flags}] {length} {}",
            ftp.as_deref().unwrap_or_default()
        )
    }
}

/// One packet a line.
pub fn listing(packets: &[Packet]) -> String {
    packets.iter().map(|packet| format!("{packet}\n")).collect()
}

/// What became of the first endpoint that was advertised, at one interface.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub syn: bool,
    pub syn_ack: bool,
    pub reset: bool,
    /// The client acknowledged the SYN-ACK.
    pub established: bool,
}

/// Finds the first advertisement and what followed on its port.
#[track_caller]
pub fn first_endpoint(packets: &[Packet]) -> (SocketAddr, Seen) {
    let (position, endpoint) = packets
        .iter()
        .enumerate()
        .find_map(|(position, packet)| Some((position, advertised(packet)?)))
        .unwrap_or_else(|| panic!("nothing was advertised:\n{}", listing(packets)));
    let mut seen = Seen::default();
    for packet in &packets[position..] {
        let outwards = packet.target.port() == endpoint.port();
        let back = packet.source.port() == endpoint.port();
        match packet.flags.as_str() {
            "S" if outwards => seen.syn = true,
            "S." if back => seen.syn_ack = true,
            "R" | "R." if back => seen.reset = true,
            "." | "P." | "F." if outwards && seen.syn_ack => seen.established = true,
            _ => {}
        }
    }
    (endpoint, seen)
}

/// The endpoint that a packet advertises. A 229 stands for the address that it comes from.
fn advertised(packet: &Packet) -> Option<SocketAddr> {
    let text = packet.ftp.as_deref()?;
    if text.starts_with("227 ") {
        Some(client::endpoint_of_227(text))
    } else if text.starts_with("229 ") {
        let control: IpAddr = packet.source.ip();
        Some(SocketAddr::new(
            control,
            text.split('|').nth(3)?.parse().ok()?,
        ))
    } else {
        None
    }
}
