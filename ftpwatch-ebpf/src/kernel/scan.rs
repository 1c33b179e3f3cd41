//! Going through a payload byte by byte.

use core::{arch::asm, ffi::c_void};

use aya_ebpf::{check_bounds_signed, helpers::bpf_loop};
use ftpwatch_common::{
    control::Control,
    engine::{self, Visit},
};

use super::{
    maps::{CHUNK, SCRATCH},
    packet::Packet,
    store::Maps,
};

/// Calls `early_byte` for each of the `length` bytes from `first` on that are held of `control`.
#[inline(always)]
pub fn scan_early(control: &mut Control, first: u32, length: u32, now: u64) {
    let mut early = Early {
        control,
        first,
        now,
    };
    // SAFETY: `each_early` takes what `early` is, which outlives the call.
    unsafe {
        bpf_loop(
            whole_register(length),
            each_early as *mut c_void,
            (&raw mut early).cast(),
            0,
        );
    }
}

/// What that loop needs.
struct Early<'a> {
    control: &'a mut Control,
    first: u32,
    now: u64,
}

/// The byte number `index`. Zero goes on.
unsafe extern "C" fn each_early(index: u32, early: *mut c_void) -> i64 {
    // SAFETY: `scan_early` passes its own `Early`, which lives until the loop is over.
    let early = unsafe { &mut *early.cast::<Early<'_>>() };
    engine::early_byte(&Maps, early.control, early.first + index, early.now);
    0
}

/// What the loop needs.
struct Scan<'a, S, V> {
    source: &'a S,
    chunk: *mut [u8; CHUNK],
    visitor: &'a mut V,
    offset: u32,
    length: u32,
    failed: u32,
}

/// Shows `visitor` the `length` bytes at `offset`. `false` when not all could be read.
#[inline(always)]
pub fn scan<S: Packet, V: Visit>(source: &S, offset: u32, length: u32, visitor: &mut V) -> bool {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return false;
    };
    let mut scan = Scan {
        source,
        // SAFETY: `scratch` is a map's value; no reference is made.
        chunk: unsafe { &raw mut (*scratch).chunk },
        visitor,
        offset,
        length,
        failed: 0,
    };
    // A loop that the verifier follows byte by byte exceeds its limit at 128 bytes; a callback it follows
    // a few times only (kernel 5.17).
    //
    // SAFETY: `each::<S, V>` takes what `scan` is, which outlives the call.
    let ran = unsafe {
        bpf_loop(
            whole_register(length),
            each::<S, V> as *mut c_void,
            (&raw mut scan).cast(),
            0,
        )
    };
    scan.failed == 0 && ran >= 0
}

/// `number`, alone in its register. The compiler leaves in the upper half whatever a subtraction left there;
/// `bpf_loop`, where the kernel puts it in line, compares all of it, and does nothing.
#[inline(always)]
fn whole_register(number: u32) -> u32 {
    let mut register = u64::from(number);
    // SAFETY: the instruction does nothing. That it might read all of the register is what it is for.
    unsafe {
        asm!("{0} = {0}", inout(reg) register);
    }
    register as u32
}

/// The byte number `index`. Non-zero ends the loop.
unsafe extern "C" fn each<S: Packet, V: Visit>(index: u32, scan: *mut c_void) -> i64 {
    // SAFETY: `scan` passes its own `Scan<S, V>`, which lives until the loop is over.
    let scan = unsafe { &mut *scan.cast::<Scan<'_, S, V>>() };
    let at = index as usize & (CHUNK - 1);
    if at == 0 && !scan.load_chunk(index) {
        scan.failed = 1;
        return 1;
    }
    // SAFETY: the mask keeps `at` inside the chunk, which is a map's value.
    let byte = unsafe { (*scan.chunk)[at] };
    scan.visitor.byte(byte);
    0
}

impl<S: Packet, V: Visit> Scan<'_, S, V> {
    /// Copies the next `CHUNK` bytes from `index` on, or what is left of them.
    #[inline(always)]
    fn load_chunk(&mut self, index: u32) -> bool {
        let left = i64::from(self.length) - i64::from(index);
        let length = if left > CHUNK as i64 {
            CHUNK as i64
        } else {
            left
        };
        // The verifier refuses a length that may be zero (aya #1207), and LLVM drops a plain comparison.
        if !check_bounds_signed(length, 1, CHUNK as i64) {
            return false;
        }
        // SAFETY: the chunk has room for `length` bytes, which is checked above.
        unsafe {
            self.source
                .copy(self.offset + index, self.chunk.cast(), length as u32)
        }
    }
}
