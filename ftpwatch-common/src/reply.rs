//! The server's replies, byte by byte: codes, and the endpoints that 227, 228 and 229 advertise.
//!
//! The grammar is RFC 959, section 4.2 (a reply is `ddd text`, or `ddd-` … `ddd text`), with what
//! servers make of it in the wild. What a reply advertises is decided by its code alone:
//!
//! | code | form | source |
//! |---|---|---|
//! | 227 | six numbers joined by commas, with or without parentheses, anywhere in the text | RFC 959, 4.1.2; RFC 1123, 4.1.2.6 |
//! | 228 | nine (IPv4) or twenty-one (IPv6) such numbers | RFC 1639 |
//! | 229 | `(|||port|)` with any delimiter | RFC 2428, section 3 |
//!
//! The text of a reply is kept for the codes of [`keeps_text`] alone: other replies carry path names.

mod fast;

use bytemuck::{Pod, Zeroable};

use crate::{address::Address, text::Text};

/// What a complete reply advertises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advertised {
    /// Nothing: not a 227, 228 or 229, or one without any numbers (`227 Logout.`).
    Nothing,
    /// Something that cannot be decoded: too few or too many numbers, or numbers out of range.
    Undecodable,
    /// An address and a port. `None` stands for the address of the control connection (229).
    Endpoint(Option<Address>, u16),
}

/// Whether the text of replies with this code is kept. Others carry names of files and users.
#[inline(always)]
#[must_use]
pub const fn keeps_text(code: u16) -> bool {
    matches!(code, 220 | 227..=229 | 421 | 425 | 522)
}

/// Whether replies with this code advertise an endpoint.
#[inline(always)]
#[must_use]
pub const fn advertises(code: u16) -> bool {
    matches!(code, 227..=229)
}

/// Whether a line that begins with these bytes begins a reply.
#[inline(always)]
#[must_use]
pub const fn begins_reply([a, b, c, d]: [u8; 4]) -> bool {
    matches!(a, b'1'..=b'6')
        && b.is_ascii_digit()
        && c.is_ascii_digit()
        && matches!(d, b' ' | b'-' | b'\r' | b'\n')
}

/// Room for the numbers of one run. RFC 1639 needs twenty-one. A power of two, for the verifier.
const NUMBERS: usize = 32;

/// A number that no field of an endpoint can hold.
const TOO_LARGE: u32 = 65_536;

const FOUND_NOTHING: u8 = 0;
const FOUND_UNDECODABLE: u8 = 1;
const FOUND_CONTROL_ADDRESS: u8 = 2;
const FOUND_ADDRESS: u8 = 3;

/// `separator` of a line that does not begin with a code.
const NO_CODE: u8 = 1;

const FIELD_EMPTY: u8 = 0;
const FIELD_NUMBER: u8 = 1;
const FIELD_OTHER: u8 = 2;

/// Reads the server's side of a control connection byte by byte.
///
/// Kept per control connection, so that a reply may arrive in any number of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ReplyDecoder {
    /// The line that holds the endpoint, or else the reply's first line.
    text: Text,
    /// The endpoint found, as `found` says.
    address: Address,
    /// The numbers of the current run (227, 228).
    numbers: [u8; NUMBERS],
    /// The number being read.
    value: u32,
    /// The number in the last field that a delimiter closed (229).
    field: u32,
    port: u16,
    /// The code of this line, as far as it was read.
    code: u16,
    /// The code of the multi-line reply that is open, or zero.
    open: u16,
    /// Where in the line the next byte stands; stays at 4 after the separator.
    column: u8,
    /// Blank or hyphen after the code; [`NO_CODE`] when there is no code; zero when not known yet.
    separator: u8,
    found: u8,
    /// This line's text is kept.
    keeping: u8,
    /// How many numbers of the current run a comma has closed.
    count: u8,
    /// How many digits `value` has; at most 100.
    digits: u8,
    /// A blank came after the digits.
    blank: u8,
    /// A number of the current run is over 255.
    large: u8,
    /// The delimiter of a 229, once known.
    delimiter: u8,
    /// How many fields `delimiter` has closed.
    fields: u8,
    /// What kind the last closed field is.
    kind: u8,
    /// The first field is empty.
    first_empty: u8,
    /// The field being read holds something else than digits.
    odd: u8,
    /// The last byte was an opening parenthesis.
    parenthesis: u8,
    pad: [u8; 4],
}

impl ReplyDecoder {
    /// At the start of a line, outside any reply.
    pub const START: Self = Self {
        text: Text::EMPTY,
        address: Address::ANY,
        numbers: [0; NUMBERS],
        value: 0,
        field: 0,
        port: 0,
        code: 0,
        open: 0,
        column: 0,
        separator: 0,
        found: FOUND_NOTHING,
        keeping: 0,
        count: 0,
        digits: 0,
        blank: 0,
        large: 0,
        delimiter: 0,
        fields: 0,
        kind: FIELD_EMPTY,
        first_empty: 0,
        odd: 0,
        parenthesis: 0,
        pad: [0; 4],
    };

    /// Takes up reading where the bytes before are not known.
    ///
    /// What does not begin with a code says nothing, so this may be called in the middle of a line.
    #[inline(always)]
    pub fn resume(&mut self) {
        self.column = 0;
        self.open = 0;
    }

    /// Closes a multi-line reply that the server left open: its client went on, so it took the reply for
    /// complete.
    #[inline(always)]
    pub fn close_open_reply(&mut self) {
        if self.column == 0 {
            self.open = 0;
        }
    }

    /// Takes one byte. `true` when it completed a reply; [`Self::code`], [`Self::advertised`] and
    /// [`Self::text`] tell which, until the next byte.
    #[inline(always)]
    pub fn step(&mut self, byte: u8) -> bool {
        if self.column == 0 {
            self.start_line();
        }
        if byte == b'\n' {
            return self.end_line();
        }
        if self.column < 3 {
            self.in_code(byte);
        } else if self.column == 3 {
            self.at_separator(byte);
        } else if advertises(self.current()) {
            self.in_body(byte);
        }
        if self.keeping != 0 && byte != b'\r' && (self.column < 3 || keeps_text(self.current())) {
            self.text.push(byte);
        }
        if self.column < 4 {
            self.column += 1;
        }
        false
    }

    /// The code of the reply that is being read, if it may advertise an endpoint: asked when no more bytes
    /// will come.
    #[inline(always)]
    #[must_use]
    pub const fn cut(&self) -> Option<u16> {
        let begun = self.open != 0 || self.column > 3;
        if begun && advertises(self.current()) {
            Some(self.current())
        } else {
            None
        }
    }

    /// The code of the reply just completed.
    #[inline(always)]
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// What the reply just completed advertises.
    #[inline(always)]
    #[must_use]
    pub const fn advertised(&self) -> Advertised {
        match self.found {
            FOUND_ADDRESS => Advertised::Endpoint(Some(self.address), self.port),
            FOUND_CONTROL_ADDRESS => Advertised::Endpoint(None, self.port),
            FOUND_UNDECODABLE => Advertised::Undecodable,
            _ => Advertised::Nothing,
        }
    }

    /// The text of the reply just completed, for the codes of [`keeps_text`].
    #[inline(always)]
    #[must_use]
    pub const fn text(&self) -> &Text {
        &self.text
    }

    /// The code that governs this line: that of the open multi-line reply, or its own.
    #[inline(always)]
    const fn current(&self) -> u16 {
        if self.open != 0 { self.open } else { self.code }
    }

    #[inline(always)]
    const fn has_endpoint(&self) -> bool {
        self.found >= FOUND_CONTROL_ADDRESS
    }

    #[inline(always)]
    fn start_line(&mut self) {
        if self.open == 0 {
            self.found = FOUND_NOTHING;
        }
        // A banner is shown by its first line; `227-listen socket created` CRLF `227 (…)` by the line that
        // holds the endpoint.
        let keeping = self.open == 0 || (advertises(self.open) && !self.has_endpoint());
        self.keeping = keeping as u8;
        if keeping {
            self.text.clear();
        }
        self.code = 0;
        self.separator = 0;
        self.reset_run();
        self.reset_fields();
    }

    #[inline(always)]
    fn in_code(&mut self, byte: u8) {
        if byte.is_ascii_digit() && self.separator != NO_CODE {
            self.code = self.code * 10 + (byte - b'0') as u16;
        } else {
            self.separator = NO_CODE;
            self.code = 0;
        }
        if advertises(self.open) {
            self.in_body(byte);
        }
    }

    #[inline(always)]
    fn at_separator(&mut self, byte: u8) {
        let coded = self.separator != NO_CODE && self.code >= 100 && self.code < 700;
        if coded && (byte == b' ' || byte == b'-' || byte == b'\r') {
            self.separator = if byte == b'-' { b'-' } else { b' ' };
            self.reset_run();
            self.reset_fields();
        } else {
            self.separator = NO_CODE;
            self.code = 0;
            if advertises(self.open) {
                self.in_body(byte);
            }
        }
    }

    #[cfg_attr(target_arch = "bpf", inline(never))]
    fn end_line(&mut self) -> bool {
        // `227` CRLF has a `\r` for a separator, `227` LF has none.
        if self.column == 3 {
            self.at_separator(b'\r');
        }
        self.column = 0;
        if advertises(self.current()) {
            self.end_run();
            self.end_fields();
        }
        self.close_line()
    }

    /// Whether the line just ended is a reply's last.
    #[inline(always)]
    fn close_line(&mut self) -> bool {
        if self.open == 0 {
            if self.separator == b'-' {
                self.open = self.code;
            }
            self.separator == b' '
        } else if self.separator == b' ' && self.code == self.open {
            self.open = 0;
            true
        } else {
            false
        }
    }

    #[inline(always)]
    fn in_body(&mut self, byte: u8) {
        if self.has_endpoint() {
            return;
        }
        if self.current() == 229 {
            self.in_fields(byte);
        } else {
            self.in_run(byte);
        }
    }

    /// 227 and 228: numbers joined by commas, blanks between them allowed.
    #[cfg_attr(target_arch = "bpf", inline(never))]
    fn in_run(&mut self, byte: u8) {
        match byte {
            b'0'..=b'9' => {
                if self.blank != 0 && self.digits > 0 {
                    self.end_run();
                }
                self.digit(byte);
            }
            b',' if self.digits > 0 => self.push_number(),
            b' ' | b'\t' => self.blank = 1,
            _ => self.end_run(),
        }
    }

    #[inline(always)]
    fn digit(&mut self, byte: u8) {
        self.blank = 0;
        self.value = self.value * 10 + (byte - b'0') as u32;
        if self.value > TOO_LARGE {
            self.value = TOO_LARGE;
        }
        if self.digits < 100 {
            self.digits += 1;
        }
    }

    #[inline(always)]
    fn push_number(&mut self) {
        if self.value > 255 {
            self.large = 1;
        }
        let at = self.count as usize;
        if at < NUMBERS {
            self.numbers[at & (NUMBERS - 1)] = self.value as u8;
            self.count += 1;
        }
        self.value = 0;
        self.digits = 0;
        self.blank = 0;
    }

    #[inline(always)]
    fn reset_run(&mut self) {
        self.count = 0;
        self.value = 0;
        self.digits = 0;
        self.blank = 0;
        self.large = 0;
    }

    /// Judges the run of numbers that ends here.
    #[cfg_attr(target_arch = "bpf", inline(never))]
    fn end_run(&mut self) {
        if self.count > 0 && self.current() != 229 && !self.has_endpoint() {
            if self.digits > 0 {
                self.push_number();
            }
            self.judge_run();
        }
        self.reset_run();
    }

    #[inline(always)]
    fn judge_run(&mut self) {
        let n = &self.numbers;
        let long = self.current() == 228;
        if self.large != 0 {
            self.found = FOUND_UNDECODABLE;
        } else if !long && self.count == 6 {
            self.address = Address::v4([n[0], n[1], n[2], n[3]]);
            self.port = u16::from_be_bytes([n[4], n[5]]);
            self.found = FOUND_ADDRESS;
        } else if long && self.count == 9 && n[0] == 4 && n[1] == 4 && n[6] == 2 {
            self.address = Address::v4([n[2], n[3], n[4], n[5]]);
            self.port = u16::from_be_bytes([n[7], n[8]]);
            self.found = FOUND_ADDRESS;
        } else if long && self.count == 21 && n[0] == 6 && n[1] == 16 && n[18] == 2 {
            self.address = Address([
                n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11], n[12], n[13], n[14],
                n[15], n[16], n[17],
            ]);
            self.port = u16::from_be_bytes([n[19], n[20]]);
            self.found = FOUND_ADDRESS;
        } else if self.count > 1 {
            self.found = FOUND_UNDECODABLE;
        }
    }

    /// 229: fields between delimiters, the port in the last.
    #[cfg_attr(target_arch = "bpf", inline(never))]
    fn in_fields(&mut self, byte: u8) {
        if self.delimiter == 0 {
            // RFC 2428 has the delimiter after the parenthesis; without one, `|` alone is believed.
            if byte == b'|' || (self.parenthesis != 0 && is_delimiter(byte)) {
                self.delimiter = byte;
            }
            self.parenthesis = (byte == b'(') as u8;
        } else if byte == self.delimiter {
            self.close_field();
        } else if byte.is_ascii_digit() {
            self.digit(byte);
        } else if byte == b')' || byte == b' ' || byte == b'\r' {
            self.end_fields();
        } else {
            self.odd = 1;
        }
    }

    #[inline(always)]
    fn close_field(&mut self) {
        self.kind = if self.odd != 0 {
            FIELD_OTHER
        } else if self.digits > 0 {
            FIELD_NUMBER
        } else {
            FIELD_EMPTY
        };
        self.field = self.value;
        if self.fields == 0 {
            self.first_empty = (self.kind == FIELD_EMPTY) as u8;
        }
        if self.fields < 100 {
            self.fields += 1;
        }
        self.value = 0;
        self.digits = 0;
        self.odd = 0;
    }

    #[inline(always)]
    fn reset_fields(&mut self) {
        self.delimiter = 0;
        self.fields = 0;
        self.kind = FIELD_EMPTY;
        self.first_empty = 0;
        self.value = 0;
        self.digits = 0;
        self.odd = 0;
        self.parenthesis = 0;
    }

    /// Judges the fields that end here: `(|||port|)`, with protocol and address filled in or not, or with
    /// two delimiters in front instead of three, as one server sends it.
    #[cfg_attr(target_arch = "bpf", inline(never))]
    fn end_fields(&mut self) {
        if self.delimiter != 0 && !self.has_endpoint() {
            if self.digits > 0 || self.odd != 0 {
                self.close_field();
            }
            let shape = self.fields == 3 || (self.fields == 2 && self.first_empty != 0);
            if shape && self.kind == FIELD_NUMBER && self.field < TOO_LARGE {
                self.port = self.field as u16;
                self.found = FOUND_CONTROL_ADDRESS;
            } else if self.fields > 1 {
                self.found = FOUND_UNDECODABLE;
            }
        }
        self.reset_fields();
    }
}

/// RFC 2428, section 3: any of ASCII 33 to 126. Parentheses enclose, so they cannot delimit.
#[inline(always)]
const fn is_delimiter(byte: u8) -> bool {
    byte > 32 && byte < 127 && byte != b'(' && byte != b')'
}

#[cfg(test)]
mod tests;
