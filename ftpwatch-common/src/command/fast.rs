//! What nearly every client sends, taken at once: the same as [`CommandDecoder::step`] makes of it, byte by byte.

use super::{AT_START, CommandDecoder, IAC, IN_ARGUMENT, NO_TELNET};
use crate::window::{Taken, Window};

impl CommandDecoder {
    /// Takes at least one of the bytes from `at` up to `end`, and as many as can be taken at once. When they complete a
    /// command, they are its last.
    #[inline(always)]
    pub fn take<W: Window + ?Sized>(&mut self, window: &W, at: u32, end: u32) -> Taken {
        let mut begun = 0;
        if self.phase == AT_START && self.telnet == NO_TELNET {
            begun = self.begin_line(window, at, end);
        }
        if self.phase == IN_ARGUMENT && self.telnet == NO_TELNET {
            let stop = window.find(at + begun, end, b'\n', IAC);
            if stop < end && window.byte(stop) == b'\n' {
                self.phase = AT_START;
                return Taken {
                    bytes: stop + 1 - at,
                    complete: true,
                };
            }
            if stop > at {
                return Taken {
                    bytes: stop - at,
                    complete: false,
                };
            }
        }
        Taken {
            bytes: 1,
            complete: self.step(window.byte(at)),
        }
    }

    /// A verb of three or four letters, and what separates it from its argument. Returns how many bytes they are, or
    /// zero.
    #[inline(always)]
    fn begin_line<W: Window + ?Sized>(&mut self, window: &W, at: u32, end: u32) -> u32 {
        let [a, b, c, d, e, ..] = window.word(at).to_le_bytes();
        let three = a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && c.is_ascii_alphabetic();
        let separates = |byte: u8| byte == b' ' || byte == b'\r' || byte == b'\t';
        let upper = |byte: u8| byte & !0x20;
        if !three || end - at < 5 {
            return 0;
        }
        let length = if separates(d) {
            self.name = [upper(a), upper(b), upper(c), 0];
            3
        } else if d.is_ascii_alphabetic() && separates(e) {
            self.name = [upper(a), upper(b), upper(c), upper(d)];
            4
        } else {
            return 0;
        };
        self.length = length;
        self.phase = IN_ARGUMENT;
        u32::from(length) + 1
    }
}
