//! Rules, wherever they come from.

use std::collections::{BTreeSet, HashMap};

/// The SYN of a client from somewhere else, which no connection is known for.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Where it goes.
    pub port: u16,
    /// It is IPv6.
    pub v6: bool,
    /// Where it comes in.
    pub interface: &'a str,
}

/// Whether a test holds for a packet. The order is that of how much has to come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holds {
    /// It does.
    Yes,
    /// It depends on what is not known here.
    Perhaps,
    /// It does for what a connection-tracking helper expects, and for nothing else.
    ForHelper,
    /// It does not.
    No,
}

impl Holds {
    /// It is known.
    pub const fn known(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    /// The opposite. What is only for a helper's connections holds for all others then, which is too fine here.
    pub const fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Perhaps | Self::ForHelper => Self::Perhaps,
        }
    }

    /// Both.
    pub fn and(self, other: Self) -> Self {
        self.max(other)
    }

    /// One of them at least.
    pub fn or(self, other: Self) -> Self {
        self.min(other)
    }
}

/// A test of a rule.
pub type Test = Box<dyn Fn(&Packet<'_>) -> Holds>;

/// What a rule does when all its tests hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// Lets it pass this base chain.
    Accept,
    /// Drops or rejects it.
    Drop,
    /// Goes on where this chain was called.
    Return,
    /// Calls a chain.
    Jump(String),
    /// Goes on in a chain, and then where this one was called.
    Goto(String),
    /// Sends it somewhere else: another address, another port.
    Elsewhere,
    /// Something that is not understood.
    Unknown,
    /// Nothing that matters here.
    Nothing,
}

/// A rule.
pub struct Rule {
    /// All have to hold.
    pub tests: Vec<Test>,
    /// Then this happens.
    pub then: Then,
    /// How a person finds it.
    pub text: String,
}

/// A chain that the kernel calls.
pub struct Base {
    /// The chain.
    pub chain: String,
    /// It sees IPv4.
    pub v4: bool,
    /// It sees IPv6.
    pub v6: bool,
    /// What happens at its end.
    pub drops: bool,
    /// Not every packet comes through it, and which do is not known.
    pub partial: bool,
}

/// All rules that a SYN may meet on its way to a socket of this host.
#[derive(Default)]
pub struct Ruleset {
    /// The chains that the kernel calls on that way.
    pub bases: Vec<Base>,
    /// Every chain, by a name that no other has.
    pub chains: HashMap<String, Vec<Rule>>,
    /// Ports that are named somewhere: between two of them all ports are alike.
    pub ports: BTreeSet<u16>,
}

/// What becomes of a SYN.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It passes.
    Open,
    /// It does not, unless a helper has read the reply.
    OnlyHelper,
    /// It does not.
    Closed,
    /// It depends on this.
    CannotTell(String),
}

impl Ruleset {
    /// Adds what `other` has.
    pub fn extend(&mut self, other: Self) {
        self.bases.extend(other.bases);
        self.chains.extend(other.chains);
        self.ports.extend(other.ports);
    }
}
