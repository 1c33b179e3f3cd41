use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use super::build;
use crate::cargo;
use crate::install::privilege;

/// Builds ftpwatch and becomes it, so that signals and the exit status are its own.
pub fn run(ftpwatch_args: Vec<OsString>) -> Result<()> {
    let args = with_subcommand(ftpwatch_args);
    let ftpwatch = cargo::release("ftpwatch");
    // First, as building it is in vain where nobody may run it.
    let mut command = if needs_privilege(&args) {
        privilege::as_root(&ftpwatch, &[])?
    } else {
        Command::new(&ftpwatch)
    };
    build(&[])?;
    Err(command.args(args).exec()).context("cannot run ftpwatch")
}

/// Watching is what ftpwatch is mostly run for: `run` is understood where only its flags are given.
fn with_subcommand(mut args: Vec<OsString>) -> Vec<OsString> {
    let names_one = args.first().is_some_and(|first| {
        let first = first.to_string_lossy();
        !first.starts_with('-') || OF_NO_SUBCOMMAND.contains(&first.as_ref())
    });
    if !names_one {
        args.insert(0, "run".into());
    }
    args
}

/// What ftpwatch itself answers to.
const OF_NO_SUBCOMMAND: [&str; 4] = ["-h", "--help", "-V", "--version"];

/// What works without, and should, on files and addresses that are the user's own.
const UNPRIVILEGED: [&str; 4] = ["read", "probe", "explain", "help"];

fn needs_privilege(args: &[OsString]) -> bool {
    !args.first().is_some_and(|first| {
        let first = first.to_string_lossy();
        UNPRIVILEGED.contains(&first.as_ref()) || OF_NO_SUBCOMMAND.contains(&first.as_ref())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(line: &str) -> String {
        let args = line.split_whitespace().map(OsString::from).collect();
        with_subcommand(args)
            .join(" ".as_ref())
            .into_string()
            .unwrap()
    }

    #[test]
    fn flags_alone_are_those_of_run() {
        assert_eq!(understood(""), "run");
        assert_eq!(understood("-i lo --format json"), "run -i lo --format json");
        assert_eq!(understood("-vv"), "run -vv");
    }

    #[test]
    fn a_subcommand_is_left_alone() {
        for line in ["run -i lo", "read -", "--help", "-V", "explain no_syn"] {
            assert_eq!(understood(line), line);
        }
    }

    #[test]
    fn only_watching_needs_privilege() {
        assert!(needs_privilege(&["run".into()]));
        assert!(needs_privilege(&["doctor".into()]));
        assert!(!needs_privilege(&["read".into()]));
        assert!(!needs_privilege(&["--help".into()]));
    }
}
