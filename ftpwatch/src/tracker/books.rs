//! What was counted.

use super::Outcome;

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Control connections seen.
    pub sessions: u64,
    /// Of those, the ones that could not be read (TLS).
    pub blind: u64,
    /// Control connections that were left out, because of who they were between. Nothing else counts them.
    pub ignored: u64,
    /// Advertisements taken in: an endpoint that was seen on both sides of an address translation has two, and those of
    /// control connections that are left out are among them.
    pub views: u64,
    /// Endpoints advertised.
    pub endpoints: u64,
    /// How many of each [`Outcome`], in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Failures that were connected after all.
    pub late: u64,
    /// Transfers that failed after the outcome.
    pub transfers: u64,
    /// Advertisements that could not be decoded.
    pub undecodable: u64,
}

impl Books {
    /// Endpoints without an outcome yet.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.endpoints - self.outcomes.iter().sum::<u64>()
    }

    /// Whether anything failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        let outcomes = Outcome::ALL.iter().zip(self.outcomes);
        let failed: u64 = outcomes
            .filter(|(o, _)| o.is_failure())
            .map(|(_, n)| n)
            .sum();
        failed + self.transfers
    }
}
