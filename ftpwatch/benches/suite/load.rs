//! `ftpwatch run` at work: what its process uses when nothing happens and when much does, and whether anything is lost.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::lab::frames::Frames;
use crate::lab::netns::{Namespace, cable};
use crate::lab::process::Process;
use crate::lab::{Directory, SOON, wait_until, watch};
use crate::packets::{Conversation, Packet, ethernet};

/// How long it is watched with nothing to do.
const IDLE: Duration = Duration::from_secs(20);
/// How long each load lasts.
const LOADED: Duration = Duration::from_secs(5);
/// Clients with a control connection each.
const CLIENTS: u16 = 500;

/// Runs it, and prints what came of it.
pub fn run() -> Result<()> {
    println!("| endpoints a second | sent | processor | resident | said at the end |");
    println!("|---|---|---|---|---|");
    for rate in [0, 1_000, 10_000, 100_000] {
        one(rate)?;
    }
    Ok(())
}

/// ftpwatch on one end of a cable, and packets from the other.
fn one(rate: u32) -> Result<()> {
    let server = Namespace::new("bench-server");
    let client = Namespace::new("bench-client");
    cable((&server, "s0"), (&client, "c0"));
    let directory = Directory::new("bench");
    let ready = directory.path().join("ready");
    let mut command: Command = server.command(watch::FTPWATCH);
    command
        .args(["run", "-i", "s0", "--ready-file"])
        .arg(&ready);
    let mut process = Process::start(&mut command);
    wait_until("ftpwatch is ready", SOON, || {
        assert!(!process.has_ended(), "ftpwatch ended: {process}");
        ready.exists().then_some(())
    });
    let wire = client.enter(|| Frames::onto("c0"))?;
    let before = Used::of(process.id())?;
    let started = Instant::now();
    let mut sent = 0;
    if rate == 0 {
        std::thread::sleep(IDLE);
    } else {
        sent = load(&wire, rate)?;
    }
    let elapsed = started.elapsed();
    let after = Used::of(process.id())?;
    process.signal(rustix::process::Signal::INT);
    let ended = process.wait(SOON * 4);
    let share = (after.processor - before.processor) / elapsed.as_secs_f64() * 100.0;
    println!(
        "| {rate} | {sent} in {:.1} s | {share:.2} % | {:.1} MB | {} |",
        elapsed.as_secs_f64(),
        after.resident_kb as f64 / 1024.0,
        ended.stderr.trim().replace('\n', "; "),
    );
    Ok(())
}

/// Sends endpoints, each advertised and connected to, at `rate` or as fast as it goes. Returns how many.
fn load(wire: &Frames, rate: u32) -> Result<u64> {
    let mut talks: Vec<Conversation> = (0..CLIENTS).map(Conversation::numbered).collect();
    for talk in &mut talks {
        wire.send(ethernet(&talk.opening()))?;
    }
    let started = Instant::now();
    let mut sent = 0_u64;
    while started.elapsed() < LOADED {
        let due = u64::from(rate) * started.elapsed().as_micros() as u64 / 1_000_000;
        // A burst at a time; what is late is made up for, up to a point.
        let burst = due.saturating_sub(sent).min(64);
        if burst == 0 {
            std::thread::sleep(Duration::from_micros(500));
        }
        for _ in 0..burst {
            let count = talks.len() as u64;
            let talk = &mut talks[(sent % count) as usize];
            let port = 20_000 + (sent % 40_000) as u16;
            let mut packets: Vec<Packet> = talk.exchange(port).into();
            packets.push(talk.client("RETR a"));
            packets.extend(talk.data(port).handshake());
            packets.push(talk.server("150 Here it comes"));
            packets.push(talk.server("226 Done"));
            wire.send(ethernet(&packets))?;
            sent += 1;
        }
    }
    Ok(sent)
}

/// What a process has used.
struct Used {
    processor: f64,
    resident_kb: u64,
}

impl Used {
    fn of(id: u32) -> Result<Self> {
        let schedule = std::fs::read_to_string(format!("/proc/{id}/schedstat"))?;
        let nanoseconds: u64 = schedule.split(' ').next().context("no time")?.parse()?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no size")?;
        Ok(Self {
            processor: nanoseconds as f64 / 1e9,
            resident_kb: resident.trim().trim_end_matches(" kB").parse()?,
        })
    }
}
