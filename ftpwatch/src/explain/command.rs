//! The command.

use std::{
    io::{self, IsTerminal as _, Write},
    process::ExitCode,
};

use clap::ValueEnum;

use super::{Entry, entries, json, lookup, markdown, table};
use crate::{
    cli::Explain,
    error::Error,
    servers::{self, Software},
};

/// In which form the texts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// One object a line
    Json,
    /// What docs/EXPLAIN.md is made of
    #[value(hide = true)]
    Markdown,
}

/// What is asked for.
pub struct Question {
    /// The entries to explain.
    pub entries: Vec<Entry>,
    /// The servers whose settings to give.
    pub servers: Vec<&'static Software>,
    /// No code was named: everything is meant.
    pub everything: bool,
    /// One server was named.
    pub narrowed: bool,
}

/// Runs `ftpwatch explain`.
///
/// # Errors
///
/// A code or a server that nobody knows, or an output that cannot be written.
pub fn run(options: &Explain) -> Result<ExitCode, Error> {
    let question = question(options)?;
    let mut out = anstream::stdout().lock();
    let written = match options.format {
        Format::Table => table::write(&mut out, &question, width()),
        Format::Json => json::write(&mut out, &question),
        Format::Markdown => markdown::write(&mut out, &question),
    };
    match written.and_then(|()| out.flush()) {
        // Whoever reads no further has what he wanted.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::usage(
            format!("cannot write: {error}"),
            "Is the disk full?",
        )),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn question(options: &Explain) -> Result<Question, Error> {
    let servers = match &options.server {
        Some(name) => vec![lookup::server(name)?],
        None => servers::all().collect(),
    };
    let mut named: Vec<Entry> = Vec::new();
    for code in &options.codes {
        for entry in lookup::find(code)? {
            if !named.iter().any(|known| known.is(&entry)) {
                named.push(entry);
            }
        }
    }
    let everything = named.is_empty();
    Ok(Question {
        entries: if everything { entries() } else { named },
        servers,
        everything,
        narrowed: options.server.is_some(),
    })
}

/// The columns of the terminal, no more than are read at ease. `None` elsewhere: what reads a pipe wraps by itself.
fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let columns = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
    Some(columns.clamp(40, 100))
}
