//! Network namespaces: made, entered, and gone with the value that stands for them.

use super::process::{self, Process};
use super::{is_orphan, unique_name};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, Once};
use std::time::Duration;

const FOLDER: &str = "/run/netns";

/// A network namespace. With it go its interfaces and every process in it.
pub struct Namespace {
    name: String,
}

impl Namespace {
    pub fn new(role: &str) -> Self {
        assert!(
            super::is_root(),
            "network namespaces need root: cargo xtask test"
        );
        static REAP: Once = Once::new();
        REAP.call_once(reap);
        let namespace = Namespace {
            name: unique_name(role),
        };
        if namespace.path().exists() {
            remove(&namespace.name); // of an earlier process with this number
        }
        namespace.make();
        namespace
    }

    fn make(&self) {
        // The first `ip netns add` of a machine mounts the folder, which two must not do at once.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let guard = ONE_AT_A_TIME.lock();
        process::run(Command::new("ip").args(["netns", "add", &self.name]), "");
        drop(guard);
        // Addresses are used at once, and nobody else is there to have them.
        self.sysctl("net/ipv6/conf/default/accept_dad", "0");
        self.ip("link set lo up");
    }

    /// Takes its name away, and ends the processes in it: who holds on to it keeps it there, nameless.
    pub fn remove(&self) {
        remove(&self.name);
    }

    /// Makes another one of the same name.
    pub fn make_again(&self) {
        self.make();
    }

    /// Whether there is an interface of this name.
    pub fn has(&self, interface: &str) -> bool {
        self.enter(|| nix::net::if_::if_nametoindex(interface).is_ok())
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    fn path(&self) -> PathBuf {
        Path::new(FOLDER).join(&self.name)
    }

    /// A command that runs in this namespace, and sees its interfaces in /sys.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Runs a command of `ip`, or several, one a line.
    #[track_caller]
    pub fn ip(&self, commands: &str) {
        process::run(
            Command::new("ip").args(["-n", &self.name, "-batch", "-"]),
            commands,
        );
    }

    /// Adds rules to the firewall of this namespace.
    #[track_caller]
    pub fn nft(&self, rules: &str) {
        process::run(self.command("nft").args(["-f", "-"]), rules);
    }

    pub fn sysctl(&self, key: &str, value: &str) {
        let path = Path::new("/proc/sys").join(key);
        self.enter(|| std::fs::write(&path, value))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Does something in this namespace. Sockets made there stay there.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = self.handle();
        let result = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                stay_in(&namespace);
                work()
            });
            thread.join()
        });
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// What [`stay_in`] takes.
    pub fn handle(&self) -> File {
        File::open(self.path()).expect("the namespace")
    }

    pub fn connect(&self, to: SocketAddr, within: Duration) -> io::Result<TcpStream> {
        self.enter(|| TcpStream::connect_timeout(&to, within))
    }

    pub fn listen(&self, on: SocketAddr) -> TcpListener {
        self.enter(|| TcpListener::bind(on))
            .unwrap_or_else(|error| panic!("cannot listen on {on}: {error}"))
    }

    /// Whether the process `id` has got into this namespace and someone listens on TCP port `port` there.
    pub fn listens(&self, process: &Process, port: u16) -> bool {
        let has_entered = || {
            let own = std::fs::read_link("/proc/self/ns/net").ok()?;
            Some(std::fs::read_link(format!("/proc/{}/ns/net", process.id())).ok()? != own)
        };
        let wanted = format!(":{port:04X}");
        let listening = |line: &str| {
            let mut fields = line.split_whitespace().skip(1);
            fields.next().is_some_and(|local| local.ends_with(&wanted))
                && fields.nth(1) == Some("0A")
        };
        has_entered() == Some(true)
            && ["tcp", "tcp6"].iter().any(|table| {
                std::fs::read_to_string(format!("/proc/{}/net/{table}", process.id()))
                    .is_ok_and(|text| text.lines().any(listening))
            })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Moves this thread, and those that it will start, into a namespace.
pub fn stay_in(namespace: &File) {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("setns");
}

/// Joins two namespaces by a cable: a pair of interfaces, both up.
pub fn cable(one: (&Namespace, &str), other: (&Namespace, &str)) {
    let commands = format!(
        "link add name {} netns {} type veth peer name {} netns {}",
        one.1, one.0.name, other.1, other.0.name
    );
    process::run(Command::new("ip").args(["-batch", "-"]), &commands);
    one.0.ip(&format!("link set {} up", one.1));
    other.0.ip(&format!("link set {} up", other.1));
}

/// Ends the processes in a namespace and removes it. Said nothing about: it may be gone already.
fn remove(name: &str) {
    if let Ok(output) = Command::new("ip").args(["netns", "pids", name]).output() {
        for id in String::from_utf8_lossy(&output.stdout).lines() {
            if let Some(pid) = id
                .trim()
                .parse()
                .ok()
                .and_then(rustix::process::Pid::from_raw)
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
    let _ = Command::new("ip").args(["netns", "delete", name]).output();
}

/// Removes what killed runs left.
fn reap() {
    let Ok(entries) = std::fs::read_dir(FOLDER) else {
        return;
    };
    for name in entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
    {
        if is_orphan(&name) {
            remove(&name);
        }
    }
}
