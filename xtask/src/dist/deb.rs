//! The Debian package.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};

use super::stage::Stage;
use super::{Release, output, target};
use crate::cargo::{run, workspace};

/// Files of the checkout's, and where they are installed.
const FILES: [(&str, &str); 11] = [
    (
        "contrib/systemd/ftpwatch.service",
        "usr/lib/systemd/system/ftpwatch.service",
    ),
    (
        "contrib/systemd/ftpwatch.sysusers",
        "usr/lib/sysusers.d/ftpwatch.conf",
    ),
    ("docs/ftpwatch.toml", "etc/ftpwatch/ftpwatch.toml"),
    ("contrib/debian/logrotate", "etc/logrotate.d/ftpwatch"),
    (
        "contrib/debian/copyright",
        "usr/share/doc/ftpwatch/copyright",
    ),
    ("docs/EXPLAIN.md", "usr/share/doc/ftpwatch/EXPLAIN.md"),
    ("CHANGELOG.md", "usr/share/doc/ftpwatch/changelog"),
    (
        "contrib/prometheus/ftpwatch.rules.yml",
        "usr/share/doc/ftpwatch/examples/ftpwatch.rules.yml",
    ),
    (
        "contrib/prometheus/web-config.yml",
        "usr/share/doc/ftpwatch/examples/web-config.yml",
    ),
    (
        "contrib/grafana/ftpwatch.json",
        "usr/share/doc/ftpwatch/examples/grafana.json",
    ),
    (
        "contrib/debian/lintian-overrides",
        "usr/share/lintian/overrides/ftpwatch",
    ),
];

/// What a user may change, and an upgrade must not.
const CONFFILES: &str = "/etc/ftpwatch/ftpwatch.toml\n/etc/logrotate.d/ftpwatch\n";

const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// Where each shell looks for completions that packages bring.
fn completions(shell: &str) -> &'static str {
    match shell {
        "zsh" => "usr/share/zsh/vendor-completions/_ftpwatch",
        "fish" => "usr/share/fish/vendor_completions.d/ftpwatch.fish",
        _ => "usr/share/bash-completion/completions/ftpwatch",
    }
}

/// Makes revision `revision` of it.
pub fn make(release: &Release, revision: u32, into: &Path) -> Result<PathBuf> {
    let version = format!("{}-{revision}", release.version);
    let architecture = output(release.command("dpkg").arg("--print-architecture"))?;
    let stage = Stage::new(release, target("dist-deb"))?;
    let depends = depends(release)?;
    files(release, &stage)?;
    let changelog = "usr/share/doc/ftpwatch/changelog.Debian";
    stage.write(changelog, self::changelog(release, &version)?.as_bytes())?;
    stage.compress(changelog)?;

    let size = output(
        release
            .command("du")
            .args(["--apparent-size", "-sk"])
            .arg(&stage.root),
    )?;
    let size = size.split_whitespace().next().unwrap_or("0");
    let sums = output(
        release
            .command("sh")
            .args([
                "-c",
                "find etc usr -type f -print0 | sort -z | xargs -0 md5sum",
            ])
            .current_dir(&stage.root),
    )?;
    stage.write("DEBIAN/md5sums", (sums + "\n").as_bytes())?;
    stage.write("DEBIAN/conffiles", CONFFILES.as_bytes())?;
    for script in SCRIPTS {
        let text = fs::read(workspace().join("contrib/debian").join(script))
            .with_context(|| format!("no {script}"))?;
        stage.write_program(&format!("DEBIAN/{script}"), &text)?;
    }
    let control = format!(
        "Package: ftpwatch\nVersion: {version}\nArchitecture: {architecture}\n\
         Maintainer: {}\nInstalled-Size: {size}\n\
         Depends: {depends}, systemd | systemd-standalone-sysusers | systemd-sysusers\n\
         Suggests: logrotate, prometheus\n\
         Section: net\nPriority: optional\n{DESCRIPTION}",
        release.maintainer
    );
    stage.write("DEBIAN/control", control.as_bytes())?;

    let deb = into.join(format!("ftpwatch_{version}_{architecture}.deb"));
    run(release
        .command("dpkg-deb")
        .args(["--root-owner-group", "--build"])
        .args([&stage.root, &deb])
        .stdout(Stdio::null()))?;
    Ok(deb)
}

const DESCRIPTION: &str = "\
Description: finds out why an FTP client can log in and yet not transfer
 In passive mode an FTP server tells its client an address and a port to connect
 to. If the client cannot reach them, all that it sees is a hang.
 .
 ftpwatch watches for it in the kernel, on the FTP server or on a gateway, and
 says which endpoints were not reached, why, and what to do about it. It reads
 captures as well, asks a server as a client would, and looks a host over.
";

fn files(release: &Release, stage: &Stage) -> Result<()> {
    for (from, to) in FILES {
        stage.copy(from, to)?;
    }
    stage.compress("usr/share/doc/ftpwatch/changelog")?;
    stage.write_program("usr/bin/ftpwatch", &fs::read(&release.built.program)?)?;
    for (shell, script) in &release.built.completions {
        stage.write(completions(shell), script.as_bytes())?;
    }
    for entry in fs::read_dir(&release.built.manual)? {
        let entry = entry?;
        let to = format!("usr/share/man/man1/{}", entry.file_name().display());
        stage.write(&to, &fs::read(entry.path())?)?;
        stage.compress(&to)?;
    }
    Ok(())
}

/// The libraries that the program is linked with, from the versions on that have what it asks of them.
fn depends(release: &Release) -> Result<String> {
    // It wants a source package around it.
    let source = target("dist-build/shlibdeps");
    fs::create_dir_all(source.join("debian"))?;
    fs::write(
        source.join("debian/control"),
        "Source: ftpwatch\n\nPackage: ftpwatch\nArchitecture: any\n",
    )?;
    let found = output(
        release
            .command("dpkg-shlibdeps")
            .arg("-O")
            .arg(&release.built.program)
            .current_dir(&source),
    )?;
    let depends = found.strip_prefix("shlibs:Depends=");
    depends
        .map(str::to_owned)
        .with_context(|| format!("dpkg-shlibdeps said: {found}"))
}

/// Of the package; that of ftpwatch is another.
fn changelog(release: &Release, version: &str) -> Result<String> {
    let date = output(
        release
            .command("date")
            .args(["--rfc-email", "--date"])
            .arg(format!("@{}", release.epoch)),
    )?;
    let mut text = String::new();
    writeln!(text, "ftpwatch ({version}) unstable; urgency=medium\n")?;
    writeln!(text, "  * What is new is in changelog.gz.\n")?;
    writeln!(text, " -- {}  {date}", release.maintainer)?;
    Ok(text)
}
