use std::env;
use std::ffi::OsStr;
use std::process::Command;
use std::thread;

use anyhow::{Result, bail};

use crate::cargo::{self, cargo};
use crate::install::{self, privilege};

/// Runs the tests, and unless `quick` also those that need root: these are marked as ignored, to
/// keep a plain `cargo test` free of them.
pub fn test(quick: bool, filters: &[String]) -> Result<()> {
    install::toolchain()?;
    let plain = ["test", "--workspace", "--no-fail-fast", "--"];
    if quick {
        return cargo::run(cargo(plain).args(filters));
    }
    install::for_tests()?;
    let plain = cargo::run(cargo(plain).args(filters));
    let privileged =
        cargo::run(privileged(&["--workspace", "--tests", "--no-fail-fast"])?.args(filters));
    // Each has said what failed; of both, this is left to say.
    match (plain, privileged) {
        (Ok(()), Ok(())) => Ok(()),
        (Err(plain), Err(privileged)) => bail!("{plain}\nxtask: {privileged}"),
        (Err(error), Ok(())) | (Ok(()), Err(error)) => Err(error),
    }
}

/// Names the folder of captures that tests read besides their own.
const CAPTURES: &str = "FTPWATCH_CAPTURES";

/// `cargo test SELECTION -- --ignored`, built as the user and run as root.
pub fn privileged(selection: &[&str]) -> Result<Command> {
    let mut test = run_as_root("test")?;
    // They wait for time-outs most of the time, so several of them fit on a processor.
    let threads = thread::available_parallelism().map_or(4, |cores| cores.get() * 3);
    test.args(selection).args(["--", "--ignored"]);
    test.arg(format!("--test-threads={threads}"));
    Ok(test)
}

/// `cargo COMMAND`, one that builds programs as the user, which it then runs as root.
pub fn run_as_root(command: &str) -> Result<Command> {
    let mut test = cargo([command]);
    let servers = install::servers_dir()?;
    let captures = env::var_os(CAPTURES);
    let mut environment = vec![(OsStr::new("FTPWATCH_SERVERS"), servers.as_os_str())];
    environment.extend(
        captures
            .iter()
            .map(|dir| (OsStr::new(CAPTURES), dir.as_os_str())),
    );
    if privilege::is_root()? {
        test.envs(environment);
    } else {
        // Whatever the host: each of its test programs is handed to sudo.
        let runner = privilege::sudo(&environment)?;
        test.arg("--config")
            .arg(format!("target.'cfg(all())'.runner = {runner:?}"));
    }
    Ok(test)
}
