//! One endpoint: ask, decode, connect, list. What was seen goes into the same entry that the kernel half fills, so that
//! outcome, cause, evidence and advice come from the same rules as everywhere.

use std::time::Duration;

use ftpwatch_common::reply::advertises;

use super::{
    connect::{Answer, Attempt, connect},
    control::{Lost, Reply},
    offer::Offer,
    seen::Seen,
    session::Session,
    transfer::{Transfer, list},
};

/// How to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// EPSV (RFC 2428).
    Epsv,
    /// PASV (RFC 959).
    Pasv,
}

impl Ask {
    /// The command.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Epsv => "EPSV",
            Self::Pasv => "PASV",
        }
    }
}

/// What came of asking.
pub enum Came {
    /// An endpoint, tried.
    Endpoint(Box<Tried>),
    /// A reply that advertises nothing that can be connected to.
    Undecodable(Reply),
    /// Another reply.
    Refused(Reply),
    /// None.
    Lost(Lost),
}

/// An endpoint that was tried.
pub struct Tried {
    /// The reply that advertised it.
    pub reply: Reply,
    /// As a client has it that believes the server.
    pub trusted: Seen,
    /// With the attempt at the control connection's address, if there was reason for it.
    pub with_control: Option<Seen>,
    /// What the listing came to, if a connection was made.
    pub transfer: Option<Transfer>,
    /// What is worth saying besides.
    pub notes: Vec<String>,
}

impl Tried {
    /// Whether a client that believes the server can connect.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.trusted.endpoint.connected != 0
    }

    /// Whether one connects that uses the control connection's address instead.
    #[must_use]
    pub fn is_connected_by_control(&self) -> bool {
        self.with_control
            .is_some_and(|seen| seen.endpoint.connected != 0)
    }
}

/// Asks for an endpoint and tries it.
pub async fn ask(session: &mut Session, ask: Ask, within: Duration) -> Came {
    let reply = match session.control.command(ask.name()).await {
        Ok(reply) => reply,
        Err(lost) => return Came::Lost(lost),
    };
    match Offer::of(&reply, session) {
        Some(offer) => Came::Endpoint(Box::new(try_offer(session, &reply, &offer, within).await)),
        None if advertises(reply.code) => Came::Undecodable(reply),
        None => Came::Refused(reply),
    }
}

async fn try_offer(session: &mut Session, reply: &Reply, offer: &Offer, within: Duration) -> Tried {
    let mut notes = Vec::new();
    let mut trusted = Seen::of(session, reply, offer);
    let mut data = None;
    if offer.is_target() {
        let attempt = connect(offer.to, within).await;
        trusted.add(&attempt, false);
        notes.extend(unsent(&attempt));
        data = connection(attempt);
    } else {
        notes.push(format!("{} was not tried: it can be nobody's", offer.to));
    }
    let mut with_control = None;
    let other = !offer.is_target() || offer.to != offer.at_control;
    if data.is_none() && other && offer.at_control.port() != 0 {
        let attempt = connect(offer.at_control, within).await;
        let mut seen = trusted;
        seen.add(&attempt, true);
        notes.push(at_control(&attempt));
        data = connection(attempt);
        with_control = Some(seen);
    }
    let mut transfer = None;
    if let Some(data) = data {
        let listing = list(session, data, within).await;
        with_control
            .as_mut()
            .unwrap_or(&mut trusted)
            .add_transfer(&listing);
        transfer = Some(listing);
    }
    Tried {
        reply: *reply,
        trusted,
        with_control,
        transfer,
        notes,
    }
}

fn connection(attempt: Attempt) -> Option<tokio::net::TcpStream> {
    match attempt.answer {
        Answer::Connected(stream) => Some(stream),
        _ => None,
    }
}

fn unsent(attempt: &Attempt) -> Option<String> {
    match &attempt.answer {
        Answer::NotSent(error) => {
            Some(format!("no SYN left this host for {}: {error}", attempt.to))
        }
        _ => None,
    }
}

/// What trying the control connection's address instead tells.
fn at_control(attempt: &Attempt) -> String {
    let to = attempt.to;
    match &attempt.answer {
        Answer::Connected(_) => {
            format!("the same port at the control connection's address, {to}, connects")
        }
        Answer::Reset => {
            format!("the same port at the control connection's address, {to}, answers with RST")
        }
        Answer::Rejected(icmp) => format!(
            "the same port at the control connection's address, {to}: {} answers with ICMP type {} code {}",
            icmp.from, icmp.kind, icmp.code
        ),
        Answer::Nothing => format!(
            "the same port at the control connection's address, {to}, does not answer either"
        ),
        Answer::NotSent(error) => format!("no SYN left this host for {to}: {error}"),
    }
}
