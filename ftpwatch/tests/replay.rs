//! Captures, packet by packet through the kernel's programs (`BPF_PROG_TEST_RUN`) and through the host's store: both
//! make the same of them. Needs root: `cargo xtask test`.
//!
//! What belongs here: that kernel and host agree on real traffic. What is in a capture belongs in captures/known.rs,
//! and what packets mean in the scenarios.

#[allow(dead_code, reason = "a part of the bench is for other tests")]
mod bench;
mod folder;
mod packets;
#[allow(unused_macros, reason = "no scenario is played here")]
mod scenarios;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bench::{Bench, Program};
use ftpwatch::source::capture::{Capture, Item};
use ftpwatch_common::packet::Link;
use scenarios::{Script, Step, play_to_both};

/// `BPF_PROG_TEST_RUN` takes packets that fit in a page, beside what the kernel keeps there (`bpf_test_init`).
const LONGEST: usize = 3_500;

/// Nor does it take packets that are shorter than an Ethernet header.
const SHORTEST: usize = 14;

/// The packets of a capture that begin alike.
#[derive(Default)]
struct Frames {
    script: Script,
    /// Packets that were cut when they were captured.
    cut: usize,
    /// Packets that are cut here.
    long: usize,
    /// Packets that are left out.
    short: usize,
}

/// The packets of a capture that begin with `link`. Both sides are given the same bytes of those that are not whole,
/// and nothing else is known of them: as if they had been as short on the wire.
fn frames(file: &Path, link: Link) -> Frames {
    let mut frames = Frames::default();
    let capture = Capture::open(file).expect("it is a capture");
    capture
        .read(|item| {
            let Item::Packet(packet) = item else {
                return Ok(());
            };
            // Left to the test of another program.
            if packet.link != link {
                return Ok(());
            }
            let bytes = &packet.bytes[..packet.bytes.len().min(LONGEST)];
            if bytes.len() < SHORTEST {
                frames.short += 1;
                return Ok(());
            }
            frames.cut += usize::from(packet.bytes.len() < packet.total as usize);
            frames.long += usize::from(packet.bytes.len() > LONGEST);
            frames.script.0.push(Step::Frame(bytes.to_vec()));
            Ok(())
        })
        .expect("nothing is written");
    frames
}

fn replay(program: Program) {
    let mut bench = Bench::new(program);
    let (mut packets, mut endpoints) = (0, 0);
    let mut failed = Vec::new();
    for file in folder::captures() {
        let name = folder::name(&file);
        let frames = frames(&file, program.link());
        for (count, what) in [
            (frames.cut, "cut when they were captured"),
            (frames.long, "too long to be run, and cut"),
            (frames.short, "too short to be run, and left out"),
        ] {
            if count > 0 {
                println!("{program:?}: {name}: {count} packets are {what}");
            }
        }
        packets += frames.script.0.len();
        let both = AssertUnwindSafe(|| play_to_both(&mut bench, &frames.script, program.link()));
        match catch_unwind(both) {
            Ok(seen) => endpoints += seen.endpoints.len(),
            Err(_) => {
                failed.push(name);
                bench = Bench::new(program);
            }
        }
    }
    println!("{program:?}: {packets} packets, {endpoints} endpoints");
    // All that are known to have one are Ethernet's.
    assert!(
        endpoints > 0 || program == Program::Ip,
        "there is no endpoint"
    );
    assert!(failed.is_empty(), "failed: {failed:?}");
    bench.assert_all_ports_shut();
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn on_ether() {
    replay(Program::Ether);
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn on_xdp() {
    replay(Program::Xdp);
}

/// What is captured without an Ethernet header: raw IP, loopback, cooked.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn on_ip() {
    replay(Program::Ip);
}
