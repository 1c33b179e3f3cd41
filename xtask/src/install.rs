//! Installing what is missing. Says in a line what and why, and says nothing where nothing is missing.

mod apt;
mod compiler;
mod crates;
mod linker;
pub mod privilege;
mod servers;
pub mod suricata;
mod tools;

use std::path::PathBuf;

use anyhow::{Context, Error, Result, anyhow};

use crate::toolchain::{self, BpfToolchain, Missing};

pub use apt::mirror;
pub use servers::dir as servers_dir;
pub use tools::find as find_program;

/// What building needs.
pub fn toolchain() -> Result<BpfToolchain> {
    tools::install(&tools::FOR_BUILDING)?;
    // Twice at most: a compiler first, and then the linker that reads its bitcode.
    for _ in 0..2 {
        match toolchain::find() {
            Ok(found) => return Ok(found),
            Err(Missing::Compiler) => compiler::install()?,
            Err(Missing::Linker(compiler)) => linker::install(&compiler)?,
        }
    }
    toolchain::find().map_err(|missing| anyhow!("after all that was installed: {missing}"))
}

/// What the tests need besides: tools, and servers.
pub fn for_tests() -> Result<()> {
    tools::install(&tools::FOR_TESTS)?;
    servers::install()
}

/// What the demo needs besides: it makes network namespaces, and has a client of its own choosing.
pub fn for_demo() -> Result<()> {
    tools::install(&tools::FOR_DEMO)
}

/// What booting other kernels needs besides: an emulator, and what is put there.
pub fn for_vm() -> Result<()> {
    tools::install(&tools::FOR_VM)?;
    servers::install()
}

/// What fuzzing needs besides: libFuzzer is C++, and built along.
pub fn for_fuzzing() -> Result<()> {
    tools::install(&tools::FOR_FUZZING)
}

/// What `ftpwatch read` is compared with, but for Suricata.
pub fn for_bench_read() -> Result<()> {
    tools::install(&tools::FOR_BENCH_READ)
}

/// What is checked besides the tests: rustup's minimal profile has neither of these.
pub fn for_ci() -> Result<()> {
    tools::install_components()
}

/// What packs ftpwatch: Debian's own tools, on whatever system.
pub fn for_dist() -> Result<()> {
    tools::install(&tools::FOR_DIST)
}

/// What makes a Debian to install the package in, and looks the package over.
pub fn for_package_test() -> Result<()> {
    tools::install(&tools::FOR_PACKAGE_TEST)
}

/// What writes the bill of materials.
pub fn cyclonedx() -> Result<PathBuf> {
    crates::install(&crates::CYCLONEDX)
}

/// What looks over licences, sources and advisories.
pub fn deny() -> Result<PathBuf> {
    crates::install(&crates::DENY)
}

/// A directory of the cache; for what is slow to make or to download.
pub fn cache(name: &str) -> Result<PathBuf> {
    let dir = toolchain::cache_dir().context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(dir.join(name))
}

/// What could not be done here, and the commands that do it, each as root or not as it needs.
fn by_hand(error: Error, commands: &[&str]) -> Error {
    anyhow!("{error:#}\nby hand:\n    {}", commands.join("\n    "))
}

/// The line that tells what happens next.
pub fn say(what: &str, why: &str) {
    eprintln!("xtask: installing {what}: {why}");
}
