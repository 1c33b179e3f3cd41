use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cargo::{self, cargo, workspace};
use crate::install;

/// The pages, and what writes them.
const PAGES: [(&str, &[&str]); 3] = [
    ("docs/EXPLAIN.md", &["explain", "--format", "markdown"]),
    ("docs/event.schema.json", &["schema"]),
    ("docs/ftpwatch.toml", &["config", "template"]),
];

/// Makes the pages that are made of the source: ftpwatch itself writes them.
pub fn docs() -> Result<()> {
    install::toolchain()?;
    cargo::run(&mut cargo(["build", "--package", "ftpwatch", "--bins"]))?;
    for (name, words) in PAGES {
        let page = Command::new(cargo::debug("ftpwatch"))
            .args(words)
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run ftpwatch")?;
        if !page.status.success() {
            bail!("ftpwatch {} failed ({})", words[0], page.status);
        }
        let path = workspace().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, page.stdout).with_context(|| format!("cannot write {name}"))?;
        println!("{name} is made");
    }
    Ok(())
}
