//! What outlives the process: `run --pin`, `status`, `detach`; and that no two watch one interface.
//!
//! What belongs here: what becomes of endpoints, programs and maps when processes end and begin. Each test has a BPF file
//! system of its own.

mod lab;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use ftpwatch::source::kernel::{Hook as Way, Kernel, Room, Settings};
use lab::bpffs::Bpffs;
use lab::process::{Ended, Process, run};
use lab::server::CONTROL_PORT;
use lab::topology::{Family::V4, Layout, Topology};
use lab::watch::{FTPWATCH, Hook, Watch};
use lab::{Directory, SOON, leftovers, wait_until};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde_json::Value;

/// A host that is watched, and a client of it.
struct Scene {
    topology: Topology,
    bpffs: Bpffs,
    control: TcpListener,
    address: SocketAddr,
}

/// A control connection with an endpoint advertised on it.
struct Session {
    client: TcpStream,
    server: TcpStream,
    endpoint: SocketAddr,
}

/// The first passive port.
const FIRST: u16 = 30_000;

impl Scene {
    fn set() -> Self {
        let topology = Topology::new(Layout::Direct);
        let address = SocketAddr::new(topology.server_address(V4), CONTROL_PORT);
        Self {
            control: topology.server.listen(address),
            topology,
            bpffs: Bpffs::mount(),
            address,
        }
    }

    #[track_caller]
    fn watch(&self, hook: Hook) -> Watch<'_> {
        self.watch_for(hook, "1h")
    }

    #[track_caller]
    fn watch_for(&self, hook: Hook, timeout: &str) -> Watch<'_> {
        let root = self.bpffs.root();
        let root = root.to_str().expect("text");
        let options = ["--pin", "--pin-path", root, "--timeout", timeout];
        Watch::start(&self.topology.server, &["s0"], hook, &options)
    }

    /// `ftpwatch …`, to its end.
    fn ftpwatch(&self, words: &[&str]) -> Ended {
        let mut command = self.topology.server.command(FTPWATCH);
        command.args(words).arg("--pin-path").arg(self.bpffs.root());
        Process::start(&mut command).wait(SOON)
    }

    /// What `status` says, and its exit status.
    fn status(&self) -> (Value, i32) {
        let ended = self.ftpwatch(&["status", "--format", "json"]);
        let status = ended.status.code().expect("it ended by itself");
        let json = serde_json::from_str(&ended.stdout);
        (
            json.unwrap_or_else(|error| panic!("{error}: {ended}")),
            status,
        )
    }

    /// Waits until so many outcomes were told, and that is on record.
    #[track_caller]
    fn wait_for_outcomes(&self, wanted: u64) {
        wait_until("outcomes on record", SOON, || {
            let outcomes = self.status().0["books"]["outcomes"].clone();
            let outcomes = outcomes.as_object().expect("an object").values();
            let sum: u64 = outcomes.filter_map(Value::as_u64).sum();
            (sum >= wanted).then_some(())
        });
    }

    /// Advertises passive ports, each on a control connection of its own.
    fn advertise_each(&self, numbers: std::ops::Range<u16>) -> Vec<Session> {
        let advertise = |number| {
            let client = TcpStream::connect(self.address).expect("a control connection");
            let (server, _) = self.control.accept().expect("a control connection");
            let endpoint = SocketAddr::new(self.address.ip(), FIRST + number);
            let session = Session {
                client,
                server,
                endpoint,
            };
            session.server_says("220 Scripted");
            session.client_says("PASV");
            session.server_says(&lab::server::endpoint_reply("PASV", endpoint));
            session
        };
        let client = &self.topology.client;
        client.enter(|| numbers.map(advertise).collect())
    }

    fn advertise(&self, number: u16) -> Session {
        self.advertise_each(number..number + 1).remove(0)
    }

    /// Opens the data connections, which are taken.
    fn connect(&self, sessions: &[Session]) {
        let endpoints = || sessions.iter().map(|session| session.endpoint);
        let listen = |endpoint| TcpListener::bind(endpoint).expect("a free port");
        let server = &self.topology.server;
        let listeners: Vec<TcpListener> = server.enter(|| endpoints().map(listen).collect());
        let connect = |endpoint| TcpStream::connect(endpoint).expect("a data connection");
        let client = &self.topology.client;
        let connections: Vec<TcpStream> = client.enter(|| endpoints().map(connect).collect());
        for listener in &listeners {
            listener.accept().expect("a data connection");
        }
        drop(connections);
    }

    /// How many programs are attached. tc tells of a filter's kind in a line of its own.
    fn programs(&self) -> usize {
        let programs = leftovers::lasting(&self.topology.server, "s0");
        let filters = |line: &&String| line.contains(" bpf ") && !line.contains("handle");
        programs.len() - programs.iter().filter(filters).count()
    }

    fn assert_nothing_is_left(&self) {
        leftovers::assert_none(&self.topology.server, "s0");
        assert!(!self.bpffs.root().exists());
    }
}

impl Session {
    #[track_caller]
    fn server_says(&self, text: &str) {
        say(&self.server, &self.client, text);
    }

    #[track_caller]
    fn client_says(&self, text: &str) {
        say(&self.client, &self.server, text);
    }

    fn quit(self) {
        self.client_says("QUIT");
        self.server_says("221 Bye");
    }
}

/// Says a line, and waits until it has come.
#[track_caller]
fn say(mut from: &TcpStream, to: &TcpStream, text: &str) {
    let sent = format!("{text}\r\n");
    from.write_all(sent.as_bytes())
        .expect("the connection is open");
    let mut line = String::new();
    BufReader::new(to).read_line(&mut line).expect("a line");
    assert_eq!(line.trim_end(), text);
}

/// Kills it, and waits until it is no more. Returns what it said.
fn kill(watch: Watch<'_>) -> Vec<lab::watch::Event> {
    watch.end_by(Signal::KILL)
}

/// Every outcome, by port.
fn outcomes(events: &[lab::watch::Event]) -> BTreeMap<u64, Vec<String>> {
    let mut outcomes: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.is("outcome")) {
        let port = event.number("/advertised/port").expect("a port");
        let outcome = event.text("/outcome").to_owned();
        outcomes.entry(port).or_default().push(outcome);
    }
    outcomes
}

/// A thousand control connections have two ends each, in this process.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, wanted).expect("the soft limit can be raised to the hard one");
}

macro_rules! over_hooks {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        mod $name {
            use super::*;

            #[test]
            #[ignore = "needs root: cargo xtask test"]
            fn tcx() {
                super::$name(Hook::Tcx);
            }

            #[test]
            #[ignore = "needs root: cargo xtask test"]
            fn clsact() {
                super::$name(Hook::Clsact);
            }

            #[test]
            #[ignore = "needs root: cargo xtask test"]
            fn xdp() {
                super::$name(Hook::Xdp);
            }
        }
    )+};
}

over_hooks! {
    a_killed_process_loses_nothing
    a_process_that_ends_loses_nothing
    detach_leaves_nothing
}

fn a_killed_process_loses_nothing(hook: Hook) {
    const QUARTER: usize = 250;
    allow_many_files();
    let scene = Scene::set();
    let first = scene.watch(hook);
    let mut sessions = scene.advertise_each(0..4 * QUARTER as u16);
    scene.connect(&sessions[..QUARTER]);
    // What was told and is not on record yet would be told twice.
    scene.wait_for_outcomes(QUARTER as u64);
    let mut events = kill(first);
    let programs = scene.programs();
    assert_eq!(programs, 2);
    scene.connect(&sessions[QUARTER..2 * QUARTER]);
    let mut second = scene.watch(hook);
    assert_eq!(scene.programs(), programs);
    scene.connect(&sessions[2 * QUARTER..3 * QUARTER]);
    sessions.drain(..).for_each(Session::quit);
    second.wait_until("an outcome of each", |events| {
        let outcomes = events.iter().filter(|event| event.is("outcome"));
        outcomes.count() >= 3 * QUARTER
    });
    let losses = second.events().iter().filter(|event| event.is("loss"));
    assert_eq!(losses.count(), 0);
    scene.wait_for_outcomes(4 * QUARTER as u64);
    let (status, _) = scene.status();
    assert_eq!(status["books"]["endpoints"], 4 * QUARTER);
    assert_eq!(status["books"]["outcomes"]["connected"], 3 * QUARTER);
    events.extend(kill(second));
    let outcomes = outcomes(&events);
    for number in 0..4 * QUARTER {
        let port = u64::from(FIRST) + number as u64;
        let told = &outcomes[&port];
        assert_eq!(told.len(), 1, "endpoint {number}: {told:?}");
        // The others' clients gave up, and whether they had waited before depends on how long all this took.
        let connected = told[0] == "connected";
        assert_eq!(
            connected,
            number < 3 * QUARTER,
            "endpoint {number}: {told:?}"
        );
        assert!(
            connected || ["unused", "no_syn"].contains(&told[0].as_str()),
            "{told:?}"
        );
    }
    assert_eq!(scene.ftpwatch(&["detach"]).status.code(), Some(0));
    scene.assert_nothing_is_left();
}

fn a_process_that_ends_loses_nothing(hook: Hook) {
    let scene = Scene::set();
    let first = scene.watch(hook);
    let sessions = [0, 1, 2].map(|number| scene.advertise(number));
    scene.connect(&sessions[0..=0]);
    scene.wait_for_outcomes(1);
    let mut events = first.end_by(Signal::TERM);
    scene.connect(&sessions[1..=1]);
    let mut second = scene.watch(hook);
    scene.connect(&sessions[2..=2]);
    second.wait_until("outcomes", |events| {
        let outcomes = events.iter().filter(|event| event.is("outcome"));
        outcomes.count() >= 2
    });
    events.extend(second.end_by(Signal::TERM));
    let outcomes = outcomes(&events);
    for port in 0..3 {
        assert_eq!(outcomes[&(u64::from(FIRST) + port)], ["connected"]);
    }
    let stats: Vec<_> = events.iter().filter(|event| event.is("stats")).collect();
    assert_eq!(stats[0].number("/pending"), Some(2));
    assert_eq!(stats[1].number("/outcomes/connected"), Some(3));
    assert_eq!(stats[1].number("/endpoints"), Some(3));
    assert_eq!(stats[1].number("/sessions"), Some(3));
}

fn detach_leaves_nothing(hook: Hook) {
    let scene = Scene::set();
    let watch = scene.watch(hook);
    let pid = scene.status().0["pid"].to_string();
    let refused = scene.ftpwatch(&["detach"]);
    assert_eq!(refused.status.code(), Some(2), "{refused}");
    assert!(refused.stderr.contains(&pid), "{refused}");
    assert_eq!(scene.programs(), 2);
    kill(watch);
    assert_eq!(scene.programs(), 2);
    let done = scene.ftpwatch(&["detach"]).ok();
    assert!(done.stdout.contains("detached from s0"), "{done}");
    scene.assert_nothing_is_left();
    let again = scene.ftpwatch(&["detach"]).ok();
    assert!(again.stdout.starts_with("nothing is pinned"), "{again}");
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn another_hook_takes_the_place_of_the_one_before() {
    let scene = Scene::set();
    let session = scene.advertise(0);
    kill(scene.watch(Hook::Tcx));
    let endpoint = scene.advertise(1);
    for hook in [Hook::Clsact, Hook::Xdp, Hook::Tcx] {
        kill(scene.watch(hook));
        assert_eq!(scene.programs(), 2);
        let text = leftovers::lasting(&scene.topology.server, "s0").join("\n");
        let of_clsact = text.contains("handle");
        assert_eq!(of_clsact, hook == Hook::Clsact, "{text}");
        assert_eq!(text.contains("prog/xdp"), hook == Hook::Xdp, "{text}");
    }
    scene.connect(&[endpoint]);
    let mut watch = scene.watch(Hook::Tcx);
    let outcome = watch.wait_for("outcome", |event| event.is("outcome"));
    assert_eq!(outcome.text("/outcome"), "connected");
    kill(watch);
    session.quit();
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn what_was_told_is_told_once_and_corrected() {
    let scene = Scene::set();
    let first = scene.watch_for(Hook::Tcx, "1s");
    let session = scene.advertise(0);
    scene.wait_for_outcomes(1);
    let told = outcomes(&kill(first));
    assert_eq!(told[&FIRST.into()], ["no_syn"]);
    scene.connect(std::slice::from_ref(&session));
    let mut second = scene.watch_for(Hook::Tcx, "1s");
    let late = second.wait_for("correction", |event| event.is("late"));
    assert_eq!(late.text("/corrects"), "no_syn");
    session.quit();
    second.wait_for("the session's end", |event| event.is("session"));
    // Killed, it might not have noted yet what it has just said.
    let said = second.end_by(Signal::TERM);
    assert!(outcomes(&said).is_empty());
    // The session is over and told of, and its entry lingers.
    let third = scene.watch_for(Hook::Tcx, "1s");
    let (status, _) = scene.status();
    assert_eq!(status["books"]["endpoints"], 1);
    assert_eq!(status["books"]["late"], 1);
    let said = third.end_by(Signal::TERM);
    let again = |event: &&lab::watch::Event| !event.is("stats");
    assert_eq!(said.iter().filter(again).count(), 0, "{said:?}");
}

/// Starts anew on what does not fit, and checks that it was replaced and said so.
fn check_replaced(scene: &Scene) {
    let mut watch = scene.watch(Hook::Tcx);
    let loss = watch.wait_for("loss", |event| event.is("loss"));
    assert_eq!(loss.text("/what"), "not_adopted");
    assert_eq!(scene.programs(), 2);
    let session = scene.advertise(9);
    scene.connect(std::slice::from_ref(&session));
    let outcome = watch.wait_for("outcome", |event| event.is("outcome"));
    assert_eq!(outcome.number("/advertised/port"), Some((FIRST + 9).into()));
    let (status, code) = scene.status();
    assert_eq!(code, 1, "{status}");
    assert_eq!(status["losses"][0]["what"], "not_adopted");
    assert_eq!(status["books"]["endpoints"], 1);
    kill(watch);
    scene.bpffs.place();
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn another_layout_is_replaced() {
    let scene = Scene::set();
    let watch = scene.watch(Hook::Tcx);
    let _open = scene.advertise(0);
    kill(watch);
    let place = scene.bpffs.place();
    std::fs::rename(&place, place.with_file_name("v1")).expect("it can be renamed");
    let status = scene.ftpwatch(&["status"]);
    assert_eq!(status.status.code(), Some(3), "{status}");
    check_replaced(&scene);
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_map_of_another_size_is_replaced() {
    let scene = Scene::set();
    let watch = scene.watch(Hook::Tcx);
    let _open = scene.advertise(0);
    kill(watch);
    let index = scene.bpffs.place().join("INDEX");
    std::fs::remove_file(&index).expect("it is pinned");
    let settings = Settings {
        control_ports: vec![21],
        hook: Way::Tcx,
        log: false,
        room: Room::new(64, 64),
        tls: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let _inside = runtime.enter();
    let mut small = Kernel::load(&settings).expect("it can be loaded");
    let map = small.ebpf_mut().map("INDEX").expect("the map");
    map.pin(&index).expect("it can be pinned");
    check_replaced(&scene);
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_second_one_is_refused() {
    let scene = Scene::set();
    let first = Watch::start(&scene.topology.server, &["s0"], Hook::Tcx, &[]);
    for pin in [&["--pin"][..], &[]] {
        let words = [&["run", "-i", "s0"], pin].concat();
        let refused = scene.ftpwatch(&words);
        assert_eq!(refused.status.code(), Some(2), "{refused}");
        let said = format!("s0 is watched already, by process {} ", first.process_id());
        assert!(refused.stderr.contains(&said), "{refused}");
    }
    first.stop();
    // The name is free again.
    Watch::start(&scene.topology.server, &["s0"], Hook::Tcx, &[]).stop();
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn who_cannot_watch_keeps_nobody_from_it() {
    let scene = Scene::set();
    let server = &scene.topology.server;
    let index = run(server.command("cat").arg("/sys/class/net/s0/ifindex"), "");
    let script = format!(
        "import socket, sys\n\
         s = socket.socket(socket.AF_UNIX)\n\
         s.bind('\\0ftpwatch/{}')\n\
         s.listen()\n\
         print('bound', flush=True)\n\
         sys.stdin = open('/dev/null')\n\
         import signal; signal.pause()",
        index.trim()
    );
    let squatter = Process::start(server.command("setpriv").args([
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        "/usr/bin/python3",
        "-c",
        &script,
    ]));
    squatter.stdout.wait_for("bound");
    Watch::start(server, &["s0"], Hook::Tcx, &[]).stop();
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn one_that_does_not_pin_is_refused_where_something_is_pinned() {
    let scene = Scene::set();
    kill(scene.watch(Hook::Tcx));
    let refused = scene.ftpwatch(&["run", "-i", "s0"]);
    assert_eq!(refused.status.code(), Some(2), "{refused}");
    assert!(refused.stderr.contains("ftpwatch detach"), "{refused}");
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn pinning_needs_a_file_system_for_it() {
    let topology = Topology::new(Layout::Direct);
    let directory = Directory::new("no-bpffs");
    let mut command = topology.server.command(FTPWATCH);
    command
        .args(["run", "--pin", "-i", "s0", "--pin-path"])
        .arg(directory.path().join("ftpwatch"));
    let ended = Process::start(&mut command).wait(SOON);
    assert_eq!(ended.status.code(), Some(3), "{ended}");
    assert!(
        ended.stderr.contains("mount -t bpf bpf /sys/fs/bpf"),
        "{ended}"
    );
    leftovers::assert_none(&topology.server, "s0");
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn status_tells_each_state() {
    let scene = Scene::set();
    let nothing = scene.ftpwatch(&["status"]);
    assert_eq!(nothing.status.code(), Some(3), "{nothing}");
    let watch = scene.watch(Hook::Tcx);
    let sessions = [0, 1].map(|number| scene.advertise(number));
    scene.connect(&sessions[0..=0]);
    scene.wait_for_outcomes(1);
    let (status, code) = scene.status();
    assert_eq!(code, 0, "{status}");
    assert_eq!(status["state"], "ok");
    assert_eq!(status["interfaces"][0]["name"], "s0");
    assert_eq!(status["interfaces"][0]["hook"], "tcx");
    assert_eq!(status["books"]["endpoints"], 2);
    assert_eq!(status["books"]["pending"], 1);
    assert_eq!(status["books"]["outcomes"]["connected"], 1);
    kill(watch);
    let third = scene.advertise(2);
    let (status, code) = scene.status();
    assert_eq!(code, 1, "{status}");
    assert_eq!(status["state"], "detached");
    assert!(status["pid"].is_null());
    assert_eq!(status["books"]["endpoints"], 3);
    assert_eq!(status["books"]["pending"], 2);
    let text = scene.ftpwatch(&["status"]);
    assert!(text.stdout.contains("not running"), "{text}");
    assert!(text.stdout.contains("s0 (tcx)"), "{text}");
    drop(third);
}
