//! The self-test: each program in use is run on a reply that nobody sent, and has to make of it what it makes of a real one.
//!
//! Nothing goes over a wire, and nothing is left: the entries are taken out again, the records are not handed on, and what
//! was counted is taken off. The client's port and the sequence numbers are drawn anew each time, so that nobody can send
//! what would be taken for it.

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    fmt,
    hash::{BuildHasher as _, Hasher as _},
};

use aya::{
    Ebpf,
    programs::{Program, ProgramError, TestRun as _, TestRunOptions},
};
use ftpwatch_common::{
    address::{Address, Flow},
    control::Control,
    counter::{COUNTERS, Counter},
    engine::Request,
    packet::Link,
    record::Record,
};

use super::{FlowBytes, Kernel, Maps};
use crate::tracker::Truth as _;

/// An address that no host has (RFC 7600, section 4.8).
const SERVER: [u8; 4] = [192, 0, 0, 8];

/// An address that no packet goes to (RFC 1122, section 3.2.1.3).
const CLIENT: [u8; 4] = [0; 4];

/// What is advertised, at the server's address.
const PORT: u16 = 1;

const REPLY: &[u8] = b"227 Entering Passive Mode (192,0,0,8,0,1).\r\n";

/// What a reply is counted as, where it is seen and read.
const COUNTED: [Counter; 4] = [
    Counter::ControlSegments,
    Counter::Scanned,
    Counter::PassiveReplies,
    Counter::Advertised,
];

/// Why the self-test failed, and which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It cannot be run.
    NotRun(&'static str),
    /// It passes the reply over.
    NotSeen(&'static str),
    /// It makes something else of it, or nothing.
    NotRead(&'static str),
    /// What is done with cannot be taken out.
    NotRetired(&'static str),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRun(program) => write!(f, "{program} cannot be run"),
            Self::NotSeen(program) => write!(f, "{program} passes a 227 over"),
            Self::NotRead(program) => write!(f, "{program} does not read a 227"),
            Self::NotRetired(program) => write!(f, "what {program} made of a 227 stays"),
        }
    }
}

impl Kernel {
    /// Runs each of `programs` ([`programs`](super::programs)) on a reply. Returns why that failed, if it did. News that are in the ring besides are given
    /// to `each`, and counted where they are none of ours, as by [`Self::drain`].
    ///
    /// Maps that are full are no failure: what found no room is counted.
    pub fn self_test(
        &mut self,
        programs: &BTreeMap<&'static str, Link>,
        mut each: impl FnMut(Record, &mut Maps),
    ) -> (Result<(), Failure>, u64) {
        let mut strange = 0;
        for (&program, &link) in programs {
            let (result, unknown) = self.test(program, link, &mut each);
            strange += unknown;
            if result.is_err() {
                return (result, strange);
            }
        }
        (Ok(()), strange)
    }

    fn test(
        &mut self,
        program: &'static str,
        link: Link,
        each: &mut impl FnMut(Record, &mut Maps),
    ) -> (Result<(), Failure>, u64) {
        let Some(port) = self.control_port else {
            return (Ok(()), 0);
        };
        let segment = Segment::draw(port);
        let before = self.truth.counters();
        if run(&mut self.ebpf, program, &segment.bytes(link)).is_err() {
            return (Err(Failure::NotRun(program)), 0);
        }
        let after = self.truth.counters();
        let grown = |counter: Counter| after[counter as usize] > before[counter as usize];
        let Some(control) = self.truth.control(&segment) else {
            let full = grown(Counter::ControlsFull);
            let result = full.then_some(()).ok_or(Failure::NotSeen(program));
            return (result, 0);
        };
        let found = self.truth.endpoint(control.current);
        let is_right = found.is_some_and(|endpoint| {
            endpoint.control == control.id
                && endpoint.address == Address::v4(SERVER)
                && endpoint.port == PORT
        });
        let refused = [Counter::EndpointsFull, Counter::ShareExceeded]
            .into_iter()
            .find(|counter| found.is_none() && grown(*counter));
        let full = refused.is_some();
        if is_right || full {
            COUNTED
                .into_iter()
                .for_each(|counter| self.truth.take_off(counter));
        }
        if let Some(counter) = refused {
            self.truth.take_off(counter);
        }
        let retired = self.retire(&[Request {
            endpoint: control.current,
            flow: control.flow,
            pad: 0,
            control: control.id,
        }]);
        self.own = control.id;
        let strange = self.drain(each);
        let result = if !is_right && !full {
            Err(Failure::NotRead(program))
        } else if retired.is_err() || self.truth.control(&segment).is_some() {
            Err(Failure::NotRetired(program))
        } else {
            Ok(())
        };
        (result, strange)
    }
}

fn run(ebpf: &mut Ebpf, name: &str, packet: &[u8]) -> Result<(), ProgramError> {
    let options = TestRunOptions {
        data_in: Some(packet),
        ..TestRunOptions::new()
    };
    match ebpf.program_mut(name) {
        Some(Program::SchedClassifier(program)) => program.test_run(options),
        Some(Program::Xdp(program)) => program.test_run(options),
        _ => return Err(ProgramError::NotLoaded),
    }
    .map(|_| ())
}

/// Whether `record` is of the control connection `id`.
pub(super) const fn is_of(record: &Record, id: u64) -> bool {
    let control = match record {
        Record::Endpoint(endpoint) => endpoint.control,
        Record::Session(session) => session.id,
        Record::Line(line) => line.control,
    };
    // A guess is of none.
    id != 0 && control == id
}

/// A segment from the server to the client, with the reply.
struct Segment {
    flow: Flow,
    sequence: u32,
    acknowledgement: u32,
}

impl Segment {
    fn draw(server_port: u16) -> Self {
        let [a, b, c, d, e, f, g, h] = random();
        let [i, j, ..] = random();
        Self {
            flow: Flow {
                client: Address::v4(CLIENT),
                server: Address::v4(SERVER),
                client_port: u16::from_ne_bytes([i, j]),
                server_port,
            },
            sequence: u32::from_ne_bytes([a, b, c, d]),
            acknowledgement: u32::from_ne_bytes([e, f, g, h]),
        }
    }

    /// Checksums are not looked at.
    fn bytes(&self, link: Link) -> Vec<u8> {
        const HEADERS: usize = 40;
        const DO_NOT_FRAGMENT: u8 = 0x40;
        const HOPS: u8 = 64;
        const TCP: u8 = 6;
        const WORDS: u8 = 5 << 4;
        const PUSH_ACK: u8 = 0x18;
        let length = (HEADERS + REPLY.len()) as u16;
        let mut bytes = Vec::new();
        if link == Link::Ethernet {
            bytes.extend([0; 12]);
            bytes.extend([0x08, 0x00]);
        }
        bytes.extend([0x45, 0]);
        bytes.extend(length.to_be_bytes());
        bytes.extend([0, 0, DO_NOT_FRAGMENT, 0, HOPS, TCP, 0, 0]);
        bytes.extend(SERVER);
        bytes.extend(CLIENT);
        bytes.extend(self.flow.server_port.to_be_bytes());
        bytes.extend(self.flow.client_port.to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.acknowledgement.to_be_bytes());
        bytes.extend([WORDS, PUSH_ACK, 0xff, 0xff, 0, 0, 0, 0]);
        bytes.extend(REPLY);
        bytes
    }
}

/// Each of them has keys of its own, which the standard library draws.
fn random() -> [u8; 8] {
    RandomState::new().build_hasher().finish().to_ne_bytes()
}

impl Maps {
    /// The control connection that `segment` began.
    fn control(&self, segment: &Segment) -> Option<Control> {
        let key: FlowBytes = bytemuck::bytes_of(&segment.flow).try_into().ok()?;
        let control: Control = bytemuck::pod_read_unaligned(&self.controls.get(&key, 0).ok()?);
        let fingerprint = u64::from(segment.sequence) << 32 | u64::from(segment.acknowledgement);
        (control.fingerprint == fingerprint).then_some(control)
    }

    /// One of those was a self-test's.
    pub(super) fn take_off(&mut self, counter: Counter) {
        self.own[counter as usize] += 1;
    }

    /// What self-tests added to the counters, those of earlier processes included.
    #[must_use]
    pub const fn tests(&self) -> &[u64; COUNTERS] {
        &self.own
    }

    /// Earlier processes' self-tests added this.
    pub const fn resume_tests(&mut self, tests: &[u64; COUNTERS]) {
        self.own = *tests;
    }
}
