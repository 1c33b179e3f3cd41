use std::ffi::OsStr;
use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};

use crate::cargo::{self, cargo};
use crate::install::{self, privilege};

/// Builds ftpwatch and the demo, and becomes the demo. Unoptimised, which takes a newcomer half as long; the kernel
/// half is always optimised.
pub fn demo() -> Result<()> {
    let ftpwatch = cargo::debug("ftpwatch");
    let environment = [(OsStr::new("FTPWATCH"), ftpwatch.as_os_str())];
    let mut demo = privilege::as_root(&cargo::debug("examples/demo"), &environment)?;
    install::toolchain()?;
    install::for_demo()?;
    // At once, because apart each would be built with features that the other is built without.
    cargo::run(&mut cargo([
        "build",
        "--package",
        "ftpwatch",
        "--bins",
        "--example",
        "demo",
    ]))?;
    Err(demo.exec()).context("cannot run the demo")
}
