//! Events and time in, outcomes out. No I/O, and no clock of its own.
//!
//! The kernel's maps, a capture's tables or a test stand behind [`Truth`]: before the tracker reports that
//! something did not come, it asks there. What it is told in between is news, and news may be lost.

mod adopt;
mod books;
mod compare;
mod facts;
mod guesses;
mod outcome;
mod room;
mod session;
mod settle;

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;
use ftpwatch_common::{
    ROOM,
    address::{Address, Flow},
    endpoint::{Endpoint, missed},
    engine::Request,
    record::{About, Line, Record, Session as SessionNews, Why},
};
use ipnet::IpNet;

pub use books::Books;
pub use facts::{Facts, Views};
pub use outcome::{Outcome, SECOND, Terms, Verdict, decide};
pub use room::{Given, Giver};
pub use session::{Session, Visibility};

use crate::{
    address::Fault,
    history::{History, Known, Pattern},
};
use guesses::Guesses;
use session::Sessions;

/// How long a failure is remembered, for a connection that comes after all.
const REMEMBERED: u64 = 300 * SECOND;

/// How long a control connection's entry outlives its end, for segments that are sent again.
const LINGER: u64 = 5 * SECOND;

/// How long a control connection may say nothing before it is taken for dead: longer than the idle
/// time-outs of servers, and than most transfers.
const IDLE: u64 = 6 * 3600 * SECOND;

/// Where the truth is.
pub trait Truth {
    /// The endpoint as it is now. `None` when it is not known (any more).
    fn endpoint(&mut self, id: u64) -> Option<Endpoint>;
}

/// An endpoint with its outcome.
#[derive(Clone, Debug)]
pub struct Case {
    /// As it was seen.
    pub views: Views,
    /// What that says.
    pub facts: Facts,
    /// What happened.
    pub outcome: Outcome,
    /// When that was decided.
    pub decided_at: u64,
    /// What is wrong with the advertised address.
    pub fault: Option<Fault>,
    /// What is known of the server.
    pub server: Known,
    /// The text of the reply that said that the transfer failed.
    pub control_reply: Option<Line>,
}

/// A pattern, and where and when it came to light.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// The control connection that was the last to show it. Its ports are zero where it cannot be read.
    pub flow: Flow,
    /// When.
    pub at: u64,
    /// What.
    pub pattern: Pattern,
}

/// Something to tell.
#[derive(Clone, Debug)]
pub enum Event {
    /// An endpoint was advertised.
    Advertised(Box<Endpoint>),
    /// An endpoint has its outcome.
    Outcome(Box<Case>),
    /// An endpoint that had failed was connected after all.
    Late(Box<Case>),
    /// After an endpoint had its outcome, the server said that the transfer failed.
    Transfer(Box<Case>),
    /// A server's advertisement cannot be decoded. Said once a server.
    Undecodable(Box<(Flow, Line)>),
    /// What became of a server's endpoints has a pattern.
    Pattern(Box<Discovery>),
    /// A control connection is over.
    Session(Box<Session>),
}

/// An endpoint that is being watched.
#[derive(Debug)]
struct Watched {
    views: Views,
    session: u64,
    outcome: Option<(Outcome, u64)>,
    control_reply: Option<Line>,
    late_told: bool,
    transfer_told: bool,
    /// In the timers at this time.
    timer: Option<u64>,
}

/// Follows endpoints from their advertisement to their outcome.
#[derive(Debug)]
pub struct Tracker {
    timeout: u64,
    /// How many endpoints the store has room for.
    room: usize,
    /// Failures that are remembered, by client, the oldest first.
    remembered: HashMap<Address, BTreeSet<(u64, u64)>, RandomState>,
    /// Endpoints that the store refused, by client, and failures forgotten for room, since that was last asked.
    refused: HashMap<Address, u64, RandomState>,
    forgotten: u64,
    books: Books,
    sessions: Sessions,
    history: History,
    guesses: Guesses,
    /// By the id of the view that was seen first.
    endpoints: HashMap<u64, Watched, RandomState>,
    /// From any view's id to that.
    known: HashMap<u64, u64, RandomState>,
    timers: BTreeSet<(u64, u64)>,
    /// What was advertised later than this was in no comparison with the store.
    compared_to: u64,
    events: Vec<Event>,
    retired: Vec<Request>,
}

impl Tracker {
    /// A tracker that waits `timeout` nanoseconds for a data connection.
    #[must_use]
    pub fn new(timeout: u64) -> Self {
        Self {
            timeout,
            room: ROOM as usize,
            remembered: HashMap::default(),
            refused: HashMap::default(),
            forgotten: 0,
            books: Books::default(),
            sessions: Sessions::default(),
            history: History::default(),
            guesses: Guesses::default(),
            endpoints: HashMap::default(),
            known: HashMap::default(),
            timers: BTreeSet::new(),
            compared_to: 0,
            events: Vec::new(),
            retired: Vec::new(),
        }
    }

    /// Leaves out clients and servers in `networks`. Sessions that are known already stay what they are.
    pub fn ignore(&mut self, networks: Vec<IpNet>) {
        self.sessions.ignore(networks);
    }

    /// Waits `timeout` nanoseconds from now on, for what has no outcome yet too.
    pub fn set_timeout(&mut self, timeout: u64, now: u64, truth: &mut dyn Truth) {
        if timeout == self.timeout {
            return;
        }
        self.timeout = timeout;
        for key in self.undecided() {
            self.refresh(key, truth);
            self.settle(key, now, truth);
        }
    }

    fn undecided(&self) -> Vec<u64> {
        let endpoints = self.endpoints.iter();
        let undecided = endpoints.filter(|(_, watched)| watched.outcome.is_none());
        undecided.map(|(key, _)| *key).collect()
    }

    /// What was counted so far.
    #[must_use]
    pub const fn books(&self) -> &Books {
        &self.books
    }

    /// What many sessions taught.
    pub const fn history_mut(&mut self) -> &mut History {
        &mut self.history
    }

    /// What there is to tell since the last time.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// What the store need not keep any more.
    pub fn take_retired(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.retired)
    }

    /// When [`Self::advance`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let endpoints = self.timers.first().map(|(at, _)| *at);
        let sessions = self.sessions.next_deadline();
        let guesses = self.guesses.next_deadline();
        [endpoints, sessions, guesses].into_iter().flatten().min()
    }

    /// Takes in a record.
    pub fn take(&mut self, record: Record, now: u64, truth: &mut dyn Truth) {
        match record {
            Record::Endpoint(endpoint) if endpoint.is_guessed() => {
                self.take_guess(&endpoint, now, truth);
            }
            Record::Endpoint(endpoint) => {
                if self.known.contains_key(&endpoint.id) || self.is_first(&endpoint, truth) {
                    self.take_endpoint(endpoint, now, truth);
                }
            }
            Record::Session(news) => self.take_session(&news, now, truth),
            Record::Line(line) => self.take_line(line, now, truth),
        }
    }

    /// Does what is due at `now`.
    pub fn advance(&mut self, now: u64, truth: &mut dyn Truth) {
        while let Some(&(at, key)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            if let Some(watched) = self.endpoints.get_mut(&key) {
                watched.timer = None;
            }
            self.refresh(key, truth);
            self.settle(key, now, truth);
        }
        while let Some(id) = self.guesses.due(now) {
            if let Some(endpoint) = truth.endpoint(id) {
                self.conclude_guess(&endpoint, now);
            }
            self.forget_guess(id);
        }
        self.retired.extend(self.sessions.expire(now));
    }

    /// There were so many endpoints of which nothing is known but that they were advertised: there was no room for them,
    /// nor for the news of them.
    pub const fn note_untold(&mut self, count: u64) {
        self.books.endpoints += count;
        self.books.outcomes[Outcome::Unknown as usize] += count;
    }

    /// How many endpoints have no outcome yet, counted one by one: see [`Books::pending`].
    #[must_use]
    pub fn pending(&self) -> u64 {
        let undecided = self
            .endpoints
            .values()
            .filter(|watched| watched.outcome.is_none());
        undecided.count() as u64
    }

    /// Whether an endpoint on `port` is being followed, other than the one that `control` has advertised.
    #[must_use]
    pub fn is_advertised_to_others(&self, port: u16, control: u64) -> bool {
        let mut endpoints = self.endpoints.values();
        endpoints.any(|watched| {
            let view = watched.views.client_side();
            view.port == port && view.control != control
        })
    }

    /// Whether these are the first news of an endpoint that is not known. News of one that is done with come
    /// after all where the store was compared with meanwhile: then it is out of the store, which is asked about
    /// those alone that the comparison can have found there. Later news of one whose first were lost have to wait
    /// for the comparison.
    fn is_first(&self, endpoint: &Endpoint, truth: &mut dyn Truth) -> bool {
        if endpoint.why == Why::Unstored as u32 {
            return true;
        }
        let compared = endpoint.advertised_at <= self.compared_to;
        endpoint.why == Why::Advertised as u32
            && (!compared || truth.endpoint(endpoint.id).is_some())
    }

    fn has_undecided(&self, control: u64) -> bool {
        let keys = self.sessions.open_endpoints_of_view(control);
        keys.iter()
            .any(|key| self.endpoints.get(key).is_some_and(|w| w.outcome.is_none()))
    }

    fn take_endpoint(&mut self, endpoint: Endpoint, now: u64, truth: &mut dyn Truth) {
        let key = match self.known.get(&endpoint.id) {
            Some(&key) => {
                if let Some(watched) = self.endpoints.get_mut(&key) {
                    watched.views.update(endpoint);
                }
                key
            }
            None => self.begin(endpoint),
        };
        // Of one that was seen in one place alone, nothing more will be known.
        if endpoint.why == Why::Unstored as u32 && key == endpoint.id {
            self.conclude(key, Outcome::Unknown, now);
            self.forget(key);
            return;
        }
        self.settle(key, now, truth);
    }

    /// An endpoint that was not known: a new one, or another view of one that was seen on the other side
    /// of an address translation.
    fn begin(&mut self, mut endpoint: Endpoint) -> u64 {
        self.books.views += 1;
        if endpoint.why == Why::Unstored as u32 {
            endpoint.missed |= missed::STORE;
            if endpoint.missed & missed::ROOM != 0 {
                self.note_refused(endpoint.flow.client);
            }
        }
        let session = self.sessions.of(&endpoint);
        if session.ignored {
            self.count_sessions();
            self.retire_view(endpoint.id, endpoint.flow);
            return endpoint.id;
        }
        let twin = session.latest.filter(|key| {
            self.endpoints.get(key).is_some_and(|watched| {
                watched.outcome.is_none() && watched.views.is_twin(&endpoint)
            })
        });
        if let Some(key) = twin {
            self.known.insert(endpoint.id, key);
            if let Some(watched) = self.endpoints.get_mut(&key) {
                watched.views.update(endpoint);
            }
            return key;
        }
        let key = endpoint.id;
        let session_id = session.id;
        session.latest = Some(key);
        session.endpoints += 1;
        session.open_endpoints.insert(key);
        self.books.endpoints += 1;
        self.count_sessions();
        self.known.insert(key, key);
        self.events.push(Event::Advertised(Box::new(endpoint)));
        self.endpoints.insert(
            key,
            Watched {
                views: Views::new(endpoint),
                session: session_id,
                outcome: None,
                control_reply: None,
                late_told: false,
                transfer_told: false,
                timer: None,
            },
        );
        // Those before are done with, unless they failed and are remembered.
        for other in self.sessions.open_endpoints(session_id) {
            self.release(other, &endpoint);
        }
        key
    }

    /// `newer` has taken the place of the endpoint `key`, if that is older.
    fn release(&mut self, key: u64, newer: &Endpoint) {
        let Some(watched) = self.endpoints.get(&key) else {
            return;
        };
        let view = watched.views.client_side();
        if view.advertised_at >= newer.advertised_at {
            return;
        }
        match watched.outcome {
            Some((outcome, _)) if !outcome.is_failure() || view.port == newer.port => {
                self.forget(key);
            }
            _ => {}
        }
    }

    fn take_session(&mut self, news: &SessionNews, now: u64, truth: &mut dyn Truth) {
        let ended = self.sessions.take(news, now + LINGER);
        self.count_sessions();
        if let Some(id) = ended {
            self.end_session(id, now, truth);
        }
    }

    fn count_sessions(&mut self) {
        (self.books.sessions, self.books.blind, self.books.ignored) = self.sessions.books();
    }

    fn take_line(&mut self, line: Line, now: u64, truth: &mut dyn Truth) {
        match line.about {
            about if about == About::Banner as u32 => {
                if let Some(flow) = self.sessions.flow(line.control) {
                    self.history.greeted(flow.server, &line);
                }
            }
            about if about == About::Refusal as u32 => {
                if let Some(flow) = self.sessions.flow(line.control)
                    && let Some(pattern) = self.history.refused_to_advertise(flow.server, &line)
                {
                    self.discover(flow, line.at, pattern);
                }
            }
            about if about == About::Undecodable as u32 => {
                if let Some(flow) = self.sessions.undecodable(line.control) {
                    self.books.undecodable += 1;
                    if self.history.first_undecodable(flow.server) {
                        self.events.push(Event::Undecodable(Box::new((flow, line))));
                    }
                }
            }
            _ => {
                if let Some(&key) = self.known.get(&line.endpoint)
                    && let Some(watched) = self.endpoints.get_mut(&key)
                {
                    watched.control_reply.get_or_insert(line);
                    self.settle(key, now, truth);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
