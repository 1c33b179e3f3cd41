//! Packets by hand: what a control connection and the data connections beside it look like on the wire.
//!
//! What belongs here: building bytes and keeping sequence numbers, for whatever tests the engine, the kernel's programs
//! or the tracker. Nothing here knows what a packet means to ftpwatch.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test file uses a part of the builder"
)]

mod conversation;
mod data;
mod packet;

use ftpwatch_common::packet::Link;

pub use conversation::{Conversation, Family, advertisement};
pub use data::Data;
pub use packet::{Envelope, Packet, QINQ, VLAN};

/// What goes over an Ethernet.
pub fn ethernet(packets: &[Packet]) -> impl Iterator<Item = Vec<u8>> {
    packets.iter().map(|packet| packet.bytes(Link::Ethernet))
}
