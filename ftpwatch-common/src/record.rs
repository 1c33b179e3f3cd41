//! What goes through the ring buffer.
//!
//! A record says what is new and carries the state as it was then: an [`Endpoint`](crate::endpoint::Endpoint),
//! a [`Session`] or a [`Line`]. The first four bytes of each say which ([`Kind`]), the next four why.
//! The maps stay the truth: a record that found no room is counted, and its endpoint is still in the map.

use bytemuck::{AnyBitPattern, Pod, Zeroable};

use crate::{address::Flow, endpoint::Endpoint, text::Text};

/// Bytes of the ring buffer.
pub const RING_BYTES: u32 = 4 << 20;

/// For this long after the user half was woken for a record it is not woken for another, in nanoseconds: it looks for
/// more by itself.
pub const PROMPT: u64 = 10_000_000;

/// What a record is, its first four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// An [`Endpoint`].
    Endpoint = 1,
    /// A [`Session`].
    Session = 2,
    /// A [`Line`].
    Line = 3,
}

/// Why an endpoint is in the news.
///
/// A SYN or SYN-ACK alone is none: it changes nothing before the deadline, when the map is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Why {
    /// It was advertised.
    Advertised = 1,
    /// A handshake was completed.
    Connected = 2,
    /// A SYN was answered with RST.
    Refused = 3,
    /// 125 or 150: the transfer is announced.
    Announced = 4,
    /// The final reply to the transfer command.
    Final = 5,
    /// The client gave up, or the control connection ended.
    GaveUp = 6,
    /// It was advertised and found no room in the map; nothing more will be known of it.
    Unstored = 7,
}

/// What became of a control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Progress {
    /// First seen.
    Opened = 1,
    /// The server accepted AUTH: what follows cannot be read.
    Blind = 2,
    /// Closed or reset, by either side.
    Ended = 3,
    /// What is said in TLS is heard on the server's own host.
    Read = 4,
}

/// A control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Session {
    /// [`Kind::Session`].
    pub kind: u32,
    /// A [`Progress`].
    pub progress: u32,
    /// Identifies the control connection for as long as the maps live.
    pub id: u64,
    /// When.
    pub at: u64,
    /// Sequence and acknowledgement number of the first segment seen. The same connection seen before
    /// and after address translation has the same.
    pub fingerprint: u64,
    /// Who speaks to whom.
    pub flow: Flow,
    /// Always zero.
    pub pad: u32,
}

/// Why a line is in the news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum About {
    /// A greeting (220).
    Banner = 1,
    /// A 227, 228 or 229 with numbers that make no endpoint.
    Undecodable = 2,
    /// 421, 425 or 522.
    Failure = 3,
    /// The answer to PASV, EPSV or LPSV is that there is no endpoint.
    Refusal = 4,
}

/// A line that a server sent, for the codes whose text is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Line {
    /// [`Kind::Line`].
    pub kind: u32,
    /// An [`About`].
    pub about: u32,
    /// The control connection.
    pub control: u64,
    /// The endpoint it speaks of, or zero.
    pub endpoint: u64,
    /// When.
    pub at: u64,
    /// The text.
    pub text: Text,
    /// The reply's code.
    pub code: u16,
    /// Always zero.
    pub pad: [u16; 3],
}

/// A record as the user half reads it.
#[expect(
    clippy::large_enum_variant,
    reason = "records are taken in one at a time and kept nowhere"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// An endpoint.
    Endpoint(Endpoint),
    /// A control connection.
    Session(Session),
    /// A line.
    Line(Line),
}

impl Record {
    /// Reads a record. `None` if the bytes are none of ours: another kind, or another size.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        fn whole<T: AnyBitPattern>(bytes: &[u8]) -> Option<T> {
            bytemuck::try_pod_read_unaligned(bytes).ok()
        }
        match u32::from_ne_bytes(*bytes.first_chunk()?) {
            kind if kind == Kind::Endpoint as u32 => whole(bytes).map(Self::Endpoint),
            kind if kind == Kind::Session as u32 => whole(bytes).map(Self::Session),
            kind if kind == Kind::Line as u32 => whole(bytes).map(Self::Line),
            _ => None,
        }
    }
}

// Both halves agree on these sizes because they are compiled from the same source. They are stated here so
// that a change of layout is seen for what it is: another version of the maps.
const _: () = assert!(size_of::<Endpoint>() == 632);
const _: () = assert!(size_of::<Session>() == 72);
const _: () = assert!(size_of::<Line>() == 176);
const _: () = assert!(size_of::<crate::control::Control>() == 632);
