//! `cargo xtask soak [ENDPOINTS]`: a million endpoints from ten thousand control connections at once, each of which comes
//! to what is known beforehand. Nothing may be said that is not so, nothing may be left out, and nothing may grow.
//!
//! Packets by hand, through the kernel as it is: no server can have so many clients on one machine.

#![allow(missing_docs, reason = "a program of its own, read as a whole")]

mod crowd;
mod fate;
#[path = "../../tests/lab/mod.rs"]
mod lab;
#[path = "../../tests/packets/mod.rs"]
mod packets;
mod verdict;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crowd::Crowd;
use lab::frames::Frames;
use lab::netns::{Namespace, cable};
use lab::process::Process;
use lab::{Directory, SOON, wait_until, watch};
use verdict::{Memory, Verdict};

/// How many of them a second, at most.
const RATE: u64 = 10_000;

/// How often memory is looked at.
const LOOKS: u64 = 20;

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<()> {
    // cargo says so itself with `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let Some(endpoints) = arguments.next() else {
        bail!("of how many endpoints? See: cargo xtask soak --help");
    };
    let endpoints = endpoints
        .parse()
        .with_context(|| format!("`{endpoints}` is no number of endpoints"))?;
    if endpoints < LOOKS {
        bail!("{LOOKS} endpoints are the least");
    }
    soak(endpoints)
}

/// ftpwatch on one end of a cable, and the crowd at the other.
fn soak(endpoints: u64) -> Result<()> {
    let server = Namespace::new("soak-server");
    let client = Namespace::new("soak-client");
    cable((&server, "s0"), (&client, "c0"));
    let directory = Directory::new("soak");
    let ready = directory.path().join("ready");
    let mut command = server.command(watch::FTPWATCH);
    command
        .args(["run", "-v", "-i", "s0"])
        .args(["--format", "json", "--show", "failures"])
        .arg("--ready-file")
        .arg(&ready);
    let mut process = Process::start(&mut command);
    wait_until("ftpwatch is ready", SOON, || {
        assert!(!process.has_ended(), "ftpwatch ended: {process}");
        ready.exists().then_some(())
    });

    let wire = client.enter(|| Frames::onto("c0"))?;
    let mut crowd = Crowd::open(&wire)?;
    let mut memory = vec![Memory::of(process.id())?];
    let started = Instant::now();
    for part in 1..=LOOKS {
        while crowd.sent() < endpoints * part / LOOKS {
            wait_for_turn(started, crowd.sent());
            crowd.step(&wire)?;
        }
        memory.push(Memory::of(process.id())?);
    }
    let took = started.elapsed();
    let expected = crowd.close(&wire)?;
    process.signal(rustix::process::Signal::INT);
    let ended = process.wait(SOON * 4);

    let verdict = Verdict::new(&ended, &expected, &memory);
    println!(
        "{endpoints} endpoints of {} control connections at once, in {} s",
        crowd::CLIENTS,
        took.as_secs()
    );
    println!("{verdict}");
    if !verdict.holds() {
        bail!(
            "it does not hold; ftpwatch said at the end:\n{}",
            ended.stderr
        );
    }
    Ok(())
}

/// Keeps to [`RATE`].
fn wait_for_turn(started: Instant, sent: u64) {
    let due = Duration::from_micros(sent * 1_000_000 / RATE);
    let early = due.saturating_sub(started.elapsed());
    // Not for each: what is slept is seldom as short.
    if early > Duration::from_millis(1) {
        std::thread::sleep(early);
    }
}
