//! Running cargo, and what it built.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The checkout's root.
pub fn workspace() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// A cargo command in the checkout: by the cargo that this program was started with.
pub fn cargo<I, A>(args: I) -> Command
where
    I: IntoIterator<Item = A>,
    A: AsRef<OsStr>,
{
    let mut cargo = Command::new(program());
    cargo.args(args).current_dir(workspace());
    cargo
}

/// The cargo that this program was started with.
pub fn program() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Where a release build leaves this program.
pub fn release(program: &str) -> PathBuf {
    built("release", program)
}

/// Where a plain build leaves this program.
pub fn debug(program: &str) -> PathBuf {
    built("debug", program)
}

fn built(profile: &str, program: &str) -> PathBuf {
    // Relative to where cargo runs, which is the root. Joining leaves an absolute one as it is.
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    workspace().join(target).join(profile).join(program)
}

/// Runs it to its end, and takes a failure for one of ours.
pub fn run(command: &mut Command) -> Result<()> {
    let name = Path::new(command.get_program()).file_name();
    let line = name
        .into_iter()
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ");
    let status = command
        .status()
        .with_context(|| format!("cannot run: {line}"))?;
    if !status.success() {
        bail!("failed ({status}): {line}");
    }
    Ok(())
}
