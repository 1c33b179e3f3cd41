use anyhow::Result;

use super::test::run_as_root;
use crate::cargo;
use crate::install;

/// Measures what ftpwatch costs, all of it or what is named: figures for people, which neither pass nor fail.
pub fn bench(names: &[String]) -> Result<()> {
    install::toolchain()?;
    install::for_tests()?;
    let mut bench = run_as_root("bench")?;
    bench.args(["--package", "ftpwatch", "--bench", "suite", "--"]);
    cargo::run(bench.args(names))
}
