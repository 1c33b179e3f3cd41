//! The command line, for those who do not run it to read it: man pages, and completions for shells.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};

use crate::{cli::Cli, error::Error, escape::printable};

const NAME: &str = "ftpwatch";

/// `ftpwatch completions`
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell they are for
    pub shell: Shell,
}

/// `ftpwatch manual`
#[derive(Args, Debug)]
pub struct Manual {
    /// Where the pages are written, one a command
    #[arg(value_name = "DIRECTORY")]
    pub directory: PathBuf,
}

/// Writes completions to standard output.
///
/// # Errors
///
/// When it cannot be written to.
pub fn completions(options: &Completions) -> Result<ExitCode, Error> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), NAME, &mut script);
    match io::stdout().write_all(&script) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::usage(
            format!("cannot write: {error}"),
            "Is the disk full?",
        )),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Writes a page for each command into a directory, which is made.
///
/// # Errors
///
/// When it cannot be written to.
pub fn manual(options: &Manual) -> Result<ExitCode, Error> {
    write(&options.directory).map_err(|error| {
        let directory = printable(options.directory.as_os_str().as_encoded_bytes());
        Error::usage(
            format!("cannot write to {directory}: {error}"),
            "Name a directory that may be written to.",
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn write(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let mut command = Cli::command().disable_help_subcommand(true);
    // Tells each command what is written before it.
    command.build();
    write_pages(&command, directory)
}

fn write_pages(command: &Command, directory: &Path) -> io::Result<()> {
    for command in command.get_subcommands() {
        write_pages(command, directory)?;
    }
    let man = Man::new(command.clone())
        .manual("ftpwatch")
        .source(concat!("ftpwatch ", env!("CARGO_PKG_VERSION")));
    let file = fs::File::create(directory.join(man.get_filename()))?;
    page(&man, command, &mut io::BufWriter::new(file))
}

/// As clap_mangen has it, but for what comes after the options: that is made of lines, and would be filled.
fn page(man: &Man, command: &Command, to: &mut impl io::Write) -> io::Result<()> {
    man.render_title(to)?;
    man.render_name_section(to)?;
    man.render_synopsis_section(to)?;
    man.render_description_section(to)?;
    man.render_options_section(to)?;
    if command.has_subcommands() {
        man.render_subcommands_section(to)?;
    }
    let after = command.get_after_long_help().or(command.get_after_help());
    let after = after.map(ToString::to_string).unwrap_or_default();
    sections(&after).to_writer(to)?;
    to.flush()
}

/// Sections of a title and lines, with an empty line in between.
fn sections(text: &str) -> Roff {
    let mut page = Roff::new();
    for section in text.split("\n\n") {
        let Some((title, lines)) = section.split_once(":\n") else {
            continue;
        };
        page.control("SH", [title.to_uppercase().as_str()]);
        page.control("nf", []);
        for line in lines.lines() {
            page.text([roman(line.trim_start())]);
        }
        page.control("fi", []);
    }
    page
}
