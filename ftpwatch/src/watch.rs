//! `ftpwatch run`: news from the kernel, time, tracker, reports out.

mod bypass;
mod interfaces;
mod ledger;
mod libraries;
mod listeners;
mod losses;
mod reload;
mod room;
mod selftest;
mod service;
mod surroundings;

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use nix::unistd;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    attacher::{self, Attacher, Task},
    balance::{Auditor, Sum, sums},
    cli::Run,
    clock::{Clock, monotonic_now},
    config::{self, Settings as Configured},
    error::Error,
    escape::printable,
    health::{Health, Vitals},
    metrics::{Bound, Entries, Metrics, Snapshot},
    output::{Outputs, Spec},
    report::{Body, Report, Reporter},
    sandbox::{self, Files},
    source::kernel::{
        Interface, Kernel, Room, Settings, host,
        libraries::{Wanted, ensure_present},
        pin::{self, Found, Pins, links::Links},
        processors,
    },
    tracker::{Event, Tracker},
};
use bypass::Bypass;
use ftpwatch_common::{control::READ, engine::Request};
use interfaces::Interfaces;
use ledger::Keeper;
use libraries::Libraries;
use listeners::{Listeners, has_moved_on};
pub use losses::KINDS as KINDS_OF_LOSS;
use losses::Losses;
pub(crate) use room::give_back;
use selftest::SelfTest;
use service::Service;

/// How often losses are looked at, and whether interfaces have changed.
const TICK: Duration = Duration::from_secs(1);

/// How often the maps are compared with, whether or not news were lost.
const SAFETY_NET: Duration = Duration::from_secs(60);

/// Watches until it is told to stop.
///
/// # Errors
///
/// When this host cannot be watched, or the command line asks for what is not there.
pub fn run(options: &Run) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| cannot_start(&error))?;
    runtime.block_on(async {
        let signals = Signals::new().map_err(|error| cannot_start(&error))?;
        let mut watch = Watch::start(options)?;
        let ended = watch.until_told(signals).await;
        watch.finish(ended)
    })
}

fn cannot_start(error: &io::Error) -> Error {
    Error::host(
        format!("cannot start: {error}"),
        "Are the limits of processes or open files too low? See `ulimit -a`.",
    )
}

/// Why watching ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// A signal.
    Told,
    /// `--count` or `--for`.
    Done,
    /// Nobody reads the output any more.
    ClosedPipe,
    /// The output cannot be written.
    CannotWrite,
    /// The attacher has ended, and so has watching.
    LetGo,
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
    /// The attacher has ended: there is no other child.
    child: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            child: signal(SignalKind::child())?,
            // A terminal that closes says the same, and nobody is left to end what it ran.
            hangup: (!io::stdin().is_terminal())
                .then(|| signal(SignalKind::hangup()))
                .transpose()?,
        })
    }

    /// Waits for the configuration to be read again.
    async fn reload(hangup: &mut Option<Signal>) {
        match hangup {
            Some(hangup) => {
                hangup.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}

struct Watch<'a> {
    options: &'a Run,
    /// What holds now, by key.
    settings: Configured,
    attacher: Attacher,
    kernel: Kernel,
    tracker: Tracker,
    reporter: Reporter,
    output: Outputs,
    losses: Losses,
    auditor: Auditor,
    /// The books' sums, when they were last looked at.
    sums: Vec<Sum>,
    /// Where what was told outlives this process.
    keeper: Option<Keeper>,
    /// What leaves the maps once all that there is to report of it was reported.
    retiring: Vec<Request>,
    /// The output could not be written.
    broken: Option<io::Error>,
    listeners: Listeners,
    interfaces: Interfaces,
    service: Service,
    self_test: SelfTest,
    libraries: Libraries,
    bypass: Bypass,
    metrics: Option<Metrics>,
    entries: Entries,
    started: Instant,
    compared: Instant,
    shown: u64,
}

impl<'a> Watch<'a> {
    fn start(options: &'a Run) -> Result<Self, Error> {
        if let Some(path) = &options.ready_file {
            remove_ready_file(path)?;
        }
        let host = host()?;
        interfaces::ensure_possible(options, &host)?;
        let analysis = &options.analysis;
        let log = options.verbose >= 2;
        let tls = Wanted::of(&options.tls);
        ensure_present(&tls)?;
        let settings = Settings {
            control_ports: analysis.control_ports(),
            hook: options.hook,
            log,
            room: Room::new(options.max_connections, options.max_endpoints),
            tls: tls.is_any(),
        };
        let mut losses = Losses::default();
        let mut adopted = false;
        let mut kernel = if options.pin {
            let pins = Pins::open(&options.pin_path, settings.room)?;
            if pins.found() == Found::Other {
                losses.note_not_adopted();
            }
            adopted = pins.found() == Found::Fitting;
            Kernel::load_pinned(&settings, pins)?
        } else {
            ensure_unpinned(&options.pin_path, &interfaces::wanted(&host, options))?;
            Kernel::load(&settings)?
        };
        if log {
            env_logger::Builder::new()
                .filter_level(log::LevelFilter::Debug)
                .init();
            kernel.enable_log()?;
        }
        // It is a copy of this process, which is to have one thread then, and hold no other socket.
        let mut attacher = Attacher::start(
            &mut kernel,
            &Task {
                named: &options.interfaces,
                netns: &options.netns,
                tls: &tls,
                control_ports: &settings.control_ports,
                level: options.sandbox,
            },
        )?;
        let interfaces = Interfaces::follow(host, options, &mut attacher)?;
        let host = interfaces.host();
        // Before anything is attached: an address that is not to be had is known at once.
        let metrics = options.web.bind(options.verbose)?;
        for interface in interfaces::choose(&host, options)? {
            attacher.attach(interface)?;
        }
        attacher.release_others()?;
        let libraries =
            Libraries::start(&tls, kernel.take_deafness(), &mut attacher, options.verbose)?;
        let (metrics, bound) = metrics.unzip();
        enter_sandbox(options, &mut kernel, bound.as_ref())?;
        // Inside: what a thread may do is what the one that starts it may, and an output that cannot be opened from here
        // could not be opened again after a rotation.
        let clock = Clock::monotonic();
        let output = Outputs::open(&options.outputs, analysis.format, analysis.show, clock)?;
        bound.map_or(Ok(()), Bound::serve)?;
        let reporter = Reporter {
            clock,
            vantage: analysis.vantage,
            local: host.addresses,
            passive_range: analysis.passive_range.clone(),
            listening: None,
            host: host_name(),
            file: None,
            interfaces: attacher.names(),
            hook: attacher.hook_name().to_owned(),
        };
        let mut tracker = Tracker::new(analysis.timeout_nanoseconds());
        tracker.ignore(analysis.ignore.clone());
        tracker.set_room(options.max_endpoints as usize);
        let auditor = Auditor::new(processors(), adopted);
        let memory = kernel.memory.take();
        let keeper = memory
            .map(|memory| Keeper::take_over(memory, &mut tracker, &mut losses, kernel.truth()));
        let mut watch = Self {
            options,
            settings: options.settings.clone(),
            attacher,
            kernel,
            tracker,
            reporter,
            output,
            losses,
            auditor,
            sums: Vec::new(),
            keeper,
            retiring: Vec::new(),
            broken: None,
            listeners: Listeners::new(analysis.control_ports()),
            interfaces,
            service: Service::of_environment(),
            self_test: SelfTest::default(),
            libraries,
            bypass: Bypass::default(),
            metrics,
            entries: Entries::default(),
            started: Instant::now(),
            compared: Instant::now(),
            shown: 0,
        };
        if watch.keeper.is_some() {
            watch.reconcile();
            watch.note_unheard();
        }
        watch.test_itself();
        // The first look begins here, while nothing is told yet: what changes interfaces may have to wait for others that do.
        watch.look_for_bypass();
        watch.publish();
        give_back();
        watch.say_ready()?;
        Ok(watch)
    }

    /// The probes of the earlier process went with it: what servers said in TLS since then was not heard.
    fn note_unheard(&mut self) {
        let controls = self.kernel.truth().controls();
        let unheard = controls.iter().filter(|control| control.blind == READ);
        let unheard = unheard.filter(|control| control.ended_at == 0).count();
        if unheard > 0 {
            self.losses.note_unheard(unheard);
            self.tracker.miss(monotonic_now(), self.kernel.truth());
        }
    }

    fn say_ready(&mut self) -> Result<(), Error> {
        let Reporter {
            interfaces, hook, ..
        } = &self.reporter;
        if self.options.verbose > 0 {
            eprintln!(
                "ftpwatch: watching {} through {hook}",
                interfaces.join(", ")
            );
        }
        if let Some(path) = &self.options.ready_file {
            create_ready_file(path)?;
        }
        self.service.say_ready(&self.reporter);
        Ok(())
    }

    async fn until_told(&mut self, mut signals: Signals) -> Ended {
        let mut tick = tokio::time::interval(TICK);
        loop {
            let pause = self.pause();
            tokio::select! {
                _ = signals.interrupt.recv() => return Ended::Told,
                _ = signals.terminate.recv() => return Ended::Told,
                _ = signals.child.recv() => if self.attacher.has_ended() {
                    return Ended::LetGo;
                },
                () = Signals::reload(&mut signals.hangup) => self.reload(),
                _ = tick.tick() => {
                    self.look_around();
                    self.test_itself_if_due();
                    self.libraries.follow(&mut self.attacher);
                    self.look_for_bypass();
                    self.audit();
                    let health = self.health();
                    self.service.say_alive(&self.reporter, self.tracker.books(), &health);
                }
                () = self.kernel.wait() => {}
                () = self.output.broken() => {}
                () = self.interfaces.changed() => self.follow_interfaces(),
                () = tokio::time::sleep(pause) => {}
            }
            self.catch_up();
            if let Err(error) = self.report() {
                return broken(&error);
            }
            self.publish();
            if self.is_done() {
                return Ended::Done;
            }
        }
    }

    fn vitals(&self) -> Vitals {
        let named = self.options.interfaces.iter();
        let missing = named.filter(|name| !self.attacher.has(name)).count();
        Vitals {
            interfaces: self.attacher.attached().len(),
            missing: missing + self.interfaces.absent(),
            lost: self.losses.lately(),
            failure: self.self_test.failure,
            bypassed: self.bypass.found().cloned(),
            unbalanced: self.sums.iter().filter(|sum| !sum.holds).count(),
        }
    }

    /// The state, of which the loop that goes on is a part.
    fn health(&self) -> Health {
        Health::judge(&self.vitals(), Duration::ZERO)
    }

    /// Whoever asks for metrics is told this until the next time.
    fn publish(&mut self) {
        let Some(metrics) = &self.metrics else {
            return;
        };
        metrics.publish(Snapshot {
            books: *self.tracker.books(),
            counters: *self.losses.counters(),
            losses: self.losses.totals(),
            entries: self.entries,
            room: Room::new(self.options.max_connections, self.options.max_endpoints),
            dropped: self.output.dropped(),
            ring_peak: self.kernel.ring_peak(),
            vitals: self.vitals(),
            at: Instant::now(),
        });
    }

    /// How long there is nothing to do, unless something happens.
    fn pause(&self) -> Duration {
        let now = monotonic_now();
        let deadline = self.tracker.next_deadline();
        let until = deadline.map(|at| Duration::from_nanos(at.saturating_sub(now)));
        let left = self
            .options
            .for_
            .map(|time| time.saturating_sub(self.started.elapsed()));
        until.into_iter().chain(left).min().unwrap_or(TICK)
    }

    fn is_done(&self) -> bool {
        let time = self.options.for_;
        self.has_shown_all() || time.is_some_and(|time| self.started.elapsed() >= time)
    }

    fn has_shown_all(&self) -> bool {
        self.options.count.is_some_and(|count| self.shown >= count)
    }

    /// News, then what is due: absence is believed only once it is known that nothing was lost.
    fn catch_up(&mut self) {
        let now = monotonic_now();
        let due = self.tracker.next_deadline().is_some_and(|at| at <= now);
        if due {
            self.look_around();
        }
        self.take_news();
        self.tracker.advance(now, self.kernel.truth());
        if let Some(given) = self.tracker.make_room(now) {
            self.losses.note_given(&given);
        }
        self.retire();
    }

    fn take_news(&mut self) {
        let tracker = &mut self.tracker;
        let strange = self
            .kernel
            .drain(|record, truth| tracker.take(record, monotonic_now(), truth));
        self.losses.note_strange_records(strange);
    }

    fn retire(&mut self) {
        self.retiring.extend(self.tracker.take_retired());
        // What the next process finds is what was not told of yet.
        if self.keeper.is_some()
            && let Err(error) = self.report()
        {
            self.broken.get_or_insert(error);
            return;
        }
        let retired = std::mem::take(&mut self.retiring);
        if let Err(error) = self.kernel.retire(&retired) {
            self.losses.note_unretired(retired.len(), &error);
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.forget(&retired);
        }
    }

    /// What came, what went, what was lost.
    fn look_around(&mut self) {
        self.follow_clock();
        self.follow_interfaces();
        let now = self.reporter.clock.time(monotonic_now());
        self.output.tell_alarms(now);
        for dropped in self.output.look_for_losses() {
            self.losses.note_dropped(dropped);
        }
        let counters = self.kernel.truth().counters();
        let lost = self.losses.compare(&counters);
        if lost.packets || self.bypass.found().is_some() {
            self.tracker.miss(monotonic_now(), self.kernel.truth());
        }
        self.tracker.note_untold(lost.untold);
        if lost.news || self.compared.elapsed() >= SAFETY_NET {
            self.reconcile();
        }
    }

    /// Whether all that was counted came to something. What the ring and the counters have to say is known by now.
    fn audit(&mut self) {
        let before = *self.losses.counters();
        self.take_news();
        let after = self.kernel.truth().counters();
        let taken = self.kernel.taken();
        let audit = self.auditor.audit(&before, &after, taken, &self.tracker);
        self.sums = sums(&audit).into();
        let state = self.health().state;
        if let Some(keeper) = &mut self.keeper {
            keeper.note_audit(audit, state);
        }
    }

    /// Outcomes go by a clock that nobody sets. What is told goes by the one on the wall.
    fn follow_clock(&mut self) {
        if let Some(step) = self.reporter.clock.follow(Clock::monotonic()) {
            let way = if step.is_negative() {
                "back"
            } else {
                "forward"
            };
            let step = step.abs();
            let step = step.round(jiff::Unit::Millisecond).unwrap_or(step);
            eprintln!(
                "ftpwatch: the clock was set {way} by {step:#}; times are told by it from now on"
            );
        }
    }

    /// Records were lost, or might have been: the maps have what they said.
    fn reconcile(&mut self) {
        self.compared = Instant::now();
        self.take_news();
        self.retire();
        let now = monotonic_now();
        let truth = self.kernel.truth();
        // In this order, so that no endpoint is without its control connection.
        let endpoints = truth.endpoints();
        let controls = truth.controls();
        self.entries = Entries {
            controls: controls.len(),
            endpoints: endpoints.len(),
        };
        self.tracker.reconcile(&controls, &endpoints, now, truth);
        // News that are still in the ring must not find what is done with.
        self.retire();
    }

    /// Tells the outputs what there is to tell.
    fn report(&mut self) -> io::Result<()> {
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        for mut loss in self.losses.take_reports() {
            loss.state = Some(self.health().state);
            let report = self.reporter.note(monotonic_now(), Body::Loss(loss));
            self.output.write(&report);
        }
        let events = self.tracker.take_events();
        for event in &events {
            if let Some(metrics) = &self.metrics {
                metrics.note(event);
            }
            self.report_event(event);
        }
        if let Some(keeper) = &mut self.keeper {
            // What is told is what is written: a process that is killed tells of nothing that waits.
            if !events.is_empty() {
                self.output.settle();
            }
            events.iter().for_each(|event| keeper.note(event));
            keeper.settle(&self.tracker, &self.losses, self.kernel.truth());
        }
        self.output.check()
    }

    fn report_event(&mut self, event: &Event) {
        if self.output.pass_over(event) {
            return;
        }
        let attacher = &mut self.attacher;
        let listening = self
            .listeners
            .look(event, &self.reporter, &self.tracker, attacher);
        // Asked afterwards: it may have moved on meanwhile.
        self.reporter.listening =
            listening.filter(|_| !has_moved_on(event, &self.retiring, self.kernel.truth()));
        let report = self.reporter.report(event);
        if let Some(metrics) = &self.metrics {
            metrics.note_failure(event, &report);
        }
        self.write(&report);
    }

    fn write(&mut self, report: &Report) {
        self.output.note(report);
        let outcome = report.body.is_outcome();
        if outcome && self.has_shown_all() {
            return;
        }
        let shown = self.output.write(report);
        self.shown += u64::from(shown && outcome);
    }

    fn finish(mut self, ended: Ended) -> Result<ExitCode, Error> {
        self.service.say_stopping();
        if ended == Ended::ClosedPipe {
            return Ok(ExitCode::SUCCESS);
        }
        self.catch_up();
        self.look_around();
        self.audit();
        if self.keeper.is_none() {
            self.tracker.finish(monotonic_now(), self.kernel.truth());
        }
        let stats = Body::Stats {
            books: *self.tracker.books(),
            health: Some(self.health()),
            sums: self.sums.clone(),
        };
        let stats = self.reporter.note(monotonic_now(), stats);
        let reported = self.report();
        self.write(&stats);
        let counters = self.kernel.truth().counters();
        let vitals = self.vitals();
        // Lets go of every interface before the last word, unless what is there is pinned.
        drop(self.attacher);
        drop(self.kernel);
        let written = reported.and_then(|()| self.output.finish());
        for dropped in self.output.take_last_losses() {
            self.losses.note_dropped(dropped);
        }
        match written {
            Err(error) if broken(&error) == Ended::ClosedPipe => return Ok(ExitCode::SUCCESS),
            Err(error) => {
                return Err(Error::usage(
                    format!("cannot write the results: {error}"),
                    "Is the disk full? Results go to standard output.",
                ));
            }
            Ok(()) if ended == Ended::CannotWrite => {
                return Err(Error::usage(
                    "cannot write the results",
                    "Is the disk full? Results go to standard output.",
                ));
            }
            Ok(()) => {}
        }
        if ended == Ended::LetGo {
            return Err(attacher::ended());
        }
        // What outputs did not take in before the end is lost, too.
        let health = Health::judge(
            &Vitals {
                lost: self.losses.lately(),
                ..vitals
            },
            Duration::ZERO,
        );
        let books = self.tracker.books();
        // A closed standard error is no reason to fail.
        let _ = writeln!(
            io::stderr(),
            "{}{}{}state: {health}",
            self.output.summary(books, &counters, self.losses.others()),
            self.libraries.advice(books.blind),
            told(&self.sums, self.options.verbose > 0),
        );
        let bounded = self.options.count.is_some() || self.options.for_.is_some();
        let failed = bounded && books.failures() > 0;
        Ok(ExitCode::from(u8::from(failed)))
    }
}

/// What an earlier process left on these interfaces goes on there, and would report to nobody.
fn ensure_unpinned(root: &Path, chosen: &[&Interface]) -> Result<(), Error> {
    let names = Links::at(&pin::place(root)).names();
    let pinned = |interface: &&&Interface| {
        names
            .iter()
            .any(|name| name.index() == Some(interface.index))
    };
    let Some(interface) = chosen
        .iter()
        .find(pinned)
        .filter(|_| pin::is_of_this_namespace(&pin::place(root)))
    else {
        return Ok(());
    };
    Err(Error::usage(
        format!(
            "what `ftpwatch run --pin` left is on {} still",
            printable(interface.name.as_bytes())
        ),
        "Take it over with --pin, or take it off: `ftpwatch detach`.",
    ))
}

/// Sums that do not hold, or all of them, a line each.
fn told(sums: &[Sum], all: bool) -> String {
    let told = sums.iter().filter(|sum| all || !sum.holds);
    told.map(|sum| format!("{sum}\n")).collect()
}

/// A closed pipe is how `| head` ends; anything else is an error.
fn broken(error: &io::Error) -> Ended {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Ended::ClosedPipe
    } else {
        Ended::CannotWrite
    }
}

/// From here on there is no more privilege.
fn enter_sandbox(options: &Run, kernel: &mut Kernel, metrics: Option<&Bound>) -> Result<(), Error> {
    let mut files = Files::default();
    let [configuration, parts] = config::places(options.config.as_deref());
    files.read.extend(readable_with(&configuration));
    files.read.push(parts);
    for file in metrics.map_or(&[][..], |metrics| &metrics.files) {
        files.read.extend(readable_with(file));
        // A certificate may be a link to the one that holds now.
        let target = fs::canonicalize(file).ok();
        files.read.extend(target.as_deref().and_then(readable_with));
    }
    let written = options.outputs.iter().filter_map(Spec::file);
    let written = written.chain(options.ready_file.as_deref());
    files.write.extend(written.filter_map(writable_with));
    let entered = sandbox::enter(options.sandbox, &files, &mut || kernel.works())?;
    if options.verbose > 0 {
        match entered {
            Some(entered) => eprintln!("ftpwatch: sandbox: {entered}"),
            None => eprintln!("ftpwatch: sandbox: off"),
        }
    }
    Ok(())
}

/// The directory that a file is in.
fn directory(file: &Path) -> Option<PathBuf> {
    let folder = file.parent()?;
    // A name alone is one in this directory.
    let here = folder.as_os_str().is_empty();
    Some(if here {
        PathBuf::from(".")
    } else {
        folder.to_owned()
    })
}

/// What has to be readable for a file to be read again when another has taken its place: its directory, unless that has
/// everybody's files.
fn readable_with(file: &Path) -> Option<PathBuf> {
    let folder = directory(file)?;
    let shared = ["/", "/etc"]
        .iter()
        .any(|shared| folder == Path::new(shared));
    Some(if shared { file.to_owned() } else { folder })
}

/// What has to be writable for a file to be made, and moved out of the way: its directory. What is there and no file (a
/// pipe, a device) is neither.
fn writable_with(file: &Path) -> Option<PathBuf> {
    match fs::metadata(file) {
        Ok(there) if !there.is_file() => Some(file.to_owned()),
        _ => directory(file),
    }
}

fn remove_ready_file(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ready_file_error(path, &error))
        }
        _ => Ok(()),
    }
}

fn create_ready_file(path: &Path) -> Result<(), Error> {
    fs::write(path, "").map_err(|error| ready_file_error(path, &error))
}

fn ready_file_error(path: &Path, error: &io::Error) -> Error {
    Error::usage(
        format!(
            "the ready file {} cannot be written: {error}",
            path.display()
        ),
        "Name a file in a directory that exists and can be written.",
    )
}

/// This host's name.
pub(crate) fn host_name() -> String {
    let name = unistd::gethostname().unwrap_or_default();
    printable(name.as_encoded_bytes())
}
