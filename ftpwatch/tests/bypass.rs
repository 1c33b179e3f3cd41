//! Packets that pass the hook by: found out, said, and no more once they reach it.
//!
//! What belongs here: whatever can stand before ftpwatch's programs, or in their place. The packets mean nothing; they go
//! on and off until ftpwatch has said what it has to say.

#[allow(dead_code, reason = "these tests use a part of it")]
#[path = "../benches/suite/assembly.rs"]
mod assembly;
mod lab;
mod packets;

use std::fs;
use std::os::fd::OwnedFd;

use assembly::{EXIT, Kind, MOV_IMMEDIATE, TCX, instruction};
use lab::frames::Frames;
use lab::leftovers;
use lab::netns::{Namespace, cable};
use lab::process::run;
use lab::watch::{self, Hook, Watch};
use lab::{SOON, wait_until};
use packets::{Conversation, Family, ethernet};
use rustix::process::{Pid, Signal, kill_process};

/// `BPF_XDP`, and `BPF_F_BEFORE`: before all others.
const XDP: u32 = 37;
const FIRST: u32 = 1 << 3;

/// `TCX_PASS`, which ends the chain, and `XDP_DROP`.
const PASS: i32 = 0;
const DROP: i32 = 1;

/// Frames that are sent each time it is looked whether something was said.
const BURST: usize = 10;

#[derive(Clone, Copy)]
enum Way {
    In,
    Out,
}

impl Way {
    const BOTH: [Self; 2] = [Self::In, Self::Out];

    fn of_tc(self) -> &'static str {
        ["ingress", "egress"][self as usize]
    }

    fn of_interface(self) -> &'static str {
        ["came in on s0", "went out of s0"][self as usize]
    }
}

/// A host, and a cable to it.
struct Wire {
    host: Namespace,
    _peer: Namespace,
    /// What comes in, and what goes out.
    frames: [Frames; 2],
}

impl Wire {
    fn new() -> Self {
        let (host, peer) = (Namespace::new("server"), Namespace::new("client"));
        cable((&host, "s0"), (&peer, "c0"));
        let onto = |namespace: &Namespace, name| {
            namespace
                .enter(|| Frames::onto(name))
                .expect("there is a cable")
        };
        Self {
            frames: [onto(&peer, "c0"), onto(&host, "s0")],
            host,
            _peer: peer,
        }
    }

    /// Nothing that anybody would answer: of an experiment's EtherType.
    fn send(&self, way: Way, count: usize) {
        let mut frame = vec![0; 60];
        frame[12..14].copy_from_slice(&[0x88, 0xb5]);
        self.frames[way as usize]
            .send(vec![frame; count])
            .expect("it takes them");
    }

    fn tc(&self, words: &str) {
        // What belongs together has a space that does not break.
        let words = words.split(' ').map(|word| word.replace('\u{a0}', " "));
        run(self.host.command("tc").args(words), "");
    }

    /// A program of nothing but a verdict, before all others.
    fn put_in_front(&self, kind: Kind, verdict: i32, place: u32, flags: u32) -> OwnedFd {
        let program = [
            instruction(MOV_IMMEDIATE, 0, 0, 0, verdict),
            instruction(EXIT, 0, 0, 0, 0),
        ];
        let program = assembly::load(kind, &program).expect("it is loaded");
        self.host
            .enter(|| assembly::attach_to(&program, "s0", place, flags))
            .expect("it is attached")
    }

    /// Whether a program that counts is there.
    fn is_counted(&self) -> bool {
        let programs = leftovers::programs(&self.host, "s0");
        programs
            .iter()
            .any(|program| program.contains("ftpwatch_in") || program.contains("ftpwatch_out"))
    }

    /// Sends until `said` is.
    #[track_caller]
    fn send_until(&self, way: Way, watch: &Watch, said: &str) {
        let what = format!("\"{said}\" is said");
        wait_until(&what, SOON, || {
            self.send(way, BURST);
            let has_said = watch.process().stderr.text().contains(said);
            has_said.then_some(())
        });
    }

    /// Makes it look, and sends until it has looked.
    #[track_caller]
    fn send_while_it_looks(&self, way: Way, watch: &Watch, count: usize) -> usize {
        let mut sent = 0;
        wait_until("the first look is over", SOON, || {
            (!self.is_counted()).then_some(())
        });
        watch.process().signal(Signal::HUP);
        for is_there in [true, false] {
            wait_until("it is looked", SOON, || {
                self.send(way, count);
                sent += count;
                (self.is_counted() == is_there).then_some(())
            });
        }
        sent
    }
}

/// With `shut`, what goes `way` is hidden from the hook; with `open`, it is not any more.
#[track_caller]
fn is_found_out<T>(hook: Hook, way: Way, shut: impl Fn(&Wire) -> T, open: impl Fn(&Wire, T)) {
    let wire = Wire::new();
    let mut watch = Watch::start(&wire.host, &["s0"], hook, &["--timeout", "20s"]);
    let mut talk = Conversation::new(Family::V4);
    let mut packets = talk.opening().to_vec();
    packets.extend(talk.exchange(20_000));
    wire.frames[0].send(ethernet(&packets)).expect("it is sent");
    watch.wait_for("the endpoint", |event| {
        event.is("session") || event.is("advertised")
    });
    let shutter = shut(&wire);
    watch.process().signal(Signal::HUP);
    wire.send_until(way, &watch, "ftpwatch: blind: none of the ");
    let loss = watch.wait_for("the loss", |event| event.is("loss"));
    assert_eq!(loss.text("/what"), "bypassed");
    assert_eq!(loss.text("/state"), "blind");
    assert!(
        loss.text("/meaning").contains(way.of_interface()),
        "{:?}",
        loss.json
    );
    let outcome = watch.wait_for("the outcome", |event| event.is("outcome"));
    assert_eq!(outcome.text("/outcome"), "unknown");
    open(&wire, shutter);
    wire.send_until(way, &watch, "packets reach the hook of s0 again");
    let report = watch.stop();
    assert_eq!(report.of_type("loss").len(), 1);
    let stats = report.of_type("stats");
    assert_eq!(stats[0].text("/state"), "degraded", "{:?}", stats[0].json);
}

/// Whatever comes is of class 1:1, and so the chain ends.
const ALL: &str = "bpf bytecode 1,6\u{a0}0\u{a0}0\u{a0}4294967295, flowid 1:1";

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_filter_in_front() {
    for way in Way::BOTH {
        let of_tc = way.of_tc();
        is_found_out(
            Hook::Clsact,
            way,
            |wire| wire.tc(&format!("filter add dev s0 {of_tc} pref 1 {ALL}")),
            |wire, ()| wire.tc(&format!("filter del dev s0 {of_tc} pref 1")),
        );
    }
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_program_in_front() {
    for way in Way::BOTH {
        is_found_out(
            Hook::Tcx,
            way,
            |wire| wire.put_in_front(Kind::Tc, PASS, TCX[way as usize], FIRST),
            |_, link| drop(link),
        );
    }
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn xdp_in_front() {
    is_found_out(
        Hook::Tcx,
        Way::In,
        |wire| wire.put_in_front(Kind::Xdp, DROP, XDP, 0),
        |_, link| drop(link),
    );
}

/// Beside XDP there is the other way.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_program_in_front_of_what_goes_out_beside_xdp() {
    is_found_out(
        Hook::Xdp,
        Way::Out,
        |wire| wire.put_in_front(Kind::Tc, PASS, TCX[Way::Out as usize], FIRST),
        |_, link| drop(link),
    );
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn who_is_seen_is_not_accused() {
    for hook in [Hook::Tcx, Hook::Clsact, Hook::Xdp] {
        for way in Way::BOTH {
            let wire = Wire::new();
            let watch = Watch::start(&wire.host, &["s0"], hook, &[]);
            let sent = wire.send_while_it_looks(way, &watch, 1_000);
            assert!(sent >= 1_000);
            assert_fine(watch);
        }
    }
}

/// Nobody sees anything, but that is not much.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_few_packets_prove_nothing() {
    let wire = Wire::new();
    let watch = Watch::start(&wire.host, &["s0"], Hook::Tcx, &[]);
    let links = TCX.map(|place| wire.put_in_front(Kind::Tc, PASS, place, FIRST));
    wire.send_while_it_looks(Way::In, &watch, 1);
    drop(links);
    assert_fine(watch);
}

#[track_caller]
fn assert_fine(watch: Watch) {
    let report = watch.stop();
    assert!(report.of_type("loss").is_empty(), "{:?}", report.events);
    assert_eq!(report.of_type("stats")[0].text("/state"), "ok");
}

/// Then the next look puts it there again.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn who_is_taken_off_comes_back() {
    let wire = Wire::new();
    let mut watch = Watch::start(&wire.host, &["s0"], Hook::Clsact, &[]);
    let is_ours = |program: &&String| program.contains("ftpwatch_ether");
    let ours = || {
        let programs = leftovers::programs(&wire.host, "s0");
        programs.iter().filter(is_ours).count()
    };
    wait_until("the first look is over", SOON, || {
        (!wire.is_counted()).then_some(())
    });
    wire.tc("filter del dev s0 ingress");
    assert_eq!(ours(), 1);
    watch.process().signal(Signal::HUP);
    let loss = watch.wait_for("the loss", |event| event.is("loss"));
    assert_eq!(loss.text("/what"), "bypassed");
    assert!(
        loss.text("/meaning")
            .starts_with("somebody took ftpwatch off s0")
    );
    wait_until("it is back", SOON, || (ours() == 2).then_some(()));
    let report = watch.stop();
    assert_eq!(report.of_type("loss").len(), 1);
}

/// A filter of clsact stays when its process is killed. The next one takes it off.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn what_a_killed_one_left_is_taken_off() {
    let wire = Wire::new();
    let watch = Watch::start(&wire.host, &["s0"], Hook::Clsact, &[]);
    wait_until("it is counted", SOON, || wire.is_counted().then_some(()));
    let watcher = watch.process_id();
    let children = fs::read_to_string(format!("/proc/{watcher}/task/{watcher}/children"));
    let attacher = children
        .expect("it runs")
        .trim()
        .parse()
        .expect("it has one child");
    kill_process(Pid::from_raw(attacher).expect("not zero"), Signal::KILL).expect("it runs");
    watch.finish_as_text(3);
    assert!(wire.is_counted());
    let watch = Watch::start(&wire.host, &["s0"], watch::Hook::Clsact, &[]);
    wait_until("the look is over", SOON, || {
        (!wire.is_counted()).then_some(())
    });
    watch.stop();
}
