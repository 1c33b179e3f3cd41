//! What was seen of an endpoint, as the entry that the kernel half fills.

use ftpwatch_common::{
    address::Address,
    endpoint::{self, Endpoint, RejectedSegment},
};

use super::{
    connect::{Answer, Attempt},
    control::Reply,
    offer::Offer,
    session::Session,
    transfer::Transfer,
};

/// An endpoint, as it was seen until a moment.
#[derive(Clone, Copy)]
pub struct Seen {
    /// The entry.
    pub endpoint: Endpoint,
    /// When that was decided.
    pub decided_at: u64,
}

impl Seen {
    /// What the reply alone tells.
    pub fn of(session: &Session, reply: &Reply, offer: &Offer) -> Self {
        let endpoint = Endpoint {
            id: 1,
            control: 1,
            advertised_at: reply.at,
            // Whoever reads a reply has acknowledged it.
            acked_at: reply.at,
            client_visible: 1,
            flow: session.control.flow(),
            address: offer.to.ip().into(),
            port: offer.to.port(),
            code: reply.code,
            text: reply.text,
            ..Endpoint::EMPTY
        };
        Self {
            endpoint,
            decided_at: reply.at,
        }
    }

    /// Takes in an attempt.
    pub fn add(&mut self, attempt: &Attempt, via_control: bool) {
        self.decided_at = attempt.ended;
        let endpoint = &mut self.endpoint;
        let Some(slot) = endpoint.attempts.iter_mut().find(|slot| slot.syn_at == 0) else {
            return;
        };
        let client = endpoint.flow.client;
        let mut new = endpoint::Attempt {
            syn_at: attempt.began,
            last_syn_at: attempt.began,
            client: attempt
                .from
                .map_or(client, |from| Address::from(from.ip().to_canonical())),
            port: attempt.from.map_or(0, |from| from.port()),
            syns: 1,
            via_control: u8::from(via_control),
            ..endpoint::Attempt::FREE
        };
        match &attempt.answer {
            Answer::NotSent(_) => return,
            Answer::Nothing => {}
            Answer::Connected(_) => {
                new.syn_ack_at = attempt.ended;
                new.ack_at = attempt.ended;
                endpoint.connected = 1;
            }
            Answer::Reset => new.rst_at = attempt.ended,
            Answer::Rejected(icmp) => {
                endpoint.rejected_at = attempt.ended;
                endpoint.rejected_by = icmp.from.into();
                endpoint.rejected_type = icmp.kind;
                endpoint.rejected_code = icmp.code;
                endpoint.rejected = RejectedSegment::Syn as u8;
            }
        }
        *slot = new;
    }

    /// Takes in what came of LIST.
    pub fn add_transfer(&mut self, transfer: &Transfer) {
        let endpoint = &mut self.endpoint;
        endpoint.command = *b"LIST";
        endpoint.command_at = transfer.command_at;
        if let Some(reply) = &transfer.announced {
            endpoint.announced_at = reply.at;
            endpoint.announced = reply.code;
        }
        if let Some(reply) = &transfer.ended {
            endpoint.final_at = reply.at;
            endpoint.final_code = reply.code;
        }
    }
}
