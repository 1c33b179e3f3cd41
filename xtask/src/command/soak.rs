use anyhow::Result;

use super::test::run_as_root;
use crate::{cargo, install};

/// Watches so many endpoints, and compares what is said with what they came to.
pub fn soak(endpoints: u64) -> Result<()> {
    install::toolchain()?;
    install::for_tests()?;
    let mut soak = run_as_root("bench")?;
    soak.args(["--package", "ftpwatch", "--bench", "soak", "--"]);
    cargo::run(soak.arg(endpoints.to_string()))
}
