//! A passive endpoint: what was advertised, and all that was seen of it since.
//!
//! The entry is the truth from which an outcome is decided. Fields are written once and never taken
//! back, so a snapshot read at any moment is right about everything it says.

use bytemuck::{Pod, Zeroable};

use crate::{
    address::{Address, Flow},
    record::Kind,
    text::Text,
};

/// How many connection attempts are remembered per endpoint.
pub const ATTEMPTS: usize = 4;

/// The code of an endpoint that no readable reply advertised: a client with an encrypted session to this server
/// opens a connection to another of its ports, and that is most likely a data connection.
pub const GUESSED: u16 = 0;

/// How a client gave up on an endpoint, or how its control connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GiveUp {
    /// Not yet.
    None = 0,
    /// QUIT.
    Quit = 1,
    /// ABOR.
    Abort = 2,
    /// The client closed the control connection.
    ClientClosed = 3,
    /// The client reset it.
    ClientReset = 4,
    /// The server answered the next PASV, EPSV, PORT or EPRT.
    Replaced = 5,
    /// The server closed or reset the control connection.
    ServerClosed = 6,
}

impl GiveUp {
    /// The way with number `number`.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Quit,
            2 => Self::Abort,
            3 => Self::ClientClosed,
            4 => Self::ClientReset,
            5 => Self::Replaced,
            6 => Self::ServerClosed,
            _ => Self::None,
        }
    }
}

/// Reasons why absence proves nothing: bits of [`Endpoint::missed`].
pub mod missed {
    /// Bytes of the server's were missing.
    pub const REPLIES: u32 = 1;
    /// Bytes of the client's were missing.
    pub const COMMANDS: u32 = 2;
    /// A SYN could not find this endpoint: the index was full.
    pub const INDEX: u32 = 4;
    /// More connection attempts than are remembered.
    pub const ATTEMPTS: u32 = 8;
    /// Another control connection of the same client was given the same address and port.
    pub const SHADOWED: u32 = 16;
    /// More commands in flight than are remembered.
    pub const PIPELINE: u32 = 32;
    /// There was no room for the endpoint itself.
    pub const STORE: u32 = 64;
    /// Another processor held the entry for too long; a packet went by unread.
    pub const CONTENDED: u32 = 128;
    /// Its client had its share of the room, or it had to make room for others before anything was decided.
    pub const ROOM: u32 = 256;
}

/// Which segment an ICMP error was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RejectedSegment {
    /// None.
    None = 0,
    /// The client's SYN.
    Syn = 1,
    /// The server's SYN-ACK.
    SynAck = 2,
}

/// One four-tuple whose SYN was seen since the endpoint was advertised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Attempt {
    /// First SYN. Zero: the slot is free.
    pub syn_at: u64,
    /// Last SYN.
    pub last_syn_at: u64,
    /// SYN-ACK.
    pub syn_ack_at: u64,
    /// The client's acknowledgement: the handshake is complete.
    pub ack_at: u64,
    /// RST that acknowledges the SYN.
    pub rst_at: u64,
    /// Where the SYN came from.
    pub client: Address,
    /// The SYN's sequence number.
    pub isn: u32,
    /// The SYN-ACK's sequence number.
    pub server_isn: u32,
    /// The SYN's source port.
    pub port: u16,
    /// SYNs seen, up to 65,535.
    pub syns: u16,
    /// It went to the control connection's server address, which is not the advertised one.
    pub via_control: u8,
    /// It came from another address than the control connection's client.
    pub foreign: u8,
    /// Reset by either side after the SYN-ACK, before the handshake was complete.
    pub aborted: u8,
    /// Always zero.
    pub pad: u8,
}

impl Attempt {
    /// A free slot.
    pub const FREE: Self = Self {
        syn_at: 0,
        last_syn_at: 0,
        syn_ack_at: 0,
        ack_at: 0,
        rst_at: 0,
        client: Address::ANY,
        isn: 0,
        server_isn: 0,
        port: 0,
        syns: 0,
        via_control: 0,
        foreign: 0,
        aborted: 0,
        pad: 0,
    };

    /// SYN-ACK seen, and neither side said anything since.
    #[inline(always)]
    #[must_use]
    pub const fn is_half_open(&self) -> bool {
        self.syn_ack_at != 0 && self.ack_at == 0 && self.aborted == 0
    }

    /// SYN seen, and no answer.
    #[inline(always)]
    #[must_use]
    pub const fn is_unanswered(&self) -> bool {
        self.syn_at != 0 && self.syn_ack_at == 0 && self.rst_at == 0
    }
}

/// A passive endpoint. All times in nanoseconds, zero for "not seen".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Endpoint {
    /// [`Kind::Endpoint`]: an entry is sent through the ring buffer as it is.
    pub kind: u32,
    /// The last [`Why`](crate::record::Why) that it was in the news for.
    pub why: u32,
    /// Identifies the endpoint for as long as the maps live. Zero: the entry is being removed.
    pub id: u64,
    /// The control connection's [`Session::id`](crate::record::Session::id).
    pub control: u64,
    /// The endpoint that had this address, port and client before, or zero.
    pub previous: u64,

    /// When the reply's last byte went by.
    pub advertised_at: u64,
    /// When the client acknowledged that byte.
    pub acked_at: u64,
    /// When the client gave up, or the control connection ended.
    pub gave_up_at: u64,
    /// When the transfer command was sent.
    pub command_at: u64,
    /// When 125 or 150 announced the transfer.
    pub announced_at: u64,
    /// When the final reply to the transfer command came.
    pub final_at: u64,
    /// When the reply was last sent again, not having been acknowledged.
    pub resent_at: u64,

    /// Held by the processor that changes the entry.
    pub lock: u64,
    /// The control connection.
    pub flow: Flow,
    /// The sequence number after the reply's last byte.
    pub reply_end: u32,
    /// The advertised address.
    pub address: Address,
    /// The advertised port, host order.
    pub port: u16,
    /// 227, 228 or 229. [`GUESSED`] where no reply could be read.
    pub code: u16,
    /// 125 or 150.
    pub announced: u16,
    /// The final reply's code.
    pub final_code: u16,
    /// The transfer command, upper case, zero when none was seen.
    pub command: [u8; 4],
    /// Bits of [`missed`].
    pub missed: u32,
    /// A [`GiveUp`].
    pub gave_up: u8,
    /// Segments of the client's were seen on the control connection.
    pub client_visible: u8,
    /// The control connection has ended, or has turned to another endpoint.
    pub released: u8,
    /// The handshake of one attempt of the control connection's client is complete.
    pub connected: u8,
    /// How many of the attempts are half-open, as the gate's count has it.
    pub half_open: u32,

    /// When an ICMP error about an attempt of the control connection's client came.
    pub rejected_at: u64,
    /// Who sent it.
    pub rejected_by: Address,
    /// Its ICMP type.
    pub rejected_type: u8,
    /// Its ICMP code.
    pub rejected_code: u8,
    /// A [`RejectedSegment`].
    pub rejected: u8,
    /// How often the reply was sent again, up to 255.
    pub resent: u8,
    /// Always zero.
    pub pad: [u8; 4],

    /// What was tried.
    pub attempts: [Attempt; ATTEMPTS],
    /// The reply's text.
    pub text: Text,
}

impl Endpoint {
    /// Whether no readable reply advertised it.
    #[inline(always)]
    #[must_use]
    pub const fn is_guessed(&self) -> bool {
        self.code == GUESSED
    }

    /// An empty entry.
    pub const EMPTY: Self = Self {
        kind: Kind::Endpoint as u32,
        why: 0,
        id: 0,
        control: 0,
        previous: 0,
        advertised_at: 0,
        acked_at: 0,
        gave_up_at: 0,
        command_at: 0,
        announced_at: 0,
        final_at: 0,
        resent_at: 0,
        lock: 0,
        flow: Flow {
            client: Address::ANY,
            server: Address::ANY,
            client_port: 0,
            server_port: 0,
        },
        reply_end: 0,
        address: Address::ANY,
        port: 0,
        code: 0,
        announced: 0,
        final_code: 0,
        command: [0; 4],
        missed: 0,
        gave_up: 0,
        client_visible: 0,
        released: 0,
        connected: 0,
        half_open: 0,
        rejected_at: 0,
        rejected_by: Address::ANY,
        rejected_type: 0,
        rejected_code: 0,
        rejected: RejectedSegment::None as u8,
        resent: 0,
        pad: [0; 4],
        attempts: [Attempt::FREE; ATTEMPTS],
        text: Text::EMPTY,
    };

    /// The attempt from `client`:`port` whose SYN had the sequence number `isn`.
    #[inline(always)]
    pub fn attempt_of_syn(
        &mut self,
        client: &Address,
        port: u16,
        isn: u32,
    ) -> Option<&mut Attempt> {
        self.attempts
            .iter_mut()
            .find(|a| a.syn_at != 0 && a.port == port && a.isn == isn && a.client == *client)
    }

    /// The attempt from `client`:`port`.
    #[inline(always)]
    pub fn attempt_of(&mut self, client: &Address, port: u16) -> Option<&mut Attempt> {
        self.attempts
            .iter_mut()
            .find(|a| a.syn_at != 0 && a.port == port && a.client == *client)
    }
}
