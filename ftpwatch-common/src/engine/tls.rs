//! Control connections in TLS whose plaintext the server's own host tells ([`crate::tls`]).
//!
//! Whose an object is, is learnt from packets: one that leaves while its task is in a call that writes, and has a record
//! that fits what is written. What is on its way for another connection may leave in the same moment, so a call counts
//! only if one connection alone sent what fits, and it takes two such calls in a row. A segment that is sent again counts
//! never.

use core::ops::DerefMut;

use super::{
    Found, Scene, Store,
    control::{lose_sight, take_command, take_reply, tell_session, turn_to_text},
    guess::stop_guessing,
};
use crate::{
    control::{Arrival, Control, READ},
    counter::Counter,
    packet::Segment,
    record::Progress,
    reply::ReplyDecoder,
    tls::{Call, Conversation, Object, fits},
};

/// How many calls in a row.
const ENOUGH: u32 = 2;

/// A record of application data (RFC 8446, section 5.1).
const APPLICATION_DATA: u8 = 23;

/// A record's header: type, version, length.
pub const HEADER: usize = 5;

/// What the probes left.
pub trait Overhear: Store {
    /// A call of a TLS library.
    type CallRef<'a>: DerefMut<Target = Call>
    where
        Self: 'a;
    /// A conversation.
    type ConversationRef<'a>: DerefMut<Target = Conversation>
    where
        Self: 'a;

    /// The call that the task is in on whose behalf this packet is sent. Where a processor sends in between what is
    /// another's, it is none of that packet's.
    fn call(&self) -> Option<Self::CallRef<'_>>;
    /// What is said through `object`.
    fn conversation(&self, object: &Object) -> Option<Self::ConversationRef<'_>>;
    /// [`hear`], until it returns `false`. In the kernel a loop.
    fn hear_all(&self, control: &mut Control, sequence: u32, replies: bool);
}

/// Finds out whose the object is that the task at hand writes through, if the segment is its. To be called before the
/// segment is taken in itself. `header` is what its payload begins with, zeros where there is none.
#[inline(always)]
pub fn learn<S: Overhear>(store: &S, scene: &mut Scene, header: [u8; HEADER]) {
    scene.sent_by_server();
    if let Found::Held(mut control) = store.control(&scene.flow)
        && control.blind != 0
        && control.ended_at == 0
        && is_fresh(&control, &scene.segment)
    {
        learn_of(store, &mut control, &scene.segment, header);
    }
}

/// Takes in what was said on the control connection up to this segment, of the server's or the client's. To be called
/// before the segment is taken in itself. A reply waits for a segment that may carry it.
#[inline(always)]
pub fn listen<S: Overhear>(store: &S, scene: &mut Scene, from_server: bool) {
    if from_server {
        scene.sent_by_server();
    } else {
        scene.sent_by_client();
    }
    let Found::Held(mut control) = store.control(&scene.flow) else {
        return;
    };
    if control.blind != READ || control.ended_at != 0 {
        return;
    }
    let segment = &scene.segment;
    let replies = from_server && is_fresh(&control, segment);
    let sequence = segment.sequence.wrapping_add(segment.length);
    store.hear_all(&mut control, sequence, replies);
    // Where there is none, the server is done with the object: nothing more is said.
    if let Some(conversation) = store.conversation(&control.object)
        && (conversation.lost != 0 || conversation.owner != control.fingerprint)
    {
        lose(store, &mut control);
    }
}

/// Whether the server's segment has bytes that were not seen before.
#[inline(always)]
fn is_fresh(control: &Control, segment: &Segment) -> bool {
    let mut stream = control.from_server;
    segment.length > 0
        && matches!(
            stream.take(segment.sequence, segment.length),
            Arrival::New { .. }
        )
}

#[inline(always)]
fn learn_of<S: Overhear>(
    store: &S,
    control: &mut Control,
    segment: &Segment,
    header: [u8; HEADER],
) {
    let [kind, major, _, high, low] = header;
    let length = u32::from(u16::from_be_bytes([high, low]));
    if kind != APPLICATION_DATA || major != 3 || segment.length < length {
        return;
    }
    let Some(mut call) = store.call() else {
        return;
    };
    if !fits(length, call.length) {
        return;
    }
    let Some(mut conversation) = store.conversation(&call.object) else {
        return;
    };
    let sender = control.fingerprint;
    if call.sent_by == sender {
        return;
    }
    if call.sent_by != 0 {
        call.sent_by = Call::AMBIGUOUS;
        conversation.fits = 0;
        return;
    }
    call.sent_by = sender;
    if conversation.sent_by != sender {
        conversation.sent_by = sender;
        conversation.fits = 0;
    }
    conversation.fits += 1;
    let known = conversation.owner == sender && control.object == call.object;
    if conversation.fits < ENOUGH || known {
        return;
    }
    // One of both was taken for another's. Which, is found out anew.
    if conversation.owner != 0 && conversation.owner != sender {
        conversation.owner = 0;
        conversation.fits = 0;
        return;
    }
    if control.blind == READ {
        conversation.fits = 0;
        lose(store, control);
        return;
    }
    conversation.owner = sender;
    stop_guessing(store, control);
    turn_to_text(control);
    control.blind = READ;
    control.object = call.object;
    tell_session(store, control, Progress::Read);
}

/// Takes in what was said next, if something was, at a segment that ends before `sequence`. Returns whether there may be
/// more.
#[inline(always)]
pub fn hear<S: Overhear>(store: &S, control: &mut Control, sequence: u32, replies: bool) -> bool {
    let Some(mut conversation) = store.conversation(&control.object) else {
        return false;
    };
    if conversation.owner != control.fingerprint {
        return false;
    }
    let Some(saying) = conversation.next() else {
        return false;
    };
    if saying.is_reply() {
        if !replies {
            return false;
        }
        copy(&saying.reply, &mut control.reply);
        conversation.tail = conversation.tail.wrapping_add(1);
        take_reply(store, control, sequence);
    } else {
        control.command = saying.command();
        conversation.tail = conversation.tail.wrapping_add(1);
        take_command(store, control);
    }
    true
}

/// Copies a decoder. On its own, where the compiler knows that the two are not one: else it has it all on the stack in
/// between.
#[cfg_attr(target_arch = "bpf", inline(never))]
fn copy(from: &ReplyDecoder, to: &mut ReplyDecoder) {
    *to = *from;
}

/// The control connection cannot be read any more after all.
#[inline(always)]
pub(super) fn lose<S: Store>(store: &S, control: &mut Control) {
    store.count(Counter::TlsLost);
    control.object = Object::NONE;
    lose_sight(store, control);
}
