//! Outputs. Each takes a [`Report`] and nothing else: formats make bytes of it, sinks take these somewhere.

mod ecs;
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
    alarms::Alarms,
    clock::Clock,
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
    /// One object a line, in the names of the Elastic Common Schema
    Ecs,
}

impl Format {
    /// What it is used for most.
    const fn usual(self) -> Show {
        match self {
            Self::Table => Show::Failures,
            Self::Json | Self::Ecs => Show::Outcomes,
        }
    }
}

/// Which reports are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Show {
    /// Failures of one cause at one server as one alarm, findings, losses
    Alarms,
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
        match (self, body) {
            // The same again, for whoever sees every event.
            (_, Body::Alarm(_)) => self == Self::Alarms,
            (Self::Alarms, Body::Outcome(_) | Body::Late(_) | Body::Transfer(_)) => false,
            (Self::Alarms | Self::Failures, _) => body.is_alarming(),
            (Self::Outcomes, _) => !matches!(body, Body::Advertised(_) | Body::Stats { .. }),
            (Self::All, _) => true,
        }
    }

    const fn is_of_failures(self) -> bool {
        matches!(self, Self::Alarms | Self::Failures)
    }

    /// Whether nothing that is made of `event` is shown. Conservative: `false` means that it needs a report to tell.
    #[must_use]
    fn passes_over(self, event: &Event) -> bool {
        match event {
            Event::Advertised(_) => self != Self::All,
            Event::Outcome(case) => self.is_of_failures() && !case.outcome.is_failure(),
            Event::Session(_) => self.is_of_failures(),
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
            Format::Ecs => ecs::write(out, report),
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
    /// Where alarms are shown.
    alarms: Option<Alarms>,
    /// Alarms to write before anything else.
    told: Vec<Report>,
}

impl Output {
    /// An output in `format`; `show` is what the format is used for most, unless said.
    #[must_use]
    pub fn new(format: Format, show: Option<Show>) -> Self {
        let show = show.unwrap_or(format.usual());
        Self {
            show,
            encoder: Encoder::new(format),
            story: story::Story::default(),
            alarms: (show == Show::Alarms).then(|| Alarms::new(Clock::unix())),
            told: Vec::new(),
        }
    }

    /// Takes in an event that is not to be shown, and remembers it for the summary. `false` where it needs a report,
    /// which costs more than all else that is done about an endpoint.
    pub fn pass_over(&mut self, event: &Event) -> bool {
        if let Some(alarms) = &mut self.alarms {
            self.told.extend(alarms.connect(event));
        }
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

    /// Whether something is to be shown, now that there is `report`.
    #[must_use]
    pub fn shows(&self, report: &Report) -> bool {
        self.alarms.is_some() || self.show.shows(&report.body)
    }

    /// Writes `report`, if it is to be shown, and what alarms there are by it. Returns whether it was.
    ///
    /// # Errors
    ///
    /// Those of writing; a closed pipe is one.
    pub fn write(&mut self, report: &Report) -> io::Result<bool> {
        let mut told = std::mem::take(&mut self.told);
        if let Some(alarms) = &mut self.alarms {
            told.extend(alarms.fail(report));
            // The end of a capture.
            if matches!(report.body, Body::Stats { .. }) {
                told.extend(alarms.finish());
            }
        }
        let shown = self.show.shows(&report.body);
        if !shown && told.is_empty() {
            return Ok(false);
        }
        let mut out = anstream::stdout().lock();
        for report in told.iter().chain(shown.then_some(report)) {
            self.encoder.write(&mut out, report)?;
        }
        out.flush()?;
        Ok(shown)
    }
}
