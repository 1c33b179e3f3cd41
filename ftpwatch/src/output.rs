//! Outputs. Each takes a [`Report`] and nothing else: formats make bytes of it, sinks take these somewhere.

mod json;
mod outputs;
mod sink;
mod story;
mod summary;
mod table;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::ValueEnum;

use ftpwatch_common::counter::COUNTERS;

use crate::{
    error::Error,
    report::{Body, Report},
    tracker::{Books, Event},
};
pub use outputs::{Dropped, Outputs};
pub use sink::{Kind, Spec, spec};

/// In which form reports are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Table,
    /// One object a line
    Json,
}

impl Format {
    /// What it is used for most.
    const fn usual(self) -> Show {
        match self {
            Self::Table => Show::Failures,
            Self::Json => Show::Outcomes,
        }
    }
}

/// Which reports are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Show {
    /// Failures, late connections, failed transfers, losses
    Failures,
    /// Every outcome, and every session
    Outcomes,
    /// Advertisements and counts too
    All,
}

impl Show {
    /// Whether `body` is shown.
    #[must_use]
    pub fn shows(self, body: &Body) -> bool {
        match self {
            Self::Failures => body.is_alarming(),
            Self::Outcomes => !matches!(body, Body::Advertised(_) | Body::Stats { .. }),
            Self::All => true,
        }
    }

    /// Whether nothing that is made of `event` is shown. Conservative: `false` means that it needs a report to tell.
    #[must_use]
    fn passes_over(self, event: &Event) -> bool {
        match event {
            Event::Advertised(_) => self != Self::All,
            Event::Outcome(case) => self == Self::Failures && !case.outcome.is_failure(),
            Event::Session(_) => self == Self::Failures,
            _ => false,
        }
    }
}

/// `ftpwatch schema`
///
/// # Errors
///
/// When it cannot be written.
pub fn print_schema() -> Result<ExitCode, Error> {
    print(&json::schema())
}

/// Writes `text` to standard output, and that is all there is to do.
///
/// # Errors
///
/// When that fails; a closed pipe is none.
pub fn print(text: &str) -> Result<ExitCode, Error> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::usage(
            format!("cannot write: {error}"),
            "Is the disk full?",
        )),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Makes bytes of reports, in one format.
#[derive(Default)]
struct Encoder {
    format: Format,
    table: table::Table,
}

impl Encoder {
    fn new(format: Format) -> Self {
        Self {
            format,
            ..Self::default()
        }
    }

    fn write(&mut self, out: &mut impl Write, report: &Report) -> io::Result<()> {
        match self.format {
            Format::Json => json::write(out, report),
            Format::Table => self.table.write(out, report),
        }
    }

    /// With the colours of a terminal.
    fn styled(&mut self, report: &Report) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail.
        let _ = self.write(&mut bytes, report);
        bytes
    }

    /// Without.
    fn plain(&mut self, report: &Report) -> Vec<u8> {
        let mut out = anstream::StripStream::new(Vec::new());
        let _ = self.write(&mut out, report);
        out.into_inner()
    }
}

/// Writes reports to standard output, and waits until they are written.
pub struct Output {
    show: Show,
    encoder: Encoder,
    story: story::Story,
}

impl Output {
    /// An output in `format`; `show` is what the format is used for most, unless said.
    #[must_use]
    pub fn new(format: Format, show: Option<Show>) -> Self {
        Self {
            show: show.unwrap_or(format.usual()),
            encoder: Encoder::new(format),
            story: story::Story::default(),
        }
    }

    /// Takes in an event that is not to be shown, and remembers it for the summary. `false` where it needs a report,
    /// which costs more than all else that is done about an endpoint.
    pub fn pass_over(&mut self, event: &Event) -> bool {
        let passed = self.show.passes_over(event);
        if passed {
            self.story.note_event(event);
        }
        passed
    }

    /// Remembers `report` for the summary, shown or not.
    pub fn note(&mut self, report: &Report) {
        self.story.note(report);
    }

    /// What is said at the end: the story, what was counted, and what was lost in the engine and besides.
    #[must_use]
    pub fn summary(
        &self,
        books: &Books,
        counters: &[u64; COUNTERS],
        besides: &[(u64, String)],
    ) -> String {
        self.story.summary(books, counters, besides)
    }

    /// Whether `report` is to be shown.
    #[must_use]
    pub fn shows(&self, report: &Report) -> bool {
        self.show.shows(&report.body)
    }

    /// Writes `report`, if it is to be shown. Returns whether it was.
    ///
    /// # Errors
    ///
    /// Those of writing; a closed pipe is one.
    pub fn write(&mut self, report: &Report) -> io::Result<bool> {
        if !self.shows(report) {
            return Ok(false);
        }
        let mut out = anstream::stdout().lock();
        self.encoder.write(&mut out, report)?;
        out.flush()?;
        Ok(true)
    }
}
