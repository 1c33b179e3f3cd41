//! Where a packet's bytes are, whatever hook it came by.

use core::{arch::asm, ffi::c_void, hint::assert_unchecked, mem::MaybeUninit};

use aya_ebpf::check_bounds_signed;
use ftpwatch_common::{
    control::HELD_BYTES,
    engine::{Payload, Visit},
    packet::{Bytes, Direct, Head, Link},
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

    /// [`look`](super::programs::look), out of line.
    fn look(&self, link: Link) -> u32;

    /// [`take`](super::programs::take), out of line.
    fn take(&self, link: Link);
}

/// From the packet's first byte to the end of what is linear.
pub struct Linear {
    /// Address of the first byte.
    pub start: usize,
    /// Address after the last.
    pub end: usize,
}

impl Linear {
    /// Where `length` bytes at `offset` can be read, if they can.
    #[inline(always)]
    fn place(&self, offset: usize, length: usize) -> Option<usize> {
        // The comparison is the one that the verifier asks for before it allows an access.
        let at = self.start + offset;
        (at + length <= self.end).then_some(at)
    }
}

impl Bytes for Linear {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let at = self.place(offset, N)?;
        if N == 2 {
            let half: u64;
            let mut bytes = [0; N];
            // The compiler would read byte by byte.
            //
            // SAFETY: the two bytes can be read. The instruction asks for no alignment.
            unsafe {
                asm!("{0} = *(u16 *)({1} + 0)", out(reg) half, in(reg) at, options(pure, readonly, nostack));
            }
            bytes.copy_from_slice(&(half as u16).to_ne_bytes());
            return Some(bytes);
        }
        // SAFETY: `N` bytes can be read.
        Some(unsafe { *(at as *const [u8; N]) })
    }

    #[inline(always)]
    fn words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        let at = self.place(offset, 4 * N)?;
        let mut words = [0; N];
        for (index, word) in words.iter_mut().enumerate() {
            let read: u64;
            // As above. What nobody needs, the compiler leaves out.
            //
            // SAFETY: `N` words can be read. The instruction asks for no alignment.
            unsafe {
                let at = at + 4 * index;
                asm!("{0} = *(u32 *)({1} + 0)", out(reg) read, in(reg) at, options(pure, readonly, nostack));
            }
            *word = u32::from_be(read as u32);
        }
        Some(words)
    }
}

impl Direct for Linear {
    #[inline(always)]
    fn head(&self, offset: usize, length: usize) -> Option<impl Head> {
        self.place(offset, length).map(At)
    }
}

/// The address of bytes that can be read.
struct At(usize);

impl Head for At {
    #[inline(always)]
    fn byte<const AT: usize>(&self) -> u8 {
        // SAFETY: who asked for the head asked for this byte.
        unsafe { *((self.0 + AT) as *const u8) }
    }

    #[inline(always)]
    fn half<const AT: usize>(&self) -> u16 {
        let half: u64;
        // The compiler would read byte by byte.
        //
        // SAFETY: as above. The instruction asks for no alignment, and leaves nothing above the sixteen bits.
        unsafe {
            asm!("{0} = *(u16 *)({1} + {at})", out(reg) half, in(reg) self.0, at = const AT, options(pure, readonly, nostack));
            assert_unchecked(half <= 0xffff);
        }
        half as u16
    }
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
