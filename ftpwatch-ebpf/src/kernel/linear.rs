//! The part of a packet that can be read through pointers: headers, nearly always.

use ftpwatch_common::packet::Bytes;

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
