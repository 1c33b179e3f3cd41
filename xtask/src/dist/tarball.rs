//! The tarball, for every other Linux.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::stage::Stage;
use super::{Release, target};
use crate::cargo::run;

const FILES: [&str; 14] = [
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "LICENSE-APACHE",
    "LICENSE-GPL2",
    "LICENSE-MIT",
    "docs/EXPLAIN.md",
    "docs/FAULT-MATRIX.md",
    "docs/ftpwatch.toml",
    "contrib/systemd/ftpwatch.service",
    "contrib/systemd/ftpwatch.sysusers",
    "contrib/prometheus/ftpwatch.rules.yml",
    "contrib/prometheus/web-config.yml",
    "contrib/grafana/ftpwatch.json",
];

pub fn make(release: &Release, into: &Path) -> Result<PathBuf> {
    let name = format!(
        "ftpwatch-{}-linux-{}",
        release.version,
        std::env::consts::ARCH
    );
    let parent = target("dist-tarball");
    let stage = Stage::new(release, parent.join(&name))?;
    for file in FILES {
        stage.copy(file, file)?;
    }
    stage.write_program("ftpwatch", &fs::read(&release.built.program)?)?;
    for (shell, script) in &release.built.completions {
        let to = match *shell {
            "zsh" => "completions/_ftpwatch".to_owned(),
            shell => format!("completions/ftpwatch.{shell}"),
        };
        stage.write(&to, script.as_bytes())?;
    }
    for entry in fs::read_dir(&release.built.manual)? {
        let entry = entry?;
        let to = format!("man/man1/{}", entry.file_name().display());
        stage.write(&to, &fs::read(entry.path())?)?;
    }

    let tar = into.join(format!("{name}.tar"));
    run(release
        .command("tar")
        .args(["--create", "--sort=name", "--format=gnu", "--numeric-owner"])
        .args(["--owner=0", "--group=0"])
        .arg(format!("--mtime=@{}", release.epoch))
        .arg("--directory")
        .arg(&parent)
        .arg("--file")
        .args([tar.as_path(), Path::new(&name)]))?;
    run(release
        .command("gzip")
        .args(["--best", "--no-name"])
        .arg(&tar))?;
    Ok(tar.with_extension("tar.gz"))
}
