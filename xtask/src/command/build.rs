use std::ffi::OsString;

use anyhow::Result;

use crate::cargo::{self, cargo};
use crate::install;

/// Leaves `target/release/ftpwatch`.
pub fn build(cargo_args: &[OsString]) -> Result<()> {
    install::toolchain()?;
    cargo::run(cargo(["build", "--release", "--package", "ftpwatch"]).args(cargo_args))
}
