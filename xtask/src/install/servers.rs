//! Real servers for the tests: of FTP, Prometheus, which scrapes the metrics, and rsyslog. As packages they conflict, and
//! installing one would start it: so they are unpacked into the cache, and only the libraries they want are installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::apt::{self, System};
use super::tools::on_path;
use super::{cache, say};

/// A package, and the program in it. A line more is a server more.
const SERVERS: [(&str, &str); 5] = [
    ("vsftpd", "usr/sbin/vsftpd"),
    ("proftpd-core", "usr/sbin/proftpd"),
    ("pure-ftpd", "usr/sbin/pure-ftpd"),
    ("prometheus", "usr/bin/prometheus"),
    ("rsyslog", "usr/sbin/rsyslogd"),
];

/// Where each lies in a directory of its package's name.
pub fn dir() -> Result<PathBuf> {
    cache("servers")
}

/// Unpacks those that are missing.
pub fn install() -> Result<()> {
    for (package, path) in SERVERS {
        let into = dir()?.join(package);
        if starts(&into.join(path)) {
            continue;
        }
        let program = path.rsplit('/').next().unwrap_or(path);
        let system = System::this();
        if !system.has_apt {
            // The tests look on the PATH too.
            if on_path(program) {
                continue;
            }
            bail!(
                "cannot install programs on {}\nwhat is missing, to be installed by hand: {program}",
                system.name
            );
        }
        say(
            &format!("{package}, into {}", into.display()),
            "a server of the tests; it is not started",
        );
        let depends = apt::unpack(package, &into)?;
        let libraries: Vec<&str> = depends
            .iter()
            .map(String::as_str)
            .filter(|library| !apt::is_installed(library))
            .collect();
        if !libraries.is_empty() {
            say(
                &libraries.join(", "),
                &format!("{package} is linked with it"),
            );
            apt::install(&libraries)?;
        }
    }
    Ok(())
}

/// Whether it is there, with all the libraries it is linked with.
fn starts(program: &Path) -> bool {
    program.exists()
        && Command::new("ldd").arg(program).output().is_ok_and(|ldd| {
            ldd.status.success() && !String::from_utf8_lossy(&ldd.stdout).contains("not found")
        })
}
