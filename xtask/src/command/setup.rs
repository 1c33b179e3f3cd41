use anyhow::Result;

use crate::install;

/// Installs what building needs, and with `tests` what only the tests need.
pub fn setup(tests: bool) -> Result<()> {
    install::toolchain()?;
    if tests {
        install::for_tests()?;
    }
    Ok(())
}
