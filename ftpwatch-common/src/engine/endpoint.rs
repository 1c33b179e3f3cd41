//! What a control connection says of the endpoint at hand, and how an endpoint comes to be.
//!
//! The arguments of [`say`] are plain numbers, so that the kernel's half can have it, and [`publish`],
//! as functions that the verifier checks on their own.

use super::{Found, Store, for_each_key};
use crate::{
    address::{Address, IndexKey},
    counter::Counter,
    endpoint::{Endpoint, GiveUp, missed},
    record::Why,
};

/// Something said of an endpoint, with what goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Something went by unread: bits of [`missed`].
    Missed(u32),
    /// The client acknowledged the reply.
    Acknowledged,
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
            _ => Self::Released,
        }
    }
}

/// Writes what was said into the endpoint `id`, and tells the news.
#[inline(always)]
pub fn say<S: Store>(store: &S, id: u64, said: Said, now: u64) {
    let Found::Held(mut endpoint) = store.endpoint(id) else {
        return;
    };
    if let Some(why) = hear(&mut endpoint, said, now) {
        endpoint.why = why as u32;
        store.tell_endpoint(&endpoint);
    }
}

/// What is first said, counts. Returns why it is news, if it is: what comes after a completed handshake
/// decides nothing, unless it is the final reply.
#[inline(always)]
fn hear(endpoint: &mut Endpoint, said: Said, now: u64) -> Option<Why> {
    let undecided = endpoint.connected == 0;
    match said {
        Said::Missed(bits) => endpoint.missed |= bits,
        Said::Acknowledged => endpoint.acked_at = now,
        Said::Command(verb) if endpoint.command_at == 0 => {
            endpoint.command_at = now;
            endpoint.command = verb;
        }
        Said::Announced(code) if endpoint.announced_at == 0 => {
            endpoint.announced_at = now;
            endpoint.announced = code;
            return undecided.then_some(Why::Announced);
        }
        Said::Finished(code) if endpoint.final_at == 0 => {
            endpoint.final_at = now;
            endpoint.final_code = code;
            return Some(Why::Final);
        }
        Said::GaveUp(how) if endpoint.gave_up_at == 0 => {
            endpoint.gave_up_at = now;
            endpoint.gave_up = how as u8;
            return undecided.then_some(Why::GaveUp);
        }
        Said::Released => endpoint.released = 1,
        _ => {}
    }
    None
}

/// Makes `endpoint`, filled but for `previous`, one that SYNs find. Returns whether it was stored.
#[inline(always)]
pub fn publish<S: Store>(store: &S, endpoint: &mut Endpoint) -> bool {
    store.count(Counter::Advertised);
    let flow = &endpoint.flow;
    endpoint.previous = store.index(&IndexKey::new(flow.server, endpoint.port, flow.client));
    shadow(store, endpoint);
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
    forget_keys(store, endpoint);
    false
}

/// Takes the endpoint's keys out of the index, unless they are another's by now.
#[inline(always)]
pub fn forget_keys<S: Store>(store: &S, endpoint: &Endpoint) {
    for_each_key(endpoint.address, &endpoint.flow, endpoint.port, |key| {
        if store.index(key) == endpoint.id {
            store.remove_index(key);
        }
    });
}

/// Two control connections of one client were given the same address and port: a SYN can only be the
/// newer one's, so the older one's absence proves nothing. Not so where both are one, seen before and after
/// address translation: the reply has the same sequence numbers then.
#[inline(always)]
fn shadow<S: Store>(store: &S, newer: &Endpoint) {
    if let Found::Held(mut endpoint) = store.endpoint(newer.previous)
        && endpoint.control != newer.control
        && endpoint.reply_end != newer.reply_end
        && endpoint.released == 0
    {
        endpoint.missed |= missed::SHADOWED;
    }
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
