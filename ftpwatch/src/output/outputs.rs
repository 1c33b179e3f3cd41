//! The outputs of `ftpwatch run`, several at once: each with its own filter, and none of them held up by another.

use std::{
    io,
    time::{Duration, Instant},
};

use ftpwatch_common::counter::COUNTERS;
use jiff::Timestamp;

use super::{
    Encoder, Format, Show,
    sink::{
        Datagram, Form, Kind, LogFile, Queue, Severity, Signal, Spec, Stdout, Target, entry, line,
        packet,
    },
    story::Story,
};
use crate::{
    alarms::Alarms,
    clock::Clock,
    error::Error,
    report::{Body, Report},
    tracker::{Books, Event},
};

/// How long the end waits for outputs that are slow.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long watching waits for them where each result has to be written before the next process may take it for told.
const MOMENT: Duration = Duration::from_millis(20);

/// How long an output that goes on losing results is not spoken of again.
const PAUSE: Duration = Duration::from_secs(60);

/// All outputs, and what is remembered for the summary.
pub struct Outputs {
    sinks: Vec<Sink>,
    format: Format,
    story: Story,
    alarms: Alarms,
    /// Standard output, which is the only one, cannot be written to any more.
    broken: Signal,
}

/// What an output did not write since the last time that it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its name.
    pub output: String,
    /// How many results.
    pub count: u64,
    /// Why.
    pub reason: String,
}

struct Sink {
    spec: Spec,
    name: String,
    show: Show,
    form: Form,
    encoder: Encoder,
    queue: Queue,
    /// It was waited for in vain, and nobody waits for it before it has caught up.
    slow: bool,
    /// How many of those that were dropped were asked for.
    told: u64,
    /// Not before this.
    tell_at: Instant,
    /// Losses of its own, which it can be told of when it takes something in again.
    untold: Option<Report>,
}

impl Outputs {
    /// Opens what `specs` name; without any, standard output. `format` and `show` are for those that say nothing else,
    /// `clock` is that of the events.
    ///
    /// # Errors
    ///
    /// When one of them cannot be opened.
    pub fn open(
        specs: &[Spec],
        format: Format,
        show: Option<Show>,
        clock: Clock,
    ) -> Result<Self, Error> {
        let usual = [Spec::STDOUT];
        let specs = if specs.is_empty() { &usual } else { specs };
        // Whoever reads standard output alone started this for it, and ends it. Beside others it is one of them.
        let only = matches!(specs, [spec] if spec.kind == Kind::Stdout);
        let broken = Signal::default();
        let mut sinks: Vec<Sink> = Vec::with_capacity(specs.len());
        for spec in specs {
            let name = spec.to_string();
            if sinks.iter().any(|sink| sink.name == name) {
                return Err(Error::usage(
                    format!("the output {name} is named twice"),
                    "Name each output once.",
                ));
            }
            let sink = Sink::open(spec, name, format, show, only.then_some(&broken))?;
            sinks.push(sink);
        }
        Ok(Self {
            sinks,
            format,
            story: Story::default(),
            alarms: Alarms::new(clock),
            broken,
        })
    }

    /// Shows something else from now on, where an output says nothing itself.
    pub fn set_show(&mut self, show: Option<Show>) {
        for sink in &mut self.sinks {
            sink.show = sink.spec.shows(self.format, show);
        }
    }

    /// Files are closed and opened again: they may have been moved.
    pub fn reopen(&self) {
        for sink in &self.sinks {
            sink.queue.reopen();
        }
    }

    /// Comes back when standard output, which is the only one, cannot be written to any more.
    pub async fn broken(&self) {
        self.broken.notified().await;
    }

    /// Whether there is a point in going on.
    ///
    /// # Errors
    ///
    /// Why not; a closed pipe is one reason.
    pub fn check(&self) -> io::Result<()> {
        self.sinks.iter().try_for_each(|sink| sink.queue.check())
    }

    /// Takes in an event that no output shows, and remembers it for the summary. `false` where it needs a report, which
    /// costs more than all else that is done about an endpoint.
    pub fn pass_over(&mut self, event: &Event) -> bool {
        if self.shows_alarms() {
            let resolved = self.alarms.connect(event);
            self.hand_on(&resolved);
        }
        let passed = self.sinks.iter().all(|sink| sink.show.passes_over(event));
        if passed {
            self.story.note_event(event);
        }
        passed
    }

    /// Remembers `report` for the summary, shown or not.
    pub fn note(&mut self, report: &Report) {
        self.story.note(report);
    }

    /// Hands `report` to the outputs that show it, and what alarm there is by it. Returns whether one shows it.
    pub fn write(&mut self, report: &Report) -> bool {
        let mut shown = false;
        for sink in &mut self.sinks {
            shown |= sink.write(report);
        }
        if self.shows_alarms() {
            let alarm = self.alarms.fail(report);
            self.hand_on(alarm.as_slice());
        }
        shown
    }

    /// Tells what failed again, where it is time to: it is `now`, by the clock of the events.
    pub fn tell_alarms(&mut self, now: Timestamp) {
        let due = self.alarms.due(now);
        self.hand_on(&due);
    }

    fn shows_alarms(&self) -> bool {
        self.sinks.iter().any(|sink| sink.show == Show::Alarms)
    }

    fn hand_on(&mut self, alarms: &[Report]) {
        for sink in &mut self.sinks {
            for alarm in alarms {
                sink.write(alarm);
            }
        }
    }

    /// What was not written since it was last told: at once, then once a minute. Outputs that take something in again
    /// are told of their own losses.
    pub fn look_for_losses(&mut self) -> Vec<Dropped> {
        self.sinks.iter_mut().for_each(Sink::catch_up);
        let now = Instant::now();
        self.sinks
            .iter_mut()
            .filter(|sink| sink.tell_at <= now)
            .filter_map(Sink::take_dropped)
            .collect()
    }

    /// What was not written and not told until the end.
    pub fn take_last_losses(&mut self) -> Vec<Dropped> {
        self.sinks
            .iter_mut()
            .filter_map(Sink::take_dropped)
            .collect()
    }

    /// How many results were not written, by [`Kind::ALL`].
    #[must_use]
    pub fn dropped(&self) -> [u64; Kind::ALL.len()] {
        Kind::ALL.map(|kind| {
            let sinks = self.sinks.iter().filter(|sink| sink.spec.kind == kind);
            sinks.map(|sink| sink.queue.dropped().count).sum()
        })
    }

    /// Waits until what was told is written, but not for long, nor again for an output that was slow: what waits there is
    /// gone with the process.
    pub fn settle(&mut self) {
        let until = Instant::now() + MOMENT;
        for sink in &mut self.sinks {
            let until = if sink.slow { Instant::now() } else { until };
            sink.slow = !sink.queue.settle(until);
        }
    }

    /// Waits until everything is written, but not for long.
    ///
    /// # Errors
    ///
    /// Those of writing to standard output.
    pub fn finish(&mut self) -> io::Result<()> {
        let last = self.alarms.finish();
        self.hand_on(&last);
        self.sinks.iter_mut().for_each(Sink::catch_up);
        self.sinks.iter().for_each(|sink| sink.queue.close());
        let until = Instant::now() + PATIENCE;
        for sink in &self.sinks {
            sink.queue.finish(until);
        }
        self.check()
    }

    /// What is said at the end.
    #[must_use]
    pub fn summary(
        &self,
        books: &Books,
        counters: &[u64; COUNTERS],
        besides: &[(u64, String)],
    ) -> String {
        let mut text = self.story.summary(books, counters, besides);
        if self.alarms.forgotten() > 0 {
            let forgotten = self.alarms.forgotten();
            text.push_str(&format!(
                "{forgotten} alarms were let go, for lack of room\n"
            ));
        }
        text
    }
}

impl Sink {
    fn open(
        spec: &Spec,
        name: String,
        format: Format,
        show: Option<Show>,
        broken: Option<&Signal>,
    ) -> Result<Self, Error> {
        let form = spec.form(format);
        let target = target(spec, &name)?;
        let queue = Queue::start(target, broken.cloned()).map_err(|error| {
            Error::host(
                format!("the output {name} cannot have a thread: {error}"),
                "Is the limit of processes too low? See `ulimit -u`.",
            )
        })?;
        Ok(Self {
            show: spec.shows(format, show),
            encoder: Encoder::new(match form {
                Form::Format(own) => own,
                Form::Line | Form::Fields => format,
            }),
            form,
            spec: spec.clone(),
            name,
            queue,
            slow: false,
            told: 0,
            tell_at: Instant::now(),
            untold: None,
        })
    }

    fn write(&mut self, report: &Report) -> bool {
        if !self.show.shows(&report.body) {
            return false;
        }
        if let Body::Loss(loss) = &report.body
            && loss.output.as_ref() == Some(&self.name)
        {
            self.put_off(report);
            return true;
        }
        let message = self.message(report);
        self.queue.push(message);
        true
    }

    /// A loss of its own waits until it takes something in: else each would make for the next.
    fn put_off(&mut self, report: &Report) {
        match (&mut self.untold, &report.body) {
            (
                Some(Report {
                    body: Body::Loss(before),
                    ..
                }),
                Body::Loss(more),
            ) => {
                before.count += more.count;
                before.meaning.clone_from(&more.meaning);
            }
            (untold, _) => *untold = Some(report.clone()),
        }
    }

    fn catch_up(&mut self) {
        if self.untold.is_some() && !self.queue.is_stuck() {
            let message = self.untold.take().map(|report| self.message(&report));
            message
                .into_iter()
                .for_each(|message| self.queue.push(message));
        }
    }

    fn take_dropped(&mut self) -> Option<Dropped> {
        let dropped = self.queue.dropped();
        let count = dropped.count - std::mem::replace(&mut self.told, dropped.count);
        if count == 0 {
            return None;
        }
        self.tell_at = Instant::now() + PAUSE;
        Some(Dropped {
            output: self.name.clone(),
            count,
            reason: dropped.reason,
        })
    }

    fn message(&mut self, report: &Report) -> Vec<u8> {
        let severity = Severity::of(&report.body);
        match (self.spec.kind, self.form) {
            (_, Form::Fields) => entry(report),
            (_, Form::Line) => packet(severity, report.timestamp, &line(report)),
            (Kind::Syslog, Form::Format(_)) => {
                let text = self.encoder.plain(report);
                let text = String::from_utf8_lossy(&text);
                packet(severity, report.timestamp, text.trim_end())
            }
            // Its colours are left out where it is no terminal.
            (Kind::Stdout, Form::Format(_)) => self.encoder.styled(report),
            (_, Form::Format(_)) => self.encoder.plain(report),
        }
    }
}

fn target(spec: &Spec, name: &str) -> Result<Box<dyn Target>, Error> {
    let cannot = |error: io::Error, advice: &str| {
        Error::usage(
            format!("the output {name} cannot be opened: {error}"),
            advice,
        )
    };
    let place = spec.place.clone();
    Ok(match spec.kind {
        Kind::Stdout => Box::new(Stdout),
        Kind::File => Box::new(
            LogFile::open(place, spec.limit, spec.keep).map_err(|error| {
                cannot(
                    error,
                    "Name a file in a directory that exists and that this user may write to.",
                )
            })?,
        ),
        Kind::Journald | Kind::Syslog => {
            if !place.exists() {
                eprintln!("ftpwatch: {name} is not there; what is for it is lost until it is");
            }
            Box::new(Datagram::new(place).map_err(|error| {
                cannot(
                    error,
                    "Is the limit of open files too low? See `ulimit -n`.",
                )
            })?)
        }
    })
}
