//! `ftpwatch read`: the same analysis over captures.
//!
//! Each is analysed on its own. Time is what its packets say: a deadline that lies before a packet is over
//! before that packet is looked at.

mod analysis;
mod findings;
mod hops;
mod progress;

use std::{
    collections::HashSet,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use crate::{
    cli::{self, Read},
    clock::Clock,
    error::{Error, USAGE},
    escape::printable,
    output::Output,
    report::{Report, Reporter},
    source::capture::{Capture, End, Item, Tally},
    tracker::Event,
    watch::host_name,
};
pub use analysis::{Analysis, Sink};
pub use findings::Findings;
use progress::Progress;

/// How many interfaces are named in a report.
const INTERFACES: usize = 64;

/// What all captures came to.
#[derive(Debug, Default)]
struct Total {
    findings: Findings,
    losses: Vec<(u64, String)>,
    read: usize,
    unread: usize,
}

/// Why reading ended before its time.
enum Stop {
    /// This capture cannot be read.
    Unreadable(Error),
    /// The results cannot be written.
    Output(io::Error),
}

/// Reads captures, one after the other.
///
/// # Errors
///
/// When the results cannot be written. A capture that cannot be read is said, and the next one is read.
pub fn run(options: &Read) -> Result<ExitCode, Error> {
    let mut output = Output::new(options.analysis.format, options.analysis.show);
    let mut total = Total::default();
    for path in &options.files {
        match read(options, path, &mut output) {
            Ok((findings, tally)) => total.add(&findings, &tally),
            Err(Stop::Unreadable(error)) => {
                total.unread += 1;
                say(&format!("{error}\n"));
            }
            Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(ExitCode::SUCCESS);
            }
            Err(Stop::Output(error)) => {
                return Err(Error::usage(
                    format!("cannot write the results: {error}"),
                    "Is the disk full? Results go to standard output.",
                ));
            }
        }
    }
    Ok(total.conclude(&output))
}

/// Reads a capture to its end, through `analysis`. Returns what could not be read.
///
/// # Errors
///
/// Those of writing.
pub fn analyse(
    capture: Capture,
    analysis: &mut Analysis<'_>,
    mut tick: impl FnMut(),
) -> io::Result<Tally> {
    capture.read(|item| match item {
        Item::Interface(interface) => {
            name_interface(&mut analysis.reporter.interfaces, interface);
            Ok(())
        }
        Item::Packet(packet) => {
            tick();
            analysis.take(packet)
        }
    })
}

/// What is to be shown, with the progress bar out of its way.
struct Shown<'a> {
    output: &'a mut Output,
    progress: &'a Progress,
}

impl Sink for Shown<'_> {
    fn pass_over(&mut self, event: &Event) -> bool {
        self.output.pass_over(event)
    }

    fn write(&mut self, report: &Report) -> io::Result<()> {
        self.output.note(report);
        if self.output.shows(report) {
            self.progress.aside(|| self.output.write(report))?;
        }
        Ok(())
    }
}

fn read(options: &Read, path: &Path, output: &mut Output) -> Result<(Findings, Tally), Stop> {
    let capture = Capture::open(path).map_err(Stop::Unreadable)?;
    let name = printable(path.as_os_str().as_encoded_bytes());
    let progress = Progress::new(name.clone(), capture.position(), capture.size());
    let mut shown = Shown {
        output,
        progress: &progress,
    };
    let reporter = reporter(&options.analysis, name.clone());
    let mut analysis = Analysis::new(&options.analysis, reporter, &mut shown);
    let tally = analyse(capture, &mut analysis, || progress.tick()).map_err(Stop::Output)?;
    let findings = analysis.finish().map_err(Stop::Output)?;
    drop(progress);
    if tally.readable() == 0 {
        nothing_readable(&name, &tally).map_err(Stop::Unreadable)?;
    }
    if !matches!(tally.end, End::Whole) {
        say(&format!("ftpwatch: {name}: {}\n", tally.end));
    }
    if findings.may_be_filtered() {
        say(&format!(
            "ftpwatch: {name}: control connections are all that is in it; if a filter (`port 21`) left \
             data connections out, no_syn proves nothing\n"
        ));
    }
    Ok((findings, tally))
}

/// Makes the reports of the capture `file`.
#[must_use]
pub fn reporter(options: &cli::Analysis, file: String) -> Reporter {
    Reporter {
        clock: Clock::unix(),
        vantage: options.vantage,
        local: HashSet::new(),
        passive_range: options.passive_range.clone(),
        listening: None,
        host: host_name(),
        file: Some(file),
        interfaces: Vec::new(),
        hook: "capture".into(),
    }
}

fn name_interface(names: &mut Vec<String>, name: &str) {
    let name = printable(name.as_bytes());
    if names.len() < INTERFACES && !names.contains(&name) {
        names.push(name);
    }
}

/// A capture without packets is one, if it ends as it should.
fn nothing_readable(name: &str, tally: &Tally) -> Result<(), Error> {
    if let Some(link_type) = tally.foreign.keys().next() {
        return Err(Error::usage(
            format!("{name} has no packet that can be read: its link type is {link_type}"),
            "ftpwatch reads Ethernet, raw IP, Linux cooked and BSD loopback. Which link type that is: \
             https://www.tcpdump.org/linktypes.html",
        ));
    }
    match &tally.end {
        End::Whole => Ok(()),
        end => Err(Error::usage(
            format!("{name} has no packet that can be read: {end}"),
            "Was it damaged on its way? Compare its size with the original's.",
        )),
    }
}

impl Total {
    fn add(&mut self, findings: &Findings, tally: &Tally) {
        self.read += 1;
        self.findings.add(findings);
        let whole = matches!(tally.end, End::Whole);
        let ends = (u64::from(!whole), "captures not read to the end".to_owned());
        for (count, what) in tally.losses().into_iter().chain([ends]) {
            match self.losses.iter_mut().find(|(_, known)| *known == what) {
                Some((total, _)) => *total += count,
                None => self.losses.push((count, what)),
            }
        }
    }

    /// The summary, and the exit status: what could not be read weighs more than what failed.
    fn conclude(mut self, output: &Output) -> ExitCode {
        let Findings {
            books,
            counters,
            beheaded,
            leaps,
            beside: _,
        } = &self.findings;
        if self.read > 0 {
            self.losses.extend([
                (*beheaded, "packets cut off within their headers".to_owned()),
                (
                    *leaps,
                    "times that the clock was set: taken for another capture".to_owned(),
                ),
            ]);
            say(&output.summary(books, counters, &self.losses));
        }
        let failed = u8::from(books.failures() > 0);
        ExitCode::from(if self.unread > 0 { USAGE } else { failed })
    }
}

/// On standard error. That it is closed is no reason to fail.
fn say(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
