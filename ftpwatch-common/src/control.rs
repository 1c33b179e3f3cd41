//! A control connection: both decoders, both sequence numbers, and which commands wait for a reply.

use bytemuck::{Pod, Zeroable};

use crate::{
    address::Flow, command::CommandDecoder, command::Verb, reply::ReplyDecoder, tls::Object,
};

/// A jump in sequence numbers beyond this belongs to another connection: no control connection has a
/// window of that size.
const FAR: u32 = 1 << 24;

/// What a segment brings to one direction of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Nothing that was not seen before.
    Old,
    /// New bytes, after `skip` that were seen before. With `gap`, bytes before it were missed.
    New {
        /// Bytes to pass over.
        skip: u32,
        /// Bytes before this segment never came by.
        gap: bool,
    },
    /// Sequence numbers of another connection.
    Foreign,
}

/// How far one direction has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Stream {
    /// The next sequence number.
    pub next: u32,
}

impl Stream {
    /// Takes the segment of `length` bytes at `sequence`.
    #[inline(always)]
    pub fn take(&mut self, sequence: u32, length: u32) -> Arrival {
        let ahead = sequence.wrapping_sub(self.next);
        let behind = self.next.wrapping_sub(sequence);
        if ahead != 0 && ahead >= FAR && behind >= FAR {
            return Arrival::Foreign;
        }
        if ahead != 0 && behind < FAR && length <= behind {
            return Arrival::Old;
        }
        self.next = sequence.wrapping_add(length);
        if ahead == 0 || behind < FAR {
            Arrival::New {
                skip: behind,
                gap: false,
            }
        } else {
            Arrival::New { skip: 0, gap: true }
        }
    }

    /// The peer acknowledged `acknowledgement`. `true` when it has bytes that never came by here.
    #[inline(always)]
    pub fn acknowledged(&mut self, acknowledgement: u32) -> bool {
        let ahead = acknowledgement.wrapping_sub(self.next);
        let missing = ahead != 0 && ahead < FAR;
        if missing {
            self.next = acknowledgement;
        }
        missing
    }
}

/// How many commands may wait for a reply.
const PIPELINE: u32 = 16;

/// The commands that wait for a reply, oldest first: four bits each.
///
/// FTP answers commands in order (RFC 959, section 5.4), so the oldest is the one a final reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Queue {
    classes: u64,
    length: u32,
    transfers: u32,
}

impl Queue {
    /// No command waits.
    pub const EMPTY: Self = Self {
        classes: 0,
        length: 0,
        transfers: 0,
    };

    /// A command was sent. `false` when there are more than can be remembered.
    #[inline(always)]
    pub fn push(&mut self, verb: Verb) -> bool {
        if self.length >= PIPELINE {
            return false;
        }
        // The mask bounds the shift for the verifier.
        self.classes |= (verb as u64) << ((self.length * 4) & 63);
        self.length += 1;
        if matches!(verb, Verb::Transfer) {
            self.transfers += 1;
        }
        true
    }

    /// The oldest command.
    #[inline(always)]
    #[must_use]
    pub const fn oldest(&self) -> Option<Verb> {
        if self.length == 0 {
            None
        } else {
            Some(Verb::from_class(self.classes))
        }
    }

    /// Takes the oldest command out.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<Verb> {
        let oldest = self.oldest()?;
        self.classes >>= 4;
        self.length -= 1;
        if matches!(oldest, Verb::Transfer) {
            self.transfers -= 1;
        }
        Some(oldest)
    }

    /// Takes out everything up to and with the oldest command that asks for an endpoint; just the oldest
    /// when there is none. An advertisement sets right what a server answered twice, or never.
    #[inline(always)]
    pub fn pop_passive(&mut self) {
        let before = *self;
        for _ in 0..PIPELINE {
            match self.pop() {
                Some(Verb::Passive) => return,
                Some(_) => {}
                None => break,
            }
        }
        *self = before;
        self.pop();
    }

    /// Whether a transfer command waits for a reply.
    #[inline(always)]
    #[must_use]
    pub const fn has_transfer(&self) -> bool {
        self.transfers > 0
    }
}

/// How many bytes of a segment that came too early are kept. A power of two, for the verifier.
pub const HELD_BYTES: usize = 256;

/// A segment of the server's that came before the one that goes before it.
///
/// Just one, and only a short one: replies are. What does not fit is read as far as it can be, and counted
/// as a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Early {
    /// Its payload.
    pub bytes: [u8; HELD_BYTES],
    /// Its sequence number.
    pub sequence: u32,
    /// Bytes of payload. Zero: none is held.
    pub length: u32,
}

impl Early {
    /// None is held.
    pub const NONE: Self = Self {
        bytes: [0; HELD_BYTES],
        sequence: 0,
        length: 0,
    };

    /// What there is to read once everything before `next` has been: from where in `bytes`, and how many.
    /// `None` while bytes are missing in between, or where nothing is held.
    #[inline(always)]
    #[must_use]
    pub fn due(&self, next: u32) -> Option<(u32, u32)> {
        let skip = next.wrapping_sub(self.sequence);
        (self.length > 0 && skip < FAR).then(|| (skip, self.length.saturating_sub(skip)))
    }
}

/// The server accepted AUTH: what goes by cannot be read.
pub const ENCRYPTED: u8 = 1;

/// The same, and what is said is heard on the server's own host ([`crate::tls`]).
pub const READ: u8 = 2;

/// A control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Control {
    /// Identifies the connection for as long as the maps live.
    pub id: u64,
    /// The endpoint that commands and replies speak of, or zero.
    pub current: u64,
    /// When it was first seen.
    pub opened_at: u64,
    /// When it was last seen.
    pub last_at: u64,
    /// When it ended, or zero.
    pub ended_at: u64,
    /// See [`Session::fingerprint`](crate::record::Session::fingerprint).
    pub fingerprint: u64,
    /// Held by the processor that changes the entry.
    pub lock: u64,
    /// Through what the server speaks TLS, where that is [`READ`].
    pub object: Object,
    /// Commands that wait for a reply.
    pub queue: Queue,
    /// The server's replies.
    pub reply: ReplyDecoder,
    /// A segment of the server's that came too early.
    pub early: Early,
    /// Who speaks to whom.
    pub flow: Flow,
    /// The client's bytes.
    pub from_client: Stream,
    /// The server's bytes.
    pub from_server: Stream,
    /// The sequence number whose acknowledgement is waited for, with `awaiting`.
    pub reply_end: u32,
    /// The last transfer command.
    pub transfer: [u8; 4],
    /// The client's verbs.
    pub command: CommandDecoder,
    /// `reply_end` is waited for.
    pub awaiting: u8,
    /// Segments of the client's were seen.
    pub client_visible: u8,
    /// In clear text (0), [`ENCRYPTED`], or [`READ`].
    pub blind: u8,
    /// FIN seen: bit 0 from the client, bit 1 from the server.
    pub fins: u8,
}

impl Control {
    /// An empty entry.
    pub const EMPTY: Self = Self {
        id: 0,
        current: 0,
        opened_at: 0,
        last_at: 0,
        ended_at: 0,
        fingerprint: 0,
        lock: 0,
        queue: Queue::EMPTY,
        reply: ReplyDecoder::START,
        early: Early::NONE,
        flow: crate::endpoint::Endpoint::EMPTY.flow,
        from_client: Stream { next: 0 },
        from_server: Stream { next: 0 },
        reply_end: 0,
        transfer: [0; 4],
        command: CommandDecoder::START,
        object: Object::NONE,
        awaiting: 0,
        client_visible: 0,
        blind: 0,
        fins: 0,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(skip: u32, gap: bool) -> Arrival {
        Arrival::New { skip, gap }
    }

    #[test]
    fn segments_in_order_again_overlapping_and_missing() {
        for start in [1000u32, u32::MAX - 5] {
            let at = |offset: u32| start.wrapping_add(offset);
            let mut stream = Stream { next: start };
            assert_eq!(stream.take(at(0), 10), new(0, false));
            assert_eq!(stream.take(at(0), 10), Arrival::Old);
            assert_eq!(stream.take(at(5), 10), new(5, false));
            assert_eq!(stream.take(at(15), 5), new(0, false));
            assert_eq!(stream.take(at(19), 0), Arrival::Old);
            assert_eq!(stream.take(at(30), 5), new(0, true));
            assert_eq!(stream.take(at(20), 10), Arrival::Old);
            assert_eq!(stream.take(at(1 << 30), 10), Arrival::Foreign);
            assert!(!stream.acknowledged(at(35)));
            assert!(stream.acknowledged(at(40)));
            assert_eq!(stream.take(at(40), 1), new(0, false));
        }
    }

    #[test]
    fn replies_answer_commands_in_order() {
        let mut queue = Queue::EMPTY;
        for verb in [Verb::Other, Verb::Passive, Verb::Transfer, Verb::Quit] {
            assert!(queue.push(verb));
        }
        queue.pop_passive();
        assert!(queue.has_transfer());
        assert_eq!(queue.pop(), Some(Verb::Transfer));
        assert!(!queue.has_transfer());
        assert_eq!(queue.pop(), Some(Verb::Quit));
        assert_eq!(queue.pop(), None);
        for _ in 0..PIPELINE {
            assert!(queue.push(Verb::Transfer));
        }
        assert!(!queue.push(Verb::Quit));
        queue.pop_passive();
        assert_eq!(queue.length, PIPELINE - 1);
    }
}
