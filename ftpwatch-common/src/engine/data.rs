//! Segments that may belong to an endpoint: SYN, SYN-ACK, RST, and the ACK that completes a handshake.

use super::{Found, Store, half_open};
use crate::{
    address::{Address, IndexKey},
    endpoint::{Attempt, Endpoint, missed},
    packet::{Segment, flag},
    record::Why,
};

/// How far beyond the SYN a SYN-ACK may acknowledge: data in the SYN (RFC 7413).
const FAST_OPEN_BYTES: u32 = 1 << 16;

/// Takes in a segment between `source` and `destination` that the gate let through.
#[inline(always)]
pub fn take<S: Store>(store: &S, segment: &Segment, source: Address, destination: Address) {
    if segment.has(flag::SYN) && !segment.has(flag::ACK) {
        return syn(store, segment, source, destination);
    }
    // From the server: SYN-ACK and RST. From the client: ACK and RST.
    if segment.flags & (flag::SYN | flag::RST) != 0
        && answered(
            store,
            segment,
            source,
            segment.source,
            destination,
            segment.destination,
            true,
        )
    {
        return;
    }
    if !segment.has(flag::SYN) {
        answered(
            store,
            segment,
            destination,
            segment.destination,
            source,
            segment.source,
            false,
        );
    }
}

/// The endpoint at `address`:`port` for `client`, and whether it was advertised to somebody else.
#[inline(always)]
fn find<S: Store>(store: &S, address: Address, port: u16, client: Address) -> (u64, bool) {
    let own = store.index(&IndexKey::new(address, port, client));
    if own != 0 {
        return (own, false);
    }
    (
        store.index(&IndexKey::new(address, port, Address::ANY)),
        true,
    )
}

#[inline(always)]
fn syn<S: Store>(store: &S, segment: &Segment, client: Address, address: Address) {
    let (newest, foreign) = find(store, address, segment.destination, client);
    // A SYN that was seen before may be of the endpoint that had this port before.
    let mut id = newest;
    for _ in 0..2 {
        let Found::Held(mut endpoint) = store.endpoint(id) else {
            break;
        };
        if let Some(attempt) = endpoint.attempt_of_syn(client, segment.source, segment.sequence) {
            attempt.syns = attempt.syns.saturating_add(1);
            return;
        }
        id = endpoint.previous;
    }
    if let Found::Held(mut endpoint) = store.endpoint(newest) {
        let via_control = address != endpoint.address;
        let now = store.now();
        let port = endpoint.port;
        let Some(slot) = free_slot(&mut endpoint, foreign) else {
            if !foreign {
                endpoint.missed |= missed::ATTEMPTS;
            }
            return;
        };
        if slot.is_half_open() {
            half_open(store, port, -1);
        }
        slot.syn_at = now;
        slot.syn_ack_at = 0;
        slot.ack_at = 0;
        slot.rst_at = 0;
        slot.client = client;
        slot.isn = segment.sequence;
        slot.server_isn = 0;
        slot.port = segment.source;
        slot.syns = 1;
        slot.via_control = via_control as u8;
        slot.foreign = foreign as u8;
        slot.aborted = 0;
    }
}

/// A slot for a new attempt: a free one; else, for the control connection's own client, one that is a
/// stranger's, or that was refused.
#[inline(always)]
fn free_slot(endpoint: &mut Endpoint, foreign: bool) -> Option<&mut Attempt> {
    let mut best = usize::MAX;
    for at in 0..endpoint.attempts.len() {
        let attempt = &endpoint.attempts[at];
        if attempt.syn_at == 0 {
            best = at;
            break;
        }
        if !foreign && (attempt.foreign != 0 || (attempt.rst_at != 0 && best == usize::MAX)) {
            best = at;
        }
    }
    endpoint.attempts.get_mut(best)
}

/// A segment between `client` and the endpoint at `address`:`port`, which a SYN opened before.
/// `true` when it was that.
#[inline(always)]
fn answered<S: Store>(
    store: &S,
    segment: &Segment,
    address: Address,
    port: u16,
    client: Address,
    client_port: u16,
    from_server: bool,
) -> bool {
    let (mut id, _) = find(store, address, port, client);
    for _ in 0..2 {
        let Found::Held(mut endpoint) = store.endpoint(id) else {
            return false;
        };
        let now = store.now();
        if let Some(attempt) = endpoint.attempt_of(client, client_port) {
            let change = if from_server {
                server_says(attempt, segment, now)
            } else {
                client_says(attempt, segment, now)
            };
            let foreign = attempt.foreign != 0;
            if let Some(change) = change {
                apply(store, &mut endpoint, change, foreign);
                return true;
            }
        }
        id = endpoint.previous;
    }
    false
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
#[inline(always)]
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
#[inline(always)]
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
        Change::HalfOpen => half_open(store, endpoint.port, 1),
        Change::Aborted => half_open(store, endpoint.port, -1),
        Change::Connected => {
            half_open(store, endpoint.port, -1);
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
