//! Packets as XDP sees them.

use core::ffi::c_void;

use aya_ebpf::{bindings::xdp_md, helpers::bpf_xdp_load_bytes, programs::XdpContext};
use ftpwatch_common::{
    control::HELD_BYTES,
    engine::{Payload, Visit},
    packet::Bytes,
};

use super::{
    linear::Linear,
    scan::{Source, keep, scan},
};

/// A frame on XDP.
pub struct Frame {
    context: *mut xdp_md,
}

impl Frame {
    /// The frame of `context`.
    #[inline(always)]
    pub fn new(context: &XdpContext) -> Self {
        Self {
            context: context.ctx,
        }
    }

    /// Bytes of the whole frame.
    #[inline(always)]
    pub fn total(&self) -> u32 {
        let Linear { start, end } = self.linear();
        (end - start) as u32
    }

    /// The frame's bytes, to be read through pointers.
    #[inline(always)]
    pub fn linear(&self) -> Linear {
        // SAFETY: the context is valid for the whole run of the program.
        unsafe {
            Linear {
                start: (*self.context).data as usize,
                end: (*self.context).data_end as usize,
            }
        }
    }
}

impl Source for Frame {
    #[inline(always)]
    unsafe fn copy(&self, offset: u32, to: *mut c_void, length: u32) -> bool {
        // SAFETY: the caller has room for `length` bytes.
        unsafe { bpf_xdp_load_bytes(self.context, offset, to, length) == 0 }
    }
}

impl Bytes for Frame {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        // SAFETY: there is room for `N` bytes.
        let whole = unsafe { self.copy(offset as u32, bytes.as_mut_ptr().cast(), N as u32) };
        whole.then_some(bytes)
    }
}

impl Payload for Frame {
    #[inline(always)]
    fn scan<V: Visit>(&self, offset: u32, length: u32, visitor: &mut V) -> bool {
        scan(self, offset, length, visitor)
    }

    #[inline(always)]
    fn keep(&self, offset: u32, length: u32, room: &mut [u8; HELD_BYTES]) -> bool {
        keep(self, offset, length, room)
    }
}
