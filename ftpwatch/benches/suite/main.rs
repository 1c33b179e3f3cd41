//! What ftpwatch costs: `cargo xtask bench [NAME]`. Figures, not tests: nothing here passes or fails.

#![allow(missing_docs, reason = "a program of its own, read as a whole")]

mod assembly;
mod counts;
#[path = "../../tests/lab/mod.rs"]
mod lab;
#[path = "../../tests/overhear/library.rs"]
#[allow(dead_code, reason = "a part of it is called here")]
mod library;
mod live;
mod load;
#[path = "../../tests/packets/mod.rs"]
mod packets;
mod parts;
mod rig;
mod scaling;
mod series;
mod test_run;
mod tls;
mod transfers;

use std::process::ExitCode;

use anyhow::{Result, bail};

/// Name, what it measures, and how.
type Benchmark = (&'static str, &'static str, fn() -> Result<()>);

const BENCHMARKS: &[Benchmark] = &[
    (
        "test_run",
        "a packet in the program, over one that does nothing",
        test_run::run,
    ),
    (
        "parts",
        "what the kernel takes for its part, which is the floor of the former",
        parts::run,
    ),
    (
        "scaling",
        "the same, with up to a million endpoints and control connections",
        scaling::run,
    ),
    (
        "live",
        "a packet on the whole way in, beside others that look at it",
        live::run,
    ),
    (
        "transfers",
        "a whole passive transfer from vsftpd",
        transfers::run,
    ),
    (
        "tls",
        "a large download from vsftpd over TLS, read and not",
        tls::run,
    ),
    (
        "counts",
        "instructions, which do not depend on how busy the machine is",
        counts::run,
    ),
    (
        "load",
        "`ftpwatch run`, idle and with up to 100,000 endpoints a second",
        load::run,
    ),
];

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<()> {
    // cargo hands on what it is told, and says so itself with `--bench`.
    let names: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    if let [name, lines] = names.as_slice()
        && name == counts::DECODE
    {
        return counts::decode(lines.parse()?);
    }
    machine();
    for name in &names {
        if !BENCHMARKS.iter().any(|(known, ..)| known == name) {
            let known: Vec<&str> = BENCHMARKS.iter().map(|(name, ..)| *name).collect();
            bail!(
                "no such benchmark: {name}\nThere are: {}.",
                known.join(", ")
            );
        }
    }
    for (name, what, run) in BENCHMARKS {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            println!("\n### {name}: {what}\n");
            run()?;
        }
    }
    Ok(())
}

/// Prints what this was measured on.
fn machine() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("an unknown processor", |(_, model)| model);
    let processors = cpuinfo.matches("processor\t").count();
    println!(
        "{processors} × {model}; Linux {}; load {}",
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/loadavg")
            .split(' ')
            .take(3)
            .collect::<Vec<_>>()
            .join(" "),
    );
}
