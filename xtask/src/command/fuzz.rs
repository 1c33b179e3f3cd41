use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo::{self, cargo, workspace};
use crate::install;

/// A target of `fuzz/`, and the longest input that it is given: longer ones find nothing more, and slowly.
const TARGETS: [(&str, usize); 4] = [
    ("decoders", 4_096),
    ("segments", 4_096),
    ("packets", 16_384),
    ("capture", 65_536),
];

/// What libFuzzer wants to know of the program it drives. No sanitizer: these need a nightly, and find what safe code
/// does not do.
const FLAGS: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// Runs each fuzz target for as many seconds.
///
/// What is found on the way is kept in `fuzz/corpus`, and what fails in `fuzz/artifacts`: to run that again, hand it to
/// the target's program.
pub fn fuzz(seconds: u64) -> Result<()> {
    install::toolchain()?;
    install::for_fuzzing()?;
    let fuzz = workspace().join("fuzz");
    let programs = build(&fuzz)?;
    let captures = captures();
    let mut failed = Vec::new();
    for (name, longest) in TARGETS {
        let corpus = fuzz.join("corpus").join(name);
        let artifacts = fuzz.join("artifacts").join(name);
        for dir in [&corpus, &artifacts] {
            fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        }
        let mut target = Command::new(programs.join(name));
        target
            .current_dir(&fuzz)
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={longest}"))
            .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"])
            .arg("-dict=ftp.dict")
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            // New finds go into the first; the others are read.
            .arg(&corpus);
        if ["packets", "capture"].contains(&name) {
            target.args(&captures);
        } else {
            plant(&captures, name, &corpus)?;
        }
        eprintln!("xtask: fuzzing {name} for {seconds} s");
        if let Err(error) = cargo::run(&mut target) {
            failed.push(format!("{name}: {error:#}"));
        }
    }
    if !failed.is_empty() {
        bail!(
            "{}\nwhat failed is in fuzz/artifacts; run it again with: {}/TARGET FILE",
            failed.join("\n"),
            programs.display()
        );
    }
    Ok(())
}

/// Builds all targets. Returns where they are.
fn build(fuzz: &Path) -> Result<PathBuf> {
    let host = host()?;
    let target_dir = workspace().join("target").join("fuzz");
    let mut build = cargo(["build", "--release", "--bins"]);
    build
        .arg("--manifest-path")
        .arg(fuzz.join("Cargo.toml"))
        // Named, it keeps the flags from build scripts.
        .args(["--target", &host])
        .arg("--target-dir")
        .arg(&target_dir)
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            [&["--cfg", "fuzzing"], FLAGS.as_slice()]
                .concat()
                .join("\x1f"),
        );
    cargo::run(&mut build)?;
    Ok(target_dir.join(host).join("release"))
}

/// The machine's triple, as the compiler calls it.
fn host() -> Result<String> {
    let output = cargo(["--version", "--verbose"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host
        .context("cargo does not say what host it is for")?
        .into())
}

/// Folders with captures: the project's own, and that of `FTPWATCH_CAPTURES`.
fn captures() -> Vec<PathBuf> {
    let own = workspace().join("ftpwatch").join("tests").join("captures");
    let given = env::var_os("FTPWATCH_CAPTURES").map(|dir| workspace().join(dir));
    let dirs = [Some(own), given].into_iter().flatten();
    dirs.filter(|dir| dir.is_dir()).collect()
}

/// Gives a target that reads lines those of the captures: what both sides said, a file per capture.
fn plant(captures: &[PathBuf], target: &str, corpus: &Path) -> Result<()> {
    let mut files = Vec::new();
    for dir in captures {
        files_in(dir, &mut files)?;
    }
    for (number, file) in files.iter().enumerate() {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let seed: Vec<u8> = lines(&bytes)
            .flat_map(|line| match target {
                // A turn of a side's: digits are the server's. See `fuzz_targets/segments.rs`.
                "segments" => [&[2 | u8::from(line[0].is_ascii_digit())], line, b"\0"].concat(),
                _ => line.to_vec(),
            })
            .collect();
        if !seed.is_empty() {
            let seed_file = corpus.join(format!("capture-{number}"));
            fs::write(&seed_file, seed)
                .with_context(|| format!("cannot write {}", seed_file.display()))?;
        }
    }
    Ok(())
}

fn files_in(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry?.path());
    }
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files_in(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// Lines of text among bytes: what is printable and ends with CR LF.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .split_inclusive(|&byte| byte == b'\n')
        .filter_map(|line| {
            let text = line.strip_suffix(b"\r\n")?;
            let printable = |byte: &&u8| byte.is_ascii_graphic() || **byte == b' ';
            let length = text.iter().rev().take_while(printable).count();
            (length >= 3).then(|| &line[text.len() - length..])
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_lines_among_the_bytes() {
        let bytes = b"\x00\x01220 Hello.\r\nUSER me\r\n\x7f\xffPASV\r\n\x00\r\nno line";
        let found: Vec<&[u8]> = lines(bytes).collect();
        let expected: [&[u8]; 3] = [b"220 Hello.\r\n", b"USER me\r\n", b"PASV\r\n"];
        assert_eq!(found, expected);
    }
}
