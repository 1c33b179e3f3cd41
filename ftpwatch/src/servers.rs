//! FTP servers: how their greetings and replies tell them, and which settings of theirs make passive mode work.
//!
//! What is said of a server was read in its own documentation, or in its source where that is silent; each setting
//! says where.

mod daemons;
mod libraries;
mod recognise;
#[cfg(test)]
mod tests;
mod windows;

use std::fmt;

pub use recognise::{describe, recognise};

/// An FTP server.
#[derive(Debug)]
pub struct Software {
    /// What people call it.
    pub name: &'static str,
    /// What it calls itself.
    product: &'static str,
    /// What tells it in a greeting, whatever the case of the letters.
    greetings: &'static [&'static str],
    /// What the replies begin with that it alone words this way. Nothing where it words them as others do.
    replies: &'static [&'static str],
    /// What sets the address that it advertises.
    pub address: Option<Setting>,
    /// What sets its passive range.
    pub range: Option<Setting>,
    /// What lets data connections come from another address than the control connection.
    pub foreign: Option<Setting>,
    /// What lets TLS data connections do without the control connection's session.
    pub reuse: Option<Setting>,
    /// Where it tells what it does.
    pub log: Option<Setting>,
}

/// A server of which nothing is known, to fill up an entry from.
const UNKNOWN: Software = Software {
    name: "",
    product: "",
    greetings: &[],
    replies: &[],
    address: None,
    range: None,
    foreign: None,
    reuse: None,
    log: None,
};

/// A setting of a server's.
#[derive(Debug)]
pub struct Setting {
    /// What to write, or to choose: `{address}`, `{low}` and `{high}` stand for the values.
    directive: &'static str,
    /// Where, and what else has to be known of it.
    place: &'static str,
    /// Where that was read.
    pub source: &'static str,
}

/// What servers have settings for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The advertised address.
    Address,
    /// The passive range.
    Range,
    /// Data connections from another address.
    Foreign,
    /// The TLS session of data connections.
    Reuse,
    /// The log.
    Log,
}

impl Topic {
    /// All of them, as they are listed.
    pub const ALL: [Self; 5] = [
        Self::Address,
        Self::Range,
        Self::Foreign,
        Self::Reuse,
        Self::Log,
    ];

    /// What it is, in a few words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Address => "the address that is advertised",
            Self::Range => "the passive range",
            Self::Foreign => "data connections from another address than the control connection's",
            Self::Reuse => {
                "TLS data connections that do not reuse the control connection's session"
            }
            Self::Log => "the log",
        }
    }
}

/// The values to put there, or what stands for them where they are not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    /// The address that clients reach the server at.
    pub address: String,
    /// The first port of the passive range.
    pub low: String,
    /// The last one.
    pub high: String,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            address: "ADDRESS".into(),
            low: "LO".into(),
            high: "HI".into(),
        }
    }
}

impl Software {
    /// What it has for `topic`, where that is known.
    #[must_use]
    pub const fn setting(&self, topic: Topic) -> Option<&Setting> {
        match topic {
            Topic::Address => self.address.as_ref(),
            Topic::Range => self.range.as_ref(),
            Topic::Foreign => self.foreign.as_ref(),
            Topic::Reuse => self.reuse.as_ref(),
            Topic::Log => self.log.as_ref(),
        }
    }
}

impl Setting {
    /// What to write, with `values`.
    #[must_use]
    pub fn directive(&self, values: &Values) -> String {
        fill(self.directive, values)
    }

    /// What to write, with `values`, and where.
    #[must_use]
    pub fn line(&self, values: &Values) -> String {
        let directive = self.directive(values);
        if self.place.is_empty() {
            directive
        } else {
            format!("{directive}, {}", fill(self.place, values))
        }
    }
}

fn fill(template: &str, values: &Values) -> String {
    template
        .replace("{address}", &values.address)
        .replace("{low}", &values.low)
        .replace("{high}", &values.high)
}

impl fmt::Display for Software {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// All servers that are known, those that are met most first.
pub fn all() -> impl Iterator<Item = &'static Software> {
    daemons::COMMON
        .iter()
        .chain(windows::SERVERS)
        .chain(libraries::SERVERS)
        .chain(daemons::OTHERS)
}

/// The servers to name where it is not known which one it is: those that are met most.
#[must_use]
pub fn usual() -> &'static [Software] {
    daemons::COMMON
}

/// The server that people call `name`, whatever the case of the letters and what is between them.
#[must_use]
pub fn named(name: &str) -> Option<&'static Software> {
    let wanted = letters(name);
    all().find(|software| {
        [software.name, software.product]
            .iter()
            .any(|name| letters(name) == wanted)
    })
}

fn letters(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}
