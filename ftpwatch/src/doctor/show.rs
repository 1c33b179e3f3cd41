//! The checks, for people or as JSON, one object a line.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde::Serialize;

use super::check::{Check, Group, Status};

/// The version of the format: it changes when something is renamed or removed, which is not planned.
const SCHEMA: u32 = 1;

const HEAD: Style = Style::new().bold();

#[derive(Serialize)]
struct Envelope<'a> {
    schema: u32,
    #[serde(flatten)]
    check: &'a Check,
}

/// In which form checks are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// One object a line
    Json,
}

/// Writes checks to standard output.
pub struct Show {
    format: Format,
    group: Option<Group>,
}

impl Show {
    /// Writes in `format`.
    pub const fn new(format: Format) -> Self {
        Self {
            format,
            group: None,
        }
    }

    /// Writes `check`; for people, under the title of its group.
    pub fn write(&mut self, check: &Check) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        match self.format {
            Format::Json => json(&mut out, check)?,
            Format::Table => {
                let before = self.group.replace(check.group);
                if before != Some(check.group) {
                    let gap = if before.is_some() { "\n" } else { "" };
                    writeln!(out, "{gap}{HEAD}{}{HEAD:#}", check.group.title())?;
                }
                table(&mut out, check)?;
            }
        }
        out.flush()
    }
}

fn json(out: &mut impl Write, check: &Check) -> io::Result<()> {
    let schema = SCHEMA;
    serde_json::to_writer(&mut *out, &Envelope { schema, check })?;
    out.write_all(b"\n")
}

fn table(out: &mut impl Write, check: &Check) -> io::Result<()> {
    let style = match check.status {
        Status::Ok => AnsiColor::Green.on_default(),
        Status::Warning | Status::Unknown => AnsiColor::Yellow.on_default(),
        Status::Failed => AnsiColor::Red.on_default().bold(),
    };
    let (status, name) = (check.status.name(), check.check);
    writeln!(
        out,
        "  {style}{status:<7}{style:#}  {name:<16}  {}",
        check.found
    )?;
    for (number, line) in check.advice.iter().enumerate() {
        let label = if number == 0 { "do:" } else { "" };
        writeln!(out, "  {:<7}  {label:>16}  {line}", "")?;
    }
    Ok(())
}
