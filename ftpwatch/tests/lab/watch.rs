//! ftpwatch at work, and what it says.

use super::netns::Namespace;
use super::process::{Ended, Process};
use super::{Directory, SOON, event, leftovers, wait_until};
use rustix::process::Signal;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// The program under test.
pub const FTPWATCH: &str = env!("CARGO_BIN_EXE_ftpwatch");

/// The way into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    Tcx,
    Clsact,
    Xdp,
}

impl Hook {
    /// Its name on the command line and in `observer`.
    pub fn name(self) -> &'static str {
        match self {
            Hook::Tcx => "tcx",
            Hook::Clsact => "clsact",
            Hook::Xdp => "xdp",
        }
    }
}

/// `ftpwatch run --format json`, watching.
pub struct Watch<'a> {
    namespace: &'a Namespace,
    interfaces: Vec<String>,
    process: Process,
    /// How many lines of its output were read.
    read: usize,
    events: Vec<Event>,
    _directory: Directory,
}

/// One line of output.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it was written.
    pub came: Instant,
    pub json: Value,
}

impl Event {
    pub fn is(&self, event_type: &str) -> bool {
        self.json["event_type"] == event_type
    }

    /// A field of the event, as in `text("/client/ip")`; "" when there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.json
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub fn number(&self, pointer: &str) -> Option<u64> {
        self.json.pointer(pointer).and_then(Value::as_u64)
    }
}

impl<'a> Watch<'a> {
    /// Starts watching `interfaces` and waits until it does. `options` are further words of the command line.
    #[track_caller]
    pub fn start(
        namespace: &'a Namespace,
        interfaces: &[&str],
        hook: Hook,
        options: &[&str],
    ) -> Self {
        let mut all = vec!["--hook", hook.name(), "--format", "json", "--show", "all"];
        all.extend(options);
        Watch::start_with(namespace, interfaces, &all)
    }

    /// The same, with no options but those that it is given.
    #[track_caller]
    pub fn start_with(namespace: &'a Namespace, interfaces: &[&str], options: &[&str]) -> Self {
        let directory = Directory::new("watch");
        let ready = directory.path().join("ready");
        let mut command = run_command(namespace, interfaces, options);
        command.arg("--ready-file").arg(&ready);
        let mut process = Process::start(&mut command);
        wait_until("ftpwatch is ready", SOON, || {
            assert!(!process.has_ended(), "ftpwatch ended: {process}");
            ready.exists().then_some(())
        });
        Watch {
            namespace,
            interfaces: interfaces.iter().map(|&name| name.to_owned()).collect(),
            process,
            read: 0,
            events: Vec::new(),
            _directory: directory,
        }
    }

    /// The process's number.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for an event of which `wanted` holds, one that came already included.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        let deadline = Instant::now() + SOON;
        let mut looked_at = 0;
        loop {
            if let Some(event) = self.events[looked_at..].iter().find(|event| wanted(event)) {
                return event.clone();
            }
            looked_at = self.events.len();
            let lines = self.process.stdout.lines_from(self.read, deadline);
            assert!(!lines.is_empty(), "no {what} in {SOON:?}: {}", self.process);
            self.take(lines);
        }
    }

    /// All that it has said so far.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Waits until `enough` holds of all that it has said.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, enough: impl Fn(&[Event]) -> bool) {
        let deadline = Instant::now() + SOON;
        while !enough(&self.events) {
            let lines = self.process.stdout.lines_from(self.read, deadline);
            assert!(!lines.is_empty(), "no {what} in {SOON:?}: {}", self.process);
            self.take(lines);
        }
    }

    /// Takes in what it has said meanwhile, without waiting.
    pub fn take_what_there_is(&mut self) {
        let lines = self.process.stdout.lines_from(self.read, Instant::now());
        self.take(lines);
    }

    /// Waits until it ends with `status`, whatever the format of its output.
    #[track_caller]
    pub fn finish_as_text(self, status: i32) -> Ended {
        let ended = self.process.wait(SOON);
        assert_eq!(ended.status.code(), Some(status), "{ended}");
        ended
    }

    /// Ends it by Ctrl-C, if it has not ended.
    #[track_caller]
    pub fn end_anyhow(self) -> Ended {
        self.process.signal(Signal::INT);
        self.process.wait(SOON)
    }

    /// Ends it, whatever it leaves on the interfaces; returns all that it said.
    #[track_caller]
    pub fn end_by(mut self, signal: Signal) -> Vec<Event> {
        self.process.signal(signal);
        let deadline = Instant::now() + SOON;
        loop {
            let lines = self.process.stdout.lines_from(self.read, deadline);
            if lines.is_empty() {
                break;
            }
            self.take(lines);
        }
        self.process.wait(SOON);
        self.events
    }

    fn take(&mut self, lines: Vec<(Instant, String)>) {
        self.read += lines.len();
        self.events.extend(lines.into_iter().map(|(came, line)| {
            let json = serde_json::from_str(&line)
                .unwrap_or_else(|error| panic!("not JSON ({error}): {line}"));
            event::check(&json);
            Event { came, json }
        }));
    }

    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Ends it as Ctrl-C does; checks that it ended well and left nothing on the interfaces.
    #[track_caller]
    pub fn stop(self) -> Report {
        self.stop_by(Signal::INT)
    }

    #[track_caller]
    pub fn stop_by(self, signal: Signal) -> Report {
        self.process.signal(signal);
        self.finish(0)
    }

    /// Waits until it ends with `status`.
    #[track_caller]
    pub fn finish(mut self, status: i32) -> Report {
        let deadline = Instant::now() + SOON;
        loop {
            let lines = self.process.stdout.lines_from(self.read, deadline);
            if lines.is_empty() {
                break;
            }
            self.take(lines);
        }
        let ended = self.process.wait(SOON);
        assert_eq!(ended.status.code(), Some(status), "{ended}");
        for interface in &self.interfaces {
            leftovers::assert_none(self.namespace, interface);
        }
        balance(&self.events);
        Report {
            events: self.events,
            ended,
        }
    }
}

/// Whatever happened: what was counted is what it came to.
#[track_caller]
fn balance(events: &[Event]) {
    for event in events.iter().filter(|event| event.is("stats")) {
        let sums = event.json["balance"].as_array().expect("sums");
        assert_eq!(sums.len(), 5);
        for sum in sums {
            assert_eq!(sum["holds"], true, "{sum}");
        }
    }
}

/// All that ftpwatch said.
pub struct Report {
    pub events: Vec<Event>,
    pub ended: Ended,
}

impl Report {
    pub fn of_type(&self, event_type: &str) -> Vec<&Event> {
        self.events
            .iter()
            .filter(|event| event.is(event_type))
            .collect()
    }
}

/// `ftpwatch run` on interfaces of a namespace.
pub fn run_command(namespace: &Namespace, interfaces: &[&str], options: &[&str]) -> Command {
    let mut command = namespace.command(FTPWATCH);
    command.arg("run");
    for interface in interfaces {
        command.args(["--interface", interface]);
    }
    command.args(options);
    command
}

/// `-t` as the program takes it.
pub fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs())
}

/// Where the program is, for those who copy it.
pub fn program() -> PathBuf {
    PathBuf::from(FTPWATCH)
}
