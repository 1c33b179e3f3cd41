//! Plays a script to a store.

use std::collections::BTreeSet;
use std::time::Duration;

use ftpwatch_common::{
    control::Control,
    counter::{COUNTERS, Counter},
    endpoint::Endpoint,
    engine::{Port, Request},
    packet::Link,
    record::Record,
};

use super::{Host, Script, Seen, ShownOnPanic, Step};

/// A store that packets can be given to: the host's, or the kernel's.
pub trait Store {
    /// Nanoseconds of the store's clock. A packet that is given to it now will have this time, or a later one.
    fn now(&mut self) -> u64;
    /// Lets time pass.
    fn pause(&mut self, time: Duration);
    /// Takes in a packet, and lets it pass as it is.
    fn take(&mut self, packet: &[u8]);
    /// The news since the last time.
    fn records(&mut self) -> Vec<Record>;
    /// All control connections.
    fn controls(&mut self) -> Vec<Control>;
    /// All endpoints.
    fn endpoints(&mut self) -> Vec<Endpoint>;
    /// How many keys there are.
    fn keys(&mut self) -> usize;
    /// What the gate knows of a port.
    fn port(&mut self, port: u16) -> Port;
    /// What was counted.
    fn counters(&mut self) -> [u64; COUNTERS];
    /// Forgets what is done with.
    fn retire(&mut self, request: &Request);

    /// Forgets all endpoints.
    fn retire_endpoints(&mut self) {
        for endpoint in self.endpoints() {
            self.retire(&Request {
                endpoint: endpoint.id,
                flow: endpoint.flow,
                pad: 0,
                control: 0,
            });
        }
    }
}

/// Plays `script` on `link`. Returns what was seen, and the time at which each step began.
///
/// Whatever the script: the books of the store balance, and it is empty once all is retired.
pub fn play(store: &mut impl Store, script: &Script, link: Link) -> (Seen, Vec<u64>) {
    let before = store.counters();
    let mut times = Vec::new();
    let mut records = Vec::new();
    for step in &script.0 {
        times.push(store.now());
        match step {
            Step::Packet(packet) => store.take(&packet.bytes(link)),
            Step::Frame(bytes) => store.take(bytes),
            Step::Pause(time) => store.pause(*time),
            Step::Forget => forget_all(store),
        }
        // The ring has room for what one packet says, whatever else is in the script.
        records.extend(store.records());
    }
    let (controls, endpoints) = (store.controls(), store.endpoints());
    let mut counters = store.counters();
    for (counter, before) in counters.iter_mut().zip(before) {
        *counter -= before;
    }
    balance(store, &endpoints);
    balance_counters(&counters, records.len());
    forget_all(store);
    let seen = Seen::new(controls, endpoints, records, counters, &times);
    (seen, times)
}

/// What a store makes of it, and the host of the same at the same times, which has to be the same.
pub fn play_to_both(store: &mut impl Store, script: &Script, link: Link) -> Seen {
    let shown = ShownOnPanic(script);
    let (seen, times) = play(store, script, link);
    let (expected, _) = play(&mut Host::at(link, &times), script, link);
    assert_eq!(seen.news(), expected.news());
    assert_eq!(seen.records, expected.records);
    assert_eq!(seen.endpoints, expected.endpoints);
    assert_eq!(seen.controls, expected.controls);
    assert_eq!(seen.counters, expected.counters);
    assert_eq!(seen.count(Counter::Contended), 0);
    drop(shown);
    seen
}

/// The gate is open for the endpoints there are, and wide open for those with a half-open handshake.
fn balance(store: &mut impl Store, endpoints: &[Endpoint]) {
    for endpoint in endpoints {
        let half_open = endpoint.attempts.iter().filter(|a| a.is_half_open());
        assert_eq!(
            endpoint.half_open as usize,
            half_open.count(),
            "{endpoint:?}"
        );
    }
    for port in ports(endpoints) {
        let of_port = || endpoints.iter().filter(|e| e.port == port);
        let gate = store.port(port);
        assert!(gate.pending, "the gate is shut for {port}");
        assert_eq!(
            gate.half_open,
            of_port().any(|e| e.half_open > 0),
            "the gate for ACKs to {port}"
        );
    }
}

/// What was counted adds up. The ring had room for all.
fn balance_counters(counters: &[u64; COUNTERS], records: usize) {
    let count = |counter: Counter| counters[counter as usize];
    let fates: u64 = Counter::FATES.map(count).iter().sum();
    assert_eq!(count(Counter::ControlSegments), fates, "control segments");
    assert_eq!(
        count(Counter::PassiveReplies),
        count(Counter::Advertised) + count(Counter::Undecodable),
        "passive replies"
    );
    assert_eq!(count(Counter::Records), records as u64, "records");
}

fn ports(endpoints: &[Endpoint]) -> BTreeSet<u16> {
    endpoints.iter().map(|endpoint| endpoint.port).collect()
}

/// Retires all there is, and looks whether it is gone.
fn forget_all(store: &mut impl Store) {
    let (controls, endpoints) = (store.controls(), store.endpoints());
    store.retire_endpoints();
    for control in &controls {
        store.retire(&Request {
            endpoint: 0,
            flow: control.flow,
            pad: 0,
            control: control.id,
        });
    }
    assert_eq!(store.controls(), [], "control connections are left");
    assert_eq!(store.endpoints(), [], "endpoints are left");
    assert_eq!(store.keys(), 0, "keys are left");
    for port in ports(&endpoints) {
        let gate = store.port(port);
        assert!(
            !gate.pending && !gate.half_open,
            "the gate stays open for {port}: {gate:?}"
        );
    }
}
