//! What a reply advertises, as something to connect to.

use std::net::SocketAddr;

use ftpwatch_common::reply::Advertised;

use super::{control::Reply, session::Session};
use crate::address::{Fault, fault};

/// What a reply advertises, as something to connect to.
pub struct Offer {
    /// Where to, as it was advertised.
    pub to: SocketAddr,
    /// The same port at the control connection's address.
    pub at_control: SocketAddr,
    /// What is wrong with the address.
    pub fault: Option<Fault>,
}

impl Offer {
    /// The offer in `reply`, if there is one.
    #[must_use]
    pub fn of(reply: &Reply, session: &Session) -> Option<Self> {
        let Advertised::Endpoint(address, port) = reply.advertised else {
            return None;
        };
        // It has the scope of a link-local address, which no reply has.
        let mut at_control = session.server;
        at_control.set_port(port);
        let flow = session.control.flow();
        let ip = address.unwrap_or(flow.server).ip();
        let to = if ip == flow.server.ip() {
            at_control
        } else {
            SocketAddr::new(ip, port)
        };
        Some(Self {
            to,
            at_control,
            fault: fault(reply.code, ip, port, flow.server.ip(), flow.client.ip()),
        })
    }

    /// Whether a SYN may be sent there. What no client can connect to is not tried: 0.0.0.0 and loopback would be this
    /// host itself, and multicast everybody.
    #[must_use]
    pub fn is_target(&self) -> bool {
        self.fault != Some(Fault::Unusable)
    }
}
