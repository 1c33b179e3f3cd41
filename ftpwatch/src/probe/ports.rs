//! Which ports of the passive range connect. Endpoints are asked for again and again, and each new port is tried once:
//! a few sessions side by side, each of them one port after the other.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    net::SocketAddr,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{sleep, timeout};

use super::{
    connect::{Answer, connect},
    endpoint::Ask,
    offer::Offer,
    session::{Session, Terms},
};
use crate::{
    error::Error,
    report::{Peer, PortRun, PortsReport},
    tracker::Outcome,
};

/// How often in a row a session may be given the port it had before, until another is opened: some servers keep one
/// for as long as the session lasts.
const SAME: u32 = 3;

/// How long a session pauses that was given a port which is known: no server is flooded.
const PAUSE: Duration = Duration::from_millis(20);

/// How many sessions in a row may come to nothing.
const DEAD: u32 = 3;

/// What is to be found out.
pub struct Survey {
    range: RangeInclusive<u16>,
    samples: usize,
    ask: Ask,
    timeout: Duration,
    ends: Instant,
    known: RefCell<Known>,
    bar: ProgressBar,
}

#[derive(Default)]
struct Known {
    /// What each port came to; `None` while it is tried.
    ports: BTreeMap<u16, Option<Outcome>>,
    /// Replies since the last that had a new port, while none was being tried: what other sessions try, the server
    /// cannot advertise.
    stale: usize,
    replies: usize,
    error: Option<Error>,
}

/// What a survey came to.
pub struct Drawn {
    /// For every output.
    pub report: PortsReport,
    /// Why sessions could not be opened, where none was.
    pub error: Option<Error>,
}

impl Survey {
    /// A survey of `range` that tries `samples` ports at most and ends in `within`.
    #[must_use]
    pub fn new(
        range: RangeInclusive<u16>,
        samples: u16,
        ask: Ask,
        timeout: Duration,
        within: Duration,
    ) -> Self {
        let most = range.len().min(usize::from(samples));
        let bar = ProgressBar::new(most as u64).with_style(
            ProgressStyle::with_template("{wide_bar} {pos} of {len} ports")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Self {
            range,
            samples: usize::from(samples),
            ask,
            timeout,
            ends: Instant::now() + within,
            known: RefCell::default(),
            bar,
        }
    }

    /// Makes the survey of the server at `server`.
    pub async fn run(self, terms: &Terms, server: SocketAddr) -> Drawn {
        let left = self.ends.saturating_duration_since(Instant::now());
        let work = async {
            tokio::join!(
                self.work(terms, server),
                self.work(terms, server),
                self.work(terms, server),
                self.work(terms, server),
            )
        };
        let in_time = timeout(left, work).await.is_ok();
        self.bar.finish_and_clear();
        self.draw(server, in_time)
    }

    /// One session after the other, as long as there is something to find out.
    async fn work(&self, terms: &Terms, server: SocketAddr) {
        let mut dead = 0;
        while !self.is_done() && dead < DEAD {
            match terms.open(&[server]).await {
                Ok(mut session) => {
                    let before = self.known.borrow().replies;
                    self.sample(&mut session).await;
                    dead = if self.known.borrow().replies > before {
                        0
                    } else {
                        dead + 1
                    };
                    session.control.quit().await;
                }
                // Some servers allow a few sessions only; the others go on.
                Err(error) => {
                    self.known.borrow_mut().error = Some(error);
                    return;
                }
            }
        }
    }

    /// One port after the other, until the session is of no more use.
    async fn sample(&self, session: &mut Session) {
        let (mut last, mut same) = (0, 0);
        while !self.is_done() && same < SAME {
            let Ok(reply) = session.control.command(self.ask.name()).await else {
                return;
            };
            let Some(offer) = Offer::of(&reply, session) else {
                return;
            };
            let port = offer.to.port();
            same = if port == last { same + 1 } else { 0 };
            last = port;
            if !self.is_new(port) {
                sleep(PAUSE).await;
                continue;
            }
            // A wrong address is said elsewhere; here it is about ports.
            let to = if offer.fault.is_some() {
                offer.at_control
            } else {
                offer.to
            };
            let outcome = match connect(to, self.timeout).await.answer {
                Answer::Connected(_) => Outcome::Connected,
                Answer::Reset | Answer::Rejected(_) => Outcome::Refused,
                Answer::Nothing => Outcome::NoAnswer,
                Answer::NotSent(_) => Outcome::NoSyn,
            };
            self.known.borrow_mut().ports.insert(port, Some(outcome));
            self.bar.inc(1);
        }
    }

    /// Whether `port` has not been tried yet; it is taken as being tried from now on.
    fn is_new(&self, port: u16) -> bool {
        let mut known = self.known.borrow_mut();
        known.replies += 1;
        let new = port != 0 && !known.ports.contains_key(&port);
        if new {
            known.ports.insert(port, None);
            known.stale = 0;
        } else if known.ports.values().all(Option::is_some) {
            known.stale += 1;
        }
        new
    }

    fn is_done(&self) -> bool {
        let known = self.known.borrow();
        let of_range = known.ports.range(self.range.clone()).count();
        // The chance that a server which draws its ports at random has another one is less than one in ten thousand.
        let dry = known.stale > 20 + 10 * known.ports.len();
        known.ports.len() >= self.samples || of_range >= self.range.len() || dry
    }

    fn draw(self, server: SocketAddr, in_time: bool) -> Drawn {
        let known = self.known.into_inner();
        let tried: BTreeMap<u16, Outcome> = known
            .ports
            .into_iter()
            .filter_map(|(port, outcome)| Some((port, outcome?)))
            .collect();
        let connected = |outcome: &&Outcome| **outcome == Outcome::Connected;
        let report = PortsReport {
            server: Peer {
                ip: server.ip().to_canonical(),
                port: server.port(),
            },
            command: self.ask.name(),
            first: *self.range.start(),
            last: *self.range.end(),
            tried: tried.len(),
            connected: tried.values().filter(connected).count(),
            untried: self.range.len() - tried.range(self.range.clone()).count(),
            outside: tried
                .keys()
                .filter(|port| !self.range.contains(port))
                .count(),
            replies: known.replies,
            in_time,
            runs: runs(&tried),
        };
        Drawn {
            error: known.error.filter(|_| report.tried == 0),
            report,
        }
    }
}

/// Neighbours that came to the same. What was not tried between them is not known, and does not part them.
fn runs(tried: &BTreeMap<u16, Outcome>) -> Vec<PortRun> {
    let mut runs: Vec<PortRun> = Vec::new();
    for (&port, &outcome) in tried {
        match runs.last_mut() {
            Some(run) if run.outcome == outcome => {
                run.last = port;
                run.tried += 1;
            }
            _ => runs.push(PortRun {
                first: port,
                last: port,
                outcome,
                tried: 1,
            }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_outcome_are_a_run() {
        let tried: BTreeMap<u16, Outcome> = [
            (50_000, Outcome::Connected),
            (50_002, Outcome::Connected),
            (50_003, Outcome::NoAnswer),
            (50_009, Outcome::NoAnswer),
            (50_010, Outcome::Connected),
        ]
        .into();
        let runs: Vec<_> = runs(&tried)
            .into_iter()
            .map(|run| (run.first, run.last, run.outcome, run.tried))
            .collect();
        assert_eq!(
            runs,
            [
                (50_000, 50_002, Outcome::Connected, 2),
                (50_003, 50_009, Outcome::NoAnswer, 2),
                (50_010, 50_010, Outcome::Connected, 1),
            ]
        );
    }
}
