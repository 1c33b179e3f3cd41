//! Segments that may belong to an endpoint: SYN, SYN-ACK, RST, and the ACK that completes a handshake.

use super::{Found, Scene, Store, endpoint::find};
use crate::{
    endpoint::{Attempt, Endpoint, RejectedSegment, missed},
    packet::{Segment, flag},
    record::Why,
};

/// How far beyond the SYN a SYN-ACK may acknowledge: data in the SYN (RFC 7413).
const FAST_OPEN_BYTES: u32 = 1 << 16;

/// A SYN is sent again after a second (RFC 6298, section 2.1). Sooner, it is the same one, seen on another
/// interface.
const SAME_SYN: u64 = 100_000_000;

/// Takes in a segment that the gate let through.
#[inline(always)]
pub fn take<S: Store>(store: &S, scene: &Scene) {
    let segment = &scene.segment;
    if segment.has(flag::SYN) && !segment.has(flag::ACK) {
        let mut id = find(
            store,
            &scene.destination,
            segment.destination,
            &scene.source,
        );
        if id == 0 && store.blindness().sessions > 0 {
            id = store.guess(scene);
        }
        if id != 0 && !repeated(store, scene, id) {
            syn(store, scene, id);
        }
        return;
    }
    // From the server: SYN-ACK and RST. From the client: ACK and RST.
    if segment.flags & (flag::SYN | flag::RST) != 0 && answered(store, scene, true) {
        return;
    }
    if !segment.has(flag::SYN) {
        answered(store, scene, false);
    }
}

/// A new attempt at the endpoint `id`.
#[cfg_attr(target_arch = "bpf", inline(never))]
fn syn<S: Store>(store: &S, scene: &Scene, id: u64) {
    let Found::Held(mut endpoint) = store.endpoint(id) else {
        return;
    };
    let foreign = scene.source != endpoint.flow.client;
    let via_control = scene.destination != endpoint.address;
    match free_slot(&mut endpoint, scene, foreign) {
        Some(slot) => {
            let forgotten = slot.is_half_open();
            begin_attempt(slot, scene, via_control, foreign);
            slot.syn_at = store.now();
            slot.last_syn_at = slot.syn_at;
            if forgotten {
                half_open(store, &mut endpoint, -1);
            }
        }
        None if !foreign => endpoint.missed |= missed::ATTEMPTS,
        None => {}
    }
}

/// Fills a slot, but for the time.
#[cfg_attr(target_arch = "bpf", inline(never))]
fn begin_attempt(slot: &mut Attempt, scene: &Scene, via_control: bool, foreign: bool) {
    slot.syn_ack_at = 0;
    slot.ack_at = 0;
    slot.rst_at = 0;
    slot.client = scene.source;
    slot.isn = scene.segment.sequence;
    slot.server_isn = 0;
    slot.port = scene.segment.source;
    slot.syns = 1;
    slot.via_control = via_control as u8;
    slot.foreign = foreign as u8;
    slot.aborted = 0;
}

/// Whether the SYN was seen before: by the endpoint `id`, or by the one that had its port before.
#[cfg_attr(target_arch = "bpf", inline(never))]
fn repeated<S: Store>(store: &S, scene: &Scene, id: u64) -> bool {
    let segment = &scene.segment;
    let mut id = id;
    for _ in 0..2 {
        let Found::Held(mut endpoint) = store.endpoint(id) else {
            return false;
        };
        if let Some(attempt) =
            endpoint.attempt_of_syn(&scene.source, segment.source, segment.sequence)
        {
            let now = store.now();
            if now.saturating_sub(attempt.last_syn_at) > SAME_SYN {
                attempt.syns = attempt.syns.saturating_add(1);
            }
            attempt.last_syn_at = now;
            return true;
        }
        id = endpoint.previous;
    }
    false
}

/// One half-open handshake more, or less.
#[inline(always)]
fn half_open<S: Store>(store: &S, endpoint: &mut Endpoint, delta: i32) {
    endpoint.half_open = endpoint.half_open.wrapping_add_signed(delta);
    store.adjust_port(endpoint.port, 0, delta);
}

/// A slot for a new attempt: that of an older one from the same port, which it takes the place of; a free
/// one; else, for the control connection's own client, one that is a stranger's, or that was refused.
#[cfg_attr(target_arch = "bpf", inline(never))]
fn free_slot<'a>(
    endpoint: &'a mut Endpoint,
    scene: &Scene,
    foreign: bool,
) -> Option<&'a mut Attempt> {
    let (client, port) = (&scene.source, scene.segment.source);
    let mut best = usize::MAX;
    for at in 0..endpoint.attempts.len() {
        let attempt = &endpoint.attempts[at];
        let again = attempt.port == port && attempt.client == *client && attempt.ack_at == 0;
        if attempt.syn_at == 0 || again {
            best = at;
            break;
        }
        if !foreign && (attempt.foreign != 0 || (attempt.rst_at != 0 && best == usize::MAX)) {
            best = at;
        }
    }
    endpoint.attempts.get_mut(best)
}

/// A segment from an endpoint, or else from its client, on a four-tuple that a SYN opened before.
/// `true` when it was that.
#[cfg_attr(target_arch = "bpf", inline(never))]
fn answered<S: Store>(store: &S, scene: &Scene, from_server: bool) -> bool {
    let segment = &scene.segment;
    let mut id = if from_server {
        find(store, &scene.source, segment.source, &scene.destination)
    } else {
        find(
            store,
            &scene.destination,
            segment.destination,
            &scene.source,
        )
    };
    // The four-tuple may be of the endpoint that had this port before.
    for _ in 0..2 {
        match answered_by(store, scene, from_server, id) {
            Hop::Done => return true,
            Hop::Before(0) => return false,
            Hop::Before(before) => id = before,
        }
    }
    false
}

/// An ICMP error about a segment: a SYN or a SYN-ACK of the control connection's client, or nobody's.
///
/// It decides nothing yet, since clients go on trying, and errors are sent at a limited rate.
#[inline(always)]
pub fn rejected<S: Store>(store: &S, scene: &Scene) {
    let segment = &scene.segment;
    let id = find(
        store,
        &scene.destination,
        segment.destination,
        &scene.source,
    );
    if !rejected_by(store, scene, RejectedSegment::Syn, id) {
        let id = find(store, &scene.source, segment.source, &scene.destination);
        rejected_by(store, scene, RejectedSegment::SynAck, id);
    }
}

#[cfg_attr(target_arch = "bpf", inline(never))]
fn rejected_by<S: Store>(store: &S, scene: &Scene, what: RejectedSegment, id: u64) -> bool {
    let segment = &scene.segment;
    let mut id = id;
    for _ in 0..2 {
        let Found::Held(mut endpoint) = store.endpoint(id) else {
            return false;
        };
        let attempt = match what {
            RejectedSegment::SynAck => endpoint
                .attempt_of(&scene.destination, segment.destination)
                .filter(|a| a.syn_ack_at != 0 && a.server_isn == segment.sequence),
            _ => endpoint.attempt_of_syn(&scene.source, segment.source, segment.sequence),
        };
        if let Some(attempt) = attempt {
            if attempt.foreign == 0 && endpoint.rejected_at == 0 {
                endpoint.rejected_at = store.now();
                endpoint.rejected_by = scene.rejection.from;
                endpoint.rejected_type = scene.rejection.kind;
                endpoint.rejected_code = scene.rejection.code;
                endpoint.rejected = what as u8;
            }
            return true;
        }
        id = endpoint.previous;
    }
    false
}

enum Hop {
    Done,
    /// Not this endpoint. The one before it may be.
    Before(u64),
}

#[cfg_attr(target_arch = "bpf", inline(never))]
fn answered_by<S: Store>(store: &S, scene: &Scene, from_server: bool, id: u64) -> Hop {
    let segment = &scene.segment;
    let (client, port) = if from_server {
        (&scene.destination, segment.destination)
    } else {
        (&scene.source, segment.source)
    };
    let Found::Held(mut endpoint) = store.endpoint(id) else {
        return Hop::Before(0);
    };
    let before = Hop::Before(endpoint.previous);
    let Some(attempt) = endpoint.attempt_of(client, port) else {
        return before;
    };
    let now = store.now();
    let change = if from_server {
        server_says(attempt, segment, now)
    } else {
        client_says(attempt, segment, now)
    };
    let foreign = attempt.foreign != 0;
    let Some(change) = change else {
        return before;
    };
    apply(store, &mut endpoint, change, foreign);
    Hop::Done
}

/// What a segment changes about an attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    HalfOpen,
    Connected,
    Aborted,
    Refused,
}

/// SYN-ACK or RST from the server. `None` when it is not about this attempt's SYN.
#[cfg_attr(target_arch = "bpf", inline(never))]
fn server_says(attempt: &mut Attempt, segment: &Segment, now: u64) -> Option<Change> {
    if segment.has(flag::RST) && attempt.syn_ack_at != 0 {
        return Some(abort(attempt));
    }
    let acknowledges = segment
        .acknowledgement
        .wrapping_sub(attempt.isn.wrapping_add(1))
        < FAST_OPEN_BYTES;
    if !segment.has(flag::ACK) || !acknowledges {
        return None;
    }
    if segment.has(flag::RST) {
        if attempt.rst_at != 0 {
            return Some(Change::Nothing);
        }
        attempt.rst_at = now;
        return Some(Change::Refused);
    }
    if attempt.syn_ack_at != 0 {
        return Some(Change::Nothing);
    }
    attempt.syn_ack_at = now;
    attempt.server_isn = segment.sequence;
    Some(Change::HalfOpen)
}

/// ACK or RST from the client.
#[cfg_attr(target_arch = "bpf", inline(never))]
fn client_says(attempt: &mut Attempt, segment: &Segment, now: u64) -> Option<Change> {
    if !attempt.is_half_open() {
        return None;
    }
    if segment.has(flag::RST) {
        return Some(abort(attempt));
    }
    // The last ACK may be lost and data acknowledge in its stead.
    let beyond = segment
        .acknowledgement
        .wrapping_sub(attempt.server_isn.wrapping_add(1)) as i32;
    if !segment.has(flag::ACK) || beyond < 0 {
        return None;
    }
    attempt.ack_at = now;
    Some(Change::Connected)
}

#[inline(always)]
fn abort(attempt: &mut Attempt) -> Change {
    if attempt.is_half_open() {
        attempt.aborted = 1;
        Change::Aborted
    } else {
        Change::Nothing
    }
}

#[inline(always)]
fn apply<S: Store>(store: &S, endpoint: &mut Endpoint, change: Change, foreign: bool) {
    match change {
        Change::Nothing => {}
        Change::HalfOpen => half_open(store, endpoint, 1),
        Change::Aborted => half_open(store, endpoint, -1),
        Change::Connected => {
            half_open(store, endpoint, -1);
            if !foreign {
                endpoint.connected = 1;
            }
            endpoint.why = Why::Connected as u32;
            store.tell_endpoint(endpoint);
        }
        Change::Refused => {
            endpoint.why = Why::Refused as u32;
            store.tell_endpoint(endpoint);
        }
    }
}
