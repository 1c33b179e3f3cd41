//! Servers in other network namespaces than ftpwatch's own, watched from outside: `run --netns`.
//!
//! What belongs here: what is seen there, and namespaces that come and go. What the two processes may do is in sandbox.rs.

mod lab;
mod packets;

use std::fs;
use std::process::Command;

use lab::fault::Fault;
use lab::frames::Frames;
use lab::leftovers;
use lab::netns::{Namespace, cable};
use lab::process::Process;
use lab::stage::{Behaviour, Stage};
use lab::topology::Family::V4;
use lab::watch::{Event, FTPWATCH, Watch, run_command};
use lab::{Directory, SOON, wait_until};
use packets::{Conversation, Packet, ethernet};
use rustix::process::{Pid, Signal, kill_process};

/// What is said of everything, soon.
const ALL: [&str; 6] = ["--format", "json", "--show", "all", "--timeout", "3s"];

/// ftpwatch outside, where nothing is, and whose namespaces it watches.
fn watch<'a>(outside: &'a Namespace, inside: &[&str], options: &[&str]) -> Watch<'a> {
    let mut all = Vec::from(ALL);
    for name in inside {
        all.extend(["--netns", name]);
    }
    all.extend(options);
    Watch::start_with(outside, &[], &all)
}

/// A namespace, and a cable to it.
struct Wire {
    inside: Namespace,
    peer: Namespace,
}

impl Wire {
    fn new() -> Self {
        let (inside, peer) = (Namespace::new("server"), Namespace::new("client"));
        cable((&inside, "s0"), (&peer, "c0"));
        Self { inside, peer }
    }

    fn shown(&self) -> String {
        format!("{}/s0", self.inside.name())
    }

    fn frames(&self) -> Frames {
        let frames = self.peer.enter(|| Frames::onto("c0"));
        frames.expect("there is a cable")
    }

    /// Has an endpoint advertised, and waits until that is told.
    #[track_caller]
    fn advertise(&self, watch: &mut Watch) -> Event {
        let mut talk = Conversation::numbered(1);
        let frames = self.frames();
        send(&frames, &talk.opening());
        send(&frames, &talk.exchange(20_000));
        watch.wait_for("advertisement", |event| event.is("advertised"))
    }

    #[track_caller]
    fn wait_until_watched(&self) {
        wait_until("it is watched", SOON, || {
            let there = leftovers::lasting(&self.inside, "s0");
            (!there.is_empty()).then_some(())
        });
    }
}

fn send(frames: &Frames, packets: &[Packet]) {
    frames.send(ethernet(packets)).expect("it takes them");
}

/// Runs ftpwatch to its end, which is an error, and returns what it said.
#[track_caller]
fn refused(command: &mut Command, status: i32) -> String {
    let ended = Process::start(command).wait(SOON);
    assert_eq!(ended.status.code(), Some(status), "{ended}");
    ended.stderr
}

/// A real server, something wrong with it, and a real client. The cause takes whose the addresses are and, in the last
/// one, what the server listens on, both in its namespace.
#[track_caller]
fn tells(fault: Fault, behaviour: Behaviour, outcome: &str, cause: &str) {
    let stage = Stage::set(fault, V4);
    let server = &stage.topology.server;
    let outside = Namespace::new("outside");
    let mut watch = watch(&outside, &[server.name()], &[]);
    let playing = stage.play(behaviour);
    let event = watch.wait_for("outcome", |event| {
        event.is("outcome") && event.text("/outcome") != "connected"
    });
    drop(playing);
    assert_eq!(
        (event.text("/outcome"), event.text("/cause")),
        (outcome, cause)
    );
    let observer = &event.json["observer"];
    assert_eq!(observer["vantage"], "server");
    let shown = format!("{}/s0", server.name());
    assert_eq!(observer["interfaces"], serde_json::json!([shown]));
    watch.stop();
    leftovers::assert_none(server, "s0");
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_firewall_inside() {
    tells(
        Fault::DroppedOnServer,
        Behaviour::Impatient,
        "no_answer",
        "local_drop",
    );
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_firewall_on_the_way() {
    tells(
        Fault::DroppedInFront,
        Behaviour::Impatient,
        "no_syn",
        "path_blocked",
    );
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn who_listens_is_looked_at_inside() {
    tells(
        Fault::PortRewritten,
        Behaviour::Stays,
        "refused",
        "port_rewritten",
    );
}

/// Interfaces outside are watched as ever, and those inside by their names: alone, or where there is one in each.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn interfaces_are_chosen_by_name() {
    let wire = Wire::new();
    let outside = Namespace::new("outside");
    cable((&outside, "s0"), (&wire.inside, "s1"));
    let (name, shown) = (wire.inside.name(), wire.shown());
    for (options, there) in [
        (&[][..], [true, true, true]),
        (&["-i", "s0"], [true, true, false]),
        (&["-i", &shown], [false, true, false]),
        (&["-i", "s1"], [false, false, true]),
    ] {
        let watch = watch(&outside, &[name], options);
        let watched = [(&outside, "s0"), (&wire.inside, "s0"), (&wire.inside, "s1")];
        let watched = watched.map(|(place, name)| !leftovers::lasting(place, name).is_empty());
        assert_eq!(watched, there, "{options:?}");
        watch.stop();
    }
    leftovers::assert_none(&outside, "s0");
    leftovers::assert_none(&wire.inside, "s0");
    let mut command = run_command(&outside, &["s2"], &["--netns", name]);
    let said = refused(&mut command, 2);
    let all = format!("There are: {name}/lo, {name}/s0, {name}/s1, lo, s0.");
    assert!(said.contains("there is no interface s2"), "{said}");
    assert!(said.contains(&all), "{said}");
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn interfaces_come_and_go() {
    let wire = Wire::new();
    let outside = Namespace::new("outside");
    let mut watch = watch(&outside, &[wire.inside.name()], &[]);
    wire.inside.ip("link add s1 up type veth peer s2");
    wait_until("it is watched", SOON, || {
        let there = leftovers::lasting(&wire.inside, "s1");
        (!there.is_empty()).then_some(())
    });
    wire.inside.ip("link del s1");
    // It may be seen to be down before.
    let loss = watch.wait_for("loss", |event| event.text("/what") == "interface_gone");
    let shown = format!("{}/s1 went away", wire.inside.name());
    assert!(loss.text("/meaning").starts_with(&shown), "{loss:?}");
    watch.stop();
    leftovers::assert_none(&wire.inside, "s0");
}

/// That an interface went down is known before it is judged that nobody came.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn an_interface_that_goes_down_is_a_loss_and_no_failure() {
    let wire = Wire::new();
    let outside = Namespace::new("outside");
    let mut watch = watch(&outside, &[wire.inside.name()], &[]);
    wire.advertise(&mut watch);
    wire.inside.ip("link set s0 down");
    let loss = watch.wait_for("loss", |event| event.is("loss"));
    assert_eq!(loss.text("/what"), "interface_down");
    let outcome = watch.wait_for("outcome", |event| event.is("outcome"));
    assert_eq!(outcome.text("/outcome"), "unknown");
    watch.stop();
}

/// A namespace that has lost its name is let go of, and is gone; one that is made again is entered again.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_namespace_goes_and_comes_again() {
    let wire = Wire::new();
    let outside = Namespace::new("outside");
    let mut watch = watch(&outside, &[wire.inside.name()], &[]);
    wire.advertise(&mut watch);
    wire.inside.remove();
    let loss = watch.wait_for("loss", |event| event.is("loss"));
    assert_eq!(
        (loss.text("/what"), loss.text("/state")),
        ("interface_gone", "blind")
    );
    let shown = format!("{} went away", wire.shown());
    assert!(loss.text("/meaning").starts_with(&shown), "{loss:?}");
    let outcome = watch.wait_for("outcome", |event| event.is("outcome"));
    assert_eq!(outcome.text("/outcome"), "unknown");
    // Nobody keeps it: the other end of the cable is gone, too.
    wait_until("the namespace is gone", SOON, || {
        (!wire.peer.has("c0")).then_some(())
    });

    wire.inside.make_again();
    cable((&wire.inside, "s0"), (&wire.peer, "c0"));
    wire.wait_until_watched();
    let frames = wire.frames();
    let mut talk = Conversation::numbered(2);
    send(&frames, &talk.opening());
    send(&frames, &talk.exchange(20_001));
    send(&frames, &talk.data(20_001).handshake());
    let connected = watch.wait_for("connection", |event| event.text("/outcome") == "connected");
    assert_eq!(connected.number("/advertised/port"), Some(20_001));
    let interfaces = &connected.json["observer"]["interfaces"];
    assert_eq!(interfaces, &serde_json::json!([wire.shown()]));
    watch.stop();
    leftovers::assert_none(&wire.inside, "s0");
}

/// Also where the first one is there still: its name is what was asked for.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn another_namespace_may_take_the_name() {
    let wire = Wire::new();
    let outside = Namespace::new("outside");
    let holder = wire.inside.handle();
    let watch = watch(&outside, &[wire.inside.name()], &["--hook", "clsact"]);
    wire.inside.remove();
    wire.inside.make_again();
    wire.inside.ip("link add s1 up type veth peer s2");
    wait_until("the other is watched", SOON, || {
        let there = leftovers::lasting(&wire.inside, "s1");
        (!there.is_empty()).then_some(())
    });
    // Filters of clsact do not go by themselves.
    let left = std::thread::spawn(move || {
        lab::netns::stay_in(&holder);
        let mut tc = Command::new("tc");
        lab::process::run(tc.args(["filter", "show", "dev", "s0", "ingress"]), "")
    });
    assert_eq!(left.join().expect("tc runs"), "");
    watch.stop();
    leftovers::assert_none(&wire.inside, "s1");
}

/// By name, by path, and ftpwatch's own: each is watched once.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn one_namespace_is_watched_once() {
    let wire = Wire::new();
    let outside = Namespace::new("outside");
    cable((&outside, "o0"), (&wire.peer, "c1"));
    let path = format!("/run/netns/{}", wire.inside.name());
    let names = [wire.inside.name(), &path, "/proc/self/ns/net"];
    let mut watch = watch(&outside, &names, &[]);
    assert_eq!(leftovers::lasting(&wire.inside, "s0").len(), 2);
    assert_eq!(leftovers::lasting(&outside, "o0").len(), 2);
    let event = wire.advertise(&mut watch);
    let interfaces = &event.json["observer"]["interfaces"];
    assert_eq!(interfaces, &serde_json::json!(["o0", wire.shown()]));
    let report = watch.stop();
    // A namespace that is watched under another name is not missing.
    let stats = &report.of_type("stats")[0].json;
    assert_eq!(stats["state"], "ok", "{stats}");
}

/// Also where the other one is inside: an interface is claimed in its own namespace.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn an_interface_is_watched_by_one() {
    let wire = Wire::new();
    let outside = Namespace::new("outside");
    let watch = watch(&outside, &[wire.inside.name()], &[]);
    let said = refused(&mut run_command(&wire.inside, &["s0"], &[]), 2);
    let holder = format!("s0 is watched already, by process {} ", watch.process_id());
    assert!(said.contains(&holder), "{said}");
    watch.stop();

    let inside = Watch::start_with(&wire.inside, &["s0"], &ALL);
    let mut command = run_command(&outside, &[], &["--netns", wire.inside.name()]);
    let said = refused(&mut command, 2);
    let holder = format!("{} is watched already, by process", wire.shown());
    assert!(said.contains(&holder), "{said}");
    inside.stop();
}

#[track_caller]
fn nothing_is_left(hook: &str) {
    let wire = Wire::new();
    let outside = Namespace::new("outside");
    let watch = watch(&outside, &[wire.inside.name()], &["--hook", hook]);
    wire.wait_until_watched();
    let watcher = Pid::from_raw(watch.process_id().cast_signed()).expect("not zero");
    kill_process(watcher, Signal::KILL).expect("it runs");
    wait_until("every interface is let go", SOON, || {
        let left = leftovers::programs(&wire.inside, "s0");
        left.is_empty().then_some(())
    });
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_killed_watcher_leaves_nothing_on_tcx() {
    nothing_is_left("tcx");
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_killed_watcher_leaves_nothing_on_clsact() {
    nothing_is_left("clsact");
}

/// Others are watched as before; what was asked for by name is missed.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_namespace_that_is_gone_is_missing() {
    let wire = Wire::new();
    let outside = Namespace::new("outside");
    cable((&outside, "o0"), (&wire.peer, "c1"));
    let mut watch = watch(&outside, &[wire.inside.name()], &[]);
    wire.inside.remove();
    let loss = watch.wait_for("loss", |event| event.is("loss"));
    assert_eq!(loss.text("/state"), "degraded");
    let ended = watch.stop().ended;
    let state = "state: degraded: interfaces or namespaces that are not there: 1\n";
    assert!(ended.stderr.ends_with(state), "{ended}");
    leftovers::assert_none(&outside, "o0");
}

/// Who is root inside makes interfaces without end, and takes nothing from others.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn too_many_interfaces_are_said() {
    const MANY: usize = 512;
    let wire = Wire::new();
    let outside = Namespace::new("outside");
    let mut watch = watch(&outside, &[wire.inside.name()], &[]);
    let pairs = (0..MANY).map(|number| format!("link add a{number} type veth peer b{number}\n"));
    wire.inside.ip(&pairs.collect::<String>());
    let said = watch.process().stderr.wait_for("interfaces and");
    let what = format!("ftpwatch: the network namespace {} has", wire.inside.name());
    assert!(said.starts_with(&what), "{said}");
    wire.advertise(&mut watch);
    wire.inside.ip("link del a0");
    wire.inside.ip("link del a1");
    wire.inside.ip("link add late up type veth peer later");
    wait_until("it is watched", SOON, || {
        let there = leftovers::lasting(&wire.inside, "late");
        (!there.is_empty()).then_some(())
    });
    watch.stop();
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn what_is_no_namespace_is_refused() {
    let outside = Namespace::new("outside");
    let directory = Directory::new("netns");
    let file = directory.path().join("file");
    fs::write(&file, "").expect("there is room");
    let (file, folder) = (file.display().to_string(), directory.path().display());
    for (name, said) in [
        ("nosuch", "there is no network namespace nosuch"),
        (
            "/proc/0/ns/net",
            "there is no network namespace /proc/0/ns/net",
        ),
        (&file, &format!("{file} is no network namespace")),
        (
            &folder.to_string(),
            &format!("{folder} is no network namespace"),
        ),
        (
            "/proc/self/ns/mnt",
            "/proc/self/ns/mnt is no network namespace",
        ),
    ] {
        let error = refused(&mut run_command(&outside, &[], &["--netns", name]), 2);
        assert!(error.contains(said), "{error}");
        assert!(error.contains("ip netns list"), "{error}");
    }
}

/// ftpwatch as the service runs it, as nobody with these capabilities.
fn as_nobody(outside: &Namespace, inside: &Namespace, capabilities: &str) -> Command {
    let mut command = outside.command("setpriv");
    command
        .args(["--no-new-privs", "--clear-groups"])
        .args(["--reuid", "65534", "--regid", "65534"])
        .args(["--inh-caps", capabilities, "--ambient-caps", capabilities])
        .args(["--bounding-set", capabilities])
        .args([FTPWATCH, "run", "-v", "--netns", inside.name()]);
    command
}

/// What watching takes otherwise is not enough; with that one it is.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn without_cap_sys_admin_none_is_entered() {
    let wire = Wire::new();
    let outside = Namespace::new("outside");
    let all = "-all,+bpf,+net_admin,+perfmon,+sys_admin";
    let process = Process::start(&mut as_nobody(&outside, &wire.inside, all));
    let said = process.stderr.wait_for("watching");
    let shown = format!("ftpwatch: watching {} through ", wire.shown());
    assert!(said.starts_with(&shown), "{said}");
    process.signal(Signal::INT);
    process.wait(SOON).ok();
    leftovers::assert_none(&wire.inside, "s0");

    let few = "-all,+bpf,+net_admin,+perfmon";
    let said = refused(&mut as_nobody(&outside, &wire.inside, few), 3);
    let what = format!(
        "not permitted to enter the network namespace {}",
        wire.inside.name()
    );
    assert!(said.contains(&what), "{said}");
    assert!(said.contains("CAP_SYS_ADMIN"), "{said}");
}

#[test]
fn what_is_pinned_is_of_one_namespace() {
    let mut command = Command::new(FTPWATCH);
    command.args(["run", "--pin", "--netns", "blue"]);
    let said = refused(&mut command, 2);
    assert!(
        said.contains("--netns and --pin do not go together"),
        "{said}"
    );
}
