//! Taking out what is done with.

use ftpwatch_common::{endpoint::Endpoint, engine::Request, packet::Link};

use super::Store;
use super::replies::begun;
use super::script::Step;
use crate::packets::Family;

const PORT: u16 = 50_007;

/// A request that names what is gone by now, or another's id, takes nothing out; and what it takes out of one endpoint
/// is not missing from another.
pub fn only_what_is_meant(store: &mut impl Store) {
    let (mut talk, mut script) = begun(Family::V4);
    script.send_all(talk.exchange(PORT));
    script.send_all(talk.exchange(PORT));
    let data = talk.data(PORT);
    script.send(data.syn()).send(data.syn_ack());
    for step in &script.0 {
        if let Step::Packet(packet) = step {
            store.now();
            store.take(&packet.bytes(Link::Ethernet));
        }
    }
    let control = store.controls()[0];
    let endpoints = sorted(store);
    let [old, new] = endpoints.as_slice() else {
        panic!("{endpoints:?}");
    };
    let request = |endpoint: u64, control_id: u64| Request {
        endpoint,
        flow: control.flow,
        pad: 0,
        control: control_id,
    };
    for (endpoint, control) in [
        (0, 0),
        (u64::MAX, 0),
        (0, control.id + 1),
        (control.id, old.id),
    ] {
        store.retire(&request(endpoint, control));
        assert_eq!(store.controls().len(), 1);
        assert_eq!(store.endpoints().len(), 2);
    }
    // The keys of the older one are the newer one's by now.
    store.retire(&request(old.id, 0));
    store.retire(&request(old.id, 0));
    assert_eq!(sorted(store), [*new]);
    assert_eq!(store.keys(), 2);
    assert!(store.port(PORT).pending && store.port(PORT).half_open);
    store.take(&data.ack().bytes(Link::Ethernet));
    assert_eq!(sorted(store)[0].connected, 1);
    store.retire(&request(new.id, control.id));
    assert_eq!(
        (
            store.controls().len(),
            store.endpoints().len(),
            store.keys()
        ),
        (0, 0, 0)
    );
    let gate = store.port(PORT);
    assert!(!gate.pending && !gate.half_open);
}

fn sorted(store: &mut impl Store) -> Vec<Endpoint> {
    let mut endpoints = store.endpoints();
    endpoints.sort_by_key(|endpoint| endpoint.advertised_at);
    endpoints
}
