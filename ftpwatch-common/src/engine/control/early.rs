//! A segment of the server's that came before the one that goes before it.

use super::reply::Replies;
use crate::{
    control::{Control, HELD_BYTES},
    engine::{Found, Payload, Scene, Store},
    packet::{Segment, flag},
};

/// Keeps a segment that came before the one that goes before it. `false` when it cannot be kept, or another is.
#[cfg_attr(target_arch = "bpf", inline(never))]
pub(super) fn hold<P: Payload>(packet: &P, segment: &Segment, control: &mut Control) -> bool {
    let early = &mut control.early;
    let ends = segment.flags & (flag::FIN | flag::RST) != 0;
    let fits = segment.length > 0 && segment.length as usize <= HELD_BYTES;
    if control.blind != 0 || early.length > 0 || ends || segment.fragment || !fits {
        return false;
    }
    if !packet.keep(segment.payload, segment.length, &mut early.bytes) {
        return false;
    }
    early.sequence = segment.sequence;
    early.length = segment.length;
    true
}

/// Reads the segment that was held, where its time has come: everything before it has been read, or is known
/// to be missing.
#[inline(always)]
pub fn late<S: Store>(store: &S, scene: &Scene) {
    let Found::Held(mut control) = store.control(&scene.flow) else {
        return;
    };
    let Some((first, length)) = control.early.due(control.from_server.next) else {
        return;
    };
    if length > 0 && control.blind == 0 {
        control.from_server.next = control.early.sequence.wrapping_add(control.early.length);
        store.scan_early(&mut control, first, length);
    }
    control.early.length = 0;
}

/// Takes the byte number `at` of the segment that was held.
#[inline(always)]
pub fn early_byte<S: Store>(store: &S, control: &mut Control, at: u32) {
    let byte = control.early.bytes[at as usize & (HELD_BYTES - 1)];
    let sequence = control.early.sequence.wrapping_add(at);
    Replies {
        control,
        store,
        sequence,
    }
    .byte(byte);
}
