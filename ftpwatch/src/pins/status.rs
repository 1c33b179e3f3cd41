//! What `run --pin` watches, read from its maps.

use std::{collections::HashSet, fmt, io, path::Path};

use ftpwatch_common::ledger::Ledger;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    balance::{Sum, sums},
    error::Error,
    escape::printable,
    source::kernel::pin::{self, Contents, links::Links},
    tracker::Outcome,
    watch::KINDS_OF_LOSS,
};

/// What there is.
#[derive(Debug, Serialize)]
pub struct Status {
    schema: u32,
    /// `running`, or `detached` where the kernel half goes on by itself.
    state: &'static str,
    pid: Option<i32>,
    started_at: String,
    interfaces: Vec<Attached>,
    books: Books,
    losses: Vec<Loss>,
    /// What was counted in one place, and what it came to in others, when that was last looked at.
    balance: [Sum; 5],
    entries: Vec<Fill>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Attached {
    name: String,
    hook: String,
}

#[derive(Debug, Serialize)]
struct Books {
    endpoints: u64,
    pending: u64,
    outcomes: std::collections::BTreeMap<Outcome, u64>,
    late: u64,
    transfer: u64,
    undecodable: u64,
}

#[derive(Debug, Serialize)]
struct Loss {
    what: &'static str,
    count: u64,
}

#[derive(Debug, Serialize)]
struct Fill {
    map: &'static str,
    used: usize,
    room: u32,
}

impl Status {
    /// Looks under `root`.
    pub fn of(root: &Path) -> Result<Self, Error> {
        let unseen = |error: io::Error| {
            Error::host(
                format!("{} cannot be looked at: {error}", root.display()),
                "Run it as root.",
            )
        };
        let pinned = pin::pinned(root).map_err(unseen)?;
        let pid = pin::holder(root).map_err(unseen)?;
        let place = pin::place(root);
        let Some(contents) = Contents::of(&place) else {
            return Err(match pinned[..] {
                [] => Error::host(
                    format!("nothing is pinned in {}", root.display()),
                    "Start it: `ftpwatch run --pin`, or `systemctl start ftpwatch`.",
                ),
                _ => Error::host(
                    format!(
                        "what is pinned in {} is of another version of ftpwatch, or may not be read",
                        root.display()
                    ),
                    "Run it as root; else ask that version, or start this one, which replaces it.",
                ),
            });
        };
        Ok(Self::new(pid, &contents, &Links::at(&place)))
    }

    fn new(pid: Option<i32>, contents: &Contents, links: &Links) -> Self {
        let Contents {
            maps, told, ledger, ..
        } = contents;
        let told: HashSet<u64> = told.keys().filter_map(Result::ok).collect();
        let endpoints = maps.endpoints();
        let controls = maps.controls();
        let pending = endpoints
            .iter()
            .filter(|endpoint| !endpoint.is_guessed() && !told.contains(&endpoint.id))
            .count();
        let mut interfaces: Vec<Attached> = Vec::new();
        for name in links.names() {
            let (hook, name) = (
                name.hook().to_owned(),
                printable(name.interface().as_bytes()),
            );
            match interfaces.iter_mut().find(|known| known.name == name) {
                // What comes in goes through XDP, and what goes out through tc all the same.
                Some(known) if hook == "xdp" => known.hook = hook,
                Some(_) => {}
                None => interfaces.push(Attached { name, hook }),
            }
        }
        let losses = KINDS_OF_LOSS.into_iter().zip(ledger.losses);
        Self {
            schema: 1,
            state: if pid.is_some() { "running" } else { "detached" },
            pid,
            started_at: started(ledger),
            interfaces,
            books: Books::of(ledger, u64::try_from(pending).unwrap_or(u64::MAX)),
            losses: losses
                .filter(|(_, count)| *count > 0)
                .map(|(what, count)| Loss { what, count })
                .collect(),
            balance: sums(&ledger.audit),
            entries: vec![
                Fill {
                    map: "controls",
                    used: controls.len(),
                    room: contents.room.connections,
                },
                Fill {
                    map: "endpoints",
                    used: endpoints.len(),
                    room: contents.room.endpoints,
                },
                Fill {
                    map: "index",
                    used: contents.index(),
                    room: contents.room.index(),
                },
            ],
        }
    }

    /// Whether it runs, and lost nothing.
    pub fn is_fine(&self) -> bool {
        let balanced = self.balance.iter().all(|sum| sum.holds);
        self.pid.is_some() && balanced && self.losses.is_empty() && !self.interfaces.is_empty()
    }

    /// One object, in a line.
    pub fn json(&self) -> String {
        serde_json::to_string(self).map_or_else(|error| error.to_string(), |text| text + "\n")
    }
}

fn started(ledger: &Ledger) -> String {
    let seconds = i64::try_from(ledger.started_at).unwrap_or_default();
    Timestamp::from_second(seconds).map_or_else(|_| "?".into(), |time| time.to_string())
}

impl Books {
    fn of(ledger: &Ledger, pending: u64) -> Self {
        let outcomes = Outcome::ALL.into_iter().zip(ledger.outcomes);
        Self {
            endpoints: ledger.outcomes.iter().sum::<u64>() + pending,
            pending,
            outcomes: outcomes.collect(),
            late: ledger.late,
            transfer: ledger.transfers,
            undecodable: ledger.undecodable,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => writeln!(
                f,
                "state       running, process {pid}, since {}",
                self.started_at
            )?,
            None => writeln!(
                f,
                "state       not running; the kernel half goes on, and `ftpwatch run --pin` takes it over"
            )?,
        }
        for Attached { name, hook } in &self.interfaces {
            writeln!(f, "interface   {name} ({hook})")?;
        }
        if self.interfaces.is_empty() {
            writeln!(f, "interface   none")?;
        }
        let books = &self.books;
        writeln!(
            f,
            "endpoints   {}, {} pending",
            books.endpoints, books.pending
        )?;
        for (outcome, count) in &books.outcomes {
            if *count > 0 {
                writeln!(f, "  {:<10}{count}", outcome.name())?;
            }
        }
        if books.late > 0 {
            writeln!(f, "  late      {}", books.late)?;
        }
        if books.transfer > 0 {
            writeln!(f, "  transfer  {}", books.transfer)?;
        }
        if books.undecodable > 0 {
            writeln!(f, "undecodable {}", books.undecodable)?;
        }
        for Loss { what, count } in &self.losses {
            writeln!(f, "lost        {what} {count}")?;
        }
        if self.losses.is_empty() {
            writeln!(f, "lost        nothing")?;
        }
        for sum in &self.balance {
            writeln!(f, "sum         {sum}")?;
        }
        for Fill { map, used, room } in &self.entries {
            writeln!(f, "map         {map} {used} of {room}")?;
        }
        Ok(())
    }
}
