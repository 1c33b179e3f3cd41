//! Packets as tc sees them.

use core::ffi::c_void;

use aya_ebpf::{bindings::__sk_buff, helpers::bpf_skb_load_bytes, programs::TcContext};
use ftpwatch_common::{
    control::HELD_BYTES,
    engine::{Payload, Visit},
    packet::Bytes,
};

use super::{
    linear::Linear,
    scan::{Source, keep, scan},
};

/// A packet on tc. Its payload is not in the linear part, so bytes are copied out.
pub struct Skb {
    skb: *mut __sk_buff,
}

impl Skb {
    /// The packet of `context`.
    #[inline(always)]
    pub fn new(context: &TcContext) -> Self {
        Self {
            skb: context.skb.skb,
        }
    }

    /// Bytes of the whole packet.
    #[inline(always)]
    pub fn total(&self) -> u32 {
        // SAFETY: the context is valid for the whole run of the program.
        unsafe { (*self.skb).len }
    }

    /// The part that can be read through pointers.
    #[inline(always)]
    pub fn linear(&self) -> Linear {
        // SAFETY: as above.
        unsafe {
            Linear {
                start: (*self.skb).data as usize,
                end: (*self.skb).data_end as usize,
            }
        }
    }
}

impl Source for Skb {
    #[inline(always)]
    unsafe fn copy(&self, offset: u32, to: *mut c_void, length: u32) -> bool {
        // SAFETY: the caller has room for `length` bytes.
        unsafe { bpf_skb_load_bytes(self.skb.cast(), offset, to, length) == 0 }
    }
}

impl Bytes for Skb {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        // SAFETY: there is room for `N` bytes.
        let whole = unsafe { self.copy(offset as u32, bytes.as_mut_ptr().cast(), N as u32) };
        whole.then_some(bytes)
    }
}

impl Payload for Skb {
    #[inline(always)]
    fn scan<V: Visit>(&self, offset: u32, length: u32, visitor: &mut V) -> bool {
        scan(self, offset, length, visitor)
    }

    #[inline(always)]
    fn keep(&self, offset: u32, length: u32, room: &mut [u8; HELD_BYTES]) -> bool {
        keep(self, offset, length, room)
    }
}
