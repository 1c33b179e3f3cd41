//! The host's store, on a clock that the tests wind.

use std::collections::VecDeque;
use std::time::Duration;

use ftpwatch::source::memory::Memory;
use ftpwatch_common::{
    control::Control,
    counter::COUNTERS,
    endpoint::Endpoint,
    engine::{Port, Request, Store as _},
    packet::Link,
    record::Record,
};

use super::Store;

/// FTP, and FTP in TLS.
pub const CONTROL_PORTS: [u16; 2] = [21, 990];

/// From one step to the next.
const STEP: u64 = 1_000;

/// The engine over hash maps.
pub struct Host {
    memory: Memory,
    link: Link,
    now: u64,
    times: VecDeque<u64>,
}

impl Host {
    /// A store that sees packets on `link`, a microsecond after each other.
    pub fn new(link: Link) -> Self {
        Self::at(link, &[])
    }

    /// A store whose steps begin at `times`.
    pub fn at(link: Link, times: &[u64]) -> Self {
        Self {
            memory: Memory::new(&CONTROL_PORTS),
            link,
            now: 1_000_000_000,
            times: times.iter().copied().collect(),
        }
    }
}

impl Store for Host {
    fn now(&mut self) -> u64 {
        self.now = self.times.pop_front().unwrap_or(self.now + STEP);
        self.now
    }

    fn pause(&mut self, time: Duration) {
        self.now += u64::try_from(time.as_nanos()).expect("no test takes that long");
    }

    fn take(&mut self, packet: &[u8]) {
        let total = u32::try_from(packet.len()).expect("no packet is that long");
        // What has no segment is none of the engine's business.
        let _ = self.memory.take(packet, self.link, total, self.now);
    }

    fn records(&mut self) -> Vec<Record> {
        std::iter::from_fn(|| self.memory.next_record()).collect()
    }

    fn controls(&mut self) -> Vec<Control> {
        self.memory.controls()
    }

    fn endpoints(&mut self) -> Vec<Endpoint> {
        self.memory.endpoints()
    }

    fn keys(&mut self) -> usize {
        let (_, _, keys) = self.memory.sizes();
        keys
    }

    fn port(&mut self, port: u16) -> Port {
        self.memory.port(port)
    }

    fn counters(&mut self) -> [u64; COUNTERS] {
        self.memory.counters()
    }

    fn retire(&mut self, request: &Request) {
        self.memory.retire(request);
    }
}
