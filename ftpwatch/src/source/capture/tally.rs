//! What of a capture could not be read.

use std::{collections::BTreeMap, fmt, io};

/// How a capture ended.
#[derive(Debug)]
pub enum End {
    /// As it should.
    Whole,
    /// In the middle of a packet, of which this many bytes are there.
    Cut(u64),
    /// Where it makes no sense any more.
    Damaged,
    /// Where reading failed; compressed data that is cut or damaged is this, too.
    Failed(io::Error),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => write!(f, "it ends as it should"),
            Self::Cut(bytes) => write!(
                f,
                "it ends in the middle of a packet: its last {bytes} bytes are left out"
            ),
            Self::Damaged => write!(f, "it is damaged: from there on, all is left out"),
            Self::Failed(error) => write!(f, "the rest cannot be read: {error}"),
        }
    }
}

/// What was read, and what could not be.
#[derive(Debug)]
pub struct Tally {
    /// Packets.
    pub packets: u64,
    /// Of those, the ones of a link type that is not known here, by link type.
    pub foreign: BTreeMap<u16, u64>,
    /// Of the rest, the ones without a time.
    pub undated: u64,
    /// pcapng blocks that make no sense.
    pub senseless: u64,
    /// Packets that were lost when it was captured.
    pub dropped: u64,
    /// How it ended.
    pub end: End,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            packets: 0,
            foreign: BTreeMap::new(),
            undated: 0,
            senseless: 0,
            dropped: 0,
            end: End::Whole,
        }
    }
}

impl Tally {
    /// Packets that were read.
    #[must_use]
    pub fn readable(&self) -> u64 {
        self.packets - self.foreign.values().sum::<u64>()
    }

    /// What was lost, with how much of it.
    #[must_use]
    pub fn losses(&self) -> Vec<(u64, String)> {
        let foreign = self.foreign.iter().map(|(link_type, count)| {
            let what = format!("packets of link type {link_type}, which ftpwatch does not know");
            (*count, what)
        });
        let rest = [
            (self.senseless, "blocks of a pcapng that make no sense"),
            (self.dropped, "packets dropped when they were captured"),
            (
                self.undated,
                "packets without a time: waiting cannot be measured",
            ),
        ];
        let rest = rest.map(|(count, what)| (count, what.to_owned()));
        foreign
            .chain(rest)
            .filter(|(count, _)| *count > 0)
            .collect()
    }
}
