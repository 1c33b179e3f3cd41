//! What runs in the guest: this build, the tests that look at it, and the programs of this machine that these use.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::archive::Archive;
use crate::cargo::{self, cargo};
use crate::install;

/// What the tests call. `modprobe` is the kernel's: it has what is asked for loaded.
const PROGRAMS: [&str; 6] = ["ip", "tc", "nft", "curl", "modprobe", "busybox"];

/// Modules that the client's Python loads, as far as there are files of them: some not before they are needed.
const LOADED: &str = "\
import ftplib, os, socket, sys, time
socket.getaddrinfo('127.0.0.1', 21)
ftplib.parse227('227 (127,0,0,1,0,21)')
print(sys.executable)
for module in list(sys.modules.values()):
    for name in '__file__', '__cached__':
        path = getattr(module, name, None)
        if path and os.path.exists(path):
            print(path)";

/// The programs under test, as cargo left them.
pub struct Built {
    pub ftpwatch: PathBuf,
    pub faults: PathBuf,
    pub kernel: PathBuf,
    pub overhear: PathBuf,
}

impl Built {
    /// Builds them.
    pub fn make() -> Result<Self> {
        let mut build = cargo(["test", "--release", "--package", "ftpwatch", "--no-run"]);
        build
            .args(["--test", "faults", "--test", "kernel", "--test", "overhear"])
            .arg("--message-format=json-render-diagnostics")
            .stderr(Stdio::inherit());
        let output = build.output().context("cannot run cargo")?;
        if !output.status.success() {
            bail!("cargo failed ({})", output.status);
        }
        let messages = String::from_utf8_lossy(&output.stdout);
        let find = |name| {
            messages
                .lines()
                .find_map(|message| executable(message, name))
                .with_context(|| format!("cargo built no {name}"))
        };
        Ok(Self {
            ftpwatch: cargo::release("ftpwatch"),
            faults: find("faults")?,
            kernel: find("kernel")?,
            overhear: find("overhear")?,
        })
    }
}

/// The program that a message of cargo's tells of, if it is of this name.
fn executable(message: &str, name: &str) -> Option<PathBuf> {
    let (_, rest) = message.split_once("\"executable\":\"")?;
    let (path, _) = rest.split_once('"')?;
    let path = PathBuf::from(path);
    let file = path.file_name()?.to_str()?;
    file.strip_prefix(name)?.starts_with('-').then_some(path)
}

/// All of it.
pub fn pack(built: &Built) -> Result<Archive> {
    let mut archive = Archive::default();
    for path in ["proc", "sys", "dev", "tmp", "run", "var/run", "var/log"] {
        archive.directory(path);
    }
    archive.file("init", 0o755, include_bytes!("init.sh"));
    // As whom vsftpd runs.
    archive.file(
        "etc/passwd",
        0o644,
        b"root:x:0:0::/:/bin/false\ndaemon:x:1:1::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n",
    );
    archive.file(
        "etc/group",
        0o644,
        b"root:x:0:\ndaemon:x:1:\nnogroup:x:65534:\n",
    );
    let vsftpd = install::servers_dir()?.join("vsftpd/usr/sbin/vsftpd");
    for path in [
        &built.ftpwatch,
        &built.faults,
        &built.kernel,
        &built.overhear,
        &vsftpd,
    ] {
        program(&mut archive, path)?;
    }
    for name in PROGRAMS {
        let path = install::find_program(name).with_context(|| format!("there is no {name}"))?;
        for library in libraries(&path)? {
            archive.copy(&library)?;
        }
        // Where the kernel looks for the one that it calls.
        archive.copy_to(&path, &format!("sbin/{name}"))?;
    }
    archive.link("bin/busybox", "/sbin/busybox");
    python(&mut archive)?;
    Ok(archive)
}

fn python(archive: &mut Archive) -> Result<()> {
    let output = Command::new("python3")
        .args(["-I", "-c", LOADED])
        .output()
        .context("cannot run python3")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut paths = said.lines();
    let interpreter = paths.next().context("python3 does not say where it is")?;
    program(archive, Path::new(interpreter))?;
    archive.link("bin/python3", interpreter);
    for path in paths {
        program(archive, Path::new(path))?;
    }
    Ok(())
}

/// A program or library, with the libraries that it is linked with.
fn program(archive: &mut Archive, path: &Path) -> Result<()> {
    for library in libraries(path)? {
        archive.copy(&library)?;
    }
    archive.copy(path)
}

fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .context("cannot run ldd")?;
    Ok(libraries_in(&String::from_utf8_lossy(&output.stdout)))
}

/// Of `libc.so.6 => /lib/libc.so.6 (0x7f…)` and `/lib64/ld-linux.so.2 (0x7f…)`, the paths.
fn libraries_in(said: &str) -> Vec<PathBuf> {
    said.lines()
        .filter_map(|line| line.split_whitespace().rev().nth(1))
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_cargo_built() {
        let message =
            r#"{"reason":"compiler-artifact","executable":"/t/deps/faults-9ca1","fresh":true}"#;
        assert_eq!(
            executable(message, "faults"),
            Some("/t/deps/faults-9ca1".into())
        );
        assert_eq!(executable(message, "fault"), None);
        assert_eq!(executable(r#"{"executable":null}"#, "faults"), None);
    }

    #[test]
    fn finds_libraries() {
        let said = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\t/lib64/ld.so.2 (0x3)\n";
        let wanted: [PathBuf; 2] = ["/lib/libc.so.6".into(), "/lib64/ld.so.2".into()];
        assert_eq!(libraries_in(said), wanted);
        assert!(libraries_in("\tnot a dynamic executable\n").is_empty());
    }
}
