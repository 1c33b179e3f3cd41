//! What is made of the source: the program, and what it writes of itself.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{output, target};
use crate::cargo::{cargo, run, workspace};

/// Where they lie.
pub struct Built {
    /// The program, without its symbols.
    pub program: PathBuf,
    /// The man pages.
    pub manual: PathBuf,
    /// `(shell, script)`
    pub completions: Vec<(&'static str, String)>,
}

const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

pub fn build() -> Result<Built> {
    let dir = target("dist-build");
    // Its own, as it is built with flags of its own: other builds keep theirs.
    let mut build = cargo(["build", "--release", "--locked", "--package", "ftpwatch"]);
    build
        .args(["--bin", "ftpwatch", "--target-dir"])
        .arg(&dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags()?.join("\x1f"));
    run(&mut build)?;
    let program = dir.join("ftpwatch");
    let mut strip = Command::new("strip");
    strip
        .args(["--remove-section=.comment", "--remove-section=.note", "-o"])
        .arg(&program)
        .arg(dir.join("release/ftpwatch"));
    run(&mut strip)?;

    let manual = dir.join("manual");
    if manual.exists() {
        fs::remove_dir_all(&manual)?;
    }
    run(Command::new(&program).arg("manual").arg(&manual))?;
    let completions = |shell| {
        let script = output(Command::new(&program).args(["completions", shell]))?;
        Ok((shell, script + "\n"))
    };
    Ok(Built {
        completions: SHELLS.into_iter().map(completions).collect::<Result<_>>()?,
        program,
        manual,
    })
}

/// Where it is built says nothing to who has it, and would make the same source other bytes.
fn flags() -> Result<Vec<String>> {
    let home = |name: &str, default: &str| {
        let set = env::var_os(name).map(PathBuf::from);
        set.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(default)))
    };
    let cargo_home = home("CARGO_HOME", ".cargo").context("neither CARGO_HOME nor HOME is set")?;
    Ok(vec![
        format!("--remap-path-prefix={}=/cargo", cargo_home.display()),
        format!("--remap-path-prefix={}=/ftpwatch", workspace().display()),
    ])
}
