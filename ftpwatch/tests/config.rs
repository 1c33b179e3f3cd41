//! The configuration of `ftpwatch run`: what is read, what wins, what is refused, and SIGHUP.
//!
//! What belongs here: files and the environment, as the program finds them. How a file is taken apart belongs in
//! src/config/tests.rs.

#[allow(unused_imports, reason = "a part of the lab is enough here")]
mod lab;

use lab::process::{Ended, Process};
use lab::stage::{At, Behaviour, Fault, Stage};
use lab::topology::Family::V4;
use lab::watch::{FTPWATCH, Watch};
use lab::{Directory, SOON};
use rustix::process::Signal;
use std::{fs, path::PathBuf, process::Command};

/// A configuration, and its parts.
struct Files(Directory);

impl Files {
    fn new(text: &str, parts: &[(&str, &str)]) -> Self {
        let files = Files(Directory::new("config"));
        files.write(text);
        let directory = files.0.path().join("conf.d");
        fs::create_dir(&directory).expect("a directory");
        for (name, text) in parts {
            fs::write(directory.join(name), text).expect("a part");
        }
        files
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("ftpwatch.toml")
    }

    fn write(&self, text: &str) {
        fs::write(self.path(), text).expect("a configuration");
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(FTPWATCH);
        command.args(words).arg("--config").arg(self.path());
        command
    }

    fn config(&self, what: &str) -> Ended {
        Process::start(&mut self.command(&["config", what])).wait(SOON)
    }
}

#[track_caller]
fn assert_refused(ended: &Ended, said: &[&str]) {
    assert_eq!(ended.status.code(), Some(2), "{ended}");
    assert_eq!(ended.stdout, "", "{ended}");
    for words in said {
        assert!(ended.stderr.contains(words), "no {words}: {ended}");
    }
}

/// Built-in values, the file, its parts in order, the environment, flags: each wins over those before.
#[test]
fn what_is_said_later_wins() {
    let files = Files::new(
        "timeout = '1s'\nvantage = 'client'\nhook = 'xdp'\nignore = ['10.0.0.0/8']\n",
        &[
            ("20.toml", "\nvantage = 'gateway'\nhook = 'clsact'\n"),
            ("10.toml", "vantage = 'server'\ncontrol-port = [21, 2121]\n"),
            ("30.txt", "this is none of ours"),
            (".hidden.toml", "nor is this"),
        ],
    );
    let mut command = files.command(&["config", "show", "--hook", "tcx"]);
    command.env("FTPWATCH_IGNORE", "192.0.2.0/24,2001:db8::/32");
    command.env("FTPWATCH_NOBODY_KNOWS", "this");
    let ended = Process::start(&mut command).wait(SOON).ok();
    let path = files.path();
    let file = path.to_str().expect("UTF-8");
    let parts = path.with_file_name("conf.d");
    let parts = parts.to_str().expect("UTF-8");
    for line in [
        format!("timeout = \"1s\"  # {file}:1"),
        format!("vantage = \"gateway\"  # {parts}/20.toml:2"),
        format!("control-port = [21, 2121]  # {parts}/10.toml:2"),
        "hook = \"tcx\"  # flag".to_owned(),
        "ignore = [\"192.0.2.0/24\", \"2001:db8::/32\"]  # environment, FTPWATCH_IGNORE".to_owned(),
        "format = \"table\"  # default".to_owned(),
        "# passive-range is not set".to_owned(),
    ] {
        assert!(
            ended.stdout.lines().any(|found| found == line),
            "no {line}: {ended}"
        );
    }
}

#[test]
fn check_says_what_was_read() {
    let files = Files::new("timeout = '1s'", &[("1.toml", "")]);
    let ended = files.config("check").ok();
    assert_eq!(ended.stdout.matches(": ok\n").count(), 2, "{ended}");
    files.write("timeot = '1s'");
    let place = format!("{}:1:1:", files.path().display());
    assert_refused(&files.config("check"), &[&place, "Did you mean `timeout`?"]);
    assert_refused(&files.config("show"), &[&place]);
    let run = Process::start(&mut files.command(&["run"])).wait(SOON);
    assert_refused(&run, &[&place]);
}

#[test]
fn a_wrong_variable_is_named() {
    let files = Files::new("", &[]);
    let mut command = files.command(&["config", "check"]);
    let ended = Process::start(command.env("FTPWATCH_HOOK", "tcxx")).wait(SOON);
    assert_refused(&ended, &["FTPWATCH_HOOK", "Did you mean `tcx`?"]);
}

#[test]
fn what_is_no_text_is_refused() {
    let files = Files::new("", &[]);
    let path = files.path();
    fs::write(&path, b"# fine\n\xff").expect("a file");
    assert_refused(&files.config("check"), &[":2: it is not UTF-8"]);
    // Takes no room: nothing is in it.
    let large = fs::File::create(&path).expect("a file");
    large.set_len(1 << 30).expect("room");
    assert_refused(&files.config("check"), &["larger than 1 MiB"]);
    fs::remove_file(&path).expect("it was there");
    assert_refused(&files.config("check"), &["cannot be read"]);
    fs::create_dir(&path).expect("a directory");
    assert_refused(&files.config("check"), &["is no regular file"]);
}

#[test]
fn what_is_hostile_is_escaped() {
    let files = Files::new("\"\\u001b[2J\" = 1", &[]);
    let ended = files.config("check");
    assert_refused(&ended, &["\\u{1b}[2J"]);
    assert!(!ended.stderr.contains('\x1b'), "{ended}");
}

/// SIGHUP: what is wrong changes nothing; what is right holds from then on, or is said to need a restart.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn read_again() {
    let stage = Stage::set(Fault::Nothing, V4);
    let files = Files::new("hook = 'tcx'\n", &[]);
    let path = files.path();
    let options = [
        "--format",
        "json",
        "--config",
        path.to_str().expect("UTF-8"),
    ];
    let watch = Watch::start_with(stage.namespace(At::Server), &["s0"], &options);
    files.write("ignore = ['0.0.0.0/0']\ntimeot = '1s'\n");
    watch.process().signal(Signal::HUP);
    watch
        .process()
        .stderr
        .wait_for("what was configured before holds");
    let client = stage.play(Behaviour::Ftplib).expect("a client");
    client.wait(SOON).ok();
    files.write("ignore = ['0.0.0.0/0']\nhook = 'clsact'\n");
    watch.process().signal(Signal::HUP);
    watch
        .process()
        .stderr
        .wait_for("changed: ignore; needs a restart: hook");
    let client = stage.play(Behaviour::Ftplib).expect("a client");
    client.wait(SOON).ok();
    let report = watch.stop();
    assert_eq!(report.of_type("outcome").len(), 1, "{}", report.ended);
    assert!(
        report.ended.stderr.contains("1 session ignored"),
        "{}",
        report.ended
    );
}
