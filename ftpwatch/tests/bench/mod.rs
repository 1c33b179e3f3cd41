//! The kernel's programs on a bench: loaded and attached nowhere.

use std::time::Duration;

use aya::maps::{Array, HashMap};
use aya::programs::{SchedClassifier, TestRun as _, TestRunOptions, TestRunResult, Xdp};
use ftpwatch::clock::monotonic_now;
use ftpwatch::source::kernel::{Hook, Kernel, Room, Settings};
use ftpwatch_common::{
    address::IndexKey,
    control::Control,
    counter::COUNTERS,
    endpoint::Endpoint,
    engine::{Port, Request},
    packet::Link,
    record::Record,
};
use tokio::runtime::Runtime;

use crate::scenarios::Store;
use crate::scenarios::host::CONTROL_PORTS;

/// `TC_ACT_UNSPEC`: no opinion.
const TC_ACT_UNSPEC: u32 = u32::MAX;
const XDP_PASS: u32 = 2;

/// Bytes of the kernel half's variables `CONTROL_PORTS` and `GATE`: a bit for each port; two counts for each port, and two
/// more.
const CONTROL_BYTES: usize = (1 << 16) / 8;
const GATE_BYTES: usize = 2 * 4 * (1 << 16) + 8;

/// A program of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// tc, with Ethernet headers.
    Ether,
    /// tc, without.
    Ip,
    /// XDP.
    Xdp,
}

impl Program {
    /// What its packets begin with.
    pub const fn link(self) -> Link {
        match self {
            Self::Ether | Self::Xdp => Link::Ethernet,
            Self::Ip => Link::Ip,
        }
    }
}

/// The loaded object, and the program under test.
pub struct Bench {
    /// The program under test.
    pub program: Program,
    /// The loaded object.
    pub kernel: Kernel,
    /// What the ring's reader was registered with.
    _runtime: Runtime,
}

impl Bench {
    /// Loads all programs.
    pub fn new(program: Program) -> Self {
        Self::with_log(program, false)
    }

    /// Loads all programs, which log or not.
    pub fn with_log(program: Program, log: bool) -> Self {
        // There are few clients, and each may have all there is.
        let room = Room {
            share: u32::MAX,
            ..Room::default()
        };
        Self::with(program, log, false, room)
    }

    /// Loads all programs, with so much room.
    pub fn with_room(program: Program, room: Room) -> Self {
        Self::with(program, false, false, room)
    }

    /// Loads all programs, and the probes on TLS libraries.
    pub fn with_probes(program: Program) -> Self {
        let room = Room {
            share: u32::MAX,
            ..Room::default()
        };
        Self::with(program, false, true, room)
    }

    fn with(program: Program, log: bool, tls: bool, room: Room) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be had");
        let context = runtime.enter();
        let kernel = Kernel::load(&Settings {
            control_ports: CONTROL_PORTS.to_vec(),
            hook: Hook::Xdp,
            log,
            room,
            tls,
        })
        .expect("the object can be loaded");
        drop(context);
        Self {
            program,
            kernel,
            _runtime: runtime,
        }
    }

    fn run(&mut self, options: TestRunOptions<'_>) -> TestRunResult {
        let name = match self.program {
            Program::Ether => "ftpwatch_ether",
            Program::Ip => "ftpwatch_ip",
            Program::Xdp => "ftpwatch_xdp",
        };
        let program = self
            .kernel
            .ebpf_mut()
            .program_mut(name)
            .expect("it is there");
        if self.program == Program::Xdp {
            let program: &mut Xdp = program.try_into().expect("it is of that kind");
            program.test_run(options)
        } else {
            let program: &mut SchedClassifier = program.try_into().expect("it is of that kind");
            program.test_run(options)
        }
        .expect("the program can be run")
    }

    /// Panics unless no port is waited for, of all there are.
    pub fn assert_all_ports_shut(&mut self) {
        let counts = self.variable::<GATE_BYTES>(".bss.gate");
        let open: Vec<u16> = (0..2_usize << 16)
            .filter(|at| count(&counts, *at) != 0)
            .map(|at| u16::from_be(at as u16))
            .collect();
        assert_eq!(open, [0; 0], "ports at which the gate stays open");
    }

    /// The kernel half's variables of a section.
    fn variable<const N: usize>(&mut self, section: &str) -> Vec<u8> {
        let map = self.kernel.ebpf_mut().map(section).expect("it is there");
        let values: Array<_, [u8; N]> = map.try_into().expect("it is of that kind");
        // It is too large for the stack of a test, and comes by no other way.
        std::thread::scope(|scope| {
            std::thread::Builder::new()
                .stack_size(16 * N + (1 << 20))
                .spawn_scoped(scope, || values.get(&0, 0).map(Vec::from))
                .expect("there are threads")
                .join()
        })
        .expect("it does not panic")
        .expect("it can be read")
    }
}

/// The number `at` of the gate's counts.
fn count(counts: &[u8], at: usize) -> u32 {
    let bytes = &counts[4 * at..];
    u32::from_ne_bytes(*bytes.first_chunk().expect("it is there"))
}

impl Store for Bench {
    fn now(&mut self) -> u64 {
        monotonic_now()
    }

    fn pause(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    /// Panics unless the packet passes as it is.
    fn take(&mut self, packet: &[u8]) {
        let mut after = vec![0; packet.len() + 64];
        let result = self.run(TestRunOptions {
            data_in: Some(packet),
            data_out: Some(&mut after),
            ..TestRunOptions::new()
        });
        let verdict = if self.program == Program::Xdp {
            XDP_PASS
        } else {
            TC_ACT_UNSPEC
        };
        assert_eq!(result.return_value, verdict);
        after.truncate(result.data_size_out as usize);
        assert_eq!(after, packet, "the packet was changed");
    }

    fn records(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        let strange = self.kernel.drain(|record, _| records.push(record));
        assert_eq!(strange, 0, "records of an unknown form");
        records
    }

    fn controls(&mut self) -> Vec<Control> {
        self.kernel.truth().controls()
    }

    fn endpoints(&mut self) -> Vec<Endpoint> {
        self.kernel.truth().endpoints()
    }

    fn keys(&mut self) -> usize {
        let map = self.kernel.ebpf_mut().map("INDEX").expect("it is there");
        let index: HashMap<_, [u8; size_of::<IndexKey>()], u64> =
            map.try_into().expect("it is of that kind");
        index.keys().count()
    }

    fn port(&mut self, port: u16) -> Port {
        let control = self.variable::<CONTROL_BYTES>(".data.ports");
        let counts = self.variable::<GATE_BYTES>(".bss.gate");
        let port = usize::from(port.to_be());
        Port {
            control: control[port / 8] >> (port % 8) & 1 != 0,
            half_open: count(&counts, port) != 0,
            pending: count(&counts, (1 << 16) + port) != 0,
        }
    }

    fn counters(&mut self) -> [u64; COUNTERS] {
        self.kernel.truth().counters()
    }

    fn retire(&mut self, request: &Request) {
        self.kernel
            .retire(std::slice::from_ref(request))
            .expect("it can be retired");
    }
}
