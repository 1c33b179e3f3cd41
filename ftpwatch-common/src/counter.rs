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
}

/// How many counters there are.
pub const COUNTERS: usize = Counter::GuessesFull as usize + 1;

impl Counter {
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
    ];
}
