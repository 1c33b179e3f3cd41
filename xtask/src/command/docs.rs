use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cargo::{self, cargo, workspace};
use crate::install;

/// Where what ftpwatch explains is written.
const EXPLAIN: &str = "docs/EXPLAIN.md";

/// Makes the pages that are made of the source: ftpwatch itself writes them.
pub fn docs() -> Result<()> {
    install::toolchain()?;
    cargo::run(&mut cargo(["build", "--package", "ftpwatch", "--bins"]))?;
    let page = Command::new(cargo::debug("ftpwatch"))
        .args(["explain", "--format", "markdown"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run ftpwatch")?;
    if !page.status.success() {
        bail!("ftpwatch explain failed ({})", page.status);
    }
    let path = workspace().join(EXPLAIN);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, page.stdout).with_context(|| format!("cannot write {EXPLAIN}"))?;
    println!("{EXPLAIN} is made");
    Ok(())
}
