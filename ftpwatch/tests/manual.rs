//! Man pages and completions: there is one of each, and those who read them can.

mod lab;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use clap::CommandFactory as _;
use ftpwatch::cli::Cli;
use lab::process::run;
use lab::watch::FTPWATCH;
use lab::{Directory, SOON, process::Process};

fn pages(directory: &Path) -> BTreeSet<String> {
    let mut command = Command::new(FTPWATCH);
    command.arg("manual").arg(directory);
    Process::start(&mut command).wait(SOON).ok();
    let entries = fs::read_dir(directory).expect("it was made");
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    entries.flatten().map(name).collect()
}

/// The pages of a command and of those below it.
fn commands(command: &clap::Command, before: &str, names: &mut BTreeSet<String>) {
    let name = format!("{before}{}", command.get_name());
    for command in command.get_subcommands() {
        commands(command, &format!("{name}-"), names);
    }
    names.insert(format!("{name}.1"));
}

#[test]
fn every_command_has_its_page() {
    let directory = Directory::new("manual");
    let mut names = BTreeSet::new();
    commands(&Cli::command(), "", &mut names);
    assert_eq!(pages(directory.path()), names);
}

#[test]
fn examples_are_lines_of_their_own() {
    let directory = Directory::new("manual");
    pages(directory.path());
    let page = fs::read_to_string(directory.path().join("ftpwatch-run.1")).expect("a page");
    let (_, examples) = page.split_once(".SH EXAMPLES\n.nf\n").expect("examples");
    assert!(examples.starts_with("ftpwatch run  "), "{examples}");
    let all = fs::read_to_string(directory.path().join("ftpwatch.1")).expect("a page");
    let (_, statuses) = all
        .split_once(".SH \"EXIT STATUS\"\n.nf\n")
        .expect("statuses");
    assert!(statuses.starts_with("0  nothing failed\n1  "), "{statuses}");
}

fn completions(shell: &str) -> String {
    run(Command::new(FTPWATCH).args(["completions", shell]), "")
}

#[test]
fn shells_complete_commands_and_options() {
    let script = completions("bash");
    // As bash does it: the function is told the words, and leaves its answers.
    let ask = |words: &str| {
        let last = words.split(' ').count() - 1;
        let before = words.split(' ').next_back().unwrap_or_default();
        let asked = format!(
            "{script}\nCOMP_WORDS=({words} '')\nCOMP_CWORD={}\n_ftpwatch ftpwatch '' {before}\n\
             echo \"${{COMPREPLY[@]}}\"",
            last + 1
        );
        run(Command::new("bash").arg("-s"), &asked)
    };
    assert!(ask("ftpwatch").contains(" doctor "), "{}", ask("ftpwatch"));
    assert!(ask("ftpwatch run --hook").contains("clsact"));
    for shell in ["zsh", "fish"] {
        let script = completions(shell);
        assert!(script.contains("passive-range"), "{shell}");
    }
}
