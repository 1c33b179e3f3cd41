//! Packets as XDP sees them.

use core::ffi::c_void;

use aya_ebpf::{bindings::xdp_md, helpers::bpf_xdp_load_bytes};

use ftpwatch_common::packet::Link;

use super::{
    outline,
    packet::{Linear, Packet},
};

/// A frame on XDP.
pub struct Frame {
    context: *mut xdp_md,
}

impl Frame {
    /// The frame of a context.
    #[inline(always)]
    pub const fn new(context: *mut xdp_md) -> Self {
        Self { context }
    }
}

impl Packet for Frame {
    #[inline(always)]
    fn total(&self) -> u32 {
        let Linear { start, end } = self.linear();
        (end - start) as u32
    }

    #[inline(always)]
    fn linear(&self) -> Linear {
        // SAFETY: the context is valid for the whole run of the program.
        unsafe {
            Linear {
                start: (*self.context).data as usize,
                end: (*self.context).data_end as usize,
            }
        }
    }

    #[inline(always)]
    unsafe fn copy(&self, offset: u32, to: *mut c_void, length: u32) -> bool {
        // SAFETY: the caller has room for `length` bytes.
        unsafe { bpf_xdp_load_bytes(self.context, offset, to, length) == 0 }
    }

    #[inline(always)]
    fn look(&self, _: Link) -> u32 {
        outline::look_xdp(self.context)
    }

    #[inline(always)]
    fn take(&self, _: Link) {
        outline::take_xdp(self.context);
    }
}
