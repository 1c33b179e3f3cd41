//! Bytes that are looked at eight at a time, where one at a time would be slow.

use crate::text::TEXT_BYTES;

/// How many bytes a window has at most. A power of two: the kernel masks indexes with it.
pub const WINDOW_BYTES: u32 = 1024;

/// Some bytes of a payload.
pub trait Window {
    /// The byte at `at`.
    fn byte(&self, at: u32) -> u8;

    /// The eight bytes from `at` on, the first one lowest. Those beyond the end may be anything.
    fn word(&self, at: u32) -> u64;

    /// Copies the `length` bytes from `at` on, up to 64, and none of those beyond: names of files, perhaps.
    #[inline(always)]
    fn copy(&self, at: u32, length: u32, to: &mut [u8; TEXT_BYTES]) {
        let (words, _) = to.as_chunks_mut();
        let mut from = 0;
        for place in words.iter_mut().take(8) {
            if from >= length {
                break;
            }
            let mut word = self.word(at + from);
            if length - from < 8 {
                let kept = !0 << (8 * (length - from));
                word = word & !kept | u64::from_le_bytes(*place) & kept;
            }
            *place = word.to_le_bytes();
            from += 8;
        }
    }

    /// `number`. The kernel's verifier follows what it knows of a number down every way through the code, and finds
    /// too many of them; of this one it knows nothing.
    #[inline(always)]
    fn forget(&self, number: u32) -> u32 {
        number
    }

    /// [`find`]. The kernel calls it out of line.
    #[inline(always)]
    fn find(&self, at: u32, end: u32, one: u8, other: u8) -> u32 {
        find(self, at, end, one, other)
    }
}

/// A copy of some bytes, with room for the word that begins at the last: so that nothing has to be asked before a word is
/// read.
#[derive(Clone, Debug)]
pub struct Copy([u8; CHUNK + 8]);

const CHUNK: usize = WINDOW_BYTES as usize;

impl Default for Copy {
    fn default() -> Self {
        Self([0; CHUNK + 8])
    }
}

impl Copy {
    /// Copies as many of `bytes` as there is room for. Returns how many.
    #[inline]
    pub fn fill(&mut self, bytes: &[u8]) -> u32 {
        let length = bytes.len().min(CHUNK);
        self.0[..length].copy_from_slice(&bytes[..length]);
        length as u32
    }
}

impl Window for Copy {
    #[inline(always)]
    fn byte(&self, at: u32) -> u8 {
        self.0[at as usize & (CHUNK - 1)]
    }

    #[inline(always)]
    fn word(&self, at: u32) -> u64 {
        let at = at as usize & (CHUNK - 1);
        let bytes = self.0[at..].first_chunk();
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    #[inline(always)]
    fn copy(&self, at: u32, length: u32, to: &mut [u8; TEXT_BYTES]) {
        let (at, length) = (at as usize & (CHUNK - 1), length as usize);
        to[..length].copy_from_slice(&self.0[at..at + length]);
    }
}

/// What a decoder took of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// How many bytes.
    pub bytes: u32,
    /// They completed something.
    pub complete: bool,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte that is zero. (Above the lowest of these, some that are not.)
#[inline(always)]
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// Where, from `at` up to `end`, the first byte is that is `one` or `other`; `end` where there is none.
#[inline(always)]
pub fn find<W: Window + ?Sized>(window: &W, at: u32, end: u32, one: u8, other: u8) -> u32 {
    let (one, other) = (ONES * one as u64, ONES * other as u64);
    let mut at = at;
    for _ in 0..WINDOW_BYTES / 8 {
        if at >= end {
            break;
        }
        let word = window.word(at);
        let hits = zeros(word ^ one) | zeros(word ^ other);
        if hits != 0 {
            // All bits below the lowest hit: one in each byte up to its own.
            let below = hits.wrapping_sub(1) & !hits & ONES;
            at += (below.wrapping_mul(ONES) >> 56) as u32 - 1;
            break;
        }
        at += 8;
    }
    let at = window.forget(at);
    if at < end { at } else { end }
}

#[cfg(test)]
mod tests;
