//! `dist`: what is handed to those who have no Rust: a Debian package, a tarball, a bill of materials, checksums.
//!
//! Nothing of the clock or of the place it is built in gets in: the same files give the same package.

mod deb;
mod sbom;
mod sources;
mod stage;
mod tarball;
pub mod test;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo::workspace;
use crate::install;

/// What is packed.
struct Release {
    /// As Cargo.toml has it.
    version: &'static str,
    /// Seconds since 1970 of the last commit, which is the time of everything in it.
    epoch: String,
    /// Who is to be written to.
    maintainer: String,
    /// What is made of the source.
    built: sources::Built,
}

/// Leaves them in `target/dist`.
pub fn dist() -> Result<()> {
    let release = Release::build()?;
    let into = directory()?;
    let mut made = vec![
        deb::make(&release, 1, &into)?,
        tarball::make(&release, &into)?,
    ];
    made.extend(sbom::make(&release, &into)?);
    checksums(&made, &into)?;
    for path in &made {
        let path = path.strip_prefix(workspace()).unwrap_or(path);
        println!("{}", path.display());
    }
    Ok(())
}

/// Where it all goes. What an earlier one left is gone.
fn directory() -> Result<PathBuf> {
    let into = target("dist");
    if into.exists() {
        fs::remove_dir_all(&into).with_context(|| format!("cannot empty {}", into.display()))?;
    }
    fs::create_dir_all(&into).with_context(|| format!("cannot make {}", into.display()))?;
    Ok(into)
}

fn target(name: &str) -> PathBuf {
    workspace().join("target").join(name)
}

impl Release {
    fn build() -> Result<Self> {
        install::toolchain()?;
        install::for_dist()?;
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            epoch: epoch()?,
            maintainer: maintainer(),
            built: sources::build()?,
        })
    }

    /// A command that writes this time, whatever the clock says.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("SOURCE_DATE_EPOCH", &self.epoch)
            .env("LC_ALL", "C")
            .env("TZ", "UTC");
        command
    }
}

fn epoch() -> Result<String> {
    if let Ok(epoch) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(epoch);
    }
    let mut git = Command::new("git");
    output(
        git.args(["log", "-1", "--format=%ct"])
            .current_dir(workspace()),
    )
}

/// Debian's tools take it from the same variables. Without them it is nobody in particular.
fn maintainer() -> String {
    let or = |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let name = or("DEBFULLNAME", "The ftpwatch developers");
    format!("{name} <{}>", or("DEBEMAIL", "ftpwatch@example.org"))
}

/// For `sha256sum --check SHA256SUMS`.
fn checksums(files: &[PathBuf], into: &Path) -> Result<()> {
    let names = files.iter().filter_map(|path| path.file_name());
    let mut sum = Command::new("sha256sum");
    let sums = output(sum.args(names).current_dir(into))?;
    fs::write(into.join("SHA256SUMS"), sums + "\n").context("cannot write SHA256SUMS")
}

/// What it prints, less the last line's end.
fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let output = command
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} failed ({})\n{}", output.status, said.trim_end());
    }
    let text = String::from_utf8(output.stdout).context("it is no text")?;
    Ok(text.trim_end().to_owned())
}
