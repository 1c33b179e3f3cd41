//! What a check found.

use serde::Serialize;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It works, or may; something is odd.
    Warning,
    /// It does not work.
    Failed,
    /// It could not be seen.
    Unknown,
}

impl Status {
    /// Its name, as it is printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Whether this host can be watched at all. Only what fails here makes the exit status.
    Watching,
    /// The interfaces.
    Interfaces,
    /// FTP servers on this host.
    Server,
    /// What reads and rewrites FTP replies in the kernel.
    Helpers,
    /// This host's own firewall.
    Firewall,
}

impl Group {
    /// Its title.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Watching => "Can this host be watched?",
            Self::Interfaces => "Interfaces",
            Self::Server => "FTP servers here",
            Self::Helpers => "Helpers that read FTP",
            Self::Firewall => "This host's own firewall",
        }
    }
}

/// One line of findings. Text from files and programs is printable already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name.
    pub check: &'static str,
    /// What it is about.
    pub group: Group,
    /// How it is.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do, where it is not as it should be.
    pub advice: Vec<String>,
}

impl Check {
    fn new(group: Group, check: &'static str, status: Status, found: impl Into<String>) -> Self {
        Self {
            check,
            group,
            status,
            found: found.into(),
            advice: Vec::new(),
        }
    }

    /// As it should be.
    pub fn ok(group: Group, check: &'static str, found: impl Into<String>) -> Self {
        Self::new(group, check, Status::Ok, found)
    }

    /// Something is odd.
    pub fn warning(group: Group, check: &'static str, found: impl Into<String>) -> Self {
        Self::new(group, check, Status::Warning, found)
    }

    /// It does not work.
    pub fn failed(group: Group, check: &'static str, found: impl Into<String>) -> Self {
        Self::new(group, check, Status::Failed, found)
    }

    /// It could not be seen.
    pub fn unknown(group: Group, check: &'static str, found: impl Into<String>) -> Self {
        Self::new(group, check, Status::Unknown, found)
    }

    /// With a line more of what to do.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice.push(advice.into());
        self
    }
}
