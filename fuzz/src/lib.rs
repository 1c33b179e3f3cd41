//! What the targets share: the store's books, and packets made by hand.

use ftpwatch::source::memory::Memory;
use ftpwatch_common::engine::{Request, Store as _};

/// The gate is open for the endpoints there are; once all is retired, the store is empty and the gate shut.
///
/// # Panics
///
/// Unless that is so.
pub fn balance(memory: &Memory) {
    let endpoints = memory.endpoints();
    for endpoint in &endpoints {
        let half_open = endpoint.attempts.iter().filter(|a| a.is_half_open());
        assert_eq!(half_open.count(), endpoint.half_open as usize);
        assert!(memory.port(endpoint.port).pending, "the gate is shut");
    }
    for endpoint in &endpoints {
        memory.retire(&Request {
            endpoint: endpoint.id,
            flow: endpoint.flow,
            pad: 0,
            control: 0,
        });
    }
    for control in memory.controls() {
        memory.retire(&Request {
            endpoint: 0,
            flow: control.flow,
            pad: 0,
            control: control.id,
        });
    }
    assert_eq!(memory.sizes(), (0, 0, 0), "something is left");
    for endpoint in &endpoints {
        let gate = memory.port(endpoint.port);
        assert!(!gate.pending && !gate.half_open, "the gate stays open");
    }
}

/// Which side of a control connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client.
    Client,
    /// The server, at port 21.
    Server,
}

/// A control connection: sequence numbers, and the packets that they are in (IPv4, no Ethernet header).
#[derive(Clone, Debug)]
pub struct Conversation {
    client: u32,
    server: u32,
}

impl Default for Conversation {
    /// Its sequence numbers soon begin again at zero.
    fn default() -> Self {
        Self {
            client: 0xffff_fff0,
            server: 0xffff_ffe0,
        }
    }
}

impl Conversation {
    /// `side` says `bytes`.
    ///
    /// # Panics
    ///
    /// When they are too many for a packet.
    pub fn say(&mut self, side: Side, bytes: &[u8]) -> Vec<u8> {
        self.say_again(side, &[], bytes)
    }

    /// `side` says `again`, which are the last bytes that it said, and then `bytes`.
    ///
    /// # Panics
    ///
    /// When they are too many for a packet.
    pub fn say_again(&mut self, side: Side, again: &[u8], bytes: &[u8]) -> Vec<u8> {
        let number = |bytes: &[u8]| u16::try_from(bytes.len()).expect("a packet's payload");
        let (before, length) = (number(again), number(bytes));
        let (client, server) = ([198, 51, 100, 7], [203, 0, 113, 10]);
        let (client_port, server_port) = (40_000_u16.to_be_bytes(), 21_u16.to_be_bytes());
        let (from, to, ports, sequence, acknowledgement) = match side {
            Side::Client => (
                client,
                server,
                [client_port, server_port],
                &mut self.client,
                self.server,
            ),
            Side::Server => (
                server,
                client,
                [server_port, client_port],
                &mut self.server,
                self.client,
            ),
        };
        let mut packet = vec![0x45, 0];
        packet.extend((40 + before + length).to_be_bytes());
        packet.extend([0, 1, 0x40, 0, 64, 6, 0, 0]);
        packet.extend(from);
        packet.extend(to);
        packet.extend(ports.concat());
        packet.extend(sequence.wrapping_sub(before.into()).to_be_bytes());
        packet.extend(acknowledgement.to_be_bytes());
        // ACK, and nothing else.
        packet.extend([0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend(again);
        packet.extend(bytes);
        *sequence = sequence.wrapping_add(length.into());
        packet
    }
}
