//! Going through a payload.

use core::{arch::asm, ffi::c_void};

use aya_ebpf::{check_bounds_signed, helpers::bpf_loop};
use ftpwatch_common::{
    control::Control,
    engine::{self, Visit},
    window::{WINDOW_BYTES, Window},
};

use super::{maps::SCRATCH, outline, packet::Packet, store::Maps};

const CHUNK: usize = WINDOW_BYTES as usize;

/// What was copied of a payload, and how far it was taken. In a map, where the verifier takes no note of the numbers:
/// it would follow each of them around the loop.
#[repr(C)]
pub struct Chunk {
    /// A word may begin at the last byte.
    bytes: [u8; CHUNK + 8],
    /// The next byte, and the one after the last.
    at: u32,
    end: u32,
    /// What comes next in the packet, and how much of that there is.
    offset: u32,
    left: u32,
    /// Not all could be read.
    failed: u32,
    /// See [`Window::forget`].
    forgotten: u32,
}

/// The chunk, to be looked at.
pub struct View(pub *mut Chunk);

impl View {
    #[inline(always)]
    fn start(&self, at: u32) -> usize {
        let mut at = u64::from(at);
        // SAFETY: the instruction changes nothing but its register. The compiler would move a plain mask, or leave it
        // out.
        unsafe {
            asm!("{0} &= {mask}", inout(reg) at, mask = const CHUNK - 1, options(pure, nomem, nostack))
        };
        at as usize
    }
}

impl Window for View {
    #[inline(always)]
    fn byte(&self, at: u32) -> u8 {
        // SAFETY: the mask keeps `at` inside the chunk, which is in a map's value.
        unsafe {
            *(&raw const (*self.0).bytes)
                .cast::<u8>()
                .add(self.start(at))
        }
    }

    #[inline(always)]
    fn word(&self, at: u32) -> u64 {
        let word: u64;
        // SAFETY: as above, and there are seven bytes more. The instruction needs no alignment, where the compiler
        // would read byte by byte.
        unsafe {
            let place = (&raw const (*self.0).bytes)
                .cast::<u8>()
                .add(self.start(at));
            asm!("{0} = *(u64 *)({1} + 0)", out(reg) word, in(reg) place, options(pure, readonly, nostack));
        }
        u64::from_le(word)
    }

    #[inline(always)]
    fn forget(&self, number: u32) -> u32 {
        // SAFETY: the chunk is in a map's value, and this processor's own.
        unsafe {
            let place = &raw mut (*self.0).forgotten;
            place.write_volatile(number);
            place.read_volatile()
        }
    }

    #[inline(always)]
    fn find(&self, at: u32, end: u32, one: u8, other: u8) -> u32 {
        outline::find(at, end, one.into(), other.into())
    }
}

/// What the loop needs.
struct Scan<'a, S, V> {
    source: &'a S,
    chunk: *mut Chunk,
    visitor: &'a mut V,
}

/// Shows `visitor` the `length` bytes at `offset`. `false` when not all could be read.
#[inline(always)]
pub fn scan<S: Packet, V: Visit>(source: &S, offset: u32, length: u32, visitor: &mut V) -> bool {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: the scratch space is this processor's own, and `scan` is used here alone.
    let chunk = unsafe { &raw mut (*scratch).scan };
    unsafe {
        (*chunk).at = 0;
        (*chunk).end = 0;
        (*chunk).offset = offset;
        (*chunk).left = length;
        (*chunk).failed = 0;
    }
    let mut scan = Scan {
        source,
        chunk,
        visitor,
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
    // SAFETY: as above.
    let failed = unsafe { (*chunk).failed };
    failed == 0 && ran >= 0
}

/// Some bytes: at least one. Non-zero ends the loop.
unsafe extern "C" fn each<S: Packet, V: Visit>(_: u32, scan: *mut c_void) -> i64 {
    // SAFETY: `scan` passes its own `Scan<S, V>`, which lives until the loop is over.
    let scan = unsafe { &mut *scan.cast::<Scan<'_, S, V>>() };
    // SAFETY: the chunk is in a map's value, and this processor's own.
    let chunk = unsafe { &mut *scan.chunk };
    if chunk.at >= chunk.end && !load(scan.source, chunk) {
        chunk.failed = 1;
        return 1;
    }
    let (at, end) = (chunk.at, chunk.end);
    let taken = scan.visitor.take(&View(scan.chunk), at, end);
    chunk.at = at + taken;
    i64::from(chunk.at >= end && chunk.left == 0)
}

/// Copies the next bytes, as many as there is room for.
#[inline(always)]
fn load<S: Packet>(source: &S, chunk: &mut Chunk) -> bool {
    let left = i64::from(chunk.left);
    let length = if left > CHUNK as i64 {
        CHUNK as i64
    } else {
        left
    };
    // The verifier refuses a length that may be zero (aya #1207), and LLVM drops a plain comparison.
    if !check_bounds_signed(length, 1, CHUNK as i64) {
        return false;
    }
    let length = length as u32;
    // SAFETY: the chunk has room for `length` bytes, which is checked above.
    if !unsafe { source.copy(chunk.offset, chunk.bytes.as_mut_ptr().cast(), length) } {
        return false;
    }
    chunk.offset += length;
    chunk.left -= length;
    chunk.at = 0;
    chunk.end = length;
    true
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

/// Calls `early_byte` for each of the `length` bytes from `first` on that are held of `control`.
#[inline(always)]
pub fn scan_early(control: &mut Control, first: u32, length: u32) {
    let mut early = Early { control, first };
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
}

/// The byte number `index`. Zero goes on.
unsafe extern "C" fn each_early(index: u32, early: *mut c_void) -> i64 {
    // SAFETY: `scan_early` passes its own `Early`, which lives until the loop is over.
    let early = unsafe { &mut *early.cast::<Early<'_>>() };
    engine::early_byte(&Maps, early.control, early.first + index);
    0
}
