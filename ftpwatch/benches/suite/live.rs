//! What a packet costs on the whole way in: live frames, injected at the loopback interface of a namespace of its own.
//!
//! They are of no FTP connection, and nobody's: looked at by whoever is there to look, and dropped for want of a route.

use std::process::Command;

use anyhow::Result;
use ftpwatch_common::packet::Link;

use crate::assembly::{self, Kind, LIVE_FRAMES};
use crate::lab::netns::Namespace;
use crate::lab::process::Process;
use crate::lab::{Directory, SOON, wait_until, watch};
use crate::packets::{Conversation, Family};
use crate::rig::thread_time;
use crate::series::{Chance, Table};
use std::os::fd::AsRawFd;

const ROUNDS: usize = 15;
const TIMES: u32 = 200_000;

/// What looks on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watcher {
    Nobody,
    /// A program that does nothing, where ftpwatch's would be.
    Hook,
    Ftpwatch,
    Tcpdump,
    Conntrack,
}

/// Runs it, and prints the table.
pub fn run() -> Result<()> {
    let mut table = Table::new("ns");
    let none = table.row("nobody", 0);
    let rows = [
        (none, Watcher::Nobody),
        (table.row("nobody again (A/A)", none), Watcher::Nobody),
        (
            table.row("the hook: a return-only program (tcx)", none),
            Watcher::Hook,
        ),
        (table.row("ftpwatch (tcx)", none), Watcher::Ftpwatch),
        (table.row("tcpdump 'tcp port 21'", none), Watcher::Tcpdump),
        (
            table.row("conntrack with FTP helper", none),
            Watcher::Conntrack,
        ),
    ];
    let pass = assembly::nothing(Kind::Xdp)?;
    let nothing = assembly::nothing(Kind::Tc)?;
    let mut talk = Conversation::between(
        (Family::V4.client(7), 40_000).into(),
        (Family::V4.server(10), 443).into(),
    );
    let mut bytes = talk.server_sends(&[b'x'; 10]).bytes(Link::Ethernet);
    // To the loopback interface itself, and with sums that are right: so it goes on as far as to routing.
    bytes[..12].fill(0);
    put_sums(&mut bytes);
    let mut order = Chance::new();
    for round in 0..=ROUNDS {
        for at in order.order(rows.len()) {
            let (row, watcher) = rows[at];
            let namespace = Namespace::new("bench-live");
            namespace.ip("link set lo up\nroute add blackhole default");
            let _watching = watch(&namespace, watcher);
            let taken = namespace.enter(|| -> Result<f64> {
                let hook = watcher == Watcher::Hook;
                let _links = hook.then(|| assembly::attach(&nothing, "lo")).transpose()?;
                // The first frames are made, the others used again.
                assembly::run(pass.as_raw_fd(), &bytes, TIMES / 10, LIVE_FRAMES)?;
                let before = thread_time()?;
                assembly::run(pass.as_raw_fd(), &bytes, TIMES, LIVE_FRAMES)?;
                Ok((thread_time()? - before).as_nanos() as f64 / f64::from(TIMES))
            })?;
            // The first round warms up.
            if round > 0 {
                table.push(row, taken);
            }
        }
    }
    table.print();
    Ok(())
}

/// Ethernet, IPv4 and TCP, without options: puts the checksums of the last two where they belong (RFC 1071).
fn put_sums(bytes: &mut [u8]) {
    let (header, segment) = bytes[14..].split_at_mut(20);
    let sum = sum(header, 0);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    let pseudo = header[12..20].chunks(2).map(word).sum::<u32>() + 6 + segment.len() as u32;
    let sum = self::sum(segment, pseudo);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
}

fn sum(bytes: &[u8], start: u32) -> u16 {
    let mut sum = start + bytes.chunks(2).map(word).sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn word(pair: &[u8]) -> u32 {
    u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low))
}

/// Starts it, and waits until it looks.
fn watch(namespace: &Namespace, watcher: Watcher) -> Option<(Process, Option<Directory>)> {
    match watcher {
        Watcher::Nobody | Watcher::Hook => None,
        Watcher::Ftpwatch => {
            let directory = Directory::new("bench");
            let ready = directory.path().join("ready");
            let mut command: Command = namespace.command(watch::FTPWATCH);
            command
                .args(["run", "-i", "lo", "--ready-file"])
                .arg(&ready);
            let mut process = Process::start(&mut command);
            wait_until("ftpwatch is ready", SOON, || {
                assert!(!process.has_ended(), "ftpwatch ended: {process}");
                ready.exists().then_some(())
            });
            Some((process, Some(directory)))
        }
        Watcher::Tcpdump => {
            let mut command = namespace.command("tcpdump");
            command.args(["-ni", "lo", "-w", "-", "tcp port 21"]);
            let process = Process::start(&mut command);
            process.stderr.wait_for("listening on");
            Some((process, None))
        }
        Watcher::Conntrack => {
            namespace.nft(
                "table ip t {\n ct helper f {\n  type \"ftp\" protocol tcp;\n  l3proto ip\n }\n \
                 chain p {\n  type filter hook prerouting priority 0; policy accept;\n  \
                 tcp dport 21 ct helper set \"f\"\n  ct state related counter\n }\n}\n",
            );
            None
        }
    }
}
