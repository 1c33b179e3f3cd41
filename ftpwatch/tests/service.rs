//! ftpwatch as a service: what the unit in `contrib/systemd` allows is enough, and little; and what the service manager is
//! told.
//!
//! What belongs here: contrib/systemd, and `sd_notify`. There is no systemd to start it in the tests: the unit's user and
//! capabilities are set by `setpriv`, and the system calls that were made are compared with those that it allows. One
//! that is never made is not missed.

mod lab;

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use lab::bpffs::Bpffs;
use lab::fault::Fault;
use lab::process::{Process, run};
use lab::server::FILE;
use lab::stage::{At, Stage};
use lab::topology::Family::V4;
use lab::{Directory, SOON, leftovers, open_to_all, watch};
use rustix::process::Signal;

/// `systemd-analyze security` counts in tenths: 2.0 of 10. Lower is safer.
const EXPOSURE: &str = "--threshold=20";

/// Nobody's user and group.
const NOBODY: &str = "65534";

fn unit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/systemd/ftpwatch.service")
}

/// All values of a key of the unit's, in order.
fn values(key: &str) -> Vec<String> {
    let text = fs::read_to_string(unit()).expect("the unit can be read");
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let values: Vec<String> = lines
        .filter(|(name, _)| *name == key)
        .map(|(_, value)| value.to_owned())
        .collect();
    assert!(!values.is_empty(), "the unit says nothing of {key}");
    values
}

#[test]
#[ignore = "needs systemd-analyze: cargo xtask test"]
fn the_unit_exposes_little() {
    let mut command = Command::new("systemd-analyze");
    command
        .args(["security", "--offline=true", "--no-pager", EXPOSURE])
        .arg(unit());
    let ended = Process::start(&mut command).wait(SOON).ok();
    // What it does not understand it leaves out, and says so.
    assert_eq!(ended.stderr, "", "{ended}");
}

/// The system calls that the unit allows.
fn allowed() -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    // An allow list always has these.
    add(&mut allowed, "@default");
    for value in values("SystemCallFilter") {
        match value.strip_prefix('~') {
            None => value.split(' ').for_each(|name| add(&mut allowed, name)),
            Some(denied) => {
                let mut names = BTreeSet::new();
                denied.split(' ').for_each(|name| add(&mut names, name));
                allowed.retain(|name| !names.contains(name));
            }
        }
    }
    allowed
}

/// Adds a system call, or those of a group.
fn add(names: &mut BTreeSet<String>, name: &str) {
    if !name.starts_with('@') {
        names.insert(name.to_owned());
        return;
    }
    let listed = run(
        Command::new("systemd-analyze").args(["syscall-filter", "--no-pager", name]),
        "",
    );
    let lines = listed.lines().skip(1).map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        add(names, line);
    }
}

/// The system calls that strace saw once ftpwatch ran.
fn made(trace: &str) -> BTreeSet<String> {
    let begun = format!("execve(\"{}\"", watch::FTPWATCH);
    trace
        .lines()
        .skip_while(|line| !line.contains(&begun))
        .filter_map(|line| {
            let (_, call) = line.split_once(' ')?;
            let (name, _) = call.trim_start().split_once('(')?;
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            name.chars().all(is_name).then(|| name.to_owned())
        })
        .collect()
}

/// A service manager that waits to be told.
struct Manager {
    socket: UnixDatagram,
    said: Vec<String>,
}

impl Manager {
    fn listen(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket can be made");
        socket
            .set_read_timeout(Some(SOON))
            .expect("it can be waited for");
        // Nobody is to write to it.
        fs::set_permissions(path, Permissions::from_mode(0o777)).expect("permissions");
        Self {
            socket,
            said: Vec::new(),
        }
    }

    /// Waits for a message with this line.
    #[track_caller]
    fn wait_for(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + SOON;
        loop {
            // It says something each second, whatever it is.
            assert!(Instant::now() < deadline, "it said {:#?}", self.said);
            let mut bytes = [0; 4096];
            let length = match self.socket.recv(&mut bytes) {
                Ok(length) => length,
                Err(error) => panic!("{error}; it said {:#?}", self.said),
            };
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            self.said.push(text.clone());
            if let Some(line) = text.lines().find(|line| wanted(line)) {
                return line.to_owned();
            }
        }
    }
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn what_the_unit_allows_is_enough() {
    let stage = Stage::set(Fault::Nothing, V4);
    let server = stage.namespace(At::Server);
    let interface = At::Server.interfaces()[0];
    let directory = Directory::new("service");
    open_to_all(directory.path());
    // As root makes it before the service starts, and as the service sees it.
    let bpffs = Bpffs::mount();
    let pins = bpffs.root();
    let mut install = Command::new("install");
    install
        .args(["-d", "-o", NOBODY, "-g", NOBODY, "-m", "0700"])
        .arg(&pins);
    run(&mut install, "");
    let mut manager = Manager::listen(&directory.path().join("notify"));
    let trace = directory.path().join("trace");

    let capabilities = values("AmbientCapabilities").remove(0).to_lowercase();
    let mut only = "-all".to_owned();
    for name in capabilities.split(' ') {
        let name = name.strip_prefix("cap_").expect("a capability");
        only.push_str(&format!(",+{name}"));
    }
    let arguments: Vec<String> = values("ExecStart")[0]
        .split(' ')
        .skip(1)
        .map(str::to_owned)
        .collect();
    let mut command = server.command("strace");
    command
        .args(["-f", "-qq", "-o"])
        .arg(&trace)
        .args(["setpriv", "--no-new-privs", "--clear-groups"])
        .args(["--reuid", NOBODY, "--regid", NOBODY])
        .args(["--inh-caps", &only, "--ambient-caps", &only])
        .args(["--bounding-set", &only])
        .arg(watch::FTPWATCH)
        .args(arguments)
        .args(["--interface", interface, "--pin-path"])
        .arg(&pins)
        .env("NOTIFY_SOCKET", directory.path().join("notify"));
    let process = Process::start(&mut command);
    manager.wait_for(|line| line == "READY=1");
    stage.client().curl(&[], &[FILE]).wait(SOON).ok();
    // It is told when it changes: that may be with the first of these.
    let status = manager.wait_for(|line| line.contains(" 1 endpoints, 0 pending, 0 failures"));
    manager.wait_for(|line| line == "WATCHDOG=1");
    assert!(status.ends_with("nothing was lost"), "{status}");
    assert!(status.contains(interface), "{status}");
    // strace hands nothing on.
    let pid = watched_by(&process);
    rustix::process::kill_process(pid, Signal::TERM).expect("it runs");
    manager.wait_for(|line| line == "STOPPING=1");
    let ended = process.wait(SOON).ok();
    assert!(ended.stdout.contains("\"connected\""), "{ended}");
    assert_eq!(leftovers::programs(server, interface).len(), 2);
    let mut detach = server.command(watch::FTPWATCH);
    detach.args(["detach", "--pin-path"]).arg(&pins);
    run(&mut detach, "");
    leftovers::assert_none(server, interface);

    let trace = fs::read_to_string(&trace).expect("strace wrote");
    let made = made(&trace);
    assert!(made.contains("bpf"), "{made:?}");
    let allowed = allowed();
    let beyond: Vec<&String> = made.difference(&allowed).collect();
    assert!(beyond.is_empty(), "the unit does not allow {beyond:?}");
}

/// The process that strace, which is `process`, looks at.
fn watched_by(process: &Process) -> rustix::process::Pid {
    let id = process.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("it runs");
    let child = children.split_whitespace().next().expect("it has a child");
    rustix::process::Pid::from_raw(child.parse().expect("a number")).expect("not zero")
}
