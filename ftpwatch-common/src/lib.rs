//! What the kernel half and the user half of ftpwatch share.
//!
//! Everything here is `no_std` and without I/O: the same code runs under the kernel's verifier, over a
//! capture file and in tests. [`engine`] is the one place that says what a packet means; it is generic
//! over where bytes come from ([`packet::Bytes`], [`engine::Payload`]) and where state is kept
//! ([`engine::Store`]).
//!
//! Shared structures hold integers and byte arrays only, are `#[repr(C)]` without implicit padding
//! (`bytemuck::Pod` proves it at compile time), and all times are nanoseconds of the clock of whoever
//! drives the engine: the kernel's monotonic clock, or the capture's time stamps. Zero means "not seen".

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod address;
pub mod command;
pub mod control;
pub mod counter;
pub mod endpoint;
pub mod engine;
pub mod ledger;
pub mod packet;
pub mod record;
pub mod reply;
pub mod text;
pub mod tls;
pub mod window;

/// How many control connections are watched at a time, and how many endpoints, unless it is said.
pub const ROOM: u32 = 32_768;

/// How many keys of the index an endpoint has at most: at the advertised address and the server's, for its own client
/// and for anybody.
pub const KEYS: u32 = 4;
