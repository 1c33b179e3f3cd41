//! The benchmarks, one file each.

mod measure;
mod read;
mod traffic;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context, Result};

use super::test::run_as_root;
use crate::{cargo, install};
use traffic::{Content, Form, Format, WHOLE, Writer};

pub use read::read;

/// Writes a capture of at least so many packets to measure with: a pcapng where the name ends like one, else a pcap.
pub fn traffic(file: &Path, packets: u64) -> Result<()> {
    let content = capture(file, packets, WHOLE)?;
    let size = file.metadata()?.len();
    println!("{}: {size} bytes, {content}", file.display());
    Ok(())
}

/// Writes a capture with so many bytes of each packet at most.
fn capture(file: &Path, packets: u64, snaplen: u32) -> Result<Content> {
    let format = match file.extension() {
        Some(extension) if extension == "pcapng" => Format::PcapNg,
        _ => Format::Pcap,
    };
    let write = || {
        let out = BufWriter::with_capacity(1 << 20, File::create(file)?);
        let form = Form { format, snaplen };
        traffic::write(&mut Writer::new(out, form)?, packets)
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

/// Measures what ftpwatch costs, all of it or what is named: figures for people, which neither pass nor fail.
pub fn bench(names: &[String]) -> Result<()> {
    install::toolchain()?;
    install::for_tests()?;
    let mut bench = run_as_root("bench")?;
    bench.args(["--package", "ftpwatch", "--bench", "suite", "--"]);
    cargo::run(bench.args(names))
}
