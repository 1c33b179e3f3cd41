//! The rows, as ftps.txt has them.

use super::lab::fault::Fault;
use super::lab::ftps::Version;
use super::lab::server::daemons::Kind;
use super::lab::server::tls::Begins;
use std::collections::BTreeSet;

const FILE: &str = include_str!("ftps.txt");

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Play {
    Works,
    Resumed,
    NotResumed,
    PrivateAddress,
    DroppedInFront,
    DroppedOnHost,
    Cleared,
}

const PLAYS: [(&str, Play); 7] = [
    ("works", Play::Works),
    ("resumed", Play::Resumed),
    ("not_resumed", Play::NotResumed),
    ("private_address", Play::PrivateAddress),
    ("dropped_in_front", Play::DroppedInFront),
    ("dropped_on_host", Play::DroppedOnHost),
    ("cleared", Play::Cleared),
];

impl Play {
    /// What is wrong with the server or the way to it.
    pub fn fault(self) -> Fault {
        match self {
            Play::PrivateAddress => Fault::PrivateAddress,
            Play::DroppedInFront => Fault::DroppedInFront,
            Play::DroppedOnHost => Fault::DroppedOnServer,
            Play::Works | Play::Resumed | Play::NotResumed | Play::Cleared => Fault::Nothing,
        }
    }

    /// Whether the client gets its file.
    pub fn works(self) -> bool {
        matches!(self, Play::Works | Play::Resumed | Play::Cleared)
    }

    /// Whether data connections have to resume the session.
    pub fn demands_reuse(self) -> bool {
        matches!(self, Play::Resumed | Play::NotResumed)
    }
}

/// Who is the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Curl,
    Lftp,
    Ftplib,
    /// ftplib that says CCC.
    Ccc,
    Led,
}

const CLIENTS: [(&str, Who); 5] = [
    ("curl", Who::Curl),
    ("lftp", Who::Lftp),
    ("ftplib", Who::Ftplib),
    ("ccc", Who::Ccc),
    ("led", Who::Led),
];

const SERVERS: [Kind; 4] = [Kind::Vsftpd, Kind::Proftpd, Kind::PureFtpd, Kind::Pyftpdlib];

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub play: Play,
    pub kind: Kind,
    pub begins: Begins,
    pub version: Version,
    pub client: Who,
    /// As the file has it.
    pub line: &'static str,
}

impl Row {
    /// Whether it stands under this heading.
    pub fn is_of(&self, name: &str) -> bool {
        PLAYS.contains(&(name, self.play))
    }

    /// What becomes of each endpoint, and why.
    pub fn outcome(&self) -> (&'static str, &'static str) {
        match self.play {
            Play::PrivateAddress => ("no_syn", "private_address"),
            Play::DroppedInFront => ("no_syn", "path_blocked"),
            Play::DroppedOnHost => ("no_answer", "local_drop"),
            // The connection is made before TLS begins on it.
            Play::NotResumed | Play::Works | Play::Resumed | Play::Cleared => ("connected", ""),
        }
    }

    /// The code of the reply that says that the transfer failed on a connection that was made.
    pub fn failed_transfer(&self) -> Vec<Option<u64>> {
        match (self.play, self.kind) {
            (Play::NotResumed, Kind::Vsftpd) => vec![Some(522)],
            (Play::NotResumed, _) => vec![Some(425)],
            _ => vec![],
        }
    }
}

/// Reads the file.
pub fn all() -> Vec<Row> {
    let mut play = None;
    let mut rows = Vec::new();
    for (number, line) in FILE.lines().enumerate() {
        let place = format!("ftps.txt, line {}", number + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line
            .strip_prefix('[')
            .and_then(|heading| heading.split_once("] "))
        {
            Some((name, _)) => play = Some(named(&PLAYS, name, &place)),
            None => {
                let play = play.unwrap_or_else(|| panic!("{place}: a row of what?"));
                rows.push(read_row(line, play, &place));
            }
        }
    }
    rows
}

fn read_row(line: &'static str, play: Play, place: &str) -> Row {
    let columns: Vec<&str> = line.split('|').map(str::trim).collect();
    let &[server, begins, version, client] = columns.as_slice() else {
        panic!("{place}: not four columns");
    };
    let begins_as = [
        ("explicit", Begins::Explicit),
        ("implicit", Begins::Implicit),
    ];
    Row {
        play,
        kind: named(&SERVERS.map(|kind| (kind.name(), kind)), server, place),
        begins: named(&begins_as, begins, place),
        version: named(
            &[("1.2", Version::V12), ("1.3", Version::V13)],
            version,
            place,
        ),
        client: named(&CLIENTS, client, place),
        line,
    }
}

fn named<T: Copy>(known: &[(&str, T)], name: &str, place: &str) -> T {
    let found = known.iter().find(|(known, _)| *known == name);
    found
        .unwrap_or_else(|| panic!("{place}: there is no {name}"))
        .1
}

/// Panics unless each server works in each way that it has and with each version, every fault met every server that
/// can have it, every client is there, and no row is there twice.
pub fn assert_complete(rows: &[Row]) {
    let mut lines = BTreeSet::new();
    for row in rows {
        assert!(
            lines.insert((row.play, row.line)),
            "{} is there twice",
            row.line
        );
    }
    for kind in SERVERS {
        let of_it = || rows.iter().filter(move |row| row.kind == kind);
        for begins in [Begins::Explicit, Begins::Implicit] {
            for version in [Version::V12, Version::V13] {
                let works = of_it().any(|row| {
                    (row.play, row.begins, row.version) == (Play::Works, begins, version)
                });
                let lacks_it = kind == Kind::PureFtpd && begins == Begins::Implicit;
                assert!(works != lacks_it, "{kind:?}, {begins:?}, {version:?}");
            }
        }
        for (name, play) in PLAYS {
            let lacks_it = match play {
                Play::Resumed | Play::NotResumed => {
                    matches!(kind, Kind::PureFtpd | Kind::Pyftpdlib)
                }
                Play::Cleared => matches!(kind, Kind::Vsftpd | Kind::Pyftpdlib),
                _ => false,
            };
            assert!(
                of_it().any(|row| row.play == play) != lacks_it,
                "{name}, {kind:?}"
            );
        }
    }
    for (name, client) in CLIENTS {
        assert!(rows.iter().any(|row| row.client == client), "{name}");
    }
}
