//! What is known of an endpoint, gathered from every place where its packets were seen.

use ftpwatch_common::{
    address::Flow,
    endpoint::{Attempt, Endpoint, GiveUp, RejectedSegment, missed},
};

/// An endpoint as it was seen, once or, on a gateway that translates addresses, once on either side.
///
/// The first view is the client's: what it was told, and by whom.
#[derive(Clone, Debug)]
pub struct Views(Vec<Endpoint>);

impl Views {
    /// Seen in one place so far.
    #[must_use]
    pub fn new(view: Endpoint) -> Self {
        Self(vec![view])
    }

    /// Takes a newer snapshot of a view, or another view. Of two views, the client's is the one with the
    /// later control connection: its greeting passed the server's side first.
    pub fn update(&mut self, view: Endpoint) {
        match self.0.iter_mut().find(|known| known.id == view.id) {
            // What was missed outside the store is not in it.
            Some(known) => {
                let missed = known.missed;
                *known = view;
                known.missed |= missed;
            }
            None => {
                self.0.push(view);
                self.0
                    .sort_by_key(|view| std::cmp::Reverse(view.advertised_at));
            }
        }
    }

    /// Whether `other` is the same advertisement, on another control connection's four-tuple: seen within
    /// a second.
    #[must_use]
    pub fn is_twin(&self, other: &Endpoint) -> bool {
        let apart = self.0[0].advertised_at.abs_diff(other.advertised_at);
        apart < super::SECOND && self.0.iter().all(|view| view.control != other.control)
    }

    /// Packets of it may have passed unseen.
    pub fn miss(&mut self) {
        for view in &mut self.0 {
            view.missed |= missed::STORE;
        }
    }

    /// It makes room for others.
    pub fn give(&mut self) {
        for view in &mut self.0 {
            view.missed |= missed::ROOM;
        }
    }

    /// The client's view.
    #[must_use]
    pub fn client_side(&self) -> &Endpoint {
        &self.0[0]
    }

    /// The control connection, as each view has it.
    pub fn flows(&self) -> impl Iterator<Item = Flow> + '_ {
        self.0.iter().map(|view| view.flow)
    }

    /// The ids of all views.
    pub fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().map(|view| view.id)
    }

    /// What they say together.
    #[must_use]
    pub fn facts(&self) -> Facts {
        Facts::gather(&self.0)
    }

    /// The view that saw an ICMP error.
    #[must_use]
    pub fn rejected(&self) -> Option<&Endpoint> {
        self.0.iter().find(|view| view.rejected_at != 0)
    }

    /// Whether somebody else than the control connection's client sent a SYN.
    #[must_use]
    pub fn is_tried_by_others(&self) -> bool {
        let mut attempts = self.0.iter().flat_map(|view| &view.attempts);
        attempts.any(|attempt| attempt.syn_at != 0 && attempt.foreign != 0)
    }

    /// The attempt that tells most, and the view it was seen in.
    #[must_use]
    pub fn best_attempt(&self) -> Option<(&Endpoint, &Attempt)> {
        self.0
            .iter()
            .flat_map(|view| view.attempts.iter().map(move |attempt| (view, attempt)))
            .filter(|(_, attempt)| attempt.syn_at != 0)
            .min_by_key(|(_, attempt)| {
                let progress = match attempt {
                    a if a.ack_at != 0 => 0,
                    a if a.syn_ack_at != 0 => 1,
                    a if a.rst_at != 0 => 2,
                    _ => 3,
                };
                (attempt.foreign, progress, attempt.syn_at)
            })
    }
}

/// The facts from which an outcome is decided. Times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// When the reply went by.
    pub advertised_at: u64,
    /// When the client acknowledged it.
    pub acked_at: Option<u64>,
    /// Segments of the client's were seen on the control connection.
    pub client_visible: bool,
    /// From the reply to its acknowledgement.
    pub round_trip: u64,
    /// How often the reply was sent again, not having been acknowledged.
    pub resent: u8,
    /// When it last was.
    pub resent_at: Option<u64>,
    /// First SYN from the control connection's client.
    pub syn_at: Option<u64>,
    /// How many SYNs.
    pub syns: u32,
    /// First SYN-ACK to it.
    pub syn_ack_at: Option<u64>,
    /// First handshake completed.
    pub connected_at: Option<u64>,
    /// Last RST to a SYN, where no SYN has been left without an answer.
    pub refused_at: Option<u64>,
    /// An ICMP error about the client's SYN.
    pub syn_rejected_at: Option<u64>,
    /// An ICMP error about the SYN-ACK.
    pub syn_ack_rejected_at: Option<u64>,
    /// A stranger's handshake completed.
    pub foreign_connected_at: Option<u64>,
    /// 125 or 150.
    pub announced_at: Option<u64>,
    /// The final reply to the transfer command.
    pub final_reply: Option<(u64, u16)>,
    /// The client gave up.
    pub gave_up: Option<(u64, GiveUp)>,
    /// The control connection ended, or speaks of another endpoint now.
    pub released: bool,
    /// Bits of `ftpwatch_common::endpoint::missed`.
    pub missed: u32,
}

fn seen(at: u64) -> Option<u64> {
    (at != 0).then_some(at)
}

/// The earlier of two times, where there are any.
fn first<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl Facts {
    fn gather(views: &[Endpoint]) -> Self {
        views
            .iter()
            .map(Self::of)
            .reduce(Self::together)
            .expect("an endpoint has been seen somewhere")
    }

    fn of(view: &Endpoint) -> Self {
        let own = || {
            view.attempts
                .iter()
                .filter(|a| a.syn_at != 0 && a.foreign == 0)
        };
        let open = own().any(|a| a.is_unanswered() || a.is_half_open());
        let acked_at = seen(view.acked_at);
        let rejected =
            |what: RejectedSegment| seen(view.rejected_at).filter(|_| view.rejected == what as u8);
        Self {
            advertised_at: view.advertised_at,
            acked_at,
            client_visible: view.client_visible != 0 || acked_at.is_some(),
            round_trip: acked_at.map_or(0, |at| at.saturating_sub(view.advertised_at)),
            resent: view.resent,
            resent_at: seen(view.resent_at),
            syn_at: own().map(|a| a.syn_at).min(),
            syns: own().map(|a| u32::from(a.syns)).sum(),
            syn_ack_at: own().filter_map(|a| seen(a.syn_ack_at)).min(),
            connected_at: own().filter_map(|a| seen(a.ack_at)).min(),
            refused_at: own().filter_map(|a| seen(a.rst_at)).max().filter(|_| !open),
            syn_rejected_at: rejected(RejectedSegment::Syn),
            syn_ack_rejected_at: rejected(RejectedSegment::SynAck),
            foreign_connected_at: view
                .attempts
                .iter()
                .filter(|a| a.foreign != 0)
                .filter_map(|a| seen(a.ack_at))
                .min(),
            announced_at: seen(view.announced_at),
            final_reply: seen(view.final_at).map(|at| (at, view.final_code)),
            gave_up: seen(view.gave_up_at).map(|at| (at, GiveUp::from_number(view.gave_up))),
            released: view.released != 0,
            missed: view.missed,
        }
    }

    /// One connection, seen twice. What was seen anywhere was there; the same reply is acknowledged, and
    /// the same command given, on both sides.
    fn together(self, other: Self) -> Self {
        Self {
            advertised_at: self.advertised_at.max(other.advertised_at),
            acked_at: first(self.acked_at, other.acked_at),
            client_visible: self.client_visible || other.client_visible,
            round_trip: self.round_trip.min(other.round_trip),
            resent: self.resent.max(other.resent),
            resent_at: self.resent_at.max(other.resent_at),
            syn_at: first(self.syn_at, other.syn_at),
            syns: self.syns.max(other.syns),
            syn_ack_at: first(self.syn_ack_at, other.syn_ack_at),
            connected_at: first(self.connected_at, other.connected_at),
            refused_at: first(self.refused_at, other.refused_at),
            syn_rejected_at: first(self.syn_rejected_at, other.syn_rejected_at),
            syn_ack_rejected_at: first(self.syn_ack_rejected_at, other.syn_ack_rejected_at),
            foreign_connected_at: first(self.foreign_connected_at, other.foreign_connected_at),
            announced_at: first(self.announced_at, other.announced_at),
            final_reply: first(self.final_reply, other.final_reply),
            gave_up: match (self.gave_up, other.gave_up) {
                (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
                (a, b) => a.or(b),
            },
            released: self.released && other.released,
            missed: self.missed | other.missed,
        }
    }
}
