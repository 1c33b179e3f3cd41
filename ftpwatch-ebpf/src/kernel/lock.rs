//! Holding an entry while it is changed.
//!
//! A control connection's two directions, and the two ends of a handshake, are handled on different
//! processors at the same time. `bpf_spin_lock` allows no helper call while it is held, so this is a flag
//! in the entry, taken by an atomic exchange (kernel 5.12) in a bounded number of tries.

use core::{
    arch::asm,
    ffi::c_void,
    ops::{Deref, DerefMut},
};

use aya_ebpf::helpers::bpf_loop;
use ftpwatch_common::{control::Control, endpoint::Endpoint};

/// How often the flag is tried. Its holder needs microseconds; but where a hypervisor takes that processor
/// away meanwhile, milliseconds, for which the kernel's own locks would spin as well.
const TRIES: u32 = 1_000_000;

/// An entry with a lock in it.
pub trait Lock {
    /// Where the flag is.
    fn flag(entry: *mut Self) -> *mut u64;
}

impl Lock for Control {
    #[inline(always)]
    fn flag(entry: *mut Self) -> *mut u64 {
        // SAFETY: `entry` is a map's value, so it points to a whole one; no reference is made.
        unsafe { &raw mut (*entry).lock }
    }
}

impl Lock for Endpoint {
    #[inline(always)]
    fn flag(entry: *mut Self) -> *mut u64 {
        // SAFETY: `entry` is a map's value, so it points to a whole one; no reference is made.
        unsafe { &raw mut (*entry).lock }
    }
}

/// An entry that this processor holds until it is dropped.
pub struct Held<T: Lock> {
    entry: *mut T,
}

impl<T: Lock> Held<T> {
    /// Takes the entry. `None` when another processor held it all the time.
    #[inline(always)]
    pub fn take(entry: *mut T) -> Option<Self> {
        acquire(T::flag(entry)).then_some(Self { entry })
    }
}

impl<T: Lock> Drop for Held<T> {
    #[inline(always)]
    fn drop(&mut self) {
        release(T::flag(self.entry));
    }
}

impl<T: Lock> Deref for Held<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the entry is a map's value, valid for the whole run of the program (RCU), and held.
        unsafe { &*self.entry }
    }
}

impl<T: Lock> DerefMut for Held<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; the flag keeps other processors out.
        unsafe { &mut *self.entry }
    }
}

/// Sets the flag, unless another processor has it all the time.
#[inline(always)]
fn acquire(flag: *mut u64) -> bool {
    exchange(flag, 1) == 0 || acquire_slowly(flag)
}

/// What the loop needs, and finds.
struct Wait {
    flag: *mut u64,
    taken: u64,
}

#[inline(never)]
fn acquire_slowly(flag: *mut u64) -> bool {
    let mut wait = Wait { flag, taken: 0 };
    // A plain loop is followed try by try, and everything after it from each of its ends.
    //
    // SAFETY: `attempt` takes what `wait` is, which outlives the call.
    unsafe {
        bpf_loop(TRIES, attempt as *mut c_void, (&raw mut wait).cast(), 0);
    }
    wait.taken != 0
}

/// One try. Non-zero ends the loop.
unsafe extern "C" fn attempt(_: u32, wait: *mut c_void) -> i64 {
    // SAFETY: `acquire_slowly` passes its own `Wait`, which lives until the loop is over.
    let wait = unsafe { &mut *wait.cast::<Wait>() };
    if exchange(wait.flag, 1) != 0 {
        return 0;
    }
    wait.taken = 1;
    1
}

/// Takes the flag back. On x86 what was stored before is seen before: a plain store is enough, and costs less.
#[inline(always)]
#[expect(
    unexpected_cfgs,
    reason = "the build script sets what aya-ebpf asks for"
)]
fn release(flag: *mut u64) {
    if cfg!(bpf_target_arch = "x86_64") {
        // SAFETY: `flag` is in a map's value. The compiler moves nothing across the instruction.
        unsafe { asm!("*(u64 *)({flag} + 0) = {zero}", flag = in(reg) flag, zero = in(reg) 0_u64) };
    } else {
        exchange(flag, 0);
    }
}

/// Sets a cell, and returns what was in it.
#[inline(always)]
pub fn exchange(cell: *mut u64, value: u64) -> u64 {
    let mut value = value;
    // SAFETY: `cell` is in a map's value. The instruction is a full barrier.
    unsafe {
        asm!("{value} = xchg_64({cell} + 0, {value})", cell = in(reg) cell, value = inout(reg) value);
    }
    value
}

/// Adds to a counter that several processors share.
#[inline(always)]
pub fn add(cell: *mut u64, delta: i64) {
    // SAFETY: `cell` is in a map's value.
    unsafe {
        asm!("lock *(u64 *)({cell} + 0) += {delta}", cell = in(reg) cell, delta = in(reg) delta);
    }
}
