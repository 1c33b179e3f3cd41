//! Outputs. Each takes a [`Report`] and nothing else.

mod json;
mod story;
mod summary;
mod table;

use std::io::{self, Write};

use clap::ValueEnum;

use ftpwatch_common::counter::COUNTERS;

use crate::{
    report::{Body, Report},
    tracker::{Books, Event},
};

/// In which form reports are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
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
}

/// Writes reports to standard output.
pub struct Output {
    show: Show,
    format: Format,
    table: table::Table,
    story: story::Story,
}

impl Output {
    /// An output in `format`; `show` is what the format is used for most, unless said.
    #[must_use]
    pub fn new(format: Format, show: Option<Show>) -> Self {
        Self {
            show: show.unwrap_or(format.usual()),
            format,
            table: table::Table::default(),
            story: story::Story::default(),
        }
    }

    /// Shows something else from now on; what the format is used for most, unless said.
    pub fn set_show(&mut self, show: Option<Show>) {
        self.show = show.unwrap_or(self.format.usual());
    }

    /// Takes in an event that is not to be shown, and remembers it for the summary. `false` where it needs a report,
    /// which costs more than all else that is done about an endpoint.
    pub fn pass_over(&mut self, event: &Event) -> bool {
        match event {
            Event::Advertised(_) => self.show != Show::All,
            Event::Outcome(case) if self.show == Show::Failures && !case.outcome.is_failure() => {
                self.story.note_case(case);
                true
            }
            Event::Session(_) => self.show == Show::Failures,
            _ => false,
        }
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
        let mut text = String::new();
        self.story.tell(&mut text);
        summary::write(&mut text, books, counters, besides);
        text
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
        match self.format {
            Format::Json => json::write(&mut out, report)?,
            Format::Table => self.table.write(&mut out, report)?,
        }
        out.flush()?;
        Ok(true)
    }
}
