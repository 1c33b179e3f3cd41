//! The command line: what it takes, what it refuses and how, and how a run ends.
//!
//! What belongs here: options, messages and exit status of `ftpwatch run` and of ftpwatch itself. What is said of
//! endpoints belongs in faults.rs.

mod lab;

use lab::netns;
use lab::process::{Ended, Process, run};
use lab::server::FILE;
use lab::stage::{At, Behaviour, Fault, Stage};
use lab::topology::Family::V4;
use lab::topology::{Layout, Topology};
use lab::watch::{FTPWATCH, Hook, Watch, run_command};
use lab::{Directory, SOON, is_root, leftovers, wait_until};
use rustix::process::Signal;
use std::process::Command;
use std::time::{Duration, Instant};

/// Exit statuses of the contract.
const FINE: i32 = 0;
const FAILURES: i32 = 1;
const BAD_USAGE: i32 = 2;
const CANNOT_WATCH: i32 = 3;

fn ftpwatch(words: &[&str]) -> Ended {
    Process::start(Command::new(FTPWATCH).args(words)).wait(SOON)
}

/// It ended with `status`, with nothing on standard output and no panic or verifier log on the screen.
#[track_caller]
fn assert_refused(ended: &Ended, status: i32) {
    assert_eq!(ended.status.code(), Some(status), "{ended}");
    assert_eq!(ended.stdout, "", "results alone go there: {ended}");
    assert!(!ended.stderr.contains("panicked"), "{ended}");
    assert!(!ended.stderr.contains("RUST_BACKTRACE"), "{ended}");
    assert!(!ended.stderr.contains("Caused by"), "{ended}");
}

/// One line says what, a second what to do.
#[track_caller]
fn assert_two_lines(ended: &Ended) {
    let lines = ended
        .stderr
        .lines()
        .filter(|line| !line.trim().is_empty())
        .count();
    assert_eq!(lines, 2, "one line what, one line what to do: {ended}");
}

mod words {
    use super::*;

    #[test]
    fn version() {
        let ended = ftpwatch(&["--version"]).ok();
        assert_eq!(
            ended.stdout,
            format!("ftpwatch {}\n", env!("CARGO_PKG_VERSION")),
            "{ended}"
        );
    }

    #[test]
    fn help_names_the_commands() {
        let ended = ftpwatch(&["--help"]).ok();
        assert!(ended.stdout.contains("run"), "{ended}");
        assert_eq!(ended.stderr, "", "{ended}");
    }

    #[test]
    fn help_of_run_names_its_options() {
        let ended = ftpwatch(&["run", "--help"]).ok();
        for option in [
            "-i",
            "--interface",
            "-p",
            "--control-port",
            "-t",
            "--timeout",
            "--vantage",
            "--format",
            "--show",
            "--hook",
            "--count",
            "--for",
            "--ready-file",
        ] {
            assert!(ended.stdout.contains(option), "no {option}: {ended}");
        }
    }

    #[test]
    fn no_command() {
        assert_refused(&ftpwatch(&[]), BAD_USAGE);
    }

    #[test]
    fn bad_usage() {
        for words in [
            &["frobnicate"] as &[&str],
            &["run", "--frobnicate"],
            &["run", "--hook", "kprobe"],
            &["run", "--format", "xml"],
            &["run", "--show", "nothing"],
            &["run", "--vantage", "moon"],
            &["run", "--timeout", "soon"],
            &["run", "--timeout", "-1s"],
            &["run", "--for", "ever"],
            &["run", "--count", "many"],
            &["run", "--control-port", "0"],
            &["run", "--control-port", "65536"],
            &["run", "--control-port", "21,"],
            &["run", "--control-port", "ftp"],
            &["run", "--interface"],
            &["run", "--ready-file"],
        ] {
            let ended = ftpwatch(words);
            assert_refused(&ended, BAD_USAGE);
            assert_ne!(ended.stderr, "", "{ended}");
        }
    }
}

/// Without the privilege. What is asked of the kernel is nothing that an interface could show: it ends before.
mod privilege {
    use super::*;

    #[track_caller]
    fn assert_says_root(ended: &Ended) {
        assert_refused(ended, CANNOT_WATCH);
        assert_two_lines(ended);
        let text = ended.stderr.to_lowercase();
        assert!(
            text.contains("root") || text.contains("cap_bpf") || text.contains("sudo"),
            "{ended}"
        );
    }

    /// As somebody else than root. The program is copied to where everybody may run it.
    #[test]
    fn not_root() {
        let ended = if is_root() {
            let directory = Directory::new("nobody");
            let copy = directory.path().join("ftpwatch");
            std::fs::copy(FTPWATCH, &copy).expect("a copy of ftpwatch");
            lab::open_to_all(&copy);
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid", "nobody", "--regid", "65534", "--clear-groups"])
                .arg(&copy);
            Process::start(command.args(["run", "--interface", "lo"])).wait(SOON)
        } else {
            ftpwatch(&["run", "--interface", "lo"])
        };
        assert_says_root(&ended);
    }

    /// As root by name alone, as in a container without capabilities.
    #[test]
    fn root_without_capabilities() {
        if !is_root() {
            return; // whoever is not root can't have them taken away; the test above has said it
        }
        let mut command = Command::new("setpriv");
        command.args([
            "--bounding-set",
            "-all",
            "--inh-caps",
            "-all",
            FTPWATCH,
            "run",
            "--interface",
            "lo",
        ]);
        assert_says_root(&Process::start(&mut command).wait(SOON));
    }
}

#[test]
fn no_such_interface() {
    let ended = ftpwatch(&["run", "--interface", "nosuch0"]);
    // Who is not root may be told that first.
    let status = if is_root() {
        BAD_USAGE
    } else {
        ended.status.code().unwrap_or_default()
    };
    assert_refused(&ended, status);
    assert!(status == BAD_USAGE || status == CANNOT_WATCH, "{ended}");
    assert_two_lines(&ended);
    if status == BAD_USAGE {
        assert!(ended.stderr.contains("nosuch0"), "{ended}");
    }
}

/// How a run ends.
mod ending {
    use super::*;

    /// After one working and no failing transfer.
    #[track_caller]
    fn ends_with_summary(signal: Signal) {
        let stage = Stage::set(Fault::Nothing, V4);
        let mut watch = Watch::start(stage.namespace(At::Server), &["s0"], Hook::Tcx, &[]);
        stage.play(Behaviour::Curl).expect("curl").wait(SOON).ok();
        watch.wait_for("outcome", |event| event.is("outcome"));
        let ended = watch.stop_by(signal).ended;
        assert!(
            ended.stderr.contains("connected"),
            "a summary with each outcome: {ended}"
        );
        assert!(ended.stderr.contains('1'), "one endpoint: {ended}");
        assert!(!ended.stderr.contains("panicked"), "{ended}");
    }

    #[test]
    #[ignore = "needs root: cargo xtask test"]
    fn by_ctrl_c() {
        ends_with_summary(Signal::INT);
    }

    #[test]
    #[ignore = "needs root: cargo xtask test"]
    fn by_sigterm() {
        ends_with_summary(Signal::TERM);
    }

    /// The summary is for people; pipelines get results alone.
    #[test]
    #[ignore = "needs root: cargo xtask test"]
    fn with_nothing_seen() {
        let topology = Topology::new(Layout::Direct);
        let options = ["--format", "json", "--show", "failures"];
        let ended = Watch::start_with(&topology.server, &["s0"], &options)
            .stop()
            .ended;
        assert_eq!(ended.stdout, "", "{ended}");
        assert_ne!(ended.stderr, "", "a summary, if of nothing");
    }

    /// The status of `--count` tells a script whether something failed: here nothing did.
    #[test]
    #[ignore = "needs root: cargo xtask test"]
    fn by_count_after_success() {
        let stage = Stage::set(Fault::Nothing, V4);
        let watch = Watch::start_with(
            stage.namespace(At::Server),
            &["s0"],
            &["--format", "json", "--count", "1"],
        );
        stage
            .play(Behaviour::Ftplib)
            .expect("ftplib")
            .wait(SOON)
            .ok();
        let report = watch.finish(FINE);
        assert_eq!(report.of_type("outcome").len(), 1, "{}", report.ended);
    }

    #[test]
    #[ignore = "needs root: cargo xtask test"]
    fn by_count_after_failure() {
        let stage = Stage::set(Fault::ResetOnServer, V4);
        let watch = Watch::start_with(
            stage.namespace(At::Server),
            &["s0"],
            &["--format", "json", "--count", "1", "--timeout", "2s"],
        );
        let client = stage.play(Behaviour::Ftplib);
        let report = watch.finish(FAILURES);
        drop(client);
        assert_eq!(report.of_type("outcome").len(), 1, "{}", report.ended);
    }

    /// Outcomes that are not shown are not counted: with `--show failures` a success passes by.
    #[test]
    #[ignore = "needs root: cargo xtask test"]
    fn by_count_of_what_is_shown() {
        let stage = Stage::set(Fault::Nothing, V4);
        let watch = Watch::start_with(
            stage.namespace(At::Server),
            &["s0"],
            &[
                "--format",
                "json",
                "--show",
                "failures",
                "--count",
                "1",
                "--timeout",
                "2s",
            ],
        );
        stage
            .play(Behaviour::Ftplib)
            .expect("ftplib")
            .wait(SOON)
            .ok();
        stage.break_path(Fault::ResetOnServer);
        let client = stage.play(Behaviour::Ftplib);
        let report = watch.finish(FAILURES);
        drop(client);
        let outcomes: Vec<&str> = report
            .of_type("outcome")
            .iter()
            .map(|event| event.text("/outcome"))
            .collect();
        assert_eq!(outcomes, ["refused"], "{}", report.ended);
    }

    #[test]
    #[ignore = "needs root: cargo xtask test"]
    fn by_time() {
        let topology = Topology::new(Layout::Direct);
        let watch = Watch::start_with(&topology.server, &["s0"], &["--for", "1s"]);
        let began = Instant::now();
        let ended = watch.finish_as_text(FINE);
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "it took {:?}",
            began.elapsed()
        );
        assert_ne!(ended.stderr, "", "a summary");
    }

    #[test]
    #[ignore = "needs root: cargo xtask test"]
    fn by_time_after_failure() {
        let stage = Stage::set(Fault::ResetOnServer, V4);
        let watch = Watch::start_with(
            stage.namespace(At::Server),
            &["s0"],
            &["--for", "4s", "--timeout", "1s"],
        );
        let client = stage.play(Behaviour::Ftplib);
        let ended = watch.finish_as_text(FAILURES);
        drop(client);
        assert!(ended.stdout.contains("refused"), "{}", ended);
    }

    /// `ftpwatch … | head -n 1`: its reader goes after the first line.
    #[test]
    #[ignore = "needs root: cargo xtask test"]
    fn by_closed_pipe() {
        let stage = Stage::set(Fault::Nothing, V4);
        let directory = Directory::new("pipe");
        let ready = directory.path().join("ready");
        let script = format!(
            "{FTPWATCH} run -i s0 --hook clsact --format json --show all --ready-file {} | head -n 1; \
             echo \"${{PIPESTATUS[0]}}\" >&2",
            ready.display()
        );
        let mut command = stage.namespace(At::Server).command("bash");
        let process = Process::start(command.args(["-c", &script]));
        wait_until("ftpwatch is ready", SOON, || ready.exists().then_some(()));
        // It learns that nobody reads when it writes.
        for _ in 0..3 {
            stage.play(Behaviour::Curl).expect("curl").wait(SOON).ok();
        }
        let ended = process.wait(SOON).ok();
        assert_eq!(ended.stdout.lines().count(), 1, "{ended}");
        assert_eq!(
            ended.stderr.lines().last(),
            Some("0"),
            "the status of ftpwatch: {ended}"
        );
        for noise in ["panicked", "Broken pipe", "rror"] {
            assert!(!ended.stderr.contains(noise), "{ended}");
        }
        leftovers::assert_none(stage.namespace(At::Server), "s0");
    }
}

/// An interface that goes is nothing to crash over. The contract leaves open whether the run goes on when there is
/// nothing left to watch; it says which interface went, and ends in order, of itself or at Ctrl-C.
mod interface_gone {
    use super::*;

    #[track_caller]
    fn check(hook: Hook) {
        let stage = Stage::set(Fault::DroppedOnServer, V4);
        let server = stage.namespace(At::Server);
        let mut watch = Watch::start(server, &["s0"], hook, &["--timeout", "3s"]);
        let client = stage.play(Behaviour::Ftplib);
        watch.wait_for("advertisement", |event| event.is("advertised"));
        server.ip("link delete s0");
        let outcome = watch.wait_for("outcome", |event| event.is("outcome"));
        drop(client);
        let ended = watch.end_anyhow();
        assert_eq!(outcome.text("/outcome"), "unknown", "{ended}");
        // It was seen from the server, whatever is watched now.
        assert_eq!(outcome.text("/observer/vantage"), "server", "{ended}");
        let status = ended.status.code();
        assert!(
            [FINE, FAILURES, BAD_USAGE, CANNOT_WATCH]
                .map(Some)
                .contains(&status),
            "{ended}"
        );
        assert!(!ended.stderr.contains("panicked"), "{ended}");
        assert!(ended.stderr.contains("s0"), "which interface went: {ended}");
        assert!(
            !ended.stderr.contains("nothing was lost"),
            "an interface was: {ended}"
        );
    }

    #[test]
    #[ignore = "needs root: cargo xtask test"]
    fn tcx() {
        check(Hook::Tcx);
    }

    #[test]
    #[ignore = "needs root: cargo xtask test"]
    fn clsact() {
        check(Hook::Clsact);
    }

    #[test]
    #[ignore = "needs root: cargo xtask test"]
    fn xdp() {
        check(Hook::Xdp);
    }
}

mod ready_file {
    use super::*;

    /// A stale one is removed at the start, and it comes only when programs are on the interface. That shows as well
    /// that the search for leftovers finds what there is to find.
    #[test]
    #[ignore = "needs root: cargo xtask test"]
    fn is_there_once_attached() {
        for hook in ["tcx", "clsact", "xdp"] {
            let topology = Topology::new(Layout::Direct);
            let directory = Directory::new("ready");
            let ready = directory.path().join("ready");
            std::fs::write(&ready, "of an earlier run").expect("a stale file");
            let stale = identity(&ready);
            let mut command = run_command(&topology.server, &["s0"], &["--hook", hook]);
            let mut process = Process::start(command.arg("--ready-file").arg(&ready));
            wait_until("a new ready-file", SOON, || {
                assert!(!process.has_ended(), "{process}");
                let new = identity(&ready)?;
                (Some(new) != stale).then_some(())
            });
            let programs = leftovers::programs(&topology.server, "s0");
            assert!(
                programs
                    .iter()
                    .any(|program| program.contains(hook_trace(hook))),
                "{programs:?}: {process}"
            );
            process.signal(Signal::INT);
            process.wait(SOON).ok();
            leftovers::assert_none(&topology.server, "s0");
        }
    }

    /// How a hook shows among the programs on an interface.
    fn hook_trace(hook: &str) -> &str {
        match hook {
            "clsact" => "filter",
            other => other,
        }
    }

    /// Where nothing could be attached there is none, not even an old one.
    #[test]
    #[ignore = "needs root: cargo xtask test"]
    fn is_not_there_after_failure() {
        let topology = Topology::new(Layout::Direct);
        let directory = Directory::new("ready");
        let ready = directory.path().join("ready");
        std::fs::write(&ready, "of an earlier run").expect("a stale file");
        let mut command = run_command(&topology.server, &["nosuch0"], &[]);
        let ended = Process::start(command.arg("--ready-file").arg(&ready)).wait(SOON);
        assert_refused(&ended, BAD_USAGE);
        assert!(!ready.exists(), "{ended}");
    }

    /// One that can't be written is an error, and before anything is watched.
    #[test]
    #[ignore = "needs root: cargo xtask test"]
    fn has_no_place() {
        let topology = Topology::new(Layout::Direct);
        let mut command = run_command(
            &topology.server,
            &["s0"],
            &["--ready-file", "/nonexistent/ready"],
        );
        let ended = Process::start(&mut command).wait(SOON);
        assert_refused(&ended, BAD_USAGE);
        assert_two_lines(&ended);
        leftovers::assert_none(&topology.server, "s0");
    }

    /// A file of the same name made anew is another.
    fn identity(path: &std::path::Path) -> Option<(u64, i64, i64)> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec()))
    }
}

/// Which interfaces are watched when none is named: all that are up, and those that come later.
mod interfaces {
    use super::*;

    #[test]
    #[ignore = "needs root: cargo xtask test"]
    fn are_all_by_default() {
        let stage = Stage::set(Fault::DroppedInFront, V4);
        let router = stage.namespace(At::Router);
        let options = ["--format", "json", "--count", "1", "--timeout", "2s"];
        let watch = Watch::start_with(router, &[], &options);
        for interface in ["r0", "r1"] {
            assert!(
                !leftovers::programs(router, interface).is_empty(),
                "{interface} is not watched"
            );
        }
        assert!(
            leftovers::programs(router, "lo").is_empty(),
            "lo is watched"
        );
        let client = stage.play(Behaviour::Ftplib);
        let report = watch.finish(FAILURES);
        drop(client);
        assert_eq!(
            report.of_type("outcome")[0].text("/outcome"),
            "no_answer",
            "{}",
            report.ended
        );
        for interface in ["r0", "r1"] {
            leftovers::assert_none(router, interface);
        }
    }

    #[test]
    #[ignore = "needs root: cargo xtask test"]
    fn are_followed() {
        let stage = Stage::set(Fault::Nothing, V4);
        let server = stage.namespace(At::Server);
        let watch = Watch::start_with(server, &[], &["--format", "json"]);
        netns::cable((server, "s1"), (stage.namespace(At::Router), "r2"));
        wait_until("s1 is watched", SOON, || {
            (!leftovers::programs(server, "s1").is_empty()).then_some(())
        });
        watch.stop();
        for interface in ["s0", "s1"] {
            leftovers::assert_none(server, interface);
        }
    }
}

/// Others' things on the interface stay as they are.
mod neighbours {
    use super::*;

    /// A clsact qdisc and a filter that were there before.
    #[test]
    #[ignore = "needs root: cargo xtask test"]
    fn keep_their_filters() {
        for hook in [Hook::Tcx, Hook::Clsact, Hook::Xdp] {
            let topology = Topology::new(Layout::Direct);
            let tc = |words: &str| run(topology.server.command("tc").args(words.split(' ')), "");
            tc("qdisc add dev s0 clsact");
            tc("filter add dev s0 ingress prio 1 protocol all u32 match u32 0 0 classid 1:1");
            tc("filter add dev s0 egress prio 1 protocol all u32 match u32 0 0 classid 1:1");
            let look = || {
                (
                    tc("qdisc show dev s0"),
                    tc("filter show dev s0 ingress"),
                    tc("filter show dev s0 egress"),
                )
            };
            let before = look();
            assert!(before.1.contains("u32"), "{before:?}");
            Watch::start(&topology.server, &["s0"], hook, &[]).stop();
            assert_eq!(look(), before, "after {hook:?}");
        }
    }
}

/// The table is for people: the failure stands in it, in a line, without colour into a pipe.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn table_shows_the_failure() {
    let stage = Stage::set(Fault::PrivateAddress, V4);
    let watch = Watch::start_with(
        stage.namespace(At::Server),
        &["s0"],
        &["--count", "1", "--timeout", "2s"],
    );
    let client = stage.play(Behaviour::TrustingCurl);
    let report = watch.finish_as_text(FAILURES);
    drop(client);
    let row = report
        .stdout
        .lines()
        .find(|line| line.contains("no_syn"))
        .unwrap_or_else(|| panic!("no row: {report}"));
    for part in [
        "198.51.100.7",
        "203.0.113.10",
        "172.16.40.222:",
        "private_address",
    ] {
        assert!(row.contains(part), "no {part}: {report}");
    }
    assert!(
        !report.stdout.contains('\x1b') && !report.stderr.contains('\x1b'),
        "colour into a pipe: {report}"
    );
    assert!(!report.stdout.contains(FILE), "{report}");
}
