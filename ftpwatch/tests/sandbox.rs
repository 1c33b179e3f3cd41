//! What ftpwatch may no longer do once it watches, and who lets go of interfaces when a part of it is killed.
//!
//! What belongs here: the two processes of `run`, their privileges, and their ends. System calls are made in the place of
//! the very watcher that runs, by tracing it: it refuses them, and goes on watching.

#[cfg(target_arch = "x86_64")]
#[path = "sandbox/intruder.rs"]
mod intruder;
mod lab;

use std::collections::BTreeMap;
use std::fs;

use lab::leftovers;
use lab::netns::{Namespace, cable};
use lab::process::Process;
use lab::watch::{FTPWATCH, Hook, Watch};
use lab::{SOON, wait_until};
use rustix::process::{Pid, Signal, kill_process};

/// A host with a cable.
fn host() -> (Namespace, Namespace) {
    let (host, peer) = (Namespace::new("server"), Namespace::new("client"));
    cable((&host, "s0"), (&peer, "c0"));
    (host, peer)
}

/// What the kernel says of a process.
fn status(process: u32) -> BTreeMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let lines = text.lines().filter_map(|line| line.split_once(":\t"));
    lines
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn capabilities(status: &BTreeMap<String, String>) -> [u64; 5] {
    ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
        .map(|key| u64::from_str_radix(&status[key], 16).expect("hexadecimal"))
}

/// The attacher of a watcher: its only child.
fn attacher(watcher: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{watcher}/task/{watcher}/children"));
    let children = children.expect("it runs");
    let mut children = children.split_ascii_whitespace();
    let child = children.next().expect("it has a child").parse();
    assert_eq!(children.next(), None, "it has one child");
    child.expect("a number")
}

fn kill(process: u32) {
    let process = Pid::from_raw(process.cast_signed()).expect("not zero");
    kill_process(process, Signal::KILL).expect("it runs");
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn the_watcher_has_no_privilege() {
    let (host, _peer) = host();
    let metrics = ["--web.listen-address", "127.0.0.1:0"];
    let watch = Watch::start(&host, &["s0"], Hook::Tcx, &metrics);
    let watcher = watch.process_id();
    let threads = fs::read_dir(format!("/proc/{watcher}/task")).expect("it runs");
    let threads: Vec<u32> = threads
        .map(|entry| {
            entry
                .expect("it runs")
                .file_name()
                .to_string_lossy()
                .parse()
        })
        .collect::<Result<_, _>>()
        .expect("numbers");
    assert_eq!(threads.len(), 3, "the loop, an output, and metrics");
    for thread in threads {
        let status = status(thread);
        assert_eq!(capabilities(&status), [0; 5], "{status:?}");
        assert_eq!((&*status["NoNewPrivs"], &*status["Seccomp"]), ("1", "2"));
    }

    let status = status(attacher(watcher));
    assert_eq!(status["Name"], "ftpwatch:attach");
    // CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_PERFMON, CAP_BPF.
    let needed = 1 << 2 | 1 << 12 | 1 << 19 | 1 << 38 | 1 << 39;
    assert_eq!(capabilities(&status), [0, needed, needed, needed, 0]);
    assert_eq!((&*status["NoNewPrivs"], &*status["Seccomp"]), ("1", "2"));
    watch.stop();
}

/// The attacher enters other network namespaces, and has CAP_SYS_ADMIN for that, only where it was told to. Nobody else
/// does.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn the_attacher_enters_namespaces_where_it_was_told_to() {
    let (host, peer) = host();
    let netns = ["--netns", peer.name(), "--sandbox", "strict"];
    let watch = Watch::start(&host, &["s0"], Hook::Tcx, &netns);
    let (watcher, attacher) = (watch.process_id(), attacher(watch.process_id()));
    assert_eq!(capabilities(&status(watcher)), [0; 5]);
    // CAP_SYS_ADMIN besides.
    let needed = 1 << 2 | 1 << 12 | 1 << 19 | 1 << 21 | 1 << 38 | 1 << 39;
    let has = capabilities(&status(attacher));
    assert_eq!(has, [0, needed, needed, needed, 0]);
    // It goes there on a thread of its own, and is at home.
    let at = |process: u32| fs::read_link(format!("/proc/{process}/ns/net")).expect("it runs");
    assert_eq!(at(attacher), at(watcher));
    watch.stop();
}

#[cfg(target_arch = "x86_64")]
#[test]
#[ignore = "needs root: cargo xtask test"]
fn the_attacher_enters_no_other_namespaces() {
    use std::sync::atomic::{AtomicBool, Ordering};

    use intruder::{Intruder, Word::*};
    use libc::{CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUSER, EBADF, EPERM};

    // No descriptor: a call that is made finds none.
    let none = || Number(-1);
    for (netns, in_networks) in [(true, EBADF), (false, EPERM)] {
        let (host, peer) = host();
        let options = ["--netns", peer.name()];
        let options = if netns { &options[..] } else { &[] };
        let watch = Watch::start(&host, &[], Hook::Tcx, options);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // It is stopped at a system call, and makes them when there is something to attach to.
                for number in (0..1_000).take_while(|_| !done.load(Ordering::Relaxed)) {
                    host.ip(&format!("link add t{number} up type veth peer u{number}"));
                }
            });
            let mut intruder = Intruder::into(attacher(watch.process_id()));
            done.store(true, Ordering::Relaxed);
            let mut setns = |kind: i32| {
                let words = [none(), Number(kind.into())];
                intruder.call(libc::SYS_setns, &words)
            };
            assert_eq!(setns(CLONE_NEWNET), -i64::from(in_networks), "{netns}");
            for kind in [CLONE_NEWNS, CLONE_NEWUSER, 0] {
                assert_eq!(setns(kind), -i64::from(EPERM), "{netns} {kind}");
            }
        });
        watch.stop();
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
#[ignore = "needs root: cargo xtask test"]
fn the_watcher_can_do_nothing_else() {
    use intruder::{Intruder, Word::*};
    use libc::{
        AF_INET, AF_PACKET, AF_UNIX, EACCES, EPERM, O_RDONLY, O_WRONLY, SOCK_DGRAM, SOCK_STREAM,
    };

    let (host, _peer) = host();
    let watch = Watch::start(&host, &["s0"], Hook::Tcx, &[]);
    let watcher = watch.process_id();
    let mut intruder = Intruder::into(watcher);
    let mut open = |path, how: i32| {
        intruder.call(
            libc::SYS_openat,
            &[
                Number(libc::AT_FDCWD.into()),
                Text(path),
                Number(how.into()),
            ],
        )
    };
    // What it may: this is how it is known that the calls are made.
    assert!(open("/proc/self/status", O_RDONLY) >= 0);
    for path in [
        "/etc/shadow",
        "/etc/passwd",
        "/etc/ssh",
        "/proc/1/environ",
        "/root",
    ] {
        assert_eq!(open(path, O_RDONLY), -i64::from(EACCES), "{path}");
    }
    for path in ["/tmp/ftpwatch-lab-never", "/dev/null", "/proc/self/mem"] {
        let refused = open(path, O_WRONLY | libc::O_CREAT);
        assert_eq!(refused, -i64::from(EACCES), "{path}");
    }

    let mut socket = |family: i32, kind: i32| {
        intruder.call(
            libc::SYS_socket,
            &[Number(family.into()), Number(kind.into()), Number(0)],
        )
    };
    assert!(socket(AF_UNIX, SOCK_DGRAM) >= 0);
    for (family, kind) in [
        (AF_INET, SOCK_STREAM),
        (AF_INET, SOCK_DGRAM),
        (libc::AF_INET6, SOCK_STREAM),
        (AF_PACKET, libc::SOCK_RAW),
        (libc::AF_VSOCK, SOCK_STREAM),
    ] {
        assert_eq!(socket(family, kind), -i64::from(EPERM), "{family} {kind}");
    }

    assert_eq!(intruder.call(libc::SYS_getpid, &[]), i64::from(watcher));
    let other = Number(attacher(watcher).into());
    for (call, words) in [
        (
            libc::SYS_execve,
            vec![Text("/bin/true"), Number(0), Number(0)],
        ),
        (
            libc::SYS_execveat,
            vec![
                Number(libc::AT_FDCWD.into()),
                Text("/bin/true"),
                Number(0),
                Number(0),
                Number(0),
            ],
        ),
        // Its end, or another process, would be the end of this test.
        (libc::SYS_fork, vec![]),
        (
            libc::SYS_clone,
            vec![Number(libc::SIGCHLD.into()), Number(0)],
        ),
        (libc::SYS_kill, vec![other, Number(libc::SIGKILL.into())]),
        (
            libc::SYS_ptrace,
            vec![Number(libc::PTRACE_ATTACH.into()), other],
        ),
        (
            libc::SYS_mount,
            vec![
                Text("/"),
                Text("/mnt"),
                Number(0),
                Number(libc::MS_BIND.cast_signed()),
            ],
        ),
        (libc::SYS_setns, vec![Number(0), Number(0)]),
        (libc::SYS_unshare, vec![Number(libc::CLONE_NEWUSER.into())]),
        (libc::SYS_setuid, vec![Number(0)]),
        (libc::SYS_chmod, vec![Text("/etc/shadow"), Number(0o777)]),
        (libc::SYS_io_uring_setup, vec![Number(1), Number(0)]),
        // BPF_MAP_CREATE, BPF_PROG_LOAD, BPF_PROG_GET_FD_BY_ID, BPF_LINK_CREATE
        (libc::SYS_bpf, vec![Number(0), Number(0), Number(0)]),
        (libc::SYS_bpf, vec![Number(5), Number(0), Number(0)]),
        (libc::SYS_bpf, vec![Number(13), Number(0), Number(0)]),
        (libc::SYS_bpf, vec![Number(28), Number(0), Number(0)]),
        // Memory that is code.
        (
            libc::SYS_mmap,
            vec![
                Number(0),
                Number(4096),
                Number((libc::PROT_READ | libc::PROT_EXEC).into()),
                Number((libc::MAP_PRIVATE | libc::MAP_ANONYMOUS).into()),
                Number(-1),
                Number(0),
            ],
        ),
    ] {
        let refused = intruder.call(call, &words);
        assert_eq!(refused, -i64::from(EPERM), "system call {call}, {words:?}");
    }
    drop(intruder);
    watch.stop();
}

/// The same calls, where there is no sandbox: it is what refuses them.
#[cfg(target_arch = "x86_64")]
#[test]
#[ignore = "needs root: cargo xtask test"]
fn without_a_sandbox_it_can() {
    use intruder::{Intruder, Word::*};

    let (host, _peer) = host();
    let watch = Watch::start(&host, &["s0"], Hook::Tcx, &["--sandbox", "off"]);
    let mut intruder = Intruder::into(watch.process_id());
    let path = Text("/etc/shadow");
    let opened = intruder.call(
        libc::SYS_openat,
        &[Number(libc::AT_FDCWD.into()), path, Number(0)],
    );
    assert!(opened >= 0, "{opened}");
    let tcp = [
        Number(libc::AF_INET.into()),
        Number(libc::SOCK_STREAM.into()),
        Number(0),
    ];
    assert!(intruder.call(libc::SYS_socket, &tcp) >= 0);
    drop(intruder);
    watch.stop();
}

/// All of it is to be had here, and what could not be would be said before anything is.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn strict_is_to_be_had() {
    let (host, _peer) = host();
    let watch = Watch::start(&host, &["s0"], Hook::Tcx, &["--sandbox", "strict", "-v"]);
    let report = watch.stop();
    let said = "ftpwatch: sandbox: no_new_privs, Landlock, no capabilities, seccomp\n";
    assert!(
        report.ended.stderr.contains(said),
        "{}",
        report.ended.stderr
    );
}

fn nothing_is_left(hook: Hook) {
    let (host, _peer) = host();
    let watch = Watch::start(&host, &["s0"], hook, &[]);
    assert!(!leftovers::programs(&host, "s0").is_empty());
    kill(watch.process_id());
    wait_until("every interface is let go", SOON, || {
        leftovers::programs(&host, "s0").is_empty().then_some(())
    });
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_killed_watcher_leaves_nothing_on_tcx() {
    nothing_is_left(Hook::Tcx);
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_killed_watcher_leaves_nothing_on_clsact() {
    nothing_is_left(Hook::Clsact);
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_killed_watcher_leaves_nothing_on_xdp() {
    nothing_is_left(Hook::Xdp);
}

/// Each takes open files, and there may be more interfaces than a process has of them unless it asks for more.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn there_may_be_many_interfaces() {
    const PAIRS: usize = 64;
    let (host, _peer) = host();
    let pairs = (0..PAIRS).map(|number| {
        format!("link add a{number} up type veth peer b{number}\nlink set b{number} up\n")
    });
    host.ip(&pairs.collect::<String>());
    let mut command = host.command("prlimit");
    command.args(["--nofile=256:4096", FTPWATCH, "run", "--hook", "tcx", "-v"]);
    let process = Process::start(&mut command);
    let said = process.stderr.wait_for("watching");
    assert_eq!(said.matches(',').count(), 2 * PAIRS, "{said}");
    process.signal(Signal::INT);
    process.wait(SOON).ok();
}

/// Links go with it; filters of clsact would not, and it is asked to end in no other way.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn without_its_attacher_the_watcher_ends() {
    let (host, _peer) = host();
    let watch = Watch::start(&host, &["s0"], Hook::Tcx, &[]);
    kill(attacher(watch.process_id()));
    let ended = watch.finish_as_text(3);
    assert!(ended.stderr.contains("the attacher"), "{ended}");
    leftovers::assert_none(&host, "s0");
}

/// Signals to all of a terminal or a service are for the watcher. A stopped attacher is none that has ended.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn the_attacher_heeds_the_watcher_alone() {
    let (host, _peer) = host();
    let watch = Watch::start(&host, &["s0"], Hook::Clsact, &[]);
    let number = attacher(watch.process_id());
    let process = Pid::from_raw(number.cast_signed()).expect("not zero");
    for signal in [
        Signal::INT,
        Signal::TERM,
        Signal::HUP,
        Signal::STOP,
        Signal::CONT,
    ] {
        kill_process(process, signal).expect("it runs");
    }
    host.ip("link add s1 type veth peer name s2");
    assert_eq!(attacher(watch.process_id()), number);
    watch.stop();
    assert!(!fs::exists(format!("/proc/{number}")).expect("/proc"));
}

/// An interface that comes later is attached by a watcher that could not do so itself. The kernel tells it of changes: it
/// looks by itself less often than this test waits.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn interfaces_come_and_go() {
    let (host, _peer) = host();
    let mut command = host.command(FTPWATCH);
    command.args(["run", "--hook", "tcx", "-v", "--format", "json"]);
    let process = Process::start(&mut command);
    process.stderr.wait_for("watching s0");
    host.ip("link add s1 type veth peer name s2\nlink set s1 up\nlink set s2 up");
    for name in ["s1", "s2"] {
        wait_until("it is watched", SOON, || {
            (leftovers::programs(&host, name).len() == 2).then_some(())
        });
    }
    host.ip("link del s1");
    process.stdout.wait_for("interface_gone");
    process.signal(Signal::INT);
    process.wait(SOON).ok();
    leftovers::assert_none(&host, "s0");
}
