//! The client's commands: the verb of each line, and nothing of its argument.
//!
//! Arguments carry user names, passwords and file names. They pass through [`CommandDecoder::step`]
//! one byte at a time and are kept nowhere.

mod fast;

use bytemuck::{Pod, Zeroable};

/// What a command means for passive endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verb {
    /// Any command without a part in this.
    Other = 0,
    /// `PASV`, `EPSV`, `LPSV`: asks for an endpoint (RFC 959, RFC 2428, RFC 1639).
    Passive = 1,
    /// `PORT`, `EPRT`, `LPRT`: active mode instead.
    Active = 2,
    /// A command that moves data: `RETR`, `STOR`, `STOU`, `APPE`, `LIST`, `NLST`, `MLSD`.
    Transfer = 3,
    /// `ABOR`.
    Abort = 4,
    /// `QUIT`.
    Quit = 5,
    /// `AUTH` (RFC 4217).
    Auth = 6,
    /// `CCC`: back to clear text (RFC 4217, section 12.3).
    ClearChannel = 7,
}

impl Verb {
    /// The class with the number `class`, as [`Queue`](crate::control::Queue) keeps it.
    #[inline(always)]
    #[must_use]
    pub const fn from_class(class: u64) -> Self {
        match class & 0xf {
            1 => Self::Passive,
            2 => Self::Active,
            3 => Self::Transfer,
            4 => Self::Abort,
            5 => Self::Quit,
            6 => Self::Auth,
            7 => Self::ClearChannel,
            _ => Self::Other,
        }
    }

    /// What the verb `name` (upper case, padded with zeros) means.
    #[inline(always)]
    #[must_use]
    pub const fn classify(name: [u8; 4]) -> Self {
        match u32::from_be_bytes(name) {
            // `P@SW` is what an SMC router makes of PASV.
            PASV | EPSV | LPSV | P_AT_SW => Self::Passive,
            PORT | EPRT | LPRT => Self::Active,
            RETR | STOR | STOU | APPE | LIST | NLST | MLSD => Self::Transfer,
            ABOR => Self::Abort,
            QUIT => Self::Quit,
            AUTH => Self::Auth,
            CCC => Self::ClearChannel,
            _ => Self::Other,
        }
    }
}

const fn verb(name: &[u8; 4]) -> u32 {
    u32::from_be_bytes(*name)
}

const PASV: u32 = verb(b"PASV");
const EPSV: u32 = verb(b"EPSV");
const LPSV: u32 = verb(b"LPSV");
const P_AT_SW: u32 = verb(b"P@SW");
const PORT: u32 = verb(b"PORT");
const EPRT: u32 = verb(b"EPRT");
const LPRT: u32 = verb(b"LPRT");
const RETR: u32 = verb(b"RETR");
const STOR: u32 = verb(b"STOR");
const STOU: u32 = verb(b"STOU");
const APPE: u32 = verb(b"APPE");
const LIST: u32 = verb(b"LIST");
const NLST: u32 = verb(b"NLST");
const MLSD: u32 = verb(b"MLSD");
const ABOR: u32 = verb(b"ABOR");
const QUIT: u32 = verb(b"QUIT");
const AUTH: u32 = verb(b"AUTH");
const CCC: u32 = verb(b"CCC\0");

/// Telnet's "interpret as command" (RFC 854). Clients send `IAC IP IAC DM` before `ABOR`.
const IAC: u8 = 0xff;

const AT_START: u8 = 0;
const IN_VERB: u8 = 1;
const IN_ARGUMENT: u8 = 2;

const NO_TELNET: u8 = 0;
const AFTER_IAC: u8 = 1;
const AFTER_OPTION: u8 = 2;

/// Reads the client's side of a control connection byte by byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct CommandDecoder {
    /// The verb so far: upper case, zero where nothing came yet.
    name: [u8; 4],
    length: u8,
    phase: u8,
    telnet: u8,
    pad: u8,
}

impl CommandDecoder {
    /// At the start of a line.
    pub const START: Self = Self {
        name: [0; 4],
        length: 0,
        phase: AT_START,
        telnet: NO_TELNET,
        pad: 0,
    };

    /// At the end of a line with the verb `name`.
    #[inline(always)]
    #[must_use]
    pub const fn complete(name: [u8; 4]) -> Self {
        Self {
            name,
            ..Self::START
        }
    }

    /// Takes one byte. `true` when it ended a command line; [`Self::verb`] and [`Self::name`] tell which
    /// until the next byte.
    #[inline(always)]
    pub fn step(&mut self, byte: u8) -> bool {
        if self.in_telnet(byte) {
            return false;
        }
        if byte == b'\n' {
            let complete = self.phase != AT_START;
            self.phase = AT_START;
            return complete;
        }
        if self.phase == AT_START {
            self.length = 0;
            self.name = [0; 4];
            if byte == b' ' || byte == b'\t' || byte == b'\r' {
                return false;
            }
            self.phase = IN_VERB;
        }
        if self.phase == IN_VERB {
            match byte {
                b' ' | b'\t' | b'\r' => self.phase = IN_ARGUMENT,
                _ => self.push(byte.to_ascii_uppercase()),
            }
        }
        false
    }

    /// Swallows Telnet commands: `IAC x`, and `IAC WILL|WONT|DO|DONT option`.
    #[inline(always)]
    fn in_telnet(&mut self, byte: u8) -> bool {
        match self.telnet {
            AFTER_IAC => {
                self.telnet = if byte >= 251 && byte != IAC {
                    AFTER_OPTION
                } else {
                    NO_TELNET
                };
                true
            }
            AFTER_OPTION => {
                self.telnet = NO_TELNET;
                true
            }
            _ if byte == IAC => {
                self.telnet = AFTER_IAC;
                true
            }
            _ => false,
        }
    }

    #[inline(always)]
    fn push(&mut self, byte: u8) {
        let at = self.length as usize;
        if at < 4 {
            self.name[at & 3] = byte;
        } else {
            // Longer than any verb that matters: it must not pass for one.
            self.name = [0; 4];
        }
        self.length = if at < 5 { self.length + 1 } else { 5 };
    }

    /// The verb of the line just ended, upper case, padded with zeros; all zero when longer than four.
    #[inline(always)]
    #[must_use]
    pub const fn name(&self) -> [u8; 4] {
        self.name
    }

    /// What the line just ended means.
    #[inline(always)]
    #[must_use]
    pub const fn verb(&self) -> Verb {
        Verb::classify(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn verbs(bytes: &[u8]) -> Vec<Verb> {
        let mut decoder = CommandDecoder::START;
        let mut verbs = Vec::new();
        for &byte in bytes {
            if decoder.step(byte) {
                verbs.push(decoder.verb());
            }
        }
        verbs
    }

    #[test]
    fn reads_the_verb_whatever_its_case_and_argument() {
        assert_eq!(
            verbs(b"USER bob\r\npasv\r\nRETR PASV\r\nEpSv ALL\n P@SW\r\n"),
            [
                Verb::Other,
                Verb::Passive,
                Verb::Transfer,
                Verb::Passive,
                Verb::Passive
            ]
        );
    }

    #[test]
    fn a_longer_word_is_no_verb_and_an_empty_line_no_command() {
        assert_eq!(
            verbs(b"PASVX\r\n\r\n\nQUITTER 1\r\n"),
            [Verb::Other, Verb::Other]
        );
        assert_eq!(verbs(b"PASV\n\n\nQUIT\n"), [Verb::Passive, Verb::Quit]);
    }

    #[test]
    fn telnet_bytes_before_abor_are_passed_over() {
        assert_eq!(verbs(b"\xff\xf4\xff\xf2ABOR\r\n"), [Verb::Abort]);
        assert_eq!(verbs(b"\xff\xfd\x06AB\xff\xf2OR\r\n"), [Verb::Abort]);
    }

    #[test]
    fn of_an_argument_nothing_is_kept() {
        let mut decoder = CommandDecoder::START;
        for &byte in b"PASS s3cret" {
            decoder.step(byte);
        }
        assert_eq!(decoder.name(), *b"PASS");
        assert!(!bytemuck::bytes_of(&decoder).windows(2).any(|w| w == b"s3"));
    }
}
