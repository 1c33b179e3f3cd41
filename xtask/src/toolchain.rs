//! Finds the compiler and the linker that the kernel half is built with. Looks, and changes nothing.
//!
//! The standard library alone, because two programs are made of this file: `cargo xtask setup`,
//! which installs what `find` misses, and ftpwatch's build script, which uses what it finds.

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The bpf-linker that `cargo xtask setup` builds.
pub const LINKER_VERSION: &str = "0.13.0";

/// The compiler that a distribution installs; never one of rustup's, which has no `core` for BPF.
pub const SYSTEM_RUSTC: &str = "/usr/bin/rustc";
/// The cargo that belongs to [`SYSTEM_RUSTC`].
pub const SYSTEM_CARGO: &str = "/usr/bin/cargo";

/// What the kernel half is built with.
#[derive(Debug)]
pub struct BpfToolchain {
    /// Makes LLVM bitcode of Rust.
    pub compiler: Compiler,
    /// Makes a BPF object of the bitcode.
    pub linker: PathBuf,
}

/// A rustc that can compile for `bpfel-unknown-none`.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// Whose it is, which decides how it is called.
    pub origin: Origin,
    /// As it calls itself: `1.96.0`.
    pub version: String,
    /// Its LLVM's major version. A linker with an older LLVM cannot read its bitcode.
    pub llvm: u32,
    /// Where it is installed.
    pub sysroot: PathBuf,
}

/// Where a compiler comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The distribution: [`SYSTEM_RUSTC`] with a prebuilt `core` for BPF.
    System,
    /// rustup: a nightly with `rust-src`, which builds `core` along.
    Nightly,
}

/// What `find` did not find.
#[derive(Debug)]
pub enum Missing {
    /// No compiler of either origin.
    Compiler,
    /// A compiler, but no linker that reads its bitcode.
    Linker(Compiler),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compiler => f.write_str(
                "no Rust compiler that can compile for BPF (a system rustc with bpfel-unknown-none, or a rustup nightly with rust-src)",
            ),
            Self::Linker(compiler) => write!(
                f,
                "no bpf-linker with LLVM {} or later (rustc {} needs it)",
                compiler.llvm, compiler.version
            ),
        }
    }
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = match self.origin {
            Origin::System => "the system's",
            Origin::Nightly => "rustup's",
        };
        write!(f, "{origin} rustc {} (LLVM {})", self.version, self.llvm)
    }
}

/// The first compiler that has a linker; the system's before rustup's, which has to build `core`.
pub fn find() -> Result<BpfToolchain, Missing> {
    let mut missing = Missing::Compiler;
    for compiler in [system(), nightly()].into_iter().flatten() {
        match linker_for(compiler.llvm) {
            Some(linker) => return Ok(BpfToolchain { compiler, linker }),
            None if matches!(missing, Missing::Compiler) => missing = Missing::Linker(compiler),
            None => {}
        }
    }
    Err(missing)
}

/// Where things are kept that are slow to make: outside the checkout, for the next clone to find.
pub fn cache_dir() -> Option<PathBuf> {
    env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        // An empty or relative one is to be ignored, says the XDG Base Directory Specification.
        .filter(|dir| dir.is_absolute())
        .or_else(|| env::home_dir().map(|home| home.join(".cache")))
        .map(|dir| dir.join("ftpwatch"))
}

/// The name, in the cache, of the directory of a linker with this LLVM.
pub fn linker_dir_name(llvm: u32) -> String {
    format!("bpf-linker-{LINKER_VERSION}-llvm-{llvm}")
}

fn system() -> Option<Compiler> {
    if !Path::new(SYSTEM_CARGO).exists() {
        return None;
    }
    let rustc = || Command::new(SYSTEM_RUSTC);
    // Either byte order tells: whoever packs a prebuilt `core` for BPF packs both.
    let target = "bpfel-unknown-none";
    let libs = output(rustc().args(["--print", "target-libdir", "--target", target]))?;
    // rustc names the directory whether it is there or not.
    let has_core = fs::read_dir(libs.trim())
        .ok()?
        .flatten()
        .any(|file| file.file_name().to_string_lossy().starts_with("libcore-"));
    if !has_core {
        return None;
    }
    let sysroot = output(rustc().args(["--print", "sysroot"]))?;
    let about = output(rustc().arg("-vV"))?;
    compiler(Origin::System, sysroot.trim(), &about)
}

fn nightly() -> Option<Compiler> {
    let rustc = || {
        let mut command = Command::new("rustup");
        command
            .args(["run", "nightly", "rustc"])
            // This looks, and must not download.
            .env("RUSTUP_AUTO_INSTALL", "0");
        command
    };
    let sysroot = output(rustc().args(["--print", "sysroot"]))?;
    let sysroot = sysroot.trim();
    if !Path::new(sysroot)
        .join("lib/rustlib/src/rust/library/core")
        .exists()
    {
        return None;
    }
    compiler(Origin::Nightly, sysroot, &output(rustc().arg("-vV"))?)
}

/// Reads `rustc -vV`; none when it is older than the workspace's `rust-version`.
fn compiler(origin: Origin, sysroot: &str, about: &str) -> Option<Compiler> {
    let field = |name: &str| {
        about
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    let version = field("release")?;
    let llvm = field("LLVM version")?.split('.').next()?.parse().ok()?;
    is_new_enough(version)?.then(|| Compiler {
        origin,
        version: version.to_owned(),
        llvm,
        sysroot: PathBuf::from(sysroot),
    })
}

/// Whether a Rust version, such as `1.96.0-nightly`, is the workspace's `rust-version` or later.
pub fn is_new_enough(version: &str) -> Option<bool> {
    let minor = |version: &str| version.split('.').nth(1)?.parse::<u32>().ok();
    Some(minor(version)? >= minor(env!("CARGO_PKG_RUST_VERSION"))?)
}

/// A bpf-linker that reads bitcode of this LLVM: the cache's, then one on the `PATH`.
fn linker_for(llvm: u32) -> Option<PathBuf> {
    cached_linker(llvm).or_else(|| linker_on_path(llvm))
}

fn cached_linker(llvm: u32) -> Option<PathBuf> {
    let cache = cache_dir()?;
    fs::read_dir(&cache)
        .ok()?
        .flatten()
        .filter_map(|entry| llvm_of_dir(&entry.file_name().to_string_lossy()))
        .filter(|&has| has >= llvm)
        .map(|has| (has, cache.join(linker_dir_name(has)).join("bin/bpf-linker")))
        .filter(|(_, linker)| runs(linker))
        // Of several, the one nearest to the compiler's own.
        .min()
        .map(|(_, linker)| linker)
}

/// The 22 of `bpf-linker-0.13.0-llvm-22`, where the rest is as `linker_dir_name` has it.
fn llvm_of_dir(name: &str) -> Option<u32> {
    let llvm = name.rsplit('-').next()?.parse().ok()?;
    (linker_dir_name(llvm) == name).then_some(llvm)
}

fn linker_on_path(llvm: u32) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|dir| dir.join("bpf-linker"))
        .filter(|linker| linker.is_file())
        // One that cannot be asked is taken at its owner's word.
        .filter(|linker| llvm_inside(linker).is_none_or(|has| has >= llvm))
        .find(|linker| runs(linker))
}

/// Whether it starts, which a linker does not whose LLVM went away since it was built.
fn runs(linker: &Path) -> bool {
    output(Command::new(linker).arg("--version")).is_some()
}

/// The LLVM inside a bpf-linker, which does not tell: its name stands in the file, as the library it
/// wants (`libLLVM.so.22.1`) or, linked statically, as what it signs bitcode with (`LLVM22.1.8`).
fn llvm_inside(linker: &Path) -> Option<u32> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(linker).ok()?);
    let mut piece = Vec::new();
    loop {
        piece.clear();
        // A NUL ends every such string, and is found fast.
        if file.read_until(0, &mut piece).ok()? == 0 {
            return None;
        }
        if let Some(llvm) = llvm_in(&piece) {
            return Some(llvm);
        }
    }
}

fn llvm_in(piece: &[u8]) -> Option<u32> {
    // Such a name is short, and is the last of what stands before the NUL.
    let start = piece.len().saturating_sub(64);
    let text = String::from_utf8_lossy(&piece[start..]);
    ["libLLVM.so.", "libLLVM-", "LLVM"]
        .into_iter()
        .find_map(|before| {
            let (_, after) = text.split_once(before)?;
            let (major, _) = after.split_once('.')?;
            major.parse().ok()
        })
}

/// What a command prints, if it can be run and succeeds.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: &str = "rustc 1.96.0 (ac68faa20 2026-05-25)\n\
        binary: rustc\n\
        host: x86_64-unknown-linux-gnu\n\
        release: 1.96.0\n\
        LLVM version: 22.1.8\n";

    #[test]
    fn reads_what_rustc_says_of_itself() {
        let compiler = compiler(Origin::System, "/usr", ABOUT).unwrap();
        assert_eq!((compiler.version.as_str(), compiler.llvm), ("1.96.0", 22));
    }

    #[test]
    fn leaves_a_compiler_that_is_too_old() {
        assert!(compiler(Origin::System, "/usr", &ABOUT.replace("1.96", "1.85")).is_none());
        assert_eq!(is_new_enough("1.97.0-nightly"), Some(true));
        assert_eq!(is_new_enough("1.85.0+dfsg3-1~deb12u3"), Some(false));
        assert_eq!(is_new_enough("(none)"), None);
    }

    #[test]
    fn knows_its_own_linkers_in_the_cache() {
        assert_eq!(llvm_of_dir(&linker_dir_name(22)), Some(22));
        assert_eq!(llvm_of_dir("bpf-linker-0.1.0-llvm-22"), None);
        assert_eq!(llvm_of_dir("servers"), None);
    }

    #[test]
    fn finds_the_llvm_in_a_linker() {
        assert_eq!(llvm_in(b"libLLVM.so.22.1\0"), Some(22));
        assert_eq!(llvm_in(b"libLLVM.so.22.1-rust-1.95.0-stable\0"), Some(22));
        assert_eq!(llvm_in(b"libLLVM-19.so.1\0"), Some(19));
        assert_eq!(llvm_in(b"\x01\xffLLVM23.1.0\0"), Some(23));
        assert_eq!(llvm_in(b"LLVM ERROR: \0"), None);
        assert_eq!(llvm_in(b"LLVMContextCreate\0"), None);
    }
}
