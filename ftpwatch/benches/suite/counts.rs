//! What does not depend on how busy the machine is: instructions. These are held to: more than 2 % above what is
//! written down in `counts.txt` is an error, where compilers and kernel are the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context, Result, bail};
use ftpwatch_common::reply::ReplyDecoder;
use ftpwatch_common::window::Copy;

use crate::rig::Rig;

/// What was counted before.
const WRITTEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/suite/counts.txt");

/// With this in the environment what is counted is written down.
const RENEW: &str = "FTPWATCH_BENCH_RENEW";

/// Lines decoded under valgrind, beyond those of another run: what comes before and after is in both.
const LINES: u64 = 10_000;

/// Counts, prints, compares.
pub fn run() -> Result<()> {
    let mut counts = BTreeMap::new();
    let mut rig = Rig::new(None)?;
    for (name, program) in rig.kernel.ebpf_mut().programs() {
        // The probes on TLS libraries are loaded where they are wanted. docs/KERNELS.md has them.
        let Ok(info) = program.info() else {
            continue;
        };
        let verified = info.verified_instruction_count().context("an old kernel")?;
        counts.insert(format!("{name}: verified"), u64::from(verified));
        let translated = info.size_translated().context("not permitted")? / 8;
        counts.insert(format!("{name}: translated"), u64::from(translated));
    }
    let lines = executed(2 * LINES)? - executed(LINES)?;
    counts.insert("decoder: a 227 line".into(), lines / LINES);
    let written = std::fs::read_to_string(WRITTEN).unwrap_or_default();
    let here = here();
    let comparable = written.lines().next() == Some(here.as_str());
    println!("| {:32} | instructions | written down | ratio |", here);
    println!("|---|---|---|---|");
    let mut over = Vec::new();
    for (name, count) in &counts {
        let before: Option<u64> = written
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        let ratio = before.map(|before| *count as f64 / before as f64);
        println!(
            "| {name:32} | {count} | {} | {} |",
            before.map_or("-".into(), |before| before.to_string()),
            ratio.map_or("-".into(), |ratio| format!("{ratio:.3}")),
        );
        if ratio.is_some_and(|ratio| ratio > 1.02) {
            over.push(name.as_str());
        }
    }
    if std::env::var_os(RENEW).is_some() {
        let mut text = format!("{here}\n");
        for (name, count) in &counts {
            writeln!(text, "{name} {count}")?;
        }
        return std::fs::write(WRITTEN, text).context(WRITTEN);
    }
    if !comparable {
        println!("\nWritten down with other compilers or another kernel: not held to.");
    } else if !over.is_empty() {
        bail!(
            "more than 2 % above what is written down: {}\nIf that has to be: {RENEW}=1 cargo xtask bench counts",
            over.join(", ")
        );
    }
    Ok(())
}

/// Kernel and compilers: others make other instructions of the same source.
fn here() -> String {
    let version = |rustc: &str| {
        let output = Command::new(rustc).arg("--version").output();
        output.map_or_else(
            |_| "none".to_owned(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    };
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{}; {}; Linux {}",
        version("rustc"),
        version("/usr/bin/rustc"),
        kernel.trim()
    )
}

/// How many instructions a run of [`decode`] takes, by callgrind.
fn executed(lines: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args([DECODE, &lines.to_string()])
        .output()
        .context("valgrind cannot be run: cargo xtask setup --tests")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said
        .lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    count.with_context(|| format!("valgrind counted nothing:\n{said}"))
}

/// The name by which this program is told to [`decode`].
pub const DECODE: &str = "decode";

/// Decodes so many lines, and does nothing else.
pub fn decode(lines: u64) -> Result<()> {
    let line = b"227 Entering Passive Mode (203,0,113,10,195,80).\r\n";
    let mut decoder = ReplyDecoder::START;
    let end = line.len() as u32;
    let mut window = Copy::default();
    for _ in 0..lines {
        window.fill(std::hint::black_box(line));
        let mut at = 0;
        while at < end {
            at += decoder.take(&window, at, end).bytes;
        }
        std::hint::black_box(&decoder);
    }
    Ok(())
}
