use std::process::{Command, Stdio};

use anyhow::Result;

use crate::cargo::{self, workspace};
use crate::install;

/// Looks over what ftpwatch is linked with, as deny.toml says.
pub fn deny() -> Result<()> {
    let program = install::deny()?;
    let deny = |words: &[&str]| {
        let mut command = Command::new(&program);
        command.args(words).current_dir(workspace());
        command
    };
    cargo::run(&mut deny(&["check", "bans", "licenses", "sources"]))?;
    // A list that cannot be had is one thing, and what is on it another.
    let fetched = deny(&["fetch", "db"]).stderr(Stdio::null()).status();
    if fetched.is_ok_and(|status| status.success()) {
        cargo::run(&mut deny(&["--offline", "check", "advisories"]))
    } else {
        eprintln!(
            "xtask: advisories were NOT looked over: their database cannot be reached from here"
        );
        Ok(())
    }
}
