//! The bill of materials, in CycloneDX: what is linked into the program, and into the object of its kernel half.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Release;
use crate::cargo::{self, run, workspace};
use crate::install;

/// Packages with a program, each of which gets a bill of its own. Of the last nothing is handed out.
const PROGRAMS: [&str; 3] = ["ftpwatch", "ftpwatch-ebpf", "xtask"];

/// Makes that of each program; the first is of what is run.
pub fn make(release: &Release, into: &Path) -> Result<Vec<PathBuf>> {
    let tool = install::cyclonedx()?;
    let mut bill = Command::new(tool);
    bill.arg("cyclonedx")
        .args(["--quiet", "--format", "json", "--spec-version", "1.5"])
        .args(["--describe", "binaries", "--no-build-deps"])
        .env("SOURCE_DATE_EPOCH", &release.epoch)
        // It asks cargo what there is.
        .env("CARGO", cargo::program())
        .current_dir(workspace());
    run(&mut bill)?;
    let mut made = Vec::new();
    for program in PROGRAMS {
        // It writes them beside each package's manifest.
        let written = workspace().join(format!("{program}/{program}_bin.cdx.json"));
        let text = fs::read_to_string(&written)
            .with_context(|| format!("there is no {}", written.display()))?;
        fs::remove_file(&written)?;
        if program == "xtask" {
            continue;
        }
        // Where it was built is nobody's business, and would make other bytes.
        let text = text.replace(
            &format!("file://{}", workspace().display()),
            "file:///ftpwatch",
        );
        let bill = into.join(format!("{program}-{}.cdx.json", release.version));
        fs::write(&bill, text).with_context(|| format!("cannot write {}", bill.display()))?;
        made.push(bill);
    }
    Ok(made)
}
