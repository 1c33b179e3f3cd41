//! What `-vv` shows. Without it the level is zero, and the verifier takes all of this out.

use aya_log_ebpf::debug;
use ftpwatch_common::{endpoint::Endpoint, engine::Scene};

/// A segment of interest.
#[inline(never)]
pub fn segment(scene: &Scene) {
    let segment = &scene.segment;
    debug!(
        (),
        "{:i}:{} > {:i}:{} flags {:x} seq {} ack {} length {}",
        scene.source.0,
        segment.source,
        scene.destination.0,
        segment.destination,
        segment.flags,
        segment.sequence,
        segment.acknowledgement,
        segment.length
    );
}

/// An endpoint was advertised.
#[inline(never)]
pub fn advertised(endpoint: &Endpoint) {
    debug!(
        (),
        "endpoint {}: {} advertised {:i}:{}",
        endpoint.id,
        endpoint.code,
        endpoint.address.0,
        endpoint.port
    );
}
