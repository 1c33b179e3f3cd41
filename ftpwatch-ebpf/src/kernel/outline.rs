//! Functions that the verifier checks on their own.
//!
//! Exported functions with plain numbers for arguments are "global" to it (kernel 5.6): each is followed
//! once, and not again for every way that leads to a call. What does not fit into a number waits in the
//! scratch space.

use ftpwatch_common::{
    control::Control,
    endpoint::GiveUp,
    engine::{self, Said},
};

use super::{
    maps::{CONTROLS, SCRATCH},
    store::Maps,
};

/// [`engine::say`], with a packed [`Said`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn say(id: u64, said: u64, now: u64) -> u32 {
    engine::say(&Maps, id, Said::unpack(said), now);
    0
}

/// The scene's control connection, which the caller holds.
#[inline(always)]
fn held_control() -> Option<&'static mut Control> {
    let scratch = SCRATCH.get_ptr_mut(0)?;
    // SAFETY: the scratch space is this processor's own, and the caller of each function below holds the
    // entry and uses it only after the function has returned.
    unsafe {
        let control = CONTROLS.get_ptr_mut(&(*scratch).scene.flow)?;
        Some(&mut *control)
    }
}

/// [`engine::begin`], with the scratch space's scene.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn begin() -> u32 {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the scratch space is this processor's own, and the caller changes nothing meanwhile.
    engine::begin(&Maps, unsafe { &(*scratch).scene });
    0
}

/// [`engine::command`] of the control connection at hand.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn command(now: u64) -> u32 {
    if let Some(control) = held_control() {
        engine::command(&Maps, control, now);
    }
    0
}

/// [`engine::reply`] of the control connection at hand. Non-zero when it goes on to [`advertise`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn reply(now: u64) -> u32 {
    match held_control() {
        Some(control) => u32::from(engine::reply(&Maps, control, now)),
        None => 0,
    }
}

/// [`engine::advertise`] of the control connection at hand.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn advertise(sequence: u32, now: u64) -> u32 {
    if let Some(control) = held_control() {
        engine::advertise(&Maps, control, sequence, now);
    }
    0
}

/// [`engine::end`] of the control connection at hand.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn end(how: u32, now: u64) -> u32 {
    if let Some(control) = held_control() {
        engine::end(&Maps, control, GiveUp::from_number(how as u8), now);
    }
    0
}

/// [`engine::late`], with the scratch space's scene.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn late() -> u32 {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the scratch space is this processor's own, and the caller changes nothing meanwhile.
    engine::late(&Maps, unsafe { &(*scratch).scene });
    0
}

/// [`engine::data`], with the scratch space's scene.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn data() -> u32 {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the scratch space is this processor's own, and the caller changes nothing meanwhile.
    engine::data(&Maps, unsafe { &(*scratch).scene });
    0
}

/// [`engine::guess`], with the scratch space's scene.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn guess() -> u64 {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the scratch space is this processor's own, and the caller changes nothing meanwhile.
    engine::guess(&Maps, unsafe { &(*scratch).scene })
}

/// [`engine::rejected`], with the scratch space's scene.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn rejected() -> u32 {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the scratch space is this processor's own, and the caller changes nothing meanwhile.
    engine::rejected(&Maps, unsafe { &(*scratch).scene });
    0
}
