//! What `ftpwatch read` costs, beside what others cost on the same capture.

mod rival;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use self::rival::{Captures, Rival};
use super::capture;
use super::measure::{self, Cost, Spread};
use super::traffic::{Content, WHOLE};
use crate::cargo;
use crate::install::{self, suricata};

/// How often each is run. The order is another in each round.
const ROUNDS: usize = 11;
/// How often those are run that take half a minute for a million packets.
const SLOW_ROUNDS: usize = 5;

/// What is kept of a packet where headers are all that is wanted, and replies.
const HEADERS: u32 = 192;

/// Runs all of them over a capture of so many packets, and prints what that cost.
pub fn read(packets: u64) -> Result<()> {
    install::toolchain()?;
    install::for_bench_read()?;
    cargo::run(&mut cargo::cargo([
        "build",
        "--release",
        "--package",
        "ftpwatch",
    ]))?;
    let suricata = suricata::install();
    let dir = Dir::new(suricata.as_deref().ok())?;
    let captures = Captures::within(&dir.0);
    let content = capture(&captures.pcap, packets, WHOLE)?;
    capture(&captures.pcapng, packets, WHOLE)?;
    capture(&captures.headers, packets, HEADERS)?;
    let mut gzip = Command::new("gzip");
    cargo::run(gzip.args(["-1", "--keep"]).arg(&captures.pcap))?;
    println!("{}", measure::machine());
    let size = captures.pcap.metadata()?.len();
    println!("{content}; {size} bytes as a pcap");
    check(&captures.pcap, &content)?;
    let mut rivals = rival::all(&captures);
    match &suricata {
        Ok(root) => rivals.push(rival::suricata(root, &dir.0)?),
        Err(error) => println!("without Suricata: {error:#}"),
    }
    let costs = run(&rivals)?;
    print(&rivals, &costs, &content);
    Ok(())
}

/// A directory for captures, which goes when this is dropped.
struct Dir(PathBuf);

impl Dir {
    /// Within the system `root`, if there is one, where what runs there can reach it.
    fn new(root: Option<&Path>) -> Result<Self> {
        let tmp = root.map_or_else(env::temp_dir, |root| root.join("tmp"));
        let dir = tmp.join(format!("ftpwatch-bench-{}", std::process::id()));
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self(dir))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A program that finds nothing is fast: ftpwatch has to find all there is.
fn check(pcap: &Path, content: &Content) -> Result<()> {
    let output = Command::new(cargo::release("ftpwatch"))
        .arg("read")
        .arg(pcap)
        .stdout(Stdio::null())
        .output()?;
    let summary = String::from_utf8_lossy(&output.stderr);
    let found = |what: &str| {
        let mut lines = summary.lines().map(str::trim);
        lines.any(|line| line.split_whitespace().eq(what.split(' ')))
    };
    let Content {
        sessions,
        endpoints,
        failures,
        ..
    } = content;
    let connected = endpoints - failures;
    let all = [
        format!("{sessions} control sessions, {endpoints} passive endpoints"),
        format!("connected {connected}"),
        format!("no_syn {failures}"),
        "nothing was lost".to_owned(),
    ];
    if !all.iter().all(|what| found(what)) {
        bail!("ftpwatch did not find what is in the capture ({content}), but:\n{summary}");
    }
    Ok(())
}

/// What each run of each rival cost, by round.
fn run(rivals: &[Rival]) -> Result<Vec<Vec<Cost>>> {
    let mut costs = vec![Vec::new(); rivals.len()];
    for round in 0..ROUNDS {
        for at in 0..rivals.len() {
            // In turn from another one each time, forwards and backwards.
            let at = (at + round) % rivals.len();
            let at = if round % 2 == 0 {
                at
            } else {
                rivals.len() - 1 - at
            };
            let rival = &rivals[at];
            if round >= SLOW_ROUNDS && rival.slow {
                continue;
            }
            let mut command = rival.command();
            let (status, cost) = measure::cost(&mut command)?;
            if !status
                .code()
                .is_some_and(|code| rival.exits.contains(&code))
            {
                bail!("failed ({status}): {}", rival.line);
            }
            costs[at].push(cost);
        }
    }
    Ok(costs)
}

fn print(rivals: &[Rival], costs: &[Vec<Cost>], content: &Content) {
    let millions = content.packets as f64 / 1_000_000.0;
    println!(
        "\nCPU seconds for a million packets: min / median / max of {ROUNDS} rounds, {SLOW_ROUNDS} of those that are slow.\n\
         Ratio to `ftpwatch read` on the same file, by pairs of the same round. The most that was resident, where the\n\
         kernel counts in what this program had when it started the other.\n\n\
         {:<72}  {:<24} {:<24} {:>9}",
        "", "CPU s/Mpkt", "ratio", "resident"
    );
    for (rival, own) in rivals.iter().zip(costs) {
        let seconds = Spread::of(own.iter().map(|cost| cost.seconds / millions));
        let pairs = own.iter().zip(&costs[rival.beside]);
        let ratios = Spread::of(pairs.map(|(cost, other)| cost.seconds / other.seconds));
        let resident = own.iter().map(|cost| cost.resident).max().unwrap_or(0);
        if let (Some(seconds), Some(ratios)) = (seconds, ratios) {
            let (line, seconds) = (&rival.line, seconds.to_string());
            let (ratios, mebibytes) = (ratios.to_string(), resident >> 20);
            println!("{line:<72}  {seconds:<24} {ratios:<24} {mebibytes:>5} MiB");
        }
    }
}
