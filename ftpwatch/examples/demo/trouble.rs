//! What went wrong and what to do about it: two lines, as ftpwatch itself has it.

use std::fmt;

/// The result of anything here that can go wrong.
pub type Result<T> = std::result::Result<T, Trouble>;

/// What went wrong, and what to do about it.
#[derive(Debug)]
pub struct Trouble {
    what: String,
    remedy: String,
}

impl Trouble {
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// What should not happen, and which nobody but us can do anything about.
    pub fn internal(what: &str, why: &dyn fmt::Display) -> Self {
        Self::new(
            format!("{what}: {why}"),
            "please report it, with all of this and 'uname -r'",
        )
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "demo: {}\n      {}", self.what, self.remedy)
    }
}
