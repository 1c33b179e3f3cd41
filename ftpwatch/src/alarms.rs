//! A pager's manners: one broken server and ten thousand clients is one alarm. Reports and time in, alarms out; no I/O, and
//! no clock of its own.
//!
//! Failures are grouped by server and by what is wrong. The first is told at once, then how many there were, at intervals
//! that grow; and once it works again, that is told too. Bounded: where there is no room for another group, the one that
//! has been quiet the longest is let go.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use foldhash::fast::RandomState;
use jiff::{SignedDuration, Timestamp};

use crate::{
    clock::Clock,
    diagnose::Cause,
    report::{AlarmReport, AlarmState, Body, EndpointReport, Observer, Peer, Report},
    tracker::{Case, Event, Outcome},
};

/// How many groups there are at most.
const GROUPS: usize = 4096;

/// How many clients are remembered, of all groups together.
const CLIENTS: usize = 65_536;

/// From one telling to the next, in minutes; the last is the interval from then on.
const INTERVALS: [i64; 5] = [1, 5, 30, 120, 360];

/// How many connections in a row it takes at least, for it to work again.
const RUN: i32 = 3;

/// How many clients fail, and nobody connects, before everybody is taken to be concerned.
const EVERYBODY: usize = 3;

/// Below this, chance does not explain a run of connections.
const SIGNIFICANT: f64 = 1e-3;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Endpoint(Outcome, Option<Cause>),
    /// The server said that the transfer failed, with this code.
    Transfer(Option<u16>),
}

impl What {
    fn of(body: &Body) -> Option<(Self, &EndpointReport)> {
        match body {
            Body::Outcome(report) => {
                let outcome = report.outcome.filter(|outcome| outcome.is_failure())?;
                Some((Self::Endpoint(outcome, report.cause), report))
            }
            Body::Transfer(report) => {
                let code = report.control_reply.as_ref().map(|reply| reply.code);
                Some((Self::Transfer(code), report))
            }
            _ => None,
        }
    }
}

/// The failures of a server that have one cause.
struct Group {
    what: What,
    since: Timestamp,
    last: Timestamp,
    endpoints: u64,
    clients: HashSet<IpAddr, RandomState>,
    /// There was no room for all of them.
    more_clients: bool,
    /// The failure that was the last.
    example: EndpointReport,
    observer: Observer,
    /// How many were told of.
    told: u64,
    /// How often.
    tellings: usize,
    next: Timestamp,
    /// Somebody connected between two failures: not everybody is concerned.
    partial: bool,
    /// Connections of those who are concerned, but for those in a row,
    connected: u64,
    /// and those in a row, since the last failure.
    run: i32,
    /// Somebody connected since the last failure.
    others: bool,
}

/// All groups.
pub struct Alarms {
    clock: Clock,
    servers: HashMap<Peer, Vec<Group>, RandomState>,
    groups: usize,
    clients: usize,
    forgotten: u64,
}

impl Alarms {
    /// None yet. `clock` is that of the events.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            servers: HashMap::default(),
            groups: 0,
            clients: 0,
            forgotten: 0,
        }
    }

    /// Takes in a report. Returns the alarm, if it is time for one.
    pub fn fail(&mut self, report: &Report) -> Option<Report> {
        let (what, endpoint) = What::of(&report.body)?;
        let at = report.timestamp;
        let known = self.servers.get_mut(&endpoint.server);
        if let Some(group) = known.and_then(|groups| groups.iter_mut().find(|g| g.what == what)) {
            self.clients += group.fail(endpoint, at, self.clients < CLIENTS);
            return (at >= group.next).then(|| group.tell(AlarmState::Repeated, at));
        }
        if self.groups >= GROUPS {
            self.forget();
        }
        let mut group = Group::new(what, endpoint, report);
        self.clients += group.fail(endpoint, at, self.clients < CLIENTS);
        let alarm = group.tell(AlarmState::Firing, at);
        self.servers.entry(endpoint.server).or_default().push(group);
        self.groups += 1;
        Some(alarm)
    }

    /// Takes in an event that there need not be a report of. Returns what works again by that.
    pub fn connect(&mut self, event: &Event) -> Vec<Report> {
        match event {
            Event::Outcome(case) if case.outcome == Outcome::Connected => {
                self.connected(case, self.clock.time(case.decided_at))
            }
            _ => Vec::new(),
        }
    }

    fn connected(&mut self, case: &Case, at: Timestamp) -> Vec<Report> {
        let flow = &case.views.client_side().flow;
        let server = Peer {
            ip: flow.server.ip(),
            port: flow.server_port,
        };
        self.works(server, flow.client.ip(), at)
    }

    fn works(&mut self, server: Peer, client: IpAddr, at: Timestamp) -> Vec<Report> {
        let Some(groups) = self.servers.get_mut(&server) else {
            return Vec::new();
        };
        let mut resolved = Vec::new();
        groups.retain_mut(|group| {
            let works = group.works(client);
            if works {
                resolved.push(group.tell(AlarmState::Resolved, at));
                self.groups -= 1;
                self.clients -= group.clients.len();
            }
            !works
        });
        if groups.is_empty() {
            self.servers.remove(&server);
        }
        resolved
    }

    /// What there is to tell at the time `now`.
    pub fn due(&mut self, now: Timestamp) -> Vec<Report> {
        let groups = self.servers.values_mut().flatten();
        groups
            .filter(|group| group.next <= now && group.endpoints > group.told)
            .map(|group| group.tell(AlarmState::Repeated, now))
            .collect()
    }

    /// What was not told yet.
    pub fn finish(&mut self) -> Vec<Report> {
        self.due(Timestamp::MAX)
    }

    /// How many groups were let go, for lack of room.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Lets go of the group that has been quiet the longest.
    fn forget(&mut self) {
        let all = self.servers.iter().flat_map(|(server, groups)| {
            let numbered = groups.iter().enumerate();
            numbered.map(move |(number, group)| (group.last, *server, number))
        });
        let Some((_, server, number)) = all.min() else {
            return;
        };
        if let Some(groups) = self.servers.get_mut(&server) {
            let group = groups.swap_remove(number);
            self.clients -= group.clients.len();
            if groups.is_empty() {
                self.servers.remove(&server);
            }
        }
        self.groups -= 1;
        self.forgotten += 1;
    }
}

impl Group {
    fn new(what: What, endpoint: &EndpointReport, report: &Report) -> Self {
        Self {
            what,
            since: report.timestamp,
            last: report.timestamp,
            endpoints: 0,
            clients: HashSet::default(),
            more_clients: false,
            example: endpoint.clone(),
            observer: report.observer.clone(),
            told: 0,
            tellings: 0,
            next: report.timestamp,
            partial: false,
            connected: 0,
            run: 0,
            others: false,
        }
    }

    /// Counts a failure. Returns how many clients more that are.
    fn fail(&mut self, endpoint: &EndpointReport, at: Timestamp, room: bool) -> usize {
        self.endpoints += 1;
        self.last = self.last.max(at);
        self.example = endpoint.clone();
        self.partial |= self.others;
        self.others = false;
        self.connected += u64::try_from(self.run).unwrap_or_default();
        self.run = 0;
        let client = endpoint.client.ip;
        if room {
            return usize::from(self.clients.insert(client));
        }
        self.more_clients |= !self.clients.contains(&client);
        0
    }

    /// Counts a connection. Returns whether it works again: those who are concerned connected, more often in a row than
    /// chance explains.
    fn works(&mut self, client: IpAddr) -> bool {
        self.others = true;
        // Where clients failed and nobody else connected meanwhile, everybody is concerned.
        let everybody = !self.partial && self.clients.len() >= EVERYBODY;
        if !everybody && !self.clients.contains(&client) {
            return false;
        }
        self.run += 1;
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
        let share = self.connected as f64 / (self.endpoints + self.connected) as f64;
        self.run >= RUN && share.powi(self.run) < SIGNIFICANT
    }

    fn tell(&mut self, state: AlarmState, at: Timestamp) -> Report {
        let interval = INTERVALS[self.tellings.min(INTERVALS.len() - 1)];
        self.tellings += 1;
        self.told = self.endpoints;
        let next = at.checked_add(SignedDuration::from_mins(interval));
        self.next = next.unwrap_or(Timestamp::MAX);
        let endpoint = &self.example;
        let (outcome, cause) = match self.what {
            What::Endpoint(outcome, cause) => (Some(outcome), cause),
            What::Transfer(_) => (None, None),
        };
        let resolved = state == AlarmState::Resolved;
        Report {
            // The end of a capture is not the end of time.
            timestamp: if at == Timestamp::MAX { self.last } else { at },
            body: Body::Alarm(Box::new(AlarmReport {
                state,
                outcome,
                cause,
                confidence: endpoint.confidence,
                explanation: endpoint.explanation.clone(),
                server: endpoint.server,
                client: endpoint.client,
                advertised: endpoint.advertised,
                control_reply: endpoint.control_reply.clone(),
                endpoints: self.endpoints,
                clients: self.clients.len() as u64,
                more_clients: self.more_clients,
                since: format!("{:.6}", self.since),
                last: format!("{:.6}", self.last),
                evidence: endpoint.evidence.clone(),
                advice: if resolved {
                    Vec::new()
                } else {
                    endpoint.advice.clone()
                },
            })),
            observer: self.observer.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
