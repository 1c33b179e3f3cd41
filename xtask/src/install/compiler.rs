//! A compiler for BPF: the distribution's where it packs one, or else a nightly of rustup's.

use std::io::stderr;
use std::process::Command;

use anyhow::{Result, anyhow};

use super::apt::{self, System};
use super::tools::on_path;
use super::{by_hand, say};
use crate::cargo;
use crate::toolchain::is_new_enough;

/// Debian's sets of packages: a rustc, its cargo and a prebuilt `core` for BPF. The first is made
/// for building browsers, and is newer than the release it comes to.
const PACKAGES: [[&str; 3]; 2] = [
    ["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf"],
    ["rustc", "cargo", "libstd-rust-dev-bpf"],
];

/// The other way: a nightly, as building `core` is not stable, and the source of `core`.
const NIGHTLY: [&str; 8] = [
    "toolchain",
    "install",
    "nightly",
    "--profile",
    "minimal",
    "--component",
    "rust-src",
    "--no-self-update",
];

/// Installs one.
pub fn install() -> Result<()> {
    let system = System::this();
    if let Some(packages) = packages(&system) {
        say(
            &packages.join(", "),
            "a Rust compiler that can compile for BPF, which rustup's stable one cannot",
        );
        match apt::install(&packages) {
            Ok(()) => return Ok(()),
            // The other way needs nobody's privilege.
            Err(error) if on_path("rustup") => eprintln!("xtask: {error:#}"),
            Err(error) => return Err(error),
        }
    }
    let command = format!("rustup {}", NIGHTLY.join(" "));
    if !on_path("rustup") {
        let error = anyhow!(
            "{} has no package of a Rust compiler for BPF, and there is no rustup to install one",
            system.name
        );
        return Err(by_hand(
            error,
            &["curl -sSf https://sh.rustup.rs | sh", &command],
        ));
    }
    say(
        "rustup's nightly with rust-src",
        "a Rust compiler that can compile for BPF, which the stable one cannot",
    );
    let mut rustup = Command::new("rustup");
    // Standard output belongs to ftpwatch, which may be what is run in the end.
    rustup.args(NIGHTLY).stdout(stderr());
    cargo::run(&mut rustup).map_err(|error| by_hand(error, &[&command]))
}

/// The set to install, if this system has one that is new enough.
fn packages(system: &System) -> Option<[&'static str; 3]> {
    if !system.has_apt {
        return None;
    }
    let find = || PACKAGES.into_iter().find(is_usable);
    find().or_else(|| {
        // Ubuntu packs no `core` for BPF: not worth root's password to look again.
        if system.is_ubuntu {
            return None;
        }
        apt::update().ok().and_then(|()| find())
    })
}

fn is_usable(set: &[&str; 3]) -> bool {
    set.iter().all(|package| {
        apt::candidate(package).is_some_and(|version| is_new_enough(&version) == Some(true))
    }) && apt::is_installable(set)
}
