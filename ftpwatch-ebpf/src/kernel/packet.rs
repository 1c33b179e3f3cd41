//! Where a packet's bytes are, whatever hook it came by.

use core::ffi::c_void;

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
        // SAFETY: the comparison above is the one that the verifier asks for before it allows the access.
        Some(unsafe { *(at as *const [u8; N]) })
    }
}

/// A packet that is read by copying: everything can be, at the price of a helper call.
pub struct Copied<'a, P>(pub &'a P);

impl<P: Packet> Bytes for Copied<'_, P> {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        // SAFETY: there is room for `N` bytes.
        let whole = unsafe {
            self.0
                .copy(offset as u32, bytes.as_mut_ptr().cast(), N as u32)
        };
        whole.then_some(bytes)
    }
}

impl<P: Packet> Payload for Copied<'_, P> {
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
