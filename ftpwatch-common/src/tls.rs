//! Control connections in TLS, on the server's own host: what a TLS library is given to encrypt, and has decrypted.
//!
//! Probes on the library see plaintext and know of no connection; programs on the wire see a connection and no
//! plaintext. The probes decode, and leave what was said in a [`Conversation`]; the programs on the wire find out whose it
//! is (`engine::tls`), and take it in at the packet that carries it.

use bytemuck::{Pod, Zeroable};

use crate::{command::CommandDecoder, reply::ReplyDecoder};

/// A library's object for one connection (OpenSSL: `SSL *`; GnuTLS: `gnutls_session_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Object {
    /// The process, by its number in the first PID namespace.
    pub process: u64,
    /// Its address in that process. Zero: none.
    pub address: u64,
}

impl Object {
    /// None.
    pub const NONE: Self = Self {
        process: 0,
        address: 0,
    };
}

/// A call of the library that a task is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Call {
    /// The object at hand.
    pub object: Object,
    /// Where the plaintext is, in the process's memory.
    pub buffer: u64,
    /// Where the library leaves how much it did, in the process's memory. Zero: it returns it.
    pub count_at: u64,
    /// Bytes of plaintext that are written. Zero: it reads.
    pub length: u64,
    /// The [fingerprint](crate::record::Session::fingerprint) of the control connection that sent a record which fits,
    /// meanwhile; zero for none yet, [`Self::AMBIGUOUS`] where there were several.
    pub sent_by: u64,
}

impl Call {
    /// Two control connections sent what one call may have written.
    pub const AMBIGUOUS: u64 = u64::MAX;
}

/// How many commands and replies may wait for their packets. A power of two, for the verifier.
pub const WAITING: u32 = 16;

/// How many bytes are read of the process's memory at a time. A power of two, for the verifier.
pub const PIECE: u32 = 64;

const COMMAND: u32 = 1;
const REPLY: u32 = 2;

/// A complete command or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Saying {
    kind: u32,
    /// The command's verb. Nothing else of a command is kept.
    verb: [u8; 4],
    /// The reply.
    pub reply: ReplyDecoder,
}

/// What is known of an object that speaks FTP as a server does.
///
/// It belongs to the thread that uses the object, but for `tail`, which is the programs' on the wire, and `owner`,
/// `sent_by` and `fits`, which they change while that thread is in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Conversation {
    /// The [fingerprint](crate::record::Session::fingerprint) of the control connection that it is; zero while that is
    /// not known.
    pub owner: u64,
    /// That of the one that sent last what fits.
    pub sent_by: u64,
    /// How many calls in a row this connection sent what fits.
    pub fits: u32,
    /// Something could not be read, or found no room: what is said from then on is not believed.
    pub lost: u32,
    /// The last write did not go through, and is called for again.
    pub again: u32,
    /// The server has written.
    pub wrote: u32,
    /// How much was said.
    pub said: u64,
    /// How much of that others may see: in the kernel set by an instruction that lets nothing pass it.
    pub head: u64,
    /// How much of that was taken in.
    pub tail: u64,
    /// The client's commands.
    pub command: CommandDecoder,
    /// The server's replies.
    pub reply: ReplyDecoder,
    /// A piece of the process's memory.
    pub piece: [u8; PIECE as usize],
    /// What waits for its packet.
    pub waiting: [Saying; WAITING as usize],
}

/// A kmalloc cache is no larger, with the map's own bytes.
const _: () = assert!(size_of::<Conversation>() == 3_928 && size_of::<Call>() == 48);

impl Conversation {
    /// Takes one byte that the server wrote.
    #[inline(always)]
    pub fn written(&mut self, byte: u8) {
        if self.reply.step(byte) {
            self.say(REPLY);
        }
    }

    /// Takes one byte that the client sent.
    #[inline(always)]
    pub fn read(&mut self, byte: u8) {
        if self.command.step(byte) {
            self.reply.close_open_reply();
            self.say(COMMAND);
        }
    }

    #[inline(always)]
    fn say(&mut self, kind: u32) {
        if self.said.wrapping_sub(self.tail) >= WAITING as u64 {
            self.lost = 1;
            return;
        }
        let saying = &mut self.waiting[self.said as usize & (WAITING as usize - 1)];
        saying.kind = kind;
        saying.verb = self.command.name();
        if kind == REPLY {
            saying.reply = self.reply;
        }
        self.said = self.said.wrapping_add(1);
    }

    /// What was said next, and waits.
    #[inline(always)]
    #[must_use]
    pub fn next(&self) -> Option<&Saying> {
        (self.head != self.tail).then(|| &self.waiting[self.tail as usize & (WAITING as usize - 1)])
    }
}

impl Saying {
    /// Whether it is a reply, not a command.
    #[inline(always)]
    #[must_use]
    pub const fn is_reply(&self) -> bool {
        self.kind == REPLY
    }

    /// The command.
    #[inline(always)]
    #[must_use]
    pub const fn command(&self) -> CommandDecoder {
        CommandDecoder::complete(self.verb)
    }
}

/// Whether what a client sends first begins like a command. (Before `ABOR` comes Telnet's `IAC`.)
#[inline(always)]
#[must_use]
pub const fn begins_command([a, b, c, d]: [u8; 4]) -> bool {
    a == 0xff
        || a.is_ascii_alphabetic()
            && b.is_ascii_alphabetic()
            && c.is_ascii_alphabetic()
            && (d.is_ascii_alphabetic() || matches!(d, b' ' | b'\r' | b'\n'))
}

/// Whether a record with so many bytes of ciphertext may carry so many of plaintext.
///
/// TLS 1.3 adds the type of content and a tag (RFC 8446, 5.2 and 5.3); TLS 1.2 a tag, and with GCM and CCM a nonce (RFC
/// 5288, 6655, 7905), or with CBC what comes to whole blocks (RFC 5246, 6.2.3.2; RFC 7366).
#[inline(always)]
#[must_use]
pub const fn fits(ciphertext: u32, plaintext: u64) -> bool {
    let added = (ciphertext as u64).wrapping_sub(plaintext);
    matches!(added, 16 | 17 | 24) || (added >= 37 && added <= 80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::{Advertised, begins_reply};

    fn conversation() -> Conversation {
        Conversation::zeroed()
    }

    fn take(conversation: &mut Conversation) -> Option<Saying> {
        conversation.head = conversation.said;
        let saying = *conversation.next()?;
        conversation.tail = conversation.tail.wrapping_add(1);
        Some(saying)
    }

    #[test]
    fn what_is_said_is_taken_in_order() {
        let mut talk = conversation();
        talk.said = u64::MAX - 1;
        talk.tail = talk.said;
        b"PASV\r\n".iter().for_each(|&byte| talk.read(byte));
        for part in [
            &b"227 Entering Passive Mode (192,0,2,1,"[..],
            b"90,160).\r\n",
        ] {
            part.iter().for_each(|&byte| talk.written(byte));
        }
        b"RETR secret.txt\r\n"
            .iter()
            .for_each(|&byte| talk.read(byte));
        let command = take(&mut talk).unwrap();
        assert_eq!(command.command().name(), *b"PASV");
        assert!(!command.is_reply());
        let reply = take(&mut talk).unwrap();
        assert!(reply.is_reply());
        assert_eq!(
            reply.reply.advertised(),
            Advertised::Endpoint(
                Some("192.0.2.1".parse::<std::net::IpAddr>().unwrap().into()),
                23_200
            )
        );
        assert_eq!(take(&mut talk).unwrap().command().name(), *b"RETR");
        assert_eq!(take(&mut talk), None);
        let bytes = bytemuck::bytes_of(&talk);
        assert!(!bytes.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn too_much_is_said_to_be_lost() {
        let mut talk = conversation();
        for _ in 0..WAITING {
            b"200 ok\r\n".iter().for_each(|&byte| talk.written(byte));
        }
        assert_eq!(talk.lost, 0);
        b"NOOP\r\n".iter().for_each(|&byte| talk.read(byte));
        assert_eq!((talk.lost, talk.said), (1, u64::from(WAITING)));
    }

    #[test]
    fn records_that_fit() {
        for added in [16, 17, 24, 37, 80] {
            assert!(fits(51 + added, 51), "{added}");
        }
        for ciphertext in [0, 50, 51, 66, 69, 87, 132] {
            assert!(!fits(ciphertext, 51), "{ciphertext}");
        }
    }

    #[test]
    fn how_a_conversation_begins() {
        for reply in [b"220 ", b"230-", b"200\r"] {
            assert!(begins_reply(*reply) && !begins_command(*reply));
        }
        for command in [b"USER", b"CCC\r", b"PWD\r", b"\xff\xf4\xff\xf2"] {
            assert!(begins_command(*command) && !begins_reply(*command));
        }
        for other in [b"\x89PNG", b"<htm", b"HT P", b"\0\0\0\0"] {
            assert!(!begins_command(*other) && !begins_reply(*other));
        }
    }
}
