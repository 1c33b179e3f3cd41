//! A data connection's handshake.

use std::net::SocketAddr;

use ftpwatch_common::packet::flag;

use super::{Envelope, Packet};

/// A data connection.
#[derive(Clone, Debug)]
pub struct Data {
    /// Who opens it.
    pub client: SocketAddr,
    /// Where to.
    pub server: SocketAddr,
    /// What every packet is wrapped in.
    pub envelope: Envelope,
    /// The SYN's sequence number.
    pub isn: u32,
    /// The SYN-ACK's sequence number.
    pub server_isn: u32,
}

impl Data {
    /// From `client` to `server`.
    pub fn new(client: SocketAddr, server: SocketAddr) -> Self {
        Self {
            client,
            server,
            envelope: Envelope::default(),
            isn: 0xffff_ffff - u32::from(client.port()),
            server_isn: 0x1234_5678 ^ u32::from(client.port()),
        }
    }

    /// The same four-tuple, opened anew.
    pub fn again(&self) -> Self {
        Self {
            isn: self.isn.wrapping_add(0x0100_0000),
            server_isn: self.server_isn.wrapping_add(0x0200_0000),
            ..self.clone()
        }
    }

    fn packet(&self, from_client: bool, flags: u8, sequence: u32, acknowledgement: u32) -> Packet {
        let (from, to) = if from_client {
            (self.client, self.server)
        } else {
            (self.server, self.client)
        };
        Packet {
            from,
            to,
            sequence,
            acknowledgement,
            flags,
            payload: Vec::new(),
            envelope: self.envelope.clone(),
        }
    }

    /// The client asks.
    pub fn syn(&self) -> Packet {
        self.packet(true, flag::SYN, self.isn, 0)
    }

    /// The server accepts.
    pub fn syn_ack(&self) -> Packet {
        let next = self.isn.wrapping_add(1);
        self.packet(false, flag::SYN | flag::ACK, self.server_isn, next)
    }

    /// The client acknowledges: the connection is open.
    pub fn ack(&self) -> Packet {
        self.client_sends(b"")
    }

    /// The first bytes that the client sends.
    pub fn client_sends(&self, bytes: &[u8]) -> Packet {
        let (isn, server_isn) = (self.isn.wrapping_add(1), self.server_isn.wrapping_add(1));
        Packet {
            payload: bytes.to_vec(),
            ..self.packet(true, flag::ACK, isn, server_isn)
        }
    }

    /// The first bytes that the server sends.
    pub fn server_sends(&self, bytes: &[u8]) -> Packet {
        let (isn, server_isn) = (self.isn.wrapping_add(1), self.server_isn.wrapping_add(1));
        Packet {
            payload: bytes.to_vec(),
            ..self.packet(false, flag::ACK, server_isn, isn)
        }
    }

    /// The server refuses: RST that acknowledges the SYN.
    pub fn refusal(&self) -> Packet {
        let next = self.isn.wrapping_add(1);
        self.packet(false, flag::RST | flag::ACK, 0, next)
    }

    /// The server resets the connection that it had accepted.
    pub fn server_rst(&self) -> Packet {
        self.packet(false, flag::RST, self.server_isn.wrapping_add(1), 0)
    }

    /// The client resets the connection.
    pub fn client_rst(&self) -> Packet {
        self.packet(true, flag::RST, self.isn.wrapping_add(1), 0)
    }

    /// SYN, SYN-ACK, ACK.
    pub fn handshake(&self) -> [Packet; 3] {
        [self.syn(), self.syn_ack(), self.ack()]
    }
}
