//! A machine that boots one kernel, and what it says.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::archive::Archive;
use super::kernels::Kernel;
use super::report::Report;

/// How long all of it may take. A busy machine needs a third of that.
const WATCHDOG: Duration = Duration::from_secs(30 * 60);

/// Where in a kernel's modules those are that the tests' networks are made of; the kernel asks for each by itself.
const MODULES: [&str; 5] = [
    "net",
    "lib",
    "crypto",
    "arch/x86/crypto",
    "drivers/net/veth",
];

/// Puts a kernel's modules, and what the guest is told, behind `userland`.
pub fn pack(kernel: &Kernel, settings: &str, userland: &[u8], into: &Path) -> Result<()> {
    let mut archive = Archive::default();
    let place = format!("lib/modules/{}", kernel.release);
    let mut files = Vec::new();
    walk(&kernel.modules, &mut files)
        .with_context(|| format!("cannot read {}", kernel.modules.display()))?;
    for file in files {
        let inside = file.strip_prefix(&kernel.modules)?.to_string_lossy();
        let wanted = match inside.strip_prefix("kernel/") {
            Some(module) => MODULES.iter().any(|dir| module.starts_with(dir)),
            None => inside.starts_with("modules."),
        };
        if wanted {
            archive.copy_to(&file, &format!("{place}/{inside}"))?;
        }
    }
    archive.file("vm.conf", 0o644, settings.as_bytes());
    fs::write(into, [userland, &archive.finish()].concat())
        .with_context(|| format!("cannot write {}", into.display()))
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Boots it, shows what it says, and returns what it reported: until it is off, or too long.
pub fn boot(kernel: &Kernel, root: &Path) -> Result<Report> {
    let mut machine = Machine(
        Command::new("qemu-system-x86_64")
            .args(["-accel", "tcg", "-cpu", "max", "-m", "1024"])
            .args(["-nodefaults", "-no-reboot", "-display", "none"])
            .args(["-serial", "stdio", "-kernel"])
            .arg(&kernel.image)
            .arg("-initrd")
            .arg(root)
            .args(["-append", "console=ttyS0 quiet loglevel=3 panic=-1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run qemu-system-x86_64")?,
    );
    let serial = machine.0.stdout.take().context("qemu has no output")?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut serial = BufReader::new(serial);
        let mut line = Vec::new();
        while serial.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).into_owned();
            if sender.send(text).is_err() {
                return;
            }
            line.clear();
        }
    });
    let end = Instant::now() + WATCHDOG;
    let mut report = Report::default();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) => {
                report.take(&line);
                // What the firmware and the terminal are told is not for a log.
                eprintln!(
                    "    {}",
                    line.trim_end().replace(|c: char| c.is_control(), "")
                );
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(report),
            Err(RecvTimeoutError::Timeout) => {
                report.failed.push(format!("not done in {WATCHDOG:?}"));
                return Ok(report);
            }
        }
    }
}

/// A running qemu, which ends with the value.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended of itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
