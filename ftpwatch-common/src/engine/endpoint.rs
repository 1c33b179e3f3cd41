//! What a control connection says of the endpoint at hand, and how an endpoint comes to be.
//!
//! The arguments of [`say`] are plain numbers, so that the kernel's half can have it, and [`publish`],
//! as functions that the verifier checks on their own.

use super::{Found, Store, for_each_key};
use crate::{
    address::{Address, Flow, IndexKey},
    counter::Counter,
    endpoint::{ATTEMPTS, Attempt, Endpoint, GUESSED, GiveUp, RejectedSegment, missed},
    record::{Kind, Why},
};

/// Something said of an endpoint, with what goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Something went by unread: bits of [`missed`].
    Missed(u32),
    /// The client acknowledged the reply.
    Acknowledged,
    /// The reply was sent again.
    Resent,
    /// Its address and port were advertised again to its client, by a reply that ends at this sequence number.
    Shadowed(u32),
    /// The client sent a transfer command.
    Command([u8; 4]),
    /// 125 or 150.
    Announced(u16),
    /// The final reply to the transfer command.
    Finished(u16),
    /// The client gave up.
    GaveUp(GiveUp),
    /// What is said from now on is not about this endpoint.
    Released,
    /// The server answered the next request for one: the client gave up, if it had not before, and the endpoint is
    /// released.
    Replaced,
}

impl Said {
    /// As one number.
    #[inline(always)]
    #[must_use]
    pub const fn pack(self) -> u64 {
        let (kind, value) = match self {
            Self::Missed(bits) => (0, bits),
            Self::Acknowledged => (1, 0),
            Self::Command(verb) => (2, u32::from_be_bytes(verb)),
            Self::Announced(code) => (3, code as u32),
            Self::Finished(code) => (4, code as u32),
            Self::GaveUp(how) => (5, how as u32),
            Self::Released => (6, 0),
            Self::Resent => (7, 0),
            Self::Replaced => (8, 0),
            Self::Shadowed(reply_end) => (9, reply_end),
        };
        (kind << 32) | value as u64
    }

    /// From [`Self::pack`]'s number.
    #[inline(always)]
    #[must_use]
    pub const fn unpack(packed: u64) -> Self {
        let value = packed as u32;
        match packed >> 32 {
            0 => Self::Missed(value),
            1 => Self::Acknowledged,
            2 => Self::Command(value.to_be_bytes()),
            3 => Self::Announced(value as u16),
            4 => Self::Finished(value as u16),
            5 => Self::GaveUp(GiveUp::from_number(value as u8)),
            6 => Self::Released,
            7 => Self::Resent,
            8 => Self::Replaced,
            _ => Self::Shadowed(value),
        }
    }
}

/// Writes what was said into the endpoint `id`, and tells the news.
#[inline(always)]
pub fn say<S: Store>(store: &S, id: u64, said: Said) {
    let Found::Held(mut endpoint) = store.endpoint(id) else {
        return;
    };
    if let Some(why) = hear(store, &mut endpoint, said) {
        endpoint.why = why as u32;
        store.tell_endpoint(&endpoint);
    }
}

/// A segment is sent again after a fifth of a second at least (Linux: TCP_RTO_MIN). Sooner, it is the same one, seen
/// on another interface.
const SAME_SEGMENT: u64 = 100_000_000;

/// What is first said, counts. Returns why it is news, if it is: what comes after a completed handshake
/// decides nothing, unless it is the final reply.
#[inline(always)]
fn hear<S: Store>(store: &S, endpoint: &mut Endpoint, said: Said) -> Option<Why> {
    let undecided = endpoint.connected == 0;
    match said {
        Said::Missed(bits) => endpoint.missed |= bits,
        Said::Acknowledged => endpoint.acked_at = store.now(),
        Said::Command(verb) if endpoint.command_at == 0 => {
            endpoint.command_at = store.now();
            endpoint.command = verb;
        }
        Said::Announced(code) if endpoint.announced_at == 0 => {
            endpoint.announced_at = store.now();
            endpoint.announced = code;
            return undecided.then_some(Why::Announced);
        }
        Said::Finished(code) if endpoint.final_at == 0 => {
            endpoint.final_at = store.now();
            endpoint.final_code = code;
            return Some(Why::Final);
        }
        Said::GaveUp(how) => return give_up(store, endpoint, how),
        Said::Released => endpoint.released = 1,
        // Another control connection of the client's, as its own has not turned away from it: a SYN can only be the newer
        // one's, so the older one's absence proves nothing. Not so where both are one, seen before and after address
        // translation: the reply has the same sequence numbers then.
        Said::Shadowed(reply_end) if endpoint.released == 0 && endpoint.reply_end != reply_end => {
            endpoint.missed |= missed::SHADOWED;
        }
        Said::Replaced => {
            endpoint.released = 1;
            return give_up(store, endpoint, GiveUp::Replaced);
        }
        Said::Resent => {
            let now = store.now();
            let last = endpoint.advertised_at.max(endpoint.resent_at);
            if now.saturating_sub(last) > SAME_SEGMENT {
                endpoint.resent_at = now;
                endpoint.resent = endpoint.resent.saturating_add(1);
            }
        }
        _ => {}
    }
    None
}

/// The client gave up, unless it had before.
#[inline(always)]
fn give_up<S: Store>(store: &S, endpoint: &mut Endpoint, how: GiveUp) -> Option<Why> {
    if endpoint.gave_up_at != 0 {
        return None;
    }
    endpoint.gave_up_at = store.now();
    endpoint.gave_up = how as u8;
    (endpoint.connected == 0).then_some(Why::GaveUp)
}

/// Makes `endpoint` one of which nothing is known but whose it is, and since when. Its text is left as it is.
#[inline(always)]
pub(super) fn blank(endpoint: &mut Endpoint, its_flow: &Flow, now: u64) {
    // Every field is named, so that a new one cannot be forgotten.
    let Endpoint {
        kind,
        why,
        id,
        control,
        previous,
        advertised_at,
        acked_at,
        gave_up_at,
        command_at,
        announced_at,
        final_at,
        resent_at,
        flow,
        reply_end,
        address,
        port,
        code,
        announced,
        final_code,
        command,
        missed,
        lock,
        gave_up,
        client_visible,
        released,
        connected,
        half_open,
        rejected_at,
        rejected_by,
        rejected_type,
        rejected_code,
        rejected,
        resent,
        pad,
        attempts,
        text: _,
    } = endpoint;
    *kind = Kind::Endpoint as u32;
    *why = 0;
    *id = 0;
    *control = 0;
    *previous = 0;
    *advertised_at = now;
    *acked_at = 0;
    *gave_up_at = 0;
    *command_at = 0;
    *announced_at = 0;
    *final_at = 0;
    *resent_at = 0;
    *flow = *its_flow;
    *reply_end = 0;
    *address = Address::ANY;
    *port = 0;
    *code = GUESSED;
    *announced = 0;
    *final_code = 0;
    *command = [0; 4];
    *missed = 0;
    *lock = 0;
    *gave_up = GiveUp::None as u8;
    *client_visible = 0;
    *released = 0;
    *connected = 0;
    *half_open = 0;
    *rejected_at = 0;
    *rejected_by = Address::ANY;
    *rejected_type = 0;
    *rejected_code = 0;
    *rejected = RejectedSegment::None as u8;
    *resent = 0;
    *pad = [0; 4];
    *attempts = [Attempt::FREE; ATTEMPTS];
}

/// Makes `endpoint`, filled but for `previous`, one that SYNs find. Returns whether it was stored.
#[inline(always)]
pub fn publish<S: Store>(store: &S, endpoint: &mut Endpoint) -> bool {
    store.count(Counter::Advertised);
    if !store.take_share(&endpoint.flow.client) {
        endpoint.missed |= missed::ROOM;
        store.refuse_endpoint(endpoint);
        return false;
    }
    let flow = &endpoint.flow;
    endpoint.previous = own(store, flow, endpoint.port);
    // Found first, there second: a SYN cannot come before the reply has gone by.
    let mut indexed = true;
    for_each_key(endpoint.address, &endpoint.flow, endpoint.port, |key| {
        indexed &= store.set_index(key, endpoint.id);
    });
    if !indexed {
        endpoint.missed |= missed::INDEX;
    }
    if store.insert_endpoint(endpoint) {
        store.adjust_port(endpoint.port, 1, 0);
        return true;
    }
    store.give_share(&endpoint.flow.client);
    forget_keys(store, endpoint);
    false
}

/// Sets the keys of the endpoint `id` again, where they are gone: whoever forgets an older endpoint of the same address,
/// port and client looks whose a key is, and takes it out, in two steps, and it may have become this one's in between. To
/// be called once the older one was spoken to, which waits for that to be over.
#[inline(always)]
pub fn reindex<S: Store>(store: &S, id: u64) {
    let Found::Held(endpoint) = store.endpoint(id) else {
        return;
    };
    for_each_key(endpoint.address, &endpoint.flow, endpoint.port, |key| {
        if store.index(key) == 0 {
            store.set_index(key, id);
        }
    });
}

/// Takes the endpoint's keys out of the index, unless they are another's by now.
#[inline(always)]
pub fn forget_keys<S: Store>(store: &S, endpoint: &Endpoint) {
    let (flow, own) = (&endpoint.flow, &endpoint.address);
    forget_key(store, endpoint, &flow.server, &flow.client);
    forget_key(store, endpoint, &flow.server, &Address::ANY);
    if *own != flow.server {
        forget_key(store, endpoint, own, &flow.client);
        forget_key(store, endpoint, own, &Address::ANY);
    }
}

// In the kernel a key is not to be on the stack while other functions are called.
#[cfg_attr(target_arch = "bpf", inline(never))]
fn forget_key<S: Store>(store: &S, endpoint: &Endpoint, address: &Address, client: &Address) {
    let key = IndexKey::new(*address, endpoint.port, *client);
    if store.index(&key) == endpoint.id {
        store.remove_index(&key);
    }
}

/// The endpoint that the control connection's client was given at this port before, or zero.
#[cfg_attr(target_arch = "bpf", inline(never))]
fn own<S: Store>(store: &S, flow: &Flow, port: u16) -> u64 {
    store.index(&IndexKey::new(flow.server, port, flow.client))
}

/// The endpoint at `address`:`port` that was advertised to `client`, else the last one that was advertised
/// to anybody. Zero for none.
#[cfg_attr(target_arch = "bpf", inline(never))]
pub fn find<S: Store>(store: &S, address: &Address, port: u16, client: &Address) -> u64 {
    let mut key = IndexKey::new(*address, port, *client);
    let own = store.index(&key);
    if own != 0 {
        return own;
    }
    key.client = Address::ANY;
    store.index(&key)
}
