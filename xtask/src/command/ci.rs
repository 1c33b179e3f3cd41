use anyhow::Result;

use super::{bench, deny, test};
use crate::cargo::{self, cargo};
use crate::install;

/// What has to hold before a change goes in, the quickest first.
pub fn ci() -> Result<()> {
    install::toolchain()?;
    install::for_ci()?;
    cargo::run(&mut cargo(["fmt", "--all", "--check"]))?;
    cargo::run(&mut cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny=warnings",
    ]))?;
    deny()?;
    test(false, &[])?;
    // Instructions do not depend on how busy this machine is: these are held to what is written down.
    bench(&["counts".to_owned()])
}
