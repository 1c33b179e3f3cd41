//! Playing the rows. Those of one fault and one server share a stage, one after the other; stages are set beside each
//! other, as many as the lab permits.

use super::lab::Permit;
use super::lab::fault::Fault;
use super::lab::server::daemons::Kind;
use super::lab::server::{BIG, FILE};
use super::lab::stage::{At, Stage};
use super::lab::topology::Family;
use super::lab::watch::{Event, Hook, Watch};
use super::rows::Row;
use super::verdict::{Said, Verdict, is_dropped};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a client may take. After that it is ended, as by a user who has had enough.
const PATIENCE: Duration = Duration::from_secs(40);

/// The same, where a reply never comes and most clients would wait for ever. Longer than ftpwatch's time-out.
const PATIENCE_WITHOUT_REPLY: Duration = Duration::from_secs(12);

/// Stages to a core: on most of them a client waits, and hardly anything happens.
const STAGES: usize = 8;

/// How often a client is played to see open and dropped ports.
const TRIES: usize = 16;

/// A row, and what was said of it.
pub struct Played {
    pub row: Row,
    pub at_server: Vec<Said>,
    pub at_router: Vec<Said>,
    /// Why it could not be played to its end.
    pub broken: Option<String>,
}

impl Played {
    /// At the server, and at the router.
    pub fn verdicts(&self) -> [Verdict; 2] {
        [
            self.row.at_server.judge(&self.at_server),
            self.row.at_router.judge(&self.at_router),
        ]
    }

    pub fn is_right(&self) -> bool {
        self.broken.is_none() && self.verdicts() == [Verdict::Right; 2]
    }
}

/// What shares a stage.
type Key = (&'static str, &'static str, Option<Family>);

fn key(row: &Row) -> Key {
    // A server that listens on both versions of IP serves both.
    let family = (row.fault.fault != Fault::Ipv6Dropped).then_some(row.family);
    (row.fault.name, row.server, family)
}

/// Plays all of them, in the end in the order that they came in.
pub fn all(rows: Vec<Row>) -> Vec<Played> {
    Permit::allow(STAGES);
    let mut stages: Vec<(Key, Vec<(usize, Row)>)> = Vec::new();
    for (position, row) in rows.into_iter().enumerate() {
        match stages.iter_mut().find(|(known, _)| *known == key(&row)) {
            Some((_, rows)) => rows.push((position, row)),
            None => stages.push((key(&row), vec![(position, row)])),
        }
    }
    let mut played = std::thread::scope(|scope| {
        let threads: Vec<_> = stages
            .into_iter()
            .map(|(_, rows)| scope.spawn(move || on_one_stage(rows)))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("a panic is a result"))
            .collect::<Vec<_>>()
    });
    played.sort_by_key(|(position, _)| *position);
    played.into_iter().map(|(_, played)| played).collect()
}

fn on_one_stage(rows: Vec<(usize, Row)>) -> Vec<(usize, Played)> {
    let rows_only: Vec<&Row> = rows.iter().map(|(_, row)| row).collect();
    let result = std::panic::catch_unwind(|| play(&rows_only));
    let (mut at_server, mut at_router, broken) = match result {
        Ok([at_server, at_router]) => (at_server, at_router, None),
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .unwrap_or_else(|| "a panic".to_owned());
            let nothing = || vec![Vec::new(); rows.len()];
            (nothing(), nothing(), Some(text))
        }
    };
    rows.into_iter()
        .enumerate()
        .map(|(index, (position, row))| {
            let played = Played {
                row,
                at_server: std::mem::take(&mut at_server[index]),
                at_router: std::mem::take(&mut at_router[index]),
                broken: broken.clone(),
            };
            (position, played)
        })
        .collect()
}

/// Plays rows on one stage; what was said of each, at either place.
fn play(rows: &[&Row]) -> [Vec<Vec<Said>>; 2] {
    let fault = rows[0].fault.fault;
    let kind = rows[0].kind.unwrap_or(Kind::Vsftpd);
    let mut stage = Stage::with(kind, fault, rows[0].family);
    let options: &[&str] = match fault {
        // The transfer is to take longer.
        Fault::DataElsewhere => &["--timeout", "2s"],
        _ => &[],
    };
    let topology = &stage.topology;
    let mut watches = places(fault).map(|(at, interfaces)| {
        let namespace = match at {
            At::Router => topology.router(),
            At::Gateway => topology.gateway(),
            At::Server | At::Bridge => &topology.server,
        };
        Watch::start(namespace, interfaces, Hook::Tcx, options)
    });
    let mut beginnings = Vec::new();
    for row in rows {
        stage.family = row.family;
        beginnings.push([0, 1].map(|place: usize| watches[place].events().len()));
        play_row(&stage, row, &mut watches);
    }
    let mut place = 0;
    watches.map(|watch| {
        let report = watch.stop();
        let beginnings: Vec<usize> = beginnings.iter().map(|both| both[place]).collect();
        place += 1;
        by_row(&report.events, &beginnings, is_benign(fault))
    })
}

/// Where to look on from: the server, and what is between it and the client.
fn places(fault: Fault) -> [(At, &'static [&'static str]); 2] {
    let between = match fault {
        Fault::NatRight | Fault::NatWrong => At::Gateway,
        _ => At::Router,
    };
    let interfaces = match fault {
        // Control connections alone pass here.
        Fault::DataElsewhere => &["r1"],
        _ => between.interfaces(),
    };
    [(At::Server, At::Server.interfaces()), (between, interfaces)]
}

/// Nothing is wrong with the server, and nothing is to be found.
fn is_benign(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::Nothing | Fault::NatRight | Fault::DataElsewhere
    )
}

fn play_row(stage: &Stage, row: &Row, watches: &mut [Watch; 2]) {
    let tries = match row.fault.fault {
        Fault::HalfDropped => TRIES,
        _ => 1,
    };
    let beginning = watches[0].events().len();
    for _ in 0..tries {
        play_client(stage, row);
        settle(stage, watches);
        let said = watches[0].events()[beginning..].iter().filter_map(Said::of);
        let dropped = said.map(|said| is_dropped(&said)).collect::<Vec<_>>();
        if dropped.contains(&true) && dropped.contains(&false) {
            break;
        }
    }
}

/// How the client fares is shown by what it does on the wire, not by its exit status: tnftp, for one, succeeds after it
/// went over to active mode.
fn play_client(stage: &Stage, row: &Row) {
    let (file, patience) = match row.fault.fault {
        Fault::DataElsewhere => (BIG, PATIENCE),
        Fault::ReplySplit | Fault::OddReply | Fault::OtherClient => (FILE, PATIENCE_WITHOUT_REPLY),
        _ => (FILE, PATIENCE),
    };
    if let Some(mut client) = stage.play_for(row.behaviour, file) {
        let deadline = Instant::now() + patience;
        while !client.has_ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Waits until everything that happened before was told: the end of a control connection that was opened later, and an
/// outcome of each endpoint.
fn settle(stage: &Stage, watches: &mut [Watch; 2]) {
    let port = u64::from(stage.client().greet());
    for watch in watches {
        watch.wait_until("end of all that went before", |events| {
            let count = |event_type| events.iter().filter(|event| event.is(event_type)).count();
            let is_last =
                |event: &Event| event.is("session") && event.number("/client/port") == Some(port);
            events.iter().any(is_last) && count("advertised") == count("outcome")
        });
    }
}

/// Sorts events by the row that their control connection belongs to. The first that was said of a row is at its
/// beginning.
fn by_row(events: &[Event], beginnings: &[usize], benign: bool) -> Vec<Vec<Said>> {
    let mut said = vec![Vec::new(); beginnings.len()];
    let mut row_of_client = HashMap::new();
    for (position, event) in events.iter().enumerate() {
        let current = beginnings.iter().rposition(|begin| *begin <= position);
        let Some(current) = current else { continue };
        let client = event.number("/client/port");
        if event.is("advertised") {
            row_of_client.insert(client, current);
        }
        // Of what is wrong there may be more to say than the outcomes.
        if event.is("finding") && !benign {
            continue;
        }
        let row = row_of_client.get(&client).copied().unwrap_or(current);
        said[row].extend(Said::of(event));
    }
    said
}
