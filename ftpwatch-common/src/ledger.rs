//! What outlives the user half: kept in maps beside the kernel half's own, written and read by the user half alone.

use core::mem::size_of;

use bytemuck::{Pod, Zeroable};

use crate::{
    address::{Flow, IndexKey, Pair},
    control::Control,
    counter::COUNTERS,
    endpoint::Endpoint,
    record::{Line, Session},
};

/// To be raised when a shared structure means something else than before and is as long as it was.
const VERSION: u64 = 1;

/// What two builds have in common that can work on each other's maps: the version, and how long everything is.
pub const LAYOUT: u64 = {
    let lengths = [
        VERSION,
        size_of::<Flow>() as u64,
        size_of::<IndexKey>() as u64,
        size_of::<Pair>() as u64,
        size_of::<Control>() as u64,
        size_of::<Endpoint>() as u64,
        size_of::<Session>() as u64,
        size_of::<Line>() as u64,
        size_of::<Told>() as u64,
        size_of::<Ledger>() as u64,
        COUNTERS as u64,
    ];
    // FNV-1a.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut at = 0;
    while at < lengths.len() {
        hash = (hash ^ lengths[at]).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
};

/// How many kinds of outcomes there may be.
pub const KINDS: usize = 16;

/// How many kinds of losses there may be.
pub const LOSSES: usize = 24;

/// What was told of an endpoint, or that a control connection's end was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Told {
    /// The id of one of its views, the same for all of them.
    pub key: u64,
    /// When its outcome was decided.
    pub decided_at: u64,
    /// Its outcome's number, or [`Told::SESSION`].
    pub outcome: u32,
    /// [`Told::LATE`], [`Told::TRANSFER`].
    pub more: u32,
}

impl Told {
    /// Instead of an outcome: the id is a control connection's.
    pub const SESSION: u32 = u32::MAX;
    /// It was connected after it had failed.
    pub const LATE: u32 = 1;
    /// The transfer failed after the outcome.
    pub const TRANSFER: u32 = 2;
}

/// What is needed to see whether the books balance: readings of the kernel half's counters, and what the user half counted in
/// between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Audit {
    /// The kernel half's counters.
    pub before: [u64; COUNTERS],
    /// The same afterwards.
    pub after: [u64; COUNTERS],
    /// How many processors may each be between counting a thing and counting what it came to.
    pub processors: u64,
    /// Records that were taken in.
    pub records: u64,
    /// Advertisements that were taken in.
    pub views: u64,
    /// Endpoints.
    pub endpoints: u64,
    /// Of those, by outcome.
    pub outcomes: [u64; KINDS],
    /// Of those, without.
    pub pending: u64,
    /// Records that an earlier process took in.
    pub earlier_records: u64,
    /// Advertisements that an earlier process took in.
    pub earlier_views: u64,
}

/// What was counted, of all that is told of. What is still open is counted by whoever tells of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Ledger {
    /// The process that writes this, or did.
    pub process: u64,
    /// When it began: seconds since 1970.
    pub started_at: u64,
    /// How far what it says can be relied on: the number of its state.
    pub state: u64,
    /// Its network namespace's number.
    pub namespace: u64,
    /// Control connections that are over.
    pub sessions: u64,
    /// Of those, the ones that could not be read.
    pub blind: u64,
    /// Control connections that are over, and were left out.
    pub ignored: u64,
    /// Endpoints that have an outcome, by its number.
    pub outcomes: [u64; KINDS],
    /// Failures that were connected after all.
    pub late: u64,
    /// Transfers that failed after the outcome.
    pub transfers: u64,
    /// Advertisements that could not be decoded.
    pub undecodable: u64,
    /// The kernel half's counters, as far as losses were told of.
    pub counters: [u64; COUNTERS],
    /// How much was lost, by kind.
    pub losses: [u64; LOSSES],
    /// What self-tests added to the kernel half's counters.
    pub tests: [u64; COUNTERS],
    /// When the books were last looked at.
    pub audit: Audit,
}
