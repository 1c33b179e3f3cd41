//! Whether packets reach the hook: looked at on one interface after the other, for a second each, or for as long as none
//! of many has.
//!
//! That is said only when no packet at all came where many should have: how many reach the hook of those that the interface
//! counts is another number with every offload.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::Watch;
use crate::{
    clock::monotonic_now,
    escape::printable,
    health::Bypassed,
    source::kernel::{InterfaceId, Seen, Way},
};

/// How often, as long as all is well, and else.
const PERIOD: Duration = Duration::from_secs(60);
const PERIOD_WHEN_BLIND: Duration = Duration::from_secs(10);

/// How long after the last interface the next one has its turn: for each the kernel stops what changes interfaces for a
/// moment.
const PAUSE: Duration = Duration::from_secs(5);

/// How long is looked: somewhat less than a tick.
const LOOK: Duration = Duration::from_millis(900);

/// For how long no packet has to come. Counters of interfaces may be late by a second or two, and packets may wait in a
/// queue behind the hook.
const LONG: Duration = Duration::from_secs(5);

/// For how long it is looked at most.
const LONGEST: Duration = Duration::from_secs(10);

/// Of so many packets, none.
const MANY: u64 = 1_000;

/// With fewer a second it is not looked further: an interface may count what is for its driver alone, such as LACP.
const RATE: u64 = 100;

/// The last look, and the next.
#[derive(Debug, Default)]
pub struct Bypass {
    /// When the last round began. None was, or the next is due.
    round: Option<Instant>,
    /// Interfaces that have not had their turn.
    waiting: Vec<InterfaceId>,
    /// The one that is looked at, and since when.
    looking: Option<(InterfaceId, Instant)>,
    /// When that was begun, of the last one.
    last: Option<Instant>,
    /// What is known to be passed by.
    found: BTreeMap<(InterfaceId, Way), Bypassed>,
}

/// What follows for one way of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Packets come.
    Sees,
    /// Too little went by.
    Nothing,
    /// That is not known yet.
    GoOn,
    /// None of so many comes.
    Bypassed(u64),
    /// Ours is not there.
    Gone,
}

/// What was seen for `time` means. Who is blind is looked at for longer: one packet is all that it takes.
fn judge(seen: Seen, time: Duration, blind: bool) -> Verdict {
    let Seen::Packets { moved, reached } = seen else {
        return Verdict::Gone;
    };
    if reached > 0 {
        Verdict::Sees
    } else if moved >= MANY && time >= LONG {
        Verdict::Bypassed(moved)
    } else if time >= LONGEST || (moved < RATE * time.as_secs().max(1) && !blind) {
        Verdict::Nothing
    } else {
        Verdict::GoOn
    }
}

impl Bypass {
    /// All interfaces have their turn as soon as may be.
    pub const fn hurry(&mut self) {
        self.round = None;
    }

    /// What is passed by: the first of it.
    pub fn found(&self) -> Option<&Bypassed> {
        self.found.values().next()
    }

    /// Whose turn it is now, if anybody's.
    fn next(&mut self, watched: impl Iterator<Item = InterfaceId>) -> Option<InterfaceId> {
        let period = if self.found.is_empty() {
            PERIOD
        } else {
            PERIOD_WHEN_BLIND
        };
        let is_over = |at: Option<Instant>, time| at.is_none_or(|at| at.elapsed() >= time);
        if self.waiting.is_empty() && is_over(self.round, period) {
            self.round = Some(Instant::now());
            self.waiting = watched.collect();
        }
        is_over(self.last, PAUSE)
            .then(|| self.waiting.pop())
            .flatten()
    }
}

impl Watch<'_> {
    /// Each tick.
    pub(super) fn look_for_bypass(&mut self) {
        let watched: BTreeMap<InterfaceId, String> = self.attacher.attached().into_iter().collect();
        let bypass = &mut self.bypass;
        bypass.found.retain(|(id, _), _| watched.contains_key(id));
        if let Some((id, since)) = bypass.looking {
            let time = since.elapsed();
            if time < LOOK {
                return;
            }
            // An attacher that has ended is told of by its signal.
            let seen = self.attacher.count(id).unwrap_or_default();
            let mut go_on = false;
            for (way, seen) in seen {
                let blind = self.bypass.found.contains_key(&(id, way));
                let verdict = judge(seen, time, blind);
                go_on |= verdict == Verdict::GoOn;
                if let Some(name) = watched.get(&id) {
                    self.take_verdict(id, name, way, verdict, time);
                }
            }
            if go_on {
                return;
            }
            let _ = self.attacher.stop_counting();
            self.bypass.looking = None;
        }
        if let Some(id) = self.bypass.next(watched.into_keys()) {
            let _ = self.attacher.count(id);
            let now = Some(Instant::now());
            self.bypass.looking = now.map(|now| (id, now));
            self.bypass.last = now;
        }
    }

    fn take_verdict(
        &mut self,
        id: InterfaceId,
        name: &str,
        way: Way,
        verdict: Verdict,
        time: Duration,
    ) {
        let found = &mut self.bypass.found;
        match verdict {
            Verdict::Bypassed(packets) => {
                let bypassed = Bypassed {
                    interface: name.to_owned(),
                    way,
                    packets,
                    time,
                };
                if found.insert((id, way), bypassed.clone()).is_none() {
                    eprintln!("ftpwatch: blind: {bypassed}");
                    self.losses.note_bypassed(&bypassed);
                    self.tracker.miss(monotonic_now(), self.kernel.truth());
                }
            }
            Verdict::Gone => {
                // It is let go of as a whole, and then found to be missing.
                let _ = self.attacher.detach(id);
                self.interfaces.look_again(id.namespace);
                self.losses.note_taken_off(name);
                self.tracker.miss(monotonic_now(), self.kernel.truth());
            }
            Verdict::Sees if found.remove(&(id, way)).is_some() => {
                let name = printable(name.as_bytes());
                eprintln!("ftpwatch: packets reach the hook of {name} again");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn packets(moved: u64, reached: u64) -> Seen {
        Seen::Packets { moved, reached }
    }

    #[test]
    fn one_packet_is_enough() {
        for time in [LOOK, LONG, LONGEST] {
            assert_eq!(judge(packets(1 << 40, 1), time, true), Verdict::Sees);
            assert_eq!(judge(packets(0, 1), time, false), Verdict::Sees);
        }
    }

    #[test]
    fn none_of_many_for_long_is_bypass() {
        assert_eq!(judge(packets(1 << 40, 0), LOOK, false), Verdict::GoOn);
        assert_eq!(
            judge(packets(1 << 40, 0), LONG - LOOK, false),
            Verdict::GoOn
        );
        assert_eq!(
            judge(packets(MANY, 0), LONG, false),
            Verdict::Bypassed(MANY)
        );
        assert_eq!(judge(packets(MANY - 1, 0), LONG, false), Verdict::GoOn);
        assert_eq!(
            judge(packets(MANY - 1, 0), LONGEST, false),
            Verdict::Nothing
        );
    }

    #[test]
    fn none_of_a_few_is_nothing() {
        assert_eq!(judge(packets(0, 0), LOOK, false), Verdict::Nothing);
        assert_eq!(judge(packets(RATE - 1, 0), SECOND, false), Verdict::Nothing);
        assert_eq!(judge(packets(RATE, 0), SECOND, false), Verdict::GoOn);
        assert_eq!(judge(packets(RATE, 0), 2 * SECOND, false), Verdict::Nothing);
    }

    #[test]
    fn who_is_blind_waits_for_a_packet() {
        assert_eq!(judge(packets(0, 0), LONG, true), Verdict::GoOn);
        assert_eq!(judge(packets(0, 0), LONGEST, true), Verdict::Nothing);
    }
}
