//! A line of text as it came over the wire: bounded, unescaped, never trusted.

use bytemuck::{Pod, Zeroable};

use crate::window::Window;

/// How many bytes of a line are kept. A power of two: the kernel masks indexes with it.
pub const TEXT_BYTES: usize = 128;

/// The first [`TEXT_BYTES`] bytes of a line, without its line end.
///
/// The bytes are the sender's: whoever prints them must escape them first.
#[derive(Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(8))]
pub struct Text {
    bytes: [u8; TEXT_BYTES],
    length: u16,
    truncated: u16,
    pad: u32,
}

impl Text {
    /// No text.
    pub const EMPTY: Self = Self {
        bytes: [0; TEXT_BYTES],
        length: 0,
        truncated: 0,
        pad: 0,
    };

    /// Forgets what is held.
    #[inline(always)]
    pub fn clear(&mut self) {
        self.length = 0;
        self.truncated = 0;
    }

    /// Takes these bytes for the first.
    #[inline(always)]
    pub fn begin(&mut self, [a, b, c]: [u8; 3]) {
        self.bytes[0] = a;
        self.bytes[1] = b;
        self.bytes[2] = c;
        self.length = 3;
    }

    /// Takes the `length` bytes of `window` from `at` on, up to 64.
    #[inline(always)]
    pub fn set<W: Window + ?Sized>(&mut self, window: &W, at: u32, length: u32) {
        window.copy(at, length, &mut self.bytes);
        self.length = length as u16;
        self.truncated = 0;
    }

    /// Appends a byte, or notes that there was no room.
    #[inline(always)]
    pub fn push(&mut self, byte: u8) {
        let at = self.length as usize;
        if at < TEXT_BYTES {
            // The mask says to the verifier what the comparison said to the reader.
            self.bytes[at & (TEXT_BYTES - 1)] = byte;
            self.length += 1;
        } else {
            self.truncated = 1;
        }
    }

    /// The bytes kept.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let length = usize::from(self.length).min(TEXT_BYTES);
        &self.bytes[..length]
    }

    /// Whether the line was longer than what is kept.
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        self.truncated != 0
    }
}

impl core::fmt::Debug for Text {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}
