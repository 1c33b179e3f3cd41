//! The self-test: what it finds, and that it leaves nothing in the books.
//!
//! What belongs here: programs that do not do what they should, and what is said of that. They are broken from outside, by
//! taking a bit out of the variable that says which ports are control ports.

mod lab;
mod packets;

use std::collections::BTreeMap;
use std::fs;

use aya::maps::{Array, Map, MapData};
use ftpwatch::balance::{Auditor, sums};
use ftpwatch::clock::monotonic_now;
use ftpwatch::source::kernel::{Failure, Hook, Interface, Kernel, Room, Settings, host, programs};
use ftpwatch::tracker::Tracker;
use ftpwatch_common::{
    counter::{COUNTERS, Counter},
    packet::Link,
    record::Record,
};
use lab::frames::Frames;
use lab::netns::{Namespace, cable};
use lab::watch::{self, Watch};
use packets::{Conversation, Family, ethernet};
use rustix::process::Signal;

const CONTROL_PORT: u16 = 21;

/// A bit for each port, in the network's order.
type ControlPorts = [u8; (1 << 16) / 8];

/// The variable `CONTROL_PORTS` of the process with this number: no other map of its has values of that size.
fn control_ports(process: u32) -> Array<MapData, ControlPorts> {
    let size = format!("value_size:\t{}\n", size_of::<ControlPorts>());
    let id = fs::read_dir(format!("/proc/{process}/fdinfo"))
        .expect("the process lives")
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
        .find(|info| info.contains(&size))
        .and_then(|info| {
            let id = info.lines().find_map(|line| line.strip_prefix("map_id:"))?;
            id.trim().parse().ok()
        })
        .expect("it has that map");
    let map = MapData::from_id(id).expect("root gets at it");
    Map::Array(map).try_into().expect("it is of that kind")
}

/// Whether `port` is to be a control port.
fn set_control_port(ports: &mut Array<MapData, ControlPorts>, port: u16, is: bool) {
    let mut bits = ports.get(&0, 0).expect("it can be read");
    let port = usize::from(port.to_be());
    bits[port / 8] &= !(1 << (port % 8));
    bits[port / 8] |= u8::from(is) << (port % 8);
    ports.set(0, bits, 0).expect("it can be written");
}

/// A host and a cable to it, watched without a daemon.
struct Stage {
    kernel: Kernel,
    programs: BTreeMap<&'static str, Link>,
    frames: Frames,
    _runtime: tokio::runtime::Runtime,
    _namespaces: [Namespace; 2],
}

impl Stage {
    fn new(hook: Hook, room: Room) -> Self {
        let (server, client) = (Namespace::new("server"), Namespace::new("client"));
        cable((&server, "s0"), (&client, "c0"));
        let frames = client.enter(|| Frames::onto("c0")).expect("a cable");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be had");
        let context = runtime.enter();
        let settings = Settings {
            control_ports: vec![CONTROL_PORT],
            hook,
            room,
            log: false,
            tls: false,
        };
        let mut kernel = Kernel::load(&settings).expect("it can be loaded");
        drop(context);
        let way = if hook == Hook::Xdp { "xdp" } else { "tc" };
        let programs = programs([(Link::Ethernet, way), (Link::Ip, way)].into_iter());
        server.enter(|| {
            let interfaces = host().expect("a host").interfaces;
            // The program for links without Ethernet headers, where nothing goes by.
            let without = Interface {
                link: Link::Ip,
                ..interfaces["lo"].clone()
            };
            for interface in [&interfaces["s0"], &without] {
                kernel.attach(interface).expect("it can be watched");
            }
        });
        Self {
            kernel,
            programs,
            frames,
            _runtime: runtime,
            _namespaces: [server, client],
        }
    }

    fn test(&mut self, records: &mut Vec<Record>) -> Result<(), Failure> {
        let (result, strange) = self
            .kernel
            .self_test(&self.programs, |record, _| records.push(record));
        assert_eq!(strange, 0);
        result
    }

    fn assert_empty(&mut self) {
        assert_eq!(self.kernel.truth().controls(), []);
        assert_eq!(self.kernel.truth().endpoints(), []);
    }
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn nothing_of_it_is_left() {
    for hook in [Hook::Tcx, Hook::Clsact, Hook::Xdp] {
        let mut stage = Stage::new(hook, Room::default());
        let mut records = Vec::new();
        for _ in 0..3 {
            assert_eq!(stage.test(&mut records), Ok(()), "{hook:?}");
        }
        assert_eq!(records, []);
        stage.assert_empty();
        assert_eq!(stage.kernel.truth().counters(), [0; COUNTERS], "{hook:?}");
        assert_eq!(stage.kernel.taken(), 0);
    }
}

/// It goes on while a session does, and takes nothing from it.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn the_books_balance_with_it() {
    let mut stage = Stage::new(Hook::Tcx, Room::default());
    let mut tracker = Tracker::new(1_000_000_000);
    let mut talk = Conversation::new(Family::V4);
    let mut packets = talk.opening();
    packets.extend(talk.exchange(20_000));
    for packet in packets {
        stage.frames.send(ethernet(&[packet])).expect("it is sent");
        let (result, strange) = stage.kernel.self_test(&stage.programs, |record, truth| {
            tracker.take(record, monotonic_now(), truth)
        });
        assert_eq!((result, strange), (Ok(()), 0));
    }
    let at_end = lab::wait_until("all came", lab::SOON, || {
        let before = stage.kernel.truth().counters();
        stage
            .kernel
            .drain(|record, truth| tracker.take(record, monotonic_now(), truth));
        let after = stage.kernel.truth().counters();
        let done = before == after && tracker.books().endpoints == 1;
        done.then_some(after)
    });
    let taken = stage.kernel.taken();
    let audit = Auditor::new(0, false).audit(&at_end, &at_end, taken, &tracker);
    for sum in sums(&audit) {
        assert!(sum.holds, "{sum}");
    }
    assert_eq!(stage.kernel.truth().controls().len(), 1);
    assert_eq!(stage.kernel.truth().endpoints().len(), 1);
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_program_that_sees_nothing_is_found_out() {
    let mut stage = Stage::new(Hook::Auto, Room::default());
    let mut ports = control_ports_of(&mut stage.kernel);
    let mut records = Vec::new();
    set_control_port(&mut ports, CONTROL_PORT, false);
    let failure = Failure::NotSeen("ftpwatch_ether");
    assert_eq!(stage.test(&mut records), Err(failure));
    set_control_port(&mut ports, CONTROL_PORT, true);
    assert_eq!(stage.test(&mut records), Ok(()));
    assert_eq!(records, []);
    stage.assert_empty();
}

/// Other tests' kernels are of the same process: it is not looked for.
fn control_ports_of(kernel: &mut Kernel) -> Array<MapData, ControlPorts> {
    let map = kernel.ebpf_mut().map(".data.ports").expect("it is there");
    let Map::Array(map) = map else {
        panic!("it is an array");
    };
    let id = map.info().expect("it tells").id();
    let map = MapData::from_id(id).expect("root gets at it");
    Map::Array(map).try_into().expect("it is of that kind")
}

/// Full maps lose what is real as well, which is counted: that is another state.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn full_maps_are_no_failure() {
    const ROOM: u16 = 8;
    let mut stage = Stage::new(Hook::Tcx, Room::new(ROOM.into(), ROOM.into()));
    let mut records = Vec::new();
    for number in 0..2 * ROOM {
        let mut talk = Conversation::new(Family::V4);
        talk.client.set_port(40_000 + number);
        stage
            .frames
            .send(ethernet(&talk.opening()))
            .expect("it is sent");
    }
    lab::wait_until("the map is full", lab::SOON, || {
        let counters = stage.kernel.truth().counters();
        (counters[Counter::ControlsFull as usize] > 0).then_some(())
    });
    assert_eq!(stage.test(&mut records), Ok(()));
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_daemon_says_that_it_is_blind_and_that_it_sees_again() {
    let (server, client) = (Namespace::new("server"), Namespace::new("client"));
    cable((&server, "s0"), (&client, "c0"));
    let watch = Watch::start(&server, &["s0"], watch::Hook::Tcx, &[]);
    let mut ports = control_ports(watch.process_id());
    set_control_port(&mut ports, CONTROL_PORT, false);
    watch.process().signal(Signal::HUP);
    let failed = "blind: the self-test failed: ftpwatch_ether passes a 227 over";
    watch.process().stderr.wait_for(failed);
    set_control_port(&mut ports, CONTROL_PORT, true);
    watch
        .process()
        .stderr
        .wait_for("the self-test passes again");
    let report = watch.stop();
    let stats = report.of_type("stats");
    assert_eq!(stats[0].text("/state"), "ok", "{:?}", stats[0].json);
    assert!(report.of_type("session").is_empty());
}
