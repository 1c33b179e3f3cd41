//! Doing as root what has to be done as root, and nothing else.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::tools::on_path;

/// Whether this is root.
pub fn is_root() -> Result<bool> {
    // Of a process's own directory in /proc the owner is its effective user.
    let owner = fs::metadata("/proc/self").context("cannot see /proc/self")?;
    Ok(owner.uid() == 0)
}

/// A command with these variables in its environment; through sudo only when this is not root.
pub fn as_root(program: &Path, environment: &[(&OsStr, &OsStr)]) -> Result<Command> {
    if is_root()? {
        let mut command = Command::new(program);
        command.envs(environment.iter().copied());
        return Ok(command);
    }
    let words = sudo(environment)
        .with_context(|| format!("root is needed to run {}", program.display()))?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg(program);
    Ok(command)
}

/// The words to put before a command: sudo itself lets no variables pass.
pub fn sudo(environment: &[(&OsStr, &OsStr)]) -> Result<Vec<String>> {
    if !on_path("sudo") {
        bail!("this is not root, and there is no sudo");
    }
    let mut words = vec!["sudo".to_owned(), "env".to_owned()];
    for (name, value) in environment {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        words.push(format!("{name}={value}"));
    }
    Ok(words)
}
