//! What is counted, so that nothing is lost in silence.

/// An index into the per-CPU counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Counter {
    /// Segments of control connections seen, with or without payload.
    ControlSegments,
    /// Control segments whose payload could not be read (fragments, bytes out of reach).
    Unreadable,
    /// Control segments passed over because another processor held the connection's state.
    Contended,
    /// Control connections that found no room in their map: not watched at all.
    ControlsFull,
    /// Endpoints decoded.
    Advertised,
    /// Endpoints that found no room in their map: reported as `unknown`.
    EndpointsFull,
    /// Endpoints that could not be indexed: a SYN will not find them.
    IndexFull,
    /// 227, 228 or 229 replies with numbers that make no endpoint.
    Undecodable,
    /// Times that bytes were missing between two segments of a control connection.
    Gaps,
    /// Records that found no room in the ring buffer.
    RingFull,
    /// Data connections of encrypted sessions that were not watched: too many at a time.
    GuessesFull,
    /// Replies 227, 228 and 229, and what was cut short in one.
    PassiveReplies,
    /// Records for the ring buffer, with those that found no room.
    Records,
    /// Endpoints that were not stored, since their client had its share of the map: reported as `unknown`.
    ShareExceeded,
    /// Endpoints that found no room in their map, and whose record found none in the ring buffer: nobody heard of them.
    Untold,
    /// Control segments whose payload was read.
    Scanned,
    /// Control segments without payload.
    Empty,
    /// Control segments that were seen before: sent again, or on another interface.
    Repeated,
    /// Control segments that came before their time, and are read when it comes.
    Early,
    /// Control segments that are encrypted.
    Encrypted,
    /// Segments from and to control ports that belong to no control connection that is watched: SYNs, what is not FTP, what
    /// comes after the end, connections that found no room.
    Stray,
    /// Control segments of connections that another processor held.
    Busy,
    /// Control segments whose payload was out of reach, or a fragment.
    OutOfReach,
    /// Times that what a server says in TLS could no longer be followed.
    TlsLost,
    /// What a server's TLS library was given, and the probes could not take in: no room, or memory that could not be read.
    TlsUnheard,
}

/// How many counters there are.
pub const COUNTERS: usize = Counter::TlsUnheard as usize + 1;

impl Counter {
    /// What becomes of a control segment: each counts under one of these, and under [`Self::ControlSegments`].
    pub const FATES: [Self; 8] = [
        Self::Scanned,
        Self::Empty,
        Self::Repeated,
        Self::Early,
        Self::Encrypted,
        Self::Stray,
        Self::Busy,
        Self::OutOfReach,
    ];

    /// All of them, in order, with their names.
    pub const ALL: [(Self, &'static str); COUNTERS] = [
        (Self::ControlSegments, "control_segments"),
        (Self::Unreadable, "unreadable"),
        (Self::Contended, "contended"),
        (Self::ControlsFull, "controls_full"),
        (Self::Advertised, "advertised"),
        (Self::EndpointsFull, "endpoints_full"),
        (Self::IndexFull, "index_full"),
        (Self::Undecodable, "undecodable"),
        (Self::Gaps, "gaps"),
        (Self::RingFull, "ring_full"),
        (Self::GuessesFull, "guesses_full"),
        (Self::PassiveReplies, "passive_replies"),
        (Self::Records, "records"),
        (Self::ShareExceeded, "share_exceeded"),
        (Self::Untold, "untold"),
        (Self::Scanned, "scanned"),
        (Self::Empty, "empty"),
        (Self::Repeated, "repeated"),
        (Self::Early, "early"),
        (Self::Encrypted, "encrypted"),
        (Self::Stray, "stray"),
        (Self::Busy, "busy"),
        (Self::OutOfReach, "out_of_reach"),
        (Self::TlsLost, "tls_lost"),
        (Self::TlsUnheard, "tls_unheard"),
    ];
}
