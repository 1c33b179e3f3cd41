//! Suricata, to be compared with, in a system of its own in the cache: it is in Debian's backports, and the sources
//! that this system installs from stay as they are.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{apt, cache, privilege, say, tools};

/// Where it is, from the root of its own system.
pub const PROGRAM: &str = "/usr/bin/suricata";

/// The root of the system that it is in. It is made where it is missing.
///
/// # Errors
///
/// Where that cannot be: not on Debian, or not as root.
pub fn install() -> Result<PathBuf> {
    let root = cache("suricata")?;
    if root.join(PROGRAM.trim_start_matches('/')).exists() {
        return Ok(root);
    }
    let (mirror, release) = apt::mirror()?;
    tools::install(&tools::FOR_SURICATA)?;
    say(
        &format!("Suricata, into {}", root.display()),
        "the benchmark compares with it",
    );
    // Made beside, and then moved: an interrupted one is not taken for done.
    let work = root.with_extension(std::process::id().to_string());
    let made = make(&work, &mirror, &release).and_then(|()| {
        fs::rename(&work, &root).with_context(|| format!("cannot make {}", root.display()))
    });
    if let Err(error) = made {
        // It belongs to root. That it stays is not what went wrong.
        let _ = quiet(
            privilege::as_root(Path::new("rm"), &[])?
                .arg("-rf")
                .arg(&work),
        );
        return Err(error);
    }
    Ok(root)
}

fn make(work: &Path, mirror: &str, release: &str) -> Result<()> {
    let noninteractive = [(OsStr::new("DEBIAN_FRONTEND"), OsStr::new("noninteractive"))];
    quiet(
        privilege::as_root(Path::new("debootstrap"), &noninteractive)?
            .args(["--variant=minbase", release])
            .arg(work)
            .arg(mirror),
    )?;
    let backports = format!("{release}-backports");
    let line = format!("deb {mirror} {backports} main");
    let add = format!("echo '{line}' >/etc/apt/sources.list.d/backports.list");
    let update = "apt-get -qq update".to_owned();
    let install =
        format!("apt-get -qq install --yes --no-install-recommends -t {backports} suricata");
    quiet(
        privilege::as_root(Path::new("chroot"), &noninteractive)?
            .arg(work)
            .args(["sh", "-c", &[add, update, install].join(" && ")]),
    )
}

/// Package by package is more than anybody wants to read; but what fails says why.
fn quiet(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let last: Vec<&str> = text.lines().rev().take(5).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        bail!(
            "{} failed ({})\n{}",
            command.get_program().display(),
            output.status,
            last.join("\n")
        );
    }
    Ok(())
}
