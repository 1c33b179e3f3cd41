//! Real servers for the tests: of FTP, Prometheus, which scrapes the metrics, and rsyslog. As packages they conflict, and
//! installing one would start it: so they are unpacked into the cache, and only the libraries they want are installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::apt::{self, System, is_installed};
use super::tools::on_path;
use super::{cache, say};

/// A package, what is looked for in it, and what it needs besides libraries. A line more is a server more.
const SERVERS: [(&str, &str, &[&str]); 7] = [
    ("vsftpd", "usr/sbin/vsftpd", &[]),
    ("proftpd-core", "usr/sbin/proftpd", &[]),
    // ProFTPD's TLS.
    ("proftpd-mod-crypto", "usr/lib/proftpd/mod_tls.so", &[]),
    ("pure-ftpd", "usr/sbin/pure-ftpd", &[]),
    // A library: there is no program in it.
    (
        "python3-pyftpdlib",
        "usr/lib/python3/dist-packages/pyftpdlib/servers.py",
        &["python3-openssl"],
    ),
    ("prometheus", "usr/bin/prometheus", &[]),
    ("rsyslog", "usr/sbin/rsyslogd", &[]),
];

/// Where each lies in a directory of its package's name.
pub fn dir() -> Result<PathBuf> {
    cache("servers")
}

/// Unpacks those that are missing.
pub fn install() -> Result<()> {
    let system = System::this();
    for (package, path, needs) in SERVERS {
        let into = dir()?.join(package);
        if starts(&into.join(path)) && (!system.has_apt || needs.iter().all(|n| is_installed(n))) {
            continue;
        }
        let program = path.rsplit('/').next().unwrap_or(path);
        if !system.has_apt {
            // The tests look on the PATH too, and servers look for their modules.
            let is_module = program.ends_with(".so") || program.ends_with(".py");
            if is_module || on_path(program) {
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
        let missing: Vec<&str> = depends
            .iter()
            .map(String::as_str)
            .chain(needs.iter().copied())
            .filter(|needed| !is_installed(needed))
            .collect();
        if !missing.is_empty() {
            say(&missing.join(", "), &format!("{package} needs it"));
            apt::install(&missing)?;
        }
    }
    Ok(())
}

/// Whether it is there, with all the libraries it is linked with. A script, of which ldd knows nothing, has none.
fn starts(program: &Path) -> bool {
    program.exists()
        && Command::new("ldd")
            .arg(program)
            .output()
            .is_ok_and(|ldd| !String::from_utf8_lossy(&ldd.stdout).contains("not found"))
}
