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
    let libs = output(rustc().args(["--print", "target-libdir", "--target", TARGET]))?;
    // rustc names the directory whether it is there or not.
    let has_core = fs::read_dir(libs.trim())
        .ok()?
        .flatten()
        .any(|file| file.file_name().to_string_lossy().starts_with("libcore-"));
    if !has_core {
        return None;
    }
    compiler(Origin::System, &output(rustc().arg("-vV"))?)
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
    let about = output(rustc().arg("-vV"))?;
    let sysroot = output(rustc().args(["--print", "sysroot"]))?;
    let core = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core");
    if !core.exists() {
        return None;
    }
    compiler(Origin::Nightly, &about)
}

/// Any BPF target does to find out whether there is a `core`: Debian packs both byte orders together.
const TARGET: &str = "bpfel-unknown-none";

/// Reads `rustc -vV`; none when it is older than the workspace's `rust-version`.
fn compiler(origin: Origin, about: &str) -> Option<Compiler> {
    let field = |name: &str| {
        about
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    let version = field("release")?;
    let llvm = field("LLVM version")?.split('.').next()?.parse().ok()?;
    let new_enough = minor(version)? >= minor(env!("CARGO_PKG_RUST_VERSION"))?;
    new_enough.then(|| Compiler {
        origin,
        version: version.to_owned(),
        llvm,
    })
}

/// The `96` of `1.96.0-nightly`.
fn minor(version: &str) -> Option<u32> {
    version.split(['.', '-']).nth(1)?.parse().ok()
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
        .filter(|(_, linker)| linker.exists())
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
        .find(|linker| llvm_inside(linker).is_some_and(|has| has >= llvm))
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
    // Nothing but a name: the text around it in the file is no business of ours.
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
