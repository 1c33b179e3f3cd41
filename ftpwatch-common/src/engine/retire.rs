//! Taking out what is done with. Whoever decides outcomes asks for it; the engine does it, so that the
//! entries, the index and the gate's counts always agree.

use bytemuck::{Pod, Zeroable};

use super::{Found, Store, endpoint::forget_keys, guess::stop_guessing};
use crate::address::Flow;

/// A wish to forget something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Request {
    /// The endpoint to forget, or zero.
    pub endpoint: u64,
    /// The control connection to forget, where its id is `control`.
    pub flow: Flow,
    /// Always zero.
    pub pad: u32,
    /// The id of the control connection to forget, or zero.
    pub control: u64,
}

/// Fulfils a [`Request`].
#[inline(always)]
pub fn retire<S: Store>(store: &S, request: &Request) {
    if request.endpoint != 0 {
        retire_endpoint(store, request.endpoint);
    }
    if request.control != 0 {
        let Found::Held(mut control) = store.control(&request.flow) else {
            return;
        };
        if control.id != request.control {
            return;
        }
        // Its end went unseen.
        if control.ended_at == 0 {
            stop_guessing(store, &control);
        }
        control.id = 0;
        drop(control);
        store.remove_control(&request.flow);
    }
}

#[inline(always)]
fn retire_endpoint<S: Store>(store: &S, id: u64) {
    let Found::Held(mut endpoint) = store.endpoint(id) else {
        return;
    };
    forget_keys(store, &endpoint);
    let (port, half_open) = (endpoint.port, endpoint.half_open as i32);
    let guessed = endpoint.is_guessed();
    if !guessed {
        store.give_share(&endpoint.flow.client);
    }
    // Whoever still holds a pointer to the entry sees that it is nobody's now.
    endpoint.id = 0;
    drop(endpoint);
    store.adjust_port(port, -1, -half_open);
    if guessed {
        store.adjust_guesses(-1);
    }
    store.remove_endpoint(id);
}
