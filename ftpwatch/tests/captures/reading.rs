//! Runs `ftpwatch read`.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::Value;

/// What came of it.
#[derive(Debug)]
pub struct Reading {
    /// The exit status.
    pub status: Option<i32>,
    /// What was written to standard output.
    pub stdout: String,
    /// What was written to standard error.
    pub stderr: String,
}

/// The program.
pub fn ftpwatch() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ftpwatch"));
    command.arg("read");
    command
}

/// Runs `ftpwatch read WORDS` with `input` at its standard input.
pub fn read_from(input: &[u8], words: &[&str]) -> Reading {
    let mut child = ftpwatch()
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ftpwatch starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // Fails where it ends before all was read, which some tests want.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("ftpwatch ends");
    writer.join().expect("no panic");
    Reading {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// Runs `ftpwatch read --format json WORDS FILE`.
pub fn json(file: &Path, words: &[&str]) -> Reading {
    let file = file.to_str().expect("UTF-8");
    read_from(b"", &[&["--format", "json"], words, &[file]].concat())
}

/// `bytes` in a file, read.
pub fn of(bytes: &[u8]) -> Reading {
    json(&File::new("capture", bytes).path, &[])
}

impl Reading {
    /// The lines, each an object.
    pub fn events(&self) -> Vec<Value> {
        let lines = self.stdout.lines();
        lines
            .map(|line| {
                let event = serde_json::from_str(line).expect("JSON");
                crate::event::check(&event);
                event
            })
            .collect()
    }

    /// Those of one kind.
    pub fn events_of(&self, kind: &str) -> Vec<Value> {
        let events = self.events().into_iter();
        events.filter(|event| event["event_type"] == kind).collect()
    }

    /// All outcomes, in order.
    pub fn outcomes(&self) -> Vec<String> {
        let events = self.events_of("outcome").into_iter();
        events.map(|event| text(&event["outcome"])).collect()
    }

    /// The lines without who says so.
    pub fn what(&self) -> Vec<Value> {
        let mut events = self.events();
        for event in &mut events {
            event.as_object_mut().expect("an object").remove("observer");
        }
        events
    }
}

/// A string in JSON.
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no string"))
        .to_owned()
}

/// A file that goes when it is dropped.
pub struct File {
    /// Where it is.
    pub path: PathBuf,
}

impl File {
    /// A file of `bytes`, whose name ends in `name`.
    pub fn new(name: &str, bytes: &[u8]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ftpwatch-captures-{}-{number}-{name}", process::id());
        let path = env::temp_dir().join(name);
        fs::write(&path, bytes).expect("a file");
        Self { path }
    }

    /// Its name, as a word of a command line.
    pub fn word(&self) -> &str {
        self.path.to_str().expect("UTF-8")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
