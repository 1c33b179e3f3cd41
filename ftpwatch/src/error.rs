//! What can go wrong: what it is, what to do about it, and the exit status.

use std::fmt;

/// An error for the user: one line that says what, one that says what to do.
#[derive(Debug)]
pub struct Error {
    what: String,
    advice: String,
    status: u8,
}

/// Bad usage, or bad input.
pub const USAGE: u8 = 2;
/// This host cannot be watched.
pub const HOST: u8 = 3;

impl Error {
    /// Bad usage, or bad input.
    pub fn usage(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            advice: advice.into(),
            status: USAGE,
        }
    }

    /// This host cannot be watched.
    pub fn host(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            advice: advice.into(),
            status: HOST,
        }
    }

    /// What went wrong.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The exit status that goes with it.
    #[must_use]
    pub const fn status(&self) -> u8 {
        self.status
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ftpwatch: {}\n  {}", self.what, self.advice)
    }
}

impl std::error::Error for Error {}
