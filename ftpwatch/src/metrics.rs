//! Metrics, for Prometheus and whatever reads its formats: what the loop knows goes into a snapshot, which a thread of
//! its own serves over HTTP. That thread answers, and says so, when the loop does not go on; and nobody who asks holds
//! up the loop.

mod access;
pub mod cli;
mod families;
mod http;
mod web_config;

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use ftpwatch_common::counter::COUNTERS;

pub use families::{Families, Format};

use crate::{
    diagnose::Cause,
    error::Error,
    health::{Health, SILENCE, Vitals},
    output::Kind,
    report::{Body, Report},
    source::kernel::Room,
    tracker::{Books, Case, Event, Outcome},
    watch::KINDS_OF_LOSS,
};

/// Where it is told how ftpwatch is, as in Prometheus' own programs.
const HEALTH: [&str; 2] = ["/-/healthy", "/-/ready"];

/// All that the loop knows at a time, but for what is counted with labels of the report.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What was counted.
    pub books: Books,
    /// What the kernel half counted.
    pub counters: [u64; COUNTERS],
    /// What was lost, by [`KINDS_OF_LOSS`].
    pub losses: [u64; KINDS_OF_LOSS.len()],
    /// How many entries the maps had when they were last compared with.
    pub entries: Entries,
    /// How many they have room for.
    pub room: Room,
    /// How many results were not written, by kind of output.
    pub dropped: [u64; Kind::ALL.len()],
    /// The most bytes that were read from the ring in one go.
    pub ring_peak: u64,
    /// What the state follows from.
    pub vitals: Vitals,
    /// When this was so.
    pub at: Instant,
}

/// How many entries the maps have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// Control connections.
    pub controls: usize,
    /// Endpoints.
    pub endpoints: usize,
}

impl Snapshot {
    /// Nothing is watched yet.
    fn at_start() -> Self {
        Self {
            books: Books::default(),
            counters: [0; COUNTERS],
            losses: [0; KINDS_OF_LOSS.len()],
            entries: Entries::default(),
            room: Room::default(),
            dropped: [0; Kind::ALL.len()],
            ring_peak: 0,
            vitals: Vitals::default(),
            at: Instant::now(),
        }
    }

    /// Whether the loop has not gone round for too long.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.at.elapsed() > SILENCE
    }

    /// The state now, which is worse than it was then if nothing was heard since.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::judge(&self.vitals, self.at.elapsed())
    }
}

/// The last snapshot, for whoever asks.
#[derive(Clone, Debug)]
struct Shared(Arc<Mutex<Snapshot>>);

impl Shared {
    fn get(&self) -> Snapshot {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, snapshot: Snapshot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }
}

/// What is measured, from the loop's side.
#[derive(Debug)]
pub struct Metrics {
    shared: Shared,
    families: Arc<Families>,
}

impl Default for Metrics {
    fn default() -> Self {
        let shared = Shared(Arc::new(Mutex::new(Snapshot::at_start())));
        Self {
            families: Arc::new(Families::new(shared.clone())),
            shared,
        }
    }
}

/// An address that is listened on. The thread that answers is one that is started later: a sandbox holds for the
/// threads that are started inside.
pub struct Bound {
    /// Where.
    pub address: SocketAddr,
    /// The web-config file, and what it names: they are read again when they change.
    pub files: Vec<PathBuf>,
    server: http::Server,
}

impl Bound {
    /// Serves until the process ends.
    ///
    /// # Errors
    ///
    /// When there is no thread to be had.
    pub fn serve(self) -> Result<(), Error> {
        let Self {
            address, server, ..
        } = self;
        thread::Builder::new()
            .name("metrics".into())
            .spawn(move || server.run())
            .map_err(|error| cannot_listen(address, &error))?;
        Ok(())
    }
}

impl Metrics {
    /// Listens on `address`, and serves what there is from then on, as the web-config file says.
    ///
    /// # Errors
    ///
    /// When nobody can listen there, or something is wrong with the file.
    pub fn serve(
        address: SocketAddr,
        telemetry_path: String,
        config: Option<PathBuf>,
    ) -> Result<(Self, SocketAddr), Error> {
        let (metrics, bound) = Self::bind(address, telemetry_path, config)?;
        let at = bound.address;
        bound.serve()?;
        Ok((metrics, at))
    }

    /// Listens on `address`. Nobody is answered until [`Bound::serve`].
    ///
    /// # Errors
    ///
    /// When nobody can listen there, or something is wrong with the file.
    pub fn bind(
        address: SocketAddr,
        telemetry_path: String,
        config: Option<PathBuf>,
    ) -> Result<(Self, Bound), Error> {
        let guard = access::Guard::new(config)?;
        let files = guard.files();
        let cannot = |error: &std::io::Error| cannot_listen(address, error);
        let listener = TcpListener::bind(address).map_err(|error| cannot(&error))?;
        listener
            .set_nonblocking(true)
            .map_err(|error| cannot(&error))?;
        let at = listener.local_addr().map_err(|error| cannot(&error))?;
        let metrics = Self::default();
        let place = http::Place {
            shared: metrics.shared.clone(),
            families: Arc::clone(&metrics.families),
            telemetry_path,
            guard,
        };
        let server = http::Server::new(listener, place).map_err(|error| cannot(&error))?;
        let bound = Bound {
            address: at,
            files,
            server,
        };
        Ok((metrics, bound))
    }

    /// The loop has gone round, and this is what it knows.
    pub fn publish(&self, snapshot: Snapshot) {
        self.shared.set(snapshot);
    }

    /// Counts what is told by an event alone, whether or not it is shown.
    pub fn note(&self, event: &Event) {
        if let Event::Outcome(case) = event
            && let Some(time) = time_to_connect(case)
        {
            self.families.connect(time);
        }
    }

    /// Counts a failure, whose cause the report knows.
    pub fn note_failure(&self, event: &Event, report: &Report) {
        let (Event::Outcome(case), Body::Outcome(told)) = (event, &report.body) else {
            return;
        };
        if case.outcome.is_failure() {
            let cause = told.cause.map_or(families::NO_CAUSE, Cause::name);
            self.families.fail(case.outcome, cause);
        }
    }

    /// What is served, for tests and tools.
    #[must_use]
    pub fn families(&self) -> &Families {
        &self.families
    }
}

/// From the reply to the end of the handshake.
fn time_to_connect(case: &Case) -> Option<Duration> {
    if case.outcome != Outcome::Connected {
        return None;
    }
    let facts = &case.facts;
    let connected_at = facts.connected_at.or(facts.foreign_connected_at)?;
    Some(Duration::from_nanos(
        connected_at.saturating_sub(facts.advertised_at),
    ))
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Error {
    use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    let what = format!("cannot listen on {address} (--web.listen-address): {error}");
    match error.kind() {
        AddrInUse => Error::usage(
            what,
            format!(
                "Name another port, or see who has it: `ss -ltnp 'sport = :{}'`.",
                address.port()
            ),
        ),
        AddrNotAvailable => Error::usage(
            what,
            "Name an address of this host's; 127.0.0.1 always is one.",
        ),
        PermissionDenied => Error::host(
            what,
            "Name a port from 1024 on, or give CAP_NET_BIND_SERVICE.",
        ),
        _ => Error::host(what, "Run without it, or name another address."),
    }
}
