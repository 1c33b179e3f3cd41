//! Tools that are crates: built into the cache, once a version.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{by_hand, cache, say};
use crate::cargo;

/// A crate, of which the program has the name.
pub struct Tool {
    pub name: &'static str,
    pub version: &'static str,
    pub why: &'static str,
}

pub const CYCLONEDX: Tool = Tool {
    name: "cargo-cyclonedx",
    version: "0.5.9",
    why: "writes the bill of materials",
};

pub const DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    why: "looks over licences, sources and advisories",
};

/// Where its program is. It is built where it is missing.
pub fn install(tool: &Tool) -> Result<PathBuf> {
    let Tool { name, version, why } = *tool;
    let root = cache(&format!("{name}-{version}"))?;
    let program = root.join("bin").join(name);
    if program.exists() {
        return Ok(program);
    }
    say(
        &format!("{name} {version}, into {}", root.display()),
        &format!("{why}; some minutes, once"),
    );
    fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
    let mut install = Command::new(cargo::program());
    install
        .args(["install", name, "--locked", "--quiet", "--version", version])
        .arg("--root")
        .arg(&root)
        // The configuration of the directory it is run in counts: the checkout's is for the checkout.
        .current_dir(&root)
        .env_remove("CARGO_TARGET_DIR");
    cargo::run(&mut install).map_err(|error| {
        let command = format!(
            "cargo install {name} --locked --version {version} --root {}",
            root.display()
        );
        by_hand(error, &[&command])
    })?;
    Ok(program)
}
