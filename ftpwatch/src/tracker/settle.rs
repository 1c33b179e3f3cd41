//! From what is known of an endpoint to its outcome, and what can still happen to it then.

use ftpwatch_common::{
    address::Flow,
    endpoint::{Endpoint, GiveUp},
    engine::Request,
};

use super::{
    Case, Discovery, Event, Facts, Outcome, REMEMBERED, Terms, Tracker, Truth, Verdict, Watched,
    decide,
};
use crate::{
    address::{Fault, fault},
    history::Pattern,
};

impl Tracker {
    /// Brings the endpoint's views up to date.
    pub(super) fn refresh(&mut self, key: u64, truth: &mut dyn Truth) {
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
    pub(super) fn settle(&mut self, key: u64, now: u64, truth: &mut dyn Truth) {
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

    pub(super) fn judge(&self, watched: &Watched, now: u64) -> Verdict {
        let view = watched.views.client_side();
        let terms = Terms {
            timeout: self.timeout,
            plausible: self.fault_of(view).is_none(),
            elsewhere: self.history.is_elsewhere(view.flow.server),
        };
        decide(&watched.views.facts(), &terms, now)
    }

    /// The endpoint has its outcome.
    pub(super) fn conclude(&mut self, key: u64, outcome: Outcome, now: u64) {
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
            self.remember(flow.client, now, key);
        }
    }

    /// What can still happen to an endpoint that has its outcome.
    pub(super) fn look_after(&mut self, key: u64, now: u64) {
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

    pub(super) fn case(&self, key: u64) -> Option<Case> {
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
    pub(super) fn fault_of(&self, view: &Endpoint) -> Option<Fault> {
        let Flow { client, server, .. } = view.flow;
        let (address, port) = (view.address.ip(), view.port);
        fault(view.code, address, port, server.ip(), client.ip())
            .filter(|fault| *fault != Fault::Mismatch || !self.history.works(server, view.address))
    }

    pub(super) fn discover(&mut self, flow: Flow, at: u64, pattern: Pattern) {
        let discovery = Discovery { flow, at, pattern };
        self.events.push(Event::Pattern(Box::new(discovery)));
    }

    pub(super) fn set_timer(&mut self, key: u64, at: Option<u64>) {
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
    pub(super) fn forget(&mut self, key: u64) {
        self.set_timer(key, None);
        let Some(watched) = self.endpoints.remove(&key) else {
            return;
        };
        self.sessions.forget_endpoint(watched.session, key);
        if let Some((outcome, decided_at)) = watched.outcome
            && outcome.is_failure()
        {
            let client = watched.views.client_side().flow.client;
            self.remember_no_more(client, decided_at, key);
        }
        for id in watched.views.ids() {
            self.known.remove(&id);
            self.retire_view(id, watched.views.client_side().flow);
        }
    }

    /// The store need not keep it any more.
    pub(super) fn retire_view(&mut self, endpoint: u64, flow: Flow) {
        self.retired.push(Request {
            endpoint,
            flow,
            pad: 0,
            control: 0,
        });
    }
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
