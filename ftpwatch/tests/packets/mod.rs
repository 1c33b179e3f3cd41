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

pub use conversation::{Conversation, Family, advertisement};
pub use data::Data;
pub use packet::{Envelope, Packet, QINQ, VLAN};
