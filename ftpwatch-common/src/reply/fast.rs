//! What nearly every server sends, taken at once: the same as [`ReplyDecoder::step`] makes of it, byte by byte.

use super::{FOUND_ADDRESS, FOUND_CONTROL_ADDRESS, NO_CODE, ReplyDecoder, advertises, keeps_text};
use crate::{
    address::Address,
    window::{Taken, Window},
};

const fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

/// vsftpd, ProFTPD, Pure-FTPd, IIS and others: `227 Entering Passive Mode (h1,h2,h3,h4,p1,p2).`
const PASSIVE: [u64; 4] = [
    word(b"227 Ente"),
    word(b"ring Pas"),
    word(b"sive Mod"),
    word(b"e (\0\0\0\0\0"),
];
/// The first number follows.
const PASSIVE_BYTES: u32 = 27;

/// vsftpd, ProFTPD and others: `229 Entering Extended Passive Mode (|||port|)`
const EXTENDED: [u64; 5] = [
    word(b"229 Ente"),
    word(b"ring Ext"),
    word(b"ended Pa"),
    word(b"ssive Mo"),
    word(b"de (|||\0"),
];
const EXTENDED_BYTES: u32 = 39;

/// Pure-FTPd: `229 Extended Passive mode OK (|||port|)`
const EXTENDED_OK: [u64; 5] = [
    word(b"229 Exte"),
    word(b"nded Pas"),
    word(b"sive mod"),
    word(b"e OK (||"),
    word(b"|\0\0\0\0\0\0\0"),
];
const EXTENDED_OK_BYTES: u32 = 33;

impl ReplyDecoder {
    /// Takes at least one of the bytes from `at` up to `end`, and as many as can be taken at once. When they complete a
    /// reply, they are its last.
    #[inline(always)]
    pub fn take<W: Window + ?Sized>(&mut self, window: &W, at: u32, end: u32) -> Taken {
        let mut begun = 0;
        if self.column == 0 && self.open == 0 {
            let line = self.passive(window, at, end);
            if line > 0 {
                return complete(line);
            }
        }
        if self.column == 0 {
            begun = self.begin_line(window, at, end);
        }
        if self.is_passed_over() {
            let newline = window.find(at + begun, end, b'\n', b'\n');
            if newline < end {
                self.column = 0;
                return Taken {
                    bytes: newline + 1 - at,
                    complete: self.close_line(),
                };
            }
            return incomplete(end - at);
        }
        if begun > 0 {
            return incomplete(begun);
        }
        Taken {
            bytes: 1,
            complete: self.step(window.byte(at)),
        }
    }

    /// Nothing in the rest of this line matters.
    #[inline(always)]
    const fn is_passed_over(&self) -> bool {
        let code = self.current();
        self.column > 3 && !advertises(code) && (self.keeping == 0 || !keeps_text(code))
    }

    /// Code and separator, if they can be taken at once. Returns how many bytes they are.
    #[inline(always)]
    fn begin_line<W: Window + ?Sized>(&mut self, window: &W, at: u32, end: u32) -> u32 {
        let bytes = window.word(at).to_le_bytes();
        let [a, b, c, d, ..] = bytes;
        let ends = a == b'\n' || b == b'\n' || c == b'\n' || d == b'\n';
        let odd = a == b'\r' || b == b'\r' || c == b'\r';
        if end - at < 4 || ends || odd || advertises(self.open) {
            return 0;
        }
        self.start_line();
        let digits = a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit();
        let separates = d == b' ' || d == b'-' || d == b'\r';
        // Codes are 100 to 699.
        if digits && separates && a > b'0' && a < b'7' {
            let digit = |byte: u8| (byte - b'0') as u16;
            self.code = digit(a) * 100 + digit(b) * 10 + digit(c);
            self.separator = if d == b'-' { b'-' } else { b' ' };
        } else {
            self.separator = NO_CODE;
        }
        self.column = 4;
        if self.keeping != 0 {
            self.text.begin([a, b, c]);
            if d != b'\r' && keeps_text(self.current()) {
                self.text.push(d);
            }
        }
        4
    }

    /// A whole line in the form that nearly every server sends. Returns how many bytes it has, or zero.
    #[inline(always)]
    fn passive<W: Window + ?Sized>(&mut self, window: &W, at: u32, end: u32) -> u32 {
        let first = window.word(at);
        if first == PASSIVE[0] {
            return self.passive_numbers(window, at, end);
        }
        let begun = if first == EXTENDED[0] && begins(window, at, &EXTENDED, 7) {
            EXTENDED_BYTES
        } else if first == EXTENDED_OK[0] && begins(window, at, &EXTENDED_OK, 1) {
            EXTENDED_OK_BYTES
        } else {
            return 0;
        };
        self.extended_port(window, at, begun, end)
    }

    /// The rest of a 227. Out of line on the host too: what comes after it, if it is no such line, would be kept in a
    /// register all the way.
    #[inline(never)]
    fn passive_numbers<W: Window + ?Sized>(&mut self, window: &W, at: u32, end: u32) -> u32 {
        if !begins(window, at, &PASSIVE, 3) {
            return 0;
        }
        let mut cursor = window.forget(at + PASSIVE_BYTES);
        let (mut address, mut port) = (0, 0);
        for field in 0..6 {
            let delimiter = if field < 5 { b',' } else { b')' };
            let Some((number, next)) = number(window, cursor, delimiter) else {
                return 0;
            };
            let part = if field < 4 { &mut address } else { &mut port };
            *part = window.forget(*part << 8 | number);
            cursor = window.forget(next);
        }
        let Some(line) = line(window, at, cursor, end) else {
            return 0;
        };
        self.found_on(window, at, 227, line);
        let [a, b, c, d] = address.to_be_bytes();
        self.numbers[..4].copy_from_slice(&[a, b, c, d]);
        self.address = Address::v4([a, b, c, d]);
        self.port = port as u16;
        self.numbers[4..6].copy_from_slice(&self.port.to_be_bytes());
        self.found = FOUND_ADDRESS;
        line
    }

    /// The rest of a 229, of which `begun` bytes were read.
    #[cfg_attr(target_arch = "bpf", inline(never))]
    fn extended_port<W: Window + ?Sized>(
        &mut self,
        window: &W,
        at: u32,
        begun: u32,
        end: u32,
    ) -> u32 {
        let cursor = window.forget(at + begun);
        let mut rest = window.word(cursor);
        let mut port = 0;
        let mut digits = 0;
        for _ in 0..5 {
            if !(rest as u8).is_ascii_digit() {
                break;
            }
            port = port * 10 + u32::from(rest as u8 - b'0');
            digits += 1;
            rest >>= 8;
        }
        let closes = rest & 0xffff == u64::from(u16::from_le_bytes(*b"|)"));
        let port = window.forget(port);
        if digits == 0 || !closes || port > 0xffff {
            return 0;
        }
        let Some(line) = line(window, at, window.forget(cursor + digits + 2), end) else {
            return 0;
        };
        self.found_on(window, at, 229, line);
        self.field = port;
        self.port = port as u16;
        self.found = FOUND_CONTROL_ADDRESS;
        line
    }

    /// What is the same of every reply of one line that holds an endpoint, and of which everything has been read.
    #[inline(always)]
    fn found_on<W: Window + ?Sized>(&mut self, window: &W, at: u32, code: u16, line: u32) {
        self.code = code;
        self.separator = b' ';
        self.keeping = 1;
        self.text.set(window, at, line - 2);
        self.reset_run();
        self.reset_fields();
    }
}

/// Whether the window has the bytes of `form` at `at`, of whose last word `last` bytes count. Its first word is known to
/// be there.
#[inline(always)]
fn begins<W: Window + ?Sized, const N: usize>(
    window: &W,
    at: u32,
    form: &[u64; N],
    last: u32,
) -> bool {
    let mut same = true;
    let mut index = 1;
    while index < N {
        let mut difference = window.word(at + 8 * index as u32) ^ form[index];
        if index == N - 1 {
            difference <<= 64 - 8 * last;
        }
        same &= difference == 0;
        index += 1;
    }
    same
}

/// The number at `at`, of up to three digits and not more than 255, if `delimiter` ends it, and where the next byte is.
#[inline(always)]
fn number<W: Window + ?Sized>(window: &W, at: u32, delimiter: u8) -> Option<(u32, u32)> {
    // A digit becomes what it stands for, anything else more than nine.
    let word = window.word(at) as u32 ^ u32::from_le_bytes(*b"0000");
    let [a, b, c, d] = word.to_le_bytes().map(u32::from);
    let delimiter = u32::from(delimiter ^ b'0');
    if a > 9 {
        None
    } else if b == delimiter {
        Some((a, at + 2))
    } else if b > 9 {
        None
    } else if c == delimiter {
        Some((a * 10 + b, at + 3))
    } else if c > 9 {
        None
    } else {
        let number = (a * 10 + b) * 10 + c;
        (number < 256 && d == delimiter).then_some((number, at + 4))
    }
}

/// How many bytes the line that began at `at` has, if all that is left of it at `cursor` is a line end, perhaps after a
/// full stop.
#[inline(always)]
fn line<W: Window + ?Sized>(window: &W, at: u32, cursor: u32, end: u32) -> Option<u32> {
    let rest = window.word(cursor);
    let next = if rest & 0xff_ffff == word(b".\r\n\0\0\0\0\0") {
        cursor + 3
    } else if rest & 0xffff == word(b"\r\n\0\0\0\0\0\0") {
        cursor + 2
    } else {
        return None;
    };
    (next <= end).then(|| window.forget(next - at))
}

const fn complete(bytes: u32) -> Taken {
    Taken {
        bytes,
        complete: true,
    }
}

const fn incomplete(bytes: u32) -> Taken {
    Taken {
        bytes,
        complete: false,
    }
}
