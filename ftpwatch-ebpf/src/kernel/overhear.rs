//! What the probes on TLS libraries left, for the programs on the wire.

use core::{
    ffi::c_void,
    ops::{Deref, DerefMut},
};

use aya_ebpf::helpers::{bpf_get_current_task, bpf_loop};
use ftpwatch_common::{
    control::Control,
    engine::{self, Overhear},
    tls::{Call, Conversation, Object, WAITING},
};

use super::{
    maps::{TLS_CALLS, TLS_CONVERSATIONS},
    store::Maps,
};

/// An entry that its user does not need to hold: see [`Conversation`].
pub struct Entry<T>(*mut T);

impl<T> Deref for Entry<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the entry is a map's value, valid for the whole run of the program (RCU).
        unsafe { &*self.0 }
    }
}

impl<T> DerefMut for Entry<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above. What of it this program changes, nobody else does meanwhile.
        unsafe { &mut *self.0 }
    }
}

impl Overhear for Maps {
    type CallRef<'a> = Entry<Call>;
    type ConversationRef<'a> = Entry<Conversation>;

    #[inline(always)]
    fn call(&self) -> Option<Entry<Call>> {
        // SAFETY: the helper takes nothing.
        let task = unsafe { bpf_get_current_task() };
        TLS_CALLS.get_ptr_mut(task).map(Entry)
    }

    #[inline(always)]
    fn conversation(&self, object: &Object) -> Option<Entry<Conversation>> {
        TLS_CONVERSATIONS.get_ptr_mut(object).map(Entry)
    }

    #[inline(always)]
    fn hear_all(&self, control: &mut Control, sequence: u32, replies: bool) {
        let mut hearing = Hearing {
            control,
            sequence,
            replies,
        };
        // SAFETY: `each` takes what `hearing` is, which outlives the call.
        unsafe {
            bpf_loop(WAITING, each as *mut c_void, (&raw mut hearing).cast(), 0);
        }
    }
}

/// What the loop needs.
struct Hearing<'a> {
    control: &'a mut Control,
    sequence: u32,
    replies: bool,
}

/// One saying. Non-zero ends the loop.
unsafe extern "C" fn each(_: u32, hearing: *mut c_void) -> i64 {
    // SAFETY: `hear_all` passes its own `Hearing`, which lives until the loop is over.
    let hearing = unsafe { &mut *hearing.cast::<Hearing<'_>>() };
    let more = engine::hear(&Maps, hearing.control, hearing.sequence, hearing.replies);
    i64::from(!more)
}
