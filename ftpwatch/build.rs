//! Compiles the kernel half, and leaves its object in `OUT_DIR/ftpwatch-ebpf` for the loader to embed.
//!
//! A cargo of its own does that, for another target and with another compiler. aya-build would run
//! one too, but asks rustup for the compiler wherever rustup is installed, and finds the linker on
//! the `PATH` alone: a distribution's compiler would have to be made known to rustup by hand.

#[path = "../xtask/src/toolchain.rs"]
mod toolchain;

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use object::build::elf::{Builder, SectionData};
use toolchain::{BpfToolchain, Origin};

/// The kernel half's package, and its binary.
const PACKAGE: &str = "ftpwatch-ebpf";

fn main() -> ExitCode {
    let toolchain = match toolchain::find() {
        Ok(toolchain) => toolchain,
        Err(missing) => {
            // cargo shows these two lines alone, and counts them as the failure.
            println!("cargo::error=cannot build the kernel half: {missing}");
            println!("cargo::error=install what is missing with: cargo xtask setup");
            return ExitCode::SUCCESS;
        }
    };
    match build(&toolchain) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn build(toolchain: &BpfToolchain) -> Result<(), Box<dyn Error>> {
    let out_dir = PathBuf::from(variable("OUT_DIR")?);
    let manifest_dir = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let workspace = manifest_dir
        .parent()
        .ok_or("ftpwatch's package has to lie in its workspace")?;
    // BPF has the byte order of the machine it runs on, and its own name for it.
    let target = match variable("CARGO_CFG_TARGET_ENDIAN")?.as_str() {
        "big" => "bpfeb-unknown-none",
        _ => "bpfel-unknown-none",
    };
    // Not OUT_DIR itself, where a directory could come to bear the object's name.
    let target_dir = out_dir.join("bpf-target");

    let output = cargo(toolchain, target)?
        .current_dir(workspace)
        .args(["build", "--quiet", "--locked", "--release"])
        .args(["--package", PACKAGE, "--bins", "--target", target])
        .arg("--target-dir")
        .arg(&target_dir)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("the kernel half does not compile:\n{said}").into());
    }
    for line in said.lines() {
        println!("cargo::warning={line}");
    }

    let object = target_dir.join(target).join("release").join(PACKAGE);
    fs::write(
        out_dir.join(PACKAGE),
        without_debug_sections(&fs::read(object)?)?,
    )?;
    rerun_if_changed(workspace, toolchain);
    Ok(())
}

/// The object without its DWARF: BTF was made of it, nobody else reads it, and it is three quarters of what a process
/// that watches would carry along.
fn without_debug_sections(object: &[u8]) -> Result<Vec<u8>, object::build::Error> {
    let mut builder = Builder::read(object)?;
    for section in &mut builder.sections {
        let name = section.name.as_slice();
        section.delete = name.starts_with(b".debug_") || name.starts_with(b".rel.debug_");
    }
    builder.delete_orphans();
    // LLVM keeps the names of sections and of symbols in one table, and the builder in two.
    let names = builder.sections.add();
    names.name = b".shstrtab".as_slice().into();
    names.data = SectionData::SectionString;
    let mut stripped = Vec::new();
    builder.write(&mut stripped)?;
    Ok(stripped)
}

/// The cargo that compiles for BPF, in an environment of its own.
fn cargo(toolchain: &BpfToolchain, target: &str) -> Result<Command, Box<dyn Error>> {
    let mut cargo = match toolchain.compiler.origin {
        Origin::System => Command::new(toolchain::SYSTEM_CARGO),
        Origin::Nightly => {
            let mut rustup = Command::new("rustup");
            rustup.args(["run", "nightly", "cargo", "-Zbuild-std=core"]);
            rustup
        }
    };
    // What cargo or its user set for the build around this one names the wrong compiler, target or flags.
    for name in [
        "CARGO_BUILD_RUSTC",
        "CARGO_BUILD_RUSTC_WRAPPER",
        "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_TARGET",
        "CARGO_TARGET_DIR",
        "RUSTC",
        "RUSTC_BOOTSTRAP",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOC",
        "RUSTUP_TOOLCHAIN",
    ] {
        cargo.env_remove(name);
    }
    if toolchain.compiler.origin == Origin::System {
        cargo.env("RUSTC", toolchain::SYSTEM_RUSTC);
        // BPF code needs language features that are not stable yet: allowed to these two crates alone.
        cargo.env("RUSTC_BOOTSTRAP", "aya_ebpf,ftpwatch_ebpf");
    }
    let linker = format!(
        "CARGO_TARGET_{}_LINKER",
        target.to_uppercase().replace('-', "_")
    );
    cargo.env(linker, &toolchain.linker);
    let mut flags = vec![
        // aya-ebpf asks for the architecture whose registers a context holds.
        format!("--cfg=bpf_target_arch=\"{}\"", bpf_target_arch()?),
        // BTF is made from the debug information.
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
        // Otherwise whatever is filled with zeros is filled by a call, byte by byte.
        "-Clink-arg=--disable-expand-memcpy-in-order".to_owned(),
    ];
    // BTF names sources: where packages are made, by other names than where they lie.
    let outer = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let renamed = outer
        .split('\x1f')
        .filter(|flag| flag.starts_with("--remap-path-prefix="));
    flags.extend(renamed.map(str::to_owned));
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    Ok(cargo)
}

fn bpf_target_arch() -> Result<String, Box<dyn Error>> {
    let arch = variable("CARGO_CFG_TARGET_ARCH")?;
    Ok(match arch.as_str() {
        // One of many names, after the extensions it has: aya-ebpf knows it by the family's.
        riscv if riscv.starts_with("riscv64") => "riscv64".to_owned(),
        _ => arch,
    })
}

fn rerun_if_changed(workspace: &Path, toolchain: &BpfToolchain) {
    for source in [
        "ftpwatch-ebpf",
        "ftpwatch-common",
        "Cargo.toml",
        "Cargo.lock",
    ] {
        println!(
            "cargo::rerun-if-changed={}",
            workspace.join(source).display()
        );
    }
    let rustc = toolchain.compiler.sysroot.join("bin/rustc");
    for tool in [&rustc, &toolchain.linker] {
        println!("cargo::rerun-if-changed={}", tool.display());
    }
}

fn variable(name: &str) -> Result<String, Box<dyn Error>> {
    env::var(name).map_err(|error| format!("{name}: {error}").into())
}
