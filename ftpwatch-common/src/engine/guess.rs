//! Data connections of sessions that cannot be read.
//!
//! After AUTH the reply that advertises an endpoint is encrypted, and what goes by of the endpoint is the client's SYN.
//! So a SYN from a client with an encrypted session, to a port of that server's that nobody advertised, makes an
//! endpoint that is guessed: what becomes of it is followed like any other's, and it is never taken for an endpoint
//! that was advertised.

use super::{Scene, Store, endpoint::blank};
use crate::{
    address::{Flow, IndexKey, Pair, WirePort},
    control::{Control, ENCRYPTED},
    counter::Counter,
    record::Why,
    text::Text,
};

/// How many guesses are followed at a time: a client that scans its server must leave room for endpoints.
const GUESSES: u64 = 1024;

/// Ports below are services' own (RFC 6335, section 6), and no server's passive range.
const FIRST_PASSIVE_PORT: u16 = 1024;

/// How much there is that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Blindness {
    /// Control connections that are encrypted.
    pub sessions: u64,
    /// Guesses that are being followed.
    pub guesses: u64,
}

/// The control connection cannot be read any more.
#[inline(always)]
pub(super) fn go_blind<S: Store>(store: &S, control: &mut Control) {
    control.blind = ENCRYPTED;
    store.adjust_blind(&control.flow.pair(), 1);
}

/// The control connection can be read again, or is over: its client's SYNs mean no more than anybody's.
#[inline(always)]
pub(super) fn stop_guessing<S: Store>(store: &S, control: &Control) {
    if control.blind == ENCRYPTED {
        store.adjust_blind(&control.flow.pair(), -1);
    }
}

/// A SYN that no endpoint waits for. Returns the endpoint that is guessed from it, or zero.
#[inline(always)]
pub fn guess<S: Store>(store: &S, scene: &Scene) -> u64 {
    let port = scene.segment.destination;
    let pair = Pair {
        client: scene.source,
        server: scene.destination,
    };
    if port < FIRST_PASSIVE_PORT || store.is_control(WirePort::new(port)) || !store.is_blind(&pair)
    {
        return 0;
    }
    if store.blindness().guesses >= GUESSES {
        store.count(Counter::GuessesFull);
        return 0;
    }
    let id = store.new_id();
    let key = IndexKey::new(pair.server, port, pair.client);
    let flow = Flow {
        client: pair.client,
        server: pair.server,
        client_port: 0,
        server_port: 0,
    };
    let stored = store.with_room(|endpoint| {
        blank(endpoint, &flow, store.now());
        endpoint.id = id;
        endpoint.why = Why::Advertised as u32;
        endpoint.address = pair.server;
        endpoint.port = port;
        endpoint.text = Text::EMPTY;
        store.set_index(&key, id) && store.insert_endpoint(endpoint)
    });
    if stored != Some(true) {
        store.remove_index(&key);
        return 0;
    }
    store.adjust_guesses(1);
    store.adjust_port(port, 1, 0);
    id
}
