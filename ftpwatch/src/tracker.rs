//! Events and time in, outcomes out. No I/O, and no clock of its own.
//!
//! The kernel's maps, a capture's tables or a test stand behind [`Truth`]: before the tracker reports that
//! something did not come, it asks there. What it is told in between is news, and news may be lost.

mod facts;
mod guesses;
mod outcome;
mod session;

use std::collections::{BTreeSet, HashMap, HashSet};

use foldhash::fast::RandomState;
use ftpwatch_common::{
    address::Flow,
    control::Control,
    endpoint::{Endpoint, GiveUp, missed},
    engine::Request,
    record::{About, Line, Progress, Record, Session as SessionNews, Why},
};

pub use facts::{Facts, Views};
pub use outcome::{Outcome, SECOND, Terms, Verdict, decide};
pub use session::{Session, Visibility};

use crate::{
    address::{Fault, fault},
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

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Control connections seen.
    pub sessions: u64,
    /// Of those, the ones that could not be read (TLS).
    pub blind: u64,
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
    books: Books,
    sessions: Sessions,
    history: History,
    guesses: Guesses,
    /// By the id of the view that was seen first.
    endpoints: HashMap<u64, Watched, RandomState>,
    /// From any view's id to that.
    known: HashMap<u64, u64, RandomState>,
    timers: BTreeSet<(u64, u64)>,
    events: Vec<Event>,
    retired: Vec<Request>,
}

impl Tracker {
    /// A tracker that waits `timeout` nanoseconds for a data connection.
    #[must_use]
    pub fn new(timeout: u64) -> Self {
        Self {
            timeout,
            books: Books::default(),
            sessions: Sessions::default(),
            history: History::default(),
            guesses: Guesses::default(),
            endpoints: HashMap::default(),
            known: HashMap::default(),
            timers: BTreeSet::new(),
            events: Vec::new(),
            retired: Vec::new(),
        }
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
                if self.known.contains_key(&endpoint.id) || is_first(&endpoint, truth) {
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

    /// Compares with all that the store has, after news were lost: what is new is taken in, what is known
    /// is brought up to date, what is gone is over. What was retired must be out of the store before, and
    /// what is retired because of it before the next news are taken in.
    ///
    /// `now` is when the comparison began. Of what came since, the lists may know one part and not another:
    /// `endpoints` must have been made before `controls`, so that none of them is without its control
    /// connection.
    pub fn reconcile(
        &mut self,
        controls: &[Control],
        endpoints: &[Endpoint],
        now: u64,
        truth: &mut dyn Truth,
    ) {
        for control in controls {
            for news in session::news_of(control) {
                self.take_session(&news, now, truth);
            }
        }
        let mut endpoints = endpoints.to_vec();
        endpoints.sort_by_key(|endpoint| endpoint.advertised_at);
        for endpoint in endpoints {
            if endpoint.is_guessed() {
                self.take_guess(&endpoint, now, truth);
            } else {
                self.take_endpoint(endpoint, now, truth);
            }
        }
        // Ends come last: they are the ends of the endpoints as well.
        for control in controls {
            let ended = control.ended_at != 0 && control.ended_at <= now;
            // Ends go unseen: a client that was switched off, a firewall that forgot. If it comes to life
            // again, it is picked up in the middle.
            let idle = now.saturating_sub(control.last_at) > IDLE;
            if ended {
                let news = session::news(control, Progress::Ended, control.ended_at);
                self.take_session(&news, now, truth);
            } else if idle && !self.has_undecided(control.id) {
                self.take_session(&session::news(control, Progress::Ended, now), now, truth);
            }
        }
        let present: HashSet<u64> = controls.iter().map(|control| control.id).collect();
        for id in self.sessions.end_absent(&present, now) {
            self.end_session(id, now, truth);
        }
    }

    /// Of everything that has no outcome yet, absence proves nothing any more: packets may have passed
    /// unseen.
    pub fn miss(&mut self, now: u64, truth: &mut dyn Truth) {
        let undecided: Vec<u64> = self
            .endpoints
            .iter()
            .filter(|(_, watched)| watched.outcome.is_none())
            .map(|(key, _)| *key)
            .collect();
        for key in undecided {
            if let Some(watched) = self.endpoints.get_mut(&key) {
                watched.views.miss();
            }
            self.settle(key, now, truth);
        }
        // Of guesses nothing is learnt that may have been missed.
        for id in self.guesses.clear() {
            self.forget_guess(id);
        }
    }

    /// Watching stops: what has no outcome is unknown, and every session is told.
    pub fn finish(&mut self, now: u64, truth: &mut dyn Truth) {
        let mut keys: Vec<u64> = self.endpoints.keys().copied().collect();
        keys.sort_unstable();
        for key in keys {
            self.refresh(key, truth);
            self.settle(key, now, truth);
            if self
                .endpoints
                .get(&key)
                .is_some_and(|w| w.outcome.is_none())
            {
                self.conclude(key, Outcome::Unknown, now);
            }
        }
        for session in self.sessions.finish(now) {
            self.tell_session(session);
        }
    }

    fn tell_session(&mut self, mut session: Session) {
        let Flow { client, server, .. } = session.flow;
        session.banner = self.history.known(server, client, 0).banner;
        self.events.push(Event::Session(Box::new(session)));
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
        self.settle(key, now, truth);
    }

    /// An endpoint that was not known: a new one, or another view of one that was seen on the other side
    /// of an address translation.
    fn begin(&mut self, mut endpoint: Endpoint) -> u64 {
        if endpoint.why == Why::Unstored as u32 {
            endpoint.missed |= missed::STORE;
        }
        let session = self.sessions.of(&endpoint);
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
        (self.books.sessions, self.books.blind) = self.sessions.books();
    }

    /// The session is over, and nothing more will be said of its endpoints.
    fn end_session(&mut self, id: u64, now: u64, truth: &mut dyn Truth) {
        let keys = self.sessions.open_endpoints(id);
        for key in keys {
            self.refresh(key, truth);
            self.settle(key, now, truth);
            if self
                .endpoints
                .get(&key)
                .is_some_and(|w| w.outcome.is_none())
            {
                self.conclude(key, Outcome::Unknown, now);
            }
            self.forget(key);
        }
        if let Some(session) = self.sessions.end(id) {
            self.tell_session(session);
        }
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

    /// Brings the endpoint's views up to date.
    fn refresh(&mut self, key: u64, truth: &mut dyn Truth) {
        let Some(watched) = self.endpoints.get_mut(&key) else {
            return;
        };
        let ids: Vec<u64> = watched.views.ids().collect();
        for id in ids {
            match truth.endpoint(id) {
                Some(endpoint) => watched.views.update(endpoint),
                None => watched.views.miss(),
            }
        }
    }

    /// Decides what can be decided, and tells what there is to tell.
    fn settle(&mut self, key: u64, now: u64, truth: &mut dyn Truth) {
        if let Some(watched) = self.endpoints.get(&key)
            && watched.outcome.is_none()
        {
            let mut verdict = self.judge(watched, now);
            if let Verdict::Decided(outcome) = verdict
                && outcome != Outcome::Connected
            {
                // News may be lost, and the map has what they said.
                self.refresh(key, truth);
                verdict = match self.endpoints.get(&key) {
                    Some(watched) => self.judge(watched, now),
                    None => return,
                };
            }
            match verdict {
                Verdict::Decided(outcome) => self.conclude(key, outcome, now),
                Verdict::Wait(until) => self.set_timer(key, until),
            }
        }
        self.look_after(key, now);
    }

    fn judge(&self, watched: &Watched, now: u64) -> Verdict {
        let view = watched.views.client_side();
        let terms = Terms {
            timeout: self.timeout,
            plausible: self.fault_of(view).is_none(),
            elsewhere: self.history.is_elsewhere(view.flow.server),
        };
        decide(&watched.views.facts(), &terms, now)
    }

    /// The endpoint has its outcome.
    fn conclude(&mut self, key: u64, outcome: Outcome, now: u64) {
        let Some(watched) = self.endpoints.get_mut(&key) else {
            return;
        };
        watched.outcome = Some((outcome, now));
        let (session, timer) = (watched.session, watched.timer.take());
        if let Some(at) = timer {
            self.timers.remove(&(at, key));
        }
        self.books.outcomes[outcome as usize] += 1;
        self.sessions.count(session, outcome);
        let Some(case) = self.case(key) else {
            return;
        };
        let patterns = self.history.learn(&case);
        let flow = case.views.client_side().flow;
        self.events.push(Event::Outcome(Box::new(case)));
        for pattern in patterns {
            self.discover(flow, now, pattern);
        }
        if outcome.is_failure() {
            self.set_timer(key, Some(now + REMEMBERED));
        }
    }

    /// What can still happen to an endpoint that has its outcome.
    fn look_after(&mut self, key: u64, now: u64) {
        let Some(watched) = self.endpoints.get(&key) else {
            return;
        };
        let Some((outcome, decided_at)) = watched.outcome else {
            return;
        };
        let facts = watched.views.facts();
        let late = outcome.is_failure() && facts.connected_at.is_some() && !watched.late_told;
        let transfer = !watched.transfer_told && transfer_failed(&facts, outcome, decided_at);
        if late && let Some(case) = self.case(key) {
            self.books.late += 1;
            self.events.push(Event::Late(Box::new(case)));
        }
        if transfer && let Some(case) = self.case(key) {
            self.books.transfers += 1;
            self.events.push(Event::Transfer(Box::new(case)));
        }
        if let Some(watched) = self.endpoints.get_mut(&key) {
            watched.late_told |= late;
            watched.transfer_told |= transfer;
        }
        let remembered = outcome.is_failure() && now < decided_at + REMEMBERED;
        let over = facts.released || facts.final_reply.is_some() || outcome.is_failure();
        if over && !remembered {
            self.forget(key);
        }
    }

    fn case(&self, key: u64) -> Option<Case> {
        let watched = self.endpoints.get(&key)?;
        let (outcome, decided_at) = watched.outcome?;
        let view = watched.views.client_side();
        let Flow { client, server, .. } = view.flow;
        Some(Case {
            facts: watched.views.facts(),
            outcome,
            decided_at,
            fault: self.fault_of(view),
            server: self.history.known(server, client, view.port),
            control_reply: watched.control_reply,
            views: watched.views.clone(),
        })
    }

    /// What is wrong with the advertised address, unless clients were seen to connect to it.
    fn fault_of(&self, view: &Endpoint) -> Option<Fault> {
        let Flow { client, server, .. } = view.flow;
        let (address, port) = (view.address.ip(), view.port);
        fault(view.code, address, port, server.ip(), client.ip())
            .filter(|fault| *fault != Fault::Mismatch || !self.history.works(server, view.address))
    }

    fn discover(&mut self, flow: Flow, at: u64, pattern: Pattern) {
        let discovery = Discovery { flow, at, pattern };
        self.events.push(Event::Pattern(Box::new(discovery)));
    }

    fn set_timer(&mut self, key: u64, at: Option<u64>) {
        let Some(watched) = self.endpoints.get_mut(&key) else {
            return;
        };
        if let Some(old) = watched.timer.take() {
            self.timers.remove(&(old, key));
        }
        if let Some(at) = at {
            watched.timer = Some(at);
            self.timers.insert((at, key));
        }
    }

    /// The endpoint is of no interest any more.
    fn forget(&mut self, key: u64) {
        self.set_timer(key, None);
        let Some(watched) = self.endpoints.remove(&key) else {
            return;
        };
        self.sessions.forget_endpoint(watched.session, key);
        for id in watched.views.ids() {
            self.known.remove(&id);
            self.retired.push(Request {
                endpoint: id,
                flow: watched.views.client_side().flow,
                pad: 0,
                control: 0,
            });
        }
    }
}

/// Whether these are the first news of an endpoint that is not known. News of one that is done with come
/// after all where the store was compared with meanwhile: then it is out of the store. Later news of one
/// whose first were lost have to wait for the comparison.
fn is_first(endpoint: &Endpoint, truth: &mut dyn Truth) -> bool {
    endpoint.why == Why::Unstored as u32
        || (endpoint.why == Why::Advertised as u32 && truth.endpoint(endpoint.id).is_some())
}

/// Whether the server said after the outcome that the transfer failed. A transfer that the client itself
/// aborted (426 after ABOR) did not fail.
fn transfer_failed(facts: &Facts, outcome: Outcome, decided_at: u64) -> bool {
    let aborted = matches!(facts.gave_up, Some((_, GiveUp::Abort)));
    // A connection is a fact when it is made, not when it is heard of.
    let connected_at = facts.connected_at.or(facts.foreign_connected_at);
    let since = match (outcome, connected_at) {
        (Outcome::Connected, Some(at)) => at,
        _ => decided_at,
    };
    match facts.final_reply {
        Some((at, 421 | 425 | 522)) => at > since,
        Some((at, 426)) => at > since && !aborted,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
