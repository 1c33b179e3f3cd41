//! Processes that end with the value that stands for them, and whose output can be read while they run.

use super::{Directory, SOON};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A running process, in a process group of its own, which is killed as a whole when this is dropped.
pub struct Process {
    name: String,
    child: Child,
    pub stdout: Output,
    pub stderr: Output,
    /// What it works in.
    directory: Option<Directory>,
}

/// What a process left when it ended.
#[derive(Debug)]
pub struct Ended {
    pub name: String,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Process {
    /// Starts `command`. Its input is empty; its outputs are collected.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let name = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let stdout = Output::collect(child.stdout.take().expect("piped"));
        let stderr = Output::collect(child.stderr.take().expect("piped"));
        Process {
            name,
            child,
            stdout,
            stderr,
            directory: None,
        }
    }

    /// Keeps a directory for as long as it runs.
    pub fn keep(mut self, directory: Directory) -> Self {
        self.directory = Some(directory);
        self
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        // It may have ended of itself, which is for wait() to find out.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    pub fn has_ended(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("a child can be waited for")
            .is_some()
    }

    /// Waits for the end; panics, with what was said so far, when it does not come in `within`.
    #[track_caller]
    pub fn wait(mut self, within: Duration) -> Ended {
        let deadline = Instant::now() + within;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "still running after {within:?}: {self}"
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        self.stdout.finish();
        self.stderr.finish();
        Ended {
            name: self.name.clone(),
            status,
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
        }
    }
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}\n--- stdout\n{}--- stderr\n{}",
            self.name,
            self.stdout.text(),
            self.stderr.text()
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

impl Ended {
    /// Panics unless the process succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.status.success(), "{self}");
        self
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: {}\n--- stdout\n{}--- stderr\n{}",
            self.name, self.status, self.stdout, self.stderr
        )
    }
}

/// Runs `command` to its end with `input`; panics when it fails.
#[track_caller]
pub fn run(command: &mut Command, input: &str) -> String {
    let name = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    // A broken pipe shows in the status.
    let _ = child
        .stdin
        .take()
        .expect("piped")
        .write_all(input.as_bytes());
    let output = child.wait_with_output().expect("output");
    assert!(
        output.status.success(),
        "{name}: {}\n{input}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The lines that a process writes, each with the moment it came.
pub struct Output {
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    lines: Mutex<Lines>,
    news: Condvar,
}

#[derive(Default)]
struct Lines {
    lines: Vec<(Instant, String)>,
    ended: bool,
}

impl Output {
    fn collect(from: impl Read + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        let reader = std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line).into_owned();
                writer
                    .lines
                    .lock()
                    .expect("lines")
                    .lines
                    .push((Instant::now(), text));
                writer.news.notify_all();
                line.clear();
            }
            writer.lines.lock().expect("lines").ended = true;
            writer.news.notify_all();
        });
        Output {
            shared,
            reader: Some(reader),
        }
    }

    pub fn text(&self) -> String {
        let lines = self.shared.lines.lock().expect("lines");
        lines.lines.iter().map(|(_, line)| line.as_str()).collect()
    }

    /// The lines from number `from` on. Waits for one until `deadline`; comes back empty when it does not come or the
    /// output has ended.
    pub fn lines_from(&self, from: usize, deadline: Instant) -> Vec<(Instant, String)> {
        let mut lines = self.shared.lines.lock().expect("lines");
        loop {
            if lines.lines.len() > from {
                return lines.lines[from..].to_vec();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if lines.ended || left.is_zero() {
                return Vec::new();
            }
            lines = self.shared.news.wait_timeout(lines, left).expect("lines").0;
        }
    }

    /// Waits for a line that contains `part`.
    #[track_caller]
    pub fn wait_for(&self, part: &str) -> String {
        let deadline = Instant::now() + SOON;
        let mut from = 0;
        loop {
            let lines = self.lines_from(from, deadline);
            assert!(
                !lines.is_empty(),
                "\"{part}\" was not said in {SOON:?}, but:\n{}",
                self.text()
            );
            from += lines.len();
            if let Some((_, line)) = lines.into_iter().find(|(_, line)| line.contains(part)) {
                return line;
            }
        }
    }

    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
