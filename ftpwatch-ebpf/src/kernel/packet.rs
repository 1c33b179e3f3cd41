//! Where a packet's bytes are, whatever hook it came by.

use core::{arch::asm, ffi::c_void, mem::MaybeUninit};

use aya_ebpf::check_bounds_signed;
use ftpwatch_common::{
    control::HELD_BYTES,
    engine::{Payload, Visit},
    packet::Bytes,
};

use super::scan::scan;

/// A packet.
pub trait Packet {
    /// Bytes of all of it.
    fn total(&self) -> u32;

    /// The part that can be read through pointers: headers, nearly always.
    fn linear(&self) -> Linear;

    /// Copies `length` bytes at `offset` to `to`. `false` when the packet does not have them.
    ///
    /// # Safety
    ///
    /// `to` has room for `length` bytes.
    unsafe fn copy(&self, offset: u32, to: *mut c_void, length: u32) -> bool;

    /// [`control`](super::programs::control), out of line.
    fn control(&self, interest: u32) -> u32;
}

/// From the packet's first byte to the end of what is linear.
pub struct Linear {
    /// Address of the first byte.
    pub start: usize,
    /// Address after the last.
    pub end: usize,
}

impl Bytes for Linear {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let at = self.start + offset;
        if at + N > self.end {
            return None;
        }
        let mut bytes = [0; N];
        // The compiler would read them one by one. What of this nobody needs, it leaves out.
        //
        // SAFETY: the comparison above is the one that the verifier asks for before it allows the access.
        unsafe {
            match N {
                2 => bytes.copy_from_slice(&half(at)),
                4 | 8 | 16 | 20 => {
                    bytes[..4].copy_from_slice(&word::<0>(at));
                    if N > 4 {
                        bytes[4..8].copy_from_slice(&word::<4>(at));
                    }
                    if N > 8 {
                        bytes[8..12].copy_from_slice(&word::<8>(at));
                        bytes[12..16].copy_from_slice(&word::<12>(at));
                    }
                    if N > 16 {
                        bytes[16..20].copy_from_slice(&word::<16>(at));
                    }
                }
                _ => bytes = *(at as *const [u8; N]),
            }
        }
        Some(bytes)
    }
}

/// The two bytes at `at`, wherever that is.
///
/// # Safety
///
/// They can be read.
#[inline(always)]
unsafe fn half(at: usize) -> [u8; 2] {
    let half: u64;
    // SAFETY: the caller sees to it.
    unsafe {
        asm!("{0} = *(u16 *)({1} + 0)", out(reg) half, in(reg) at, options(pure, readonly, nostack));
    }
    (half as u16).to_ne_bytes()
}

/// The four bytes at `OFFSET` from `at`, wherever that is.
///
/// # Safety
///
/// They can be read.
#[inline(always)]
unsafe fn word<const OFFSET: usize>(at: usize) -> [u8; 4] {
    let word: u64;
    // SAFETY: the caller sees to it.
    unsafe {
        asm!("{0} = *(u32 *)({1} + {offset})", out(reg) word, in(reg) at, offset = const OFFSET, options(pure, readonly, nostack));
    }
    (word as u32).to_ne_bytes()
}

/// A packet that is read by copying: everything can be, at the price of a helper call.
pub struct Copied<'a, P>(pub &'a P);

impl<P: Packet> Bytes for Copied<'_, P> {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut bytes = MaybeUninit::<[u8; N]>::uninit();
        // SAFETY: there is room for `N` bytes, and all of them were copied where it says so.
        unsafe {
            self.0
                .copy(offset as u32, bytes.as_mut_ptr().cast(), N as u32)
                .then(|| bytes.assume_init())
        }
    }
}

impl<P: Packet> Payload for Copied<'_, P> {
    #[inline(always)]
    fn peek<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        self.load(offset as usize)
    }

    #[inline(always)]
    fn scan<V: Visit>(&self, offset: u32, length: u32, visitor: &mut V) -> bool {
        scan(self.0, offset, length, visitor)
    }

    #[inline(always)]
    fn keep(&self, offset: u32, length: u32, room: &mut [u8; HELD_BYTES]) -> bool {
        let length = i64::from(length);
        if !check_bounds_signed(length, 1, HELD_BYTES as i64) {
            return false;
        }
        // SAFETY: there is room for `length` bytes, which is checked above.
        unsafe { self.0.copy(offset, room.as_mut_ptr().cast(), length as u32) }
    }
}
