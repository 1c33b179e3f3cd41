//! What is known, compared with what the store has; and the end of things.

use std::collections::HashSet;

use ftpwatch_common::{address::Flow, control::Control, endpoint::Endpoint, record::Progress};

use super::{Event, IDLE, Outcome, Session, Tracker, Truth, session};

impl Tracker {
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
        if let Some(last) = endpoints.last() {
            self.compared_to = self.compared_to.max(last.advertised_at);
        }
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
        for key in self.undecided() {
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
            self.settle_for_good(key, now, truth);
        }
        for session in self.sessions.finish(now) {
            self.tell_session(session);
        }
    }

    /// The last word on an endpoint: what is not decided by now is unknown.
    fn settle_for_good(&mut self, key: u64, now: u64, truth: &mut dyn Truth) {
        self.refresh(key, truth);
        self.settle(key, now, truth);
        let watched = self.endpoints.get(&key);
        if watched.is_some_and(|watched| watched.outcome.is_none()) {
            self.conclude(key, Outcome::Unknown, now);
        }
    }

    pub(super) fn tell_session(&mut self, mut session: Session) {
        let Flow { client, server, .. } = session.flow;
        session.banner = self.history.known(server, client, 0).banner;
        self.events.push(Event::Session(Box::new(session)));
    }

    /// The session is over, and nothing more will be said of its endpoints.
    pub(super) fn end_session(&mut self, id: u64, now: u64, truth: &mut dyn Truth) {
        let keys = self.sessions.open_endpoints(id);
        for key in keys {
            self.settle_for_good(key, now, truth);
            self.forget(key);
        }
        if let Some(session) = self.sessions.end(id) {
            self.tell_session(session);
        }
    }
}
