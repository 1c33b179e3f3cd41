//! What the server listens on when an endpoint fails on its own host: the one thing that packets do not tell.

use std::time::{Duration, Instant};

use ftpwatch_common::engine::Request;

use crate::{
    attacher::Attacher,
    host::Listening,
    report::Reporter,
    tracker::{Event, Outcome, Tracker, Truth},
    vantage::Vantage,
};

/// How many looks there are in a second at most: each costs milliseconds, and a server that is down fails often.
const LOOKS: u32 = 10;

const SECOND: Duration = Duration::from_secs(1);

/// Looks, and not too often.
#[derive(Debug)]
pub struct Listeners {
    control_ports: Vec<u16>,
    /// Since when looks are counted.
    since: Option<Instant>,
    looks: u32,
}

impl Listeners {
    /// Has not looked yet.
    pub const fn new(control_ports: Vec<u16>) -> Self {
        Self {
            control_ports,
            since: None,
            looks: 0,
        }
    }

    /// Whether another look can be afforded. It is counted.
    fn may_look(&mut self) -> bool {
        if self.since.is_none_or(|since| since.elapsed() >= SECOND) {
            self.since = Some(Instant::now());
            self.looks = 0;
        }
        self.looks += 1;
        self.looks <= LOOKS
    }

    /// What the server listens on, if it has just failed to answer and this is its host.
    pub fn look(
        &mut self,
        event: &Event,
        reporter: &Reporter,
        tracker: &Tracker,
        attacher: &mut Attacher,
    ) -> Option<Listening> {
        let Event::Outcome(case) = event else {
            return None;
        };
        let answerless = matches!(case.outcome, Outcome::Refused | Outcome::NoAnswer);
        let here = reporter.vantage_of(case.views.flows()) == Vantage::Server;
        if !(answerless && here && self.may_look()) {
            return None;
        }
        // Where addresses are translated on this very host, the last view is the server's own.
        let own = case.views.flows().last()?;
        let view = case.views.client_side();
        let spoken_for = |port: u16| {
            self.control_ports.contains(&port)
                || tracker.is_advertised_to_others(port, view.control)
        };
        let mut listening = attacher.listeners(&own, view.port).ok()??;
        listening.others.retain(|&port| !spoken_for(port));
        // What encrypted sessions were told, nobody knows.
        if listening.shared && tracker.books().blind > 0 {
            listening.others.clear();
        }
        Some(listening)
    }
}

/// Whether the session went on to another endpoint, or ended. Its server then has closed the port of this one, and
/// may well listen on another.
pub fn has_moved_on(event: &Event, retiring: &[Request], truth: &mut dyn Truth) -> bool {
    let Event::Outcome(case) = event else {
        return false;
    };
    let mut ids = case.views.ids();
    let is_retiring = |id| retiring.iter().any(|request| request.endpoint == id);
    ids.any(|id| is_retiring(id) || truth.endpoint(id).is_none_or(|now| now.released != 0))
}
