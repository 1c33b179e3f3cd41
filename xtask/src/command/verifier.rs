use anyhow::Result;

use super::test::privileged;
use crate::cargo;
use crate::install;

/// Prints how many instructions the kernel verified, program by program: the price of a load, and
/// what a change to the kernel half has to be watched by. Another compiler makes other instructions.
pub fn verifier() -> Result<()> {
    let toolchain = install::toolchain()?;
    println!(
        "compiled by {}, linked by {}",
        toolchain.compiler,
        toolchain.linker.display()
    );
    let mut test = privileged(&["--quiet", "--package", "ftpwatch", "--test", "kernel"])?;
    cargo::run(test.args(["--exact", "verifier_cost", "--nocapture"]))
}
