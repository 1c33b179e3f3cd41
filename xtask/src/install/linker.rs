//! bpf-linker, built into the cache. It wants an LLVM at least as new as the compiler's, and the
//! compiler's own library serves best: it is there, on every system, and of the right version.

use std::ffi::OsStr;
use std::fs;
use std::ops::RangeInclusive;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::apt::{self, System};
use super::{by_hand, cache, say};
use crate::cargo;
use crate::toolchain::{Compiler, LINKER_VERSION, Origin, linker_dir_name};

/// The LLVMs that this bpf-linker can be linked with.
const LLVMS: RangeInclusive<u32> = 21..=23;

/// Builds one for this compiler.
pub fn install(compiler: &Compiler) -> Result<()> {
    if !LLVMS.contains(&compiler.llvm) {
        bail!(
            "{compiler} needs a bpf-linker with LLVM {}, and bpf-linker {LINKER_VERSION} goes from {} to {}\n\
             one that is on the PATH is taken; to put the latest there:\n    \
             cargo install cargo-binstall\n    cargo binstall bpf-linker",
            compiler.llvm,
            LLVMS.start(),
            LLVMS.end()
        );
    }
    let llvm = match llvm_of(compiler)? {
        Some(library) => Llvm {
            major: compiler.llvm,
            prefix: prefix_for(compiler, &library)?,
        },
        None => packaged_llvm(compiler)?,
    };
    build(&llvm)
}

/// An LLVM to link with.
struct Llvm {
    major: u32,
    /// What has `lib/libLLVM.so` in it.
    prefix: PathBuf,
}

fn build(llvm: &Llvm) -> Result<()> {
    let root = cache(&linker_dir_name(llvm.major))?;
    say(
        &format!("bpf-linker {LINKER_VERSION}, into {}", root.display()),
        "makes the BPF object of what the compiler leaves; a minute or two, once",
    );
    let mut install = Command::new(cargo::program());
    install
        .args(["install", "bpf-linker", "--locked", "--force"])
        .args(["--version", LINKER_VERSION])
        .args(["--no-default-features", "--features"])
        .arg(format!("llvm-{}", llvm.major))
        .arg("--root")
        .arg(&root)
        // The configuration of the directory it is run in counts: the checkout's is for the checkout.
        .current_dir(cache("")?)
        .env("LLVM_PREFIX", &llvm.prefix)
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        .env_remove("CARGO_TARGET_DIR")
        // Or it says that its directory is not on the PATH, where it need not be.
        .arg("--quiet");
    cargo::run(&mut install).map_err(|error| {
        let command = format!(
            "LLVM_PREFIX={} cargo install bpf-linker --locked --version {LINKER_VERSION} --no-default-features --features llvm-{} --root {}",
            llvm.prefix.display(),
            llvm.major,
            root.display()
        );
        by_hand(error, &[&command])
    })
}

/// The library that holds the compiler's LLVM, if it is a library.
fn llvm_of(compiler: &Compiler) -> Result<Option<PathBuf>> {
    let rustc = compiler.sysroot.join("bin/rustc");
    let libraries = Command::new("ldd")
        .arg(&rustc)
        .output()
        .with_context(|| format!("cannot run ldd {}", rustc.display()))?;
    Ok(llvm_among(&String::from_utf8_lossy(&libraries.stdout)))
}

/// Reads what ldd says: `libLLVM.so.22.1 => /lib/x86_64-linux-gnu/libLLVM.so.22.1 (0x00007f…)`.
fn llvm_among(libraries: &str) -> Option<PathBuf> {
    let line = libraries
        .lines()
        .find(|line| line.trim_start().starts_with("libLLVM"))?;
    let (_, path) = line.split_once("=> ")?;
    let (path, _) = path.rsplit_once(" (")?;
    Some(PathBuf::from(path))
}

/// A prefix in the cache with this library in it, by the name that bpf-linker links with.
fn prefix_for(compiler: &Compiler, library: &Path) -> Result<PathBuf> {
    let prefix = cache(&format!("llvm-{}", compiler.llvm))?;
    let lib = prefix.join("lib");
    fs::create_dir_all(&lib).with_context(|| format!("cannot make {}", lib.display()))?;
    let library = match compiler.origin {
        // It stays where it is for as long as the compiler does.
        Origin::System => library.to_path_buf(),
        // The next `rustup update` takes it away.
        Origin::Nightly => kept(library, &lib)?,
    };
    let link = lib.join("libLLVM.so");
    if fs::symlink_metadata(&link).is_ok() {
        fs::remove_file(&link).with_context(|| format!("cannot replace {}", link.display()))?;
    }
    symlink(&library, &link).with_context(|| format!("cannot make {}", link.display()))?;
    Ok(prefix)
}

/// Its own copy of the library: a link to the same file where it can be, as it is 200 MB.
fn kept(library: &Path, lib: &Path) -> Result<PathBuf> {
    let name = library.file_name().unwrap_or(OsStr::new("libLLVM.so.0"));
    let kept = lib.join(name);
    if !kept.exists() && fs::hard_link(library, &kept).is_err() {
        fs::copy(library, &kept).with_context(|| format!("cannot make {}", kept.display()))?;
    }
    Ok(kept)
}

/// Where the compiler's LLVM is inside the compiler: a package's.
fn packaged_llvm(compiler: &Compiler) -> Result<Llvm> {
    let installed = |major: u32| {
        let prefix = PathBuf::from(format!("/usr/lib/llvm-{major}"));
        prefix
            .join("lib/libLLVM.so")
            .exists()
            .then_some(Llvm { major, prefix })
    };
    let wanted = || compiler.llvm..=*LLVMS.end();
    if let Some(llvm) = wanted().find_map(installed) {
        return Ok(llvm);
    }
    let system = System::this();
    if system.has_apt {
        for major in wanted() {
            let package = format!("llvm-{major}-dev");
            if apt::candidate(&package).is_some() {
                say(&package, "bpf-linker is linked with it");
                apt::install(&[&package])?;
                return installed(major)
                    .with_context(|| format!("{package} has no lib/libLLVM.so"));
            }
        }
    }
    bail!(
        "{} has no LLVM {} or later to link bpf-linker with\n\
         a bpf-linker that is on the PATH is taken; to put one there:\n    \
         cargo install cargo-binstall\n    cargo binstall bpf-linker",
        system.name,
        compiler.llvm
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_compilers_llvm() {
        let of_debian = "\tlinux-vdso.so.1 (0x00007fc58)\n\
            \tlibLLVM.so.22.1 => /lib/x86_64-linux-gnu/libLLVM.so.22.1 (0x00007fc57a200000)\n";
        assert_eq!(
            llvm_among(of_debian).unwrap(),
            Path::new("/lib/x86_64-linux-gnu/libLLVM.so.22.1")
        );
        let gone = "\tlibLLVM.so.22.1 => not found\n";
        assert_eq!(llvm_among(gone), None);
        assert_eq!(llvm_among("\tstatically linked\n"), None);
    }
}
