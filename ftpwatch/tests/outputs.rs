//! The outputs of `ftpwatch run`: several at once, each with its own filter; slow, full, moved and dead ones.
//!
//! What belongs here: real sinks, as the program finds them. Queues and rotation by themselves have tests beside their
//! source.

mod lab;

use lab::process::{Process, run};
use lab::server::Package;
use lab::stage::{At, Behaviour, Fault, Stage};
use lab::topology::Family::V4;
use lab::watch::{FTPWATCH, Hook, Report, Watch, run_command};
use lab::{Directory, SOON, wait_until};
use rustix::process::Signal;
use serde_json::Value;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

/// The events in a file of JSON lines; only whole lines are there.
#[track_caller]
fn events(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "half a line: {text}"
    );
    text.lines()
        .map(|line| {
            let event =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            lab::event::check(&event);
            event
        })
        .collect()
}

fn types(events: &[Value]) -> Vec<&str> {
    let types = events.iter().map(|event| &event["event_type"]);
    types.filter_map(Value::as_str).collect()
}

#[track_caller]
fn wait_for(path: &Path, event_type: &str) {
    wait_until(event_type, SOON, || {
        types(&events(path)).contains(&event_type).then_some(())
    });
}

/// A session with a transfer that works.
fn transfer(stage: &Stage) {
    stage
        .play(Behaviour::Ftplib)
        .expect("ftplib")
        .wait(SOON)
        .ok();
}

fn file(directory: &Directory, name: &str, options: &str) -> String {
    format!("file:{}{options}", directory.path().join(name).display())
}

/// Watches the server with these outputs.
fn watch<'a>(stage: &'a Stage, outputs: &[&str]) -> Watch<'a> {
    let mut options = vec!["--hook", Hook::Tcx.name(), "--format", "json"];
    options.extend(outputs.iter().flat_map(|output| ["--output", *output]));
    Watch::start_with(stage.namespace(At::Server), &["s0"], &options)
}

fn refused(output: &[&str]) -> String {
    let mut command = Command::new(FTPWATCH);
    command.arg("run");
    for output in output {
        command.args(["--output", output]);
    }
    let ended = Process::start(&mut command).wait(SOON);
    assert_eq!(ended.status.code(), Some(2), "{ended}");
    assert_eq!(ended.stdout, "", "{ended}");
    ended.stderr
}

#[test]
fn what_cannot_be_written_is_said_at_the_start() {
    let directory = Directory::new("outputs");
    let missing = file(&directory, "no/events.json", "");
    for (outputs, why) in [
        (&["file:relative,keep=0"][..], "keep: `0` is no number"),
        (&["journal"], "`journal` is no output"),
    ] {
        assert!(refused(outputs).contains(why), "{outputs:?}");
    }
    if lab::is_root() {
        assert!(refused(&[&missing]).contains("cannot be opened: No such file"));
        assert!(refused(&["stdout", "stdout"]).contains("named twice"));
    }
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn each_has_its_own_filter_and_format() {
    let stage = Stage::set(Fault::Nothing, V4);
    let directory = Directory::new("outputs");
    let all = file(&directory, "all.json", ",show=all");
    let table = file(&directory, "table", ",format=table,show=outcomes");
    let failures = file(&directory, "failures.json", ",show=failures");
    let mut watch = watch(&stage, &["stdout", &all, &table, &failures]);
    transfer(&stage);
    watch.wait_for("session", |event| event.is("session"));
    let Report {
        events: said,
        ended,
    } = watch.stop();
    let written = events(&directory.path().join("all.json"));
    assert_eq!(
        types(&written),
        ["advertised", "outcome", "session", "stats"]
    );
    let said: Vec<Value> = said.into_iter().map(|event| event.json).collect();
    assert_eq!(said, written[1..3], "the same, where both show it: {ended}");
    let table = fs::read_to_string(directory.path().join("table")).expect("a table");
    assert!(
        table.starts_with("TIME") && table.contains("connected"),
        "{table}"
    );
    assert!(!table.contains('\x1b'), "colour in a file: {table}");
    assert_eq!(
        types(&events(&directory.path().join("failures.json"))),
        [""; 0]
    );
}

/// One alarm for what fails again and again, and one word when it works again; every event beside it, for who asks.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn alarms_are_few_and_end() {
    let stage = Stage::set(Fault::ResetOnServer, V4);
    let directory = Directory::new("outputs");
    let path = directory.path().join("all.json");
    let all = file(&directory, "all.json", ",show=all");
    let mut watch = watch(&stage, &["stdout,show=alarms", &all]);
    let fail = |times: usize| {
        let client = stage.play(Behaviour::Ftplib);
        wait_until("another failure", SOON, || {
            let events = events(&path);
            let failed = events.iter().filter(|event| event["outcome"] == "refused");
            (failed.count() >= times).then_some(())
        });
        drop(client);
    };
    (1..=3).for_each(fail);
    stage.mend_path(stage.namespace(At::Server));
    (0..3).for_each(|_| transfer(&stage));
    watch.wait_for("the end of the alarm", |event| {
        event.text("/state") == "resolved"
    });
    let report = watch.stop();
    let states: Vec<&str> = report
        .events
        .iter()
        .map(|event| event.text("/state"))
        .collect();
    assert_eq!(states, ["firing", "resolved"], "{}", report.ended);
    let resolved = &report.events[1];
    assert!(resolved.number("/endpoints") >= Some(3), "{resolved:?}");
    assert_eq!(resolved.number("/clients"), Some(1), "{resolved:?}");
    assert_eq!(resolved.text("/cause"), "not_listening", "{resolved:?}");
    assert!(!types(&events(&path)).contains(&"alarm"));
}

/// As logrotate does it: moved with and without a signal afterwards, or copied and emptied.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_file_that_is_moved_is_made_anew() {
    let stage = Stage::set(Fault::Nothing, V4);
    let directory = Directory::new("outputs");
    let path = directory.path().join("e.json");
    let moved = |number: u32| directory.path().join(format!("moved.{number}"));
    let watch = watch(&stage, &[&file(&directory, "e.json", "")]);
    transfer(&stage);
    wait_for(&path, "session");
    fs::rename(&path, moved(1)).expect("it is there");
    watch.process().signal(Signal::HUP);
    wait_until("it is there again", SOON, || path.exists().then_some(()));
    transfer(&stage);
    wait_for(&path, "session");
    fs::rename(&path, moved(2)).expect("it is there");
    transfer(&stage);
    wait_for(&path, "session");
    fs::copy(&path, moved(3)).expect("it is there");
    File::create(&path).expect("emptied");
    transfer(&stage);
    wait_for(&path, "session");
    let ended = watch.stop().ended;
    assert!(ended.stderr.contains("nothing was lost"), "{ended}");
    for path in [moved(1), moved(2), moved(3), path] {
        assert_eq!(types(&events(&path)), ["outcome", "session"], "{path:?}");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_file_that_is_full_is_followed_by_another() {
    let stage = Stage::set(Fault::Nothing, V4);
    let directory = Directory::new("outputs");
    let watch = watch(
        &stage,
        &[&file(&directory, "e.json", ",max-size=1K,keep=2")],
    );
    for number in 1..=3 {
        transfer(&stage);
        // Each event is larger than half of what is allowed.
        wait_until("as many files as there can be", SOON, || {
            let files = fs::read_dir(directory.path()).expect("a directory").count();
            (files >= (2 * number).min(3)).then_some(())
        });
    }
    watch.stop();
    let files: Vec<_> = fs::read_dir(directory.path())
        .expect("a directory")
        .collect();
    assert_eq!(files.len(), 3, "{files:?}");
    let newest = events(&directory.path().join("e.json"));
    assert_eq!(types(&newest), ["session"]);
    assert_eq!(
        types(&events(&directory.path().join("e.json.1"))),
        ["outcome"]
    );
}

/// A small file system, for as long as the value lives.
struct Disk(Directory);

impl Disk {
    fn of(size: &str) -> Self {
        let directory = Directory::new("disk");
        let size = format!("size={size}");
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(directory.path());
        run(&mut command, "");
        Self(directory)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// A disk that is full: what is lost is counted, whole lines stay, the others go on; and once there is room, it does too.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_full_disk_is_a_loss_and_no_end() {
    let stage = Stage::set(Fault::Nothing, V4);
    let disk = Disk::of("8k");
    let path = disk.0.path().join("e.json");
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, [0; 4096]).expect("room");
    let mut watch = watch(&stage, &["stdout", &file(&disk.0, "e.json", ",show=all")]);
    let is_loss =
        |event: &lab::watch::Event| event.is("loss") && event.text("/what") == "output_dropped";
    let mut sessions = 0;
    while !watch.events().iter().any(is_loss) {
        transfer(&stage);
        sessions += 1;
        watch.wait_until("every session", |events| {
            events.iter().filter(|event| event.is("session")).count() == sessions
        });
        assert!(sessions < 50, "the disk is never full");
    }
    let loss = watch.wait_for("loss", is_loss);
    assert_eq!(loss.text("/state"), "degraded");
    assert!(loss.text("/meaning").contains("No space left"), "{loss:?}");
    assert!(loss.text("/output").ends_with("/e.json"), "{loss:?}");
    events(&path);
    fs::remove_file(&ballast).expect("it is there");
    transfer(&stage);
    wait_for(&path, "loss");
    let ended = watch.stop().ended;
    assert!(ended.stderr.contains("state: degraded"), "{ended}");
    assert!(ended.stderr.contains("output_dropped"), "{ended}");
}

/// A pipe that nobody reads: watching goes on, other outputs have everything, and the end does not wait for it.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_pipe_that_nobody_reads_holds_nobody_up() {
    let stage = Stage::set(Fault::Nothing, V4);
    let directory = Directory::new("outputs");
    let (path, ready) = (
        directory.path().join("e.json"),
        directory.path().join("ready"),
    );
    let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).expect("a small one");
    let mut command = run_command(
        stage.namespace(At::Server),
        &["s0"],
        &["--format", "json", "--show", "all", "--output", "stdout"],
    );
    command.args(["--output", &file(&directory, "e.json", "")]);
    command.arg("--ready-file").arg(&ready);
    let errors = directory.path().join("stderr");
    let child = command
        .stdout(writer)
        .stderr(File::create(&errors).expect("a file"))
        .spawn();
    let mut child = Killed(child.expect("it starts"));
    drop(command);
    wait_until("ftpwatch is ready", SOON, || ready.exists().then_some(()));
    const SESSIONS: usize = 10;
    for _ in 0..SESSIONS {
        transfer(&stage);
    }
    wait_until("every session", SOON, || {
        let events = events(&path);
        let sessions = types(&events).into_iter().filter(|name| *name == "session");
        (sessions.count() == SESSIONS).then_some(())
    });
    let id = rustix::process::Pid::from_child(&child.0);
    rustix::process::kill_process(id, Signal::INT).expect("it runs");
    let status = wait_until("the end", SOON, || child.0.try_wait().expect("a child"));
    let said = fs::read_to_string(&errors).expect("a file");
    assert!(status.success(), "{said}");
    assert!(
        said.contains("results were not written to stdout"),
        "{said}"
    );
    assert!(said.contains("state: degraded"), "{said}");
    drop(reader);
}

/// A process that does not outlive the value.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Standard output beside others is one of them: that its reader goes ends nothing.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_closed_pipe_beside_others_is_a_loss() {
    let stage = Stage::set(Fault::Nothing, V4);
    let directory = Directory::new("outputs");
    let (path, ready) = (
        directory.path().join("e.json"),
        directory.path().join("ready"),
    );
    let script = format!(
        "{FTPWATCH} run -i s0 --ready-file {} --output stdout,format=json,show=all --output {} | true; \
         exit \"${{PIPESTATUS[0]}}\"",
        ready.display(),
        file(&directory, "e.json", ",show=all"),
    );
    let mut command = stage.namespace(At::Server).command("bash");
    let process = Process::start(command.args(["-c", &script]));
    wait_until("ftpwatch is ready", SOON, || ready.exists().then_some(()));
    transfer(&stage);
    wait_for(&path, "loss");
    let shell = process.id();
    let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"));
    let child = children.expect("it runs").trim().parse().expect("a child");
    let child = rustix::process::Pid::from_raw(child).expect("not zero");
    rustix::process::kill_process(child, Signal::INT).expect("it runs");
    let ended = process.wait(SOON).ok();
    assert!(
        ended.stderr.contains("results were not written to stdout"),
        "{ended}"
    );
}

/// A real rsyslogd; it is started after ftpwatch, and so is not there for the first results.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn syslog() {
    let stage = Stage::set(Fault::ResetOnServer, V4);
    let directory = Directory::new("outputs");
    let at = |name: &str| directory.path().join(name).display().to_string();
    let (socket, messages) = (at("log"), at("messages"));
    let output = format!("syslog:{socket},show=outcomes");
    let mut watch = watch(
        &stage,
        &["stdout", &output, &format!("syslog:{}", at("nobody"))],
    );
    assert!(
        watch
            .process()
            .stderr
            .wait_for("is not there")
            .contains("syslog:")
    );
    fs::write(
        at("rsyslog.conf"),
        format!(
            "module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
             input(type=\"imuxsock\" Socket=\"{socket}\")\n\
             template(name=\"told\" type=\"string\" string=\"%pri-text%|%programname%|%msg%\\n\")\n\
             *.* action(type=\"omfile\" file=\"{messages}\" template=\"told\")\n"
        ),
    )
    .expect("a configuration");
    let package = Package::find("rsyslog", "rsyslogd");
    let mut command = Command::new(&package.program);
    command.args(["-n", "-f", &at("rsyslog.conf"), "-i", &at("pid")]);
    if let Some(modules) = package.folder("rsyslog") {
        command.env("RSYSLOG_MODDIR", modules);
    }
    let daemon = Process::start(&mut command);
    wait_until("rsyslogd listens", SOON, || {
        Path::new(&socket).exists().then_some(())
    });
    let client = stage.play(Behaviour::Ftplib);
    watch.wait_for("outcome", |event| event.is("outcome"));
    drop(client);
    let line = wait_until("a line", SOON, || {
        let text = fs::read_to_string(&messages).ok()?;
        text.lines()
            .find(|line| line.contains("refused"))
            .map(str::to_owned)
    });
    assert!(
        line.starts_with("daemon.warning|ftpwatch| refused not_listening: "),
        "{line}: {daemon}"
    );
    watch.wait_for("loss", |event| event.text("/output").ends_with("/nobody"));
    watch.stop();
}

/// A real journald, in a mount namespace of its own.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn journald() {
    const JOURNALD: &str = "/lib/systemd/systemd-journald";
    assert!(Path::new(JOURNALD).exists(), "these tests need {JOURNALD}");
    let stage = Stage::set(Fault::ResetOnServer, V4);
    let directory = Directory::new("outputs");
    let runtime = directory.path().join("run");
    let settings = runtime.join("systemd/journald.conf.d");
    fs::create_dir_all(&settings).expect("a directory");
    // None of the machine's own news.
    fs::write(
        settings.join("lab.conf"),
        "[Journal]\nStorage=volatile\nAudit=no\nReadKMsg=no\nForwardToWall=no\n",
    )
    .expect("a configuration");
    let mut command = Command::new("unshare");
    let script = format!("mount --bind {} /run && exec {JOURNALD}", runtime.display());
    let daemon =
        Process::start(command.args(["--mount", "--propagation", "private", "sh", "-c", &script]));
    let socket = runtime.join("systemd/journal/socket");
    wait_until("journald listens", SOON, || socket.exists().then_some(()));
    let mut watch = watch(
        &stage,
        &[
            "stdout",
            &format!("journald:{},show=failures", socket.display()),
        ],
    );
    let client = stage.play(Behaviour::Ftplib);
    let outcome = watch.wait_for("outcome", |event| event.is("outcome"));
    drop(client);
    let entry: Value = wait_until("an entry", SOON, || {
        let mut command = Command::new("journalctl");
        command.arg("-D").arg(runtime.join("log/journal"));
        let output = command
            .args(["-o", "json", "FTPWATCH_EVENT=outcome"])
            .output()
            .expect("journalctl");
        let text = String::from_utf8(output.stdout).ok()?;
        serde_json::from_str(text.lines().next()?).ok()
    });
    watch.stop();
    for (field, value) in [
        ("SYSLOG_IDENTIFIER", "ftpwatch"),
        ("PRIORITY", "4"),
        ("MESSAGE_ID", "15754e427521445eb7e02a260631b030"),
        ("FTPWATCH_OUTCOME", "refused"),
        ("FTPWATCH_CAUSE", "not_listening"),
        ("FTPWATCH_TIMESTAMP", outcome.text("/timestamp")),
    ] {
        assert_eq!(entry[field], value, "{field}: {entry} {daemon}");
    }
    let peer = |name: &str| {
        let port = outcome.number(&format!("/{name}/port")).expect("a port");
        format!("{}:{port}", outcome.text(&format!("/{name}/ip")))
    };
    assert_eq!(entry["FTPWATCH_CLIENT"], peer("client"));
    assert_eq!(entry["FTPWATCH_SERVER"], peer("server"));
    assert_eq!(entry["FTPWATCH_ADVERTISED"], peer("advertised"));
}
