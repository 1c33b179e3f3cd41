//! Packets as tc sees them.

use core::ffi::c_void;

use aya_ebpf::{bindings::__sk_buff, helpers::bpf_skb_load_bytes};

use ftpwatch_common::packet::Link;

use super::{
    outline,
    packet::{Linear, Packet},
};

/// A packet on tc. Its payload is not in the linear part, so bytes are copied out.
pub struct Skb {
    skb: *mut __sk_buff,
}

impl Skb {
    /// The packet of a context.
    #[inline(always)]
    pub const fn new(skb: *mut __sk_buff) -> Self {
        Self { skb }
    }
}

impl Packet for Skb {
    #[inline(always)]
    fn total(&self) -> u32 {
        // SAFETY: the context is valid for the whole run of the program.
        unsafe { (*self.skb).len }
    }

    #[inline(always)]
    fn linear(&self) -> Linear {
        // SAFETY: as above.
        unsafe {
            Linear {
                start: (*self.skb).data as usize,
                end: (*self.skb).data_end as usize,
            }
        }
    }

    #[inline(always)]
    unsafe fn copy(&self, offset: u32, to: *mut c_void, length: u32) -> bool {
        // SAFETY: the caller has room for `length` bytes.
        unsafe { bpf_skb_load_bytes(self.skb.cast(), offset, to, length) == 0 }
    }

    #[inline(always)]
    fn look(&self, link: Link) -> u32 {
        match link {
            Link::Ethernet => outline::look_ether(self.skb),
            Link::Ip => outline::look_ip(self.skb),
        }
    }

    #[inline(always)]
    fn take(&self, link: Link) {
        match link {
            Link::Ethernet => outline::take_ether(self.skb),
            Link::Ip => outline::take_ip(self.skb),
        };
    }
}
