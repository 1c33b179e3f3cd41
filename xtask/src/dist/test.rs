//! `package-test`: the package, installed, upgraded, removed and purged in a Debian with systemd, which is made for it and
//! gone afterwards.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{Release, deb, directory, output, target};
use crate::cargo::workspace;
use crate::install::{self, privilege};

const PAGE: &str = "docs/PACKAGES.md";

/// What is there besides Debian's least, so that installing needs no network: what the package depends on, and what it is
/// tried with.
const PACKAGES: &str = "curl,iproute2,logrotate,man-db,procps,systemd,systemd-sysv,vsftpd";

/// What came of it.
#[derive(Default)]
struct Report {
    held: Vec<String>,
    failed: Vec<String>,
    /// It came to its end.
    ended: bool,
}

/// Tries it.
pub fn package_test() -> Result<()> {
    let release = Release::build()?;
    install::for_package_test()?;
    let (mirror, suite) = install::mirror()?;
    let base = debian(&mirror, &suite)?;
    let into = directory()?;
    let old = deb::make(&release, 1, &into)?;
    let mut report = Report::default();
    report.check(
        "the same files make the same package",
        same_again(&release, &old)?,
    );
    report.check("lintian finds no error", lintian(&old)?);
    let new = deb::make(&release, 2, &into)?;
    in_debian(&base, &old, &new, &mut report)?;
    fs::remove_file(&new)?;

    println!("{} checks hold", report.held.len());
    if !report.ended {
        bail!("it did not come to its end");
    }
    if !report.failed.is_empty() {
        bail!("{}", report.failed.join("; "));
    }
    if env::var_os("FTPWATCH_REPLACE_DOCS").is_some() {
        let page = page(&suite, &report)?;
        fs::write(workspace().join(PAGE), page).with_context(|| format!("cannot write {PAGE}"))?;
    }
    Ok(())
}

impl Report {
    fn check(&mut self, name: &str, holds: bool) {
        let list = if holds {
            &mut self.held
        } else {
            &mut self.failed
        };
        println!("{}: {name}", if holds { "holds" } else { "fails" });
        list.push(name.to_owned());
    }
}

/// A Debian to copy. It is made where it is missing.
fn debian(mirror: &str, suite: &str) -> Result<PathBuf> {
    let base = install::cache(&format!("debian-{suite}"))?;
    if base.exists() {
        return Ok(base);
    }
    install::say(
        &format!("Debian {suite}, into {}", base.display()),
        "the package is installed in a copy of it",
    );
    // Made beside, and then moved: an interrupted one is not taken for done.
    let work = base.with_extension(std::process::id().to_string());
    let noninteractive = [("DEBIAN_FRONTEND".as_ref(), "noninteractive".as_ref())];
    let mut debootstrap = privilege::as_root(Path::new("debootstrap"), &noninteractive)?;
    debootstrap
        .arg("--variant=minbase")
        .arg(format!("--include={PACKAGES}"))
        .arg(suite)
        .arg(&work)
        .arg(mirror);
    let made = output(&mut debootstrap).and_then(|_| {
        fs::rename(&work, &base).with_context(|| format!("cannot make {}", base.display()))
    });
    if made.is_err() {
        // It belongs to root. That it stays is not what went wrong.
        let _ = output(
            privilege::as_root(Path::new("rm"), &[])?
                .arg("-rf")
                .arg(&work),
        );
    }
    made.map(|()| base)
}

fn same_again(release: &Release, deb: &Path) -> Result<bool> {
    let elsewhere = target("dist-again");
    fs::create_dir_all(&elsewhere)?;
    let again = deb::make(release, 1, &elsewhere)?;
    let same = fs::read(deb)? == fs::read(&again)?;
    fs::remove_dir_all(&elsewhere)?;
    Ok(same)
}

/// What it says is shown, whatever it is.
fn lintian(deb: &Path) -> Result<bool> {
    let mut lintian = Command::new("lintian");
    lintian.args(["--tag-display-limit=0", "--fail-on=error"]);
    if privilege::is_root()? {
        lintian.arg("--allow-root");
    }
    let status = lintian.arg(deb).status().context("cannot run lintian")?;
    Ok(status.success())
}

fn in_debian(base: &Path, old: &Path, new: &Path, report: &mut Report) -> Result<()> {
    let scripts = workspace().join("xtask/src/dist/test");
    let mut host = privilege::as_root(Path::new("sh"), &[])?
        .arg(scripts.join("host.sh"))
        .args([base, &target("dist-test"), old, new])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run sh")?;
    let said = host.stdout.take().context("it has an output")?;
    for line in BufReader::new(said).lines() {
        let line = line?;
        match line.split_once(": ") {
            Some(("holds", name)) => report.check(name, true),
            Some(("fails", name)) => report.check(name, false),
            _ if line == "ended" => report.ended = true,
            _ => println!("{line}"),
        }
    }
    host.wait()?;
    Ok(())
}

fn page(suite: &str, report: &Report) -> Result<String> {
    let date = output(Command::new("date").args(["--utc", "+%F"]))?;
    let mut page = format!(
        "# Packages\n\n    \
         cargo xtask dist                                      # makes them, in target/dist\n    \
         cargo xtask package-test                              # tries the Debian package\n    \
         FTPWATCH_REPLACE_DOCS=1 cargo xtask package-test      # and makes this page anew\n\n\
         The package is installed in a Debian that is made for it, with systemd as its first process, vsftpd on it, a client\n\
         in a network namespace beside it, and no Rust. It is upgraded while an endpoint is in flight, disabled, removed and\n\
         purged; then it is installed once more where nothing can be watched. What is there afterwards is compared with what\n\
         was there before: every file with its mode and owner, the contents of /etc, users and groups, and what is pinned in\n\
         bpffs. Left out is what any installation leaves: logs and caches of apt, dpkg and man.\n\n\
         Of {date}, Debian {suite}, `cargo xtask package-test`: {} checks hold.\n\n",
        report.held.len()
    );
    for name in &report.held {
        writeln!(page, "- {name}")?;
    }
    Ok(page)
}
