//! From the nanoseconds of whoever saw a packet to the time of day.

use jiff::{SignedDuration, Timestamp};

/// Less than this is how exactly two clocks can be read beside each other.
const STEP: SignedDuration = SignedDuration::from_millis(10);

/// How a source's nanoseconds relate to the time of day.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The time of day at the source's zero.
    zero: Timestamp,
}

impl Clock {
    /// The kernel's monotonic clock (`bpf_ktime_get_ns`), read now beside the time of day.
    #[must_use]
    pub fn monotonic() -> Self {
        // Between one clock and the other the process may have to wait: of several readings, the closest counts.
        let readings = (0..3).map(|_| {
            let before = monotonic_now();
            let time = Timestamp::now();
            let took = monotonic_now() - before;
            (took, at(time, -i128::from(before + took / 2)))
        });
        let closest = readings.min_by_key(|(took, _)| *took);
        Self {
            zero: closest.map_or_else(Timestamp::now, |(_, zero)| zero),
        }
    }

    /// Goes by `other` from now on, if the time of day was set meanwhile. Returns by how much: it is negative where the
    /// clock was set back.
    ///
    /// Corrections that do without a step are in the monotonic clock as well (`adjtimex`).
    pub fn follow(&mut self, other: Self) -> Option<SignedDuration> {
        let step = other.zero.duration_since(self.zero);
        if step.abs() < STEP {
            return None;
        }
        *self = other;
        Some(step)
    }

    /// That of a source that counts from 1970 (UTC), as captures do.
    #[must_use]
    pub const fn unix() -> Self {
        Self {
            zero: Timestamp::UNIX_EPOCH,
        }
    }

    /// The time of day at `nanoseconds`.
    #[must_use]
    pub fn time(&self, nanoseconds: u64) -> Timestamp {
        at(self.zero, i128::from(nanoseconds))
    }
}

fn at(time: Timestamp, nanoseconds: i128) -> Timestamp {
    time.checked_add(SignedDuration::from_nanos_i128(nanoseconds))
        .unwrap_or(time)
}

/// Nanoseconds of the kernel's monotonic clock.
#[must_use]
pub fn monotonic_now() -> u64 {
    let time = nix::time::ClockId::CLOCK_MONOTONIC.now();
    let time = time.expect("every Linux has a monotonic clock");
    u64::try_from(time.tv_sec()).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    fn later(clock: Clock, by: SignedDuration) -> Clock {
        Clock {
            zero: clock.zero + by,
        }
    }

    #[test]
    fn a_step_is_followed_both_ways() {
        for step in [HOUR, -HOUR, SignedDuration::from_millis(11)] {
            let mut clock = Clock::unix();
            let stepped = later(clock, step);
            assert_eq!(clock.follow(stepped), Some(step));
            assert_eq!(clock.time(5), stepped.time(5));
        }
    }

    #[test]
    fn what_reading_clocks_takes_is_no_step() {
        let mut clock = Clock::unix();
        for much in [0, 9, -9] {
            let read = later(Clock::unix(), SignedDuration::from_millis(much));
            assert_eq!(clock.follow(read), None);
            assert_eq!(clock.time(0), Timestamp::UNIX_EPOCH);
        }
    }

    #[test]
    fn the_time_of_day_is_now() {
        let told = Clock::monotonic().time(monotonic_now());
        assert!(Timestamp::now().duration_since(told).abs() < HOUR);
    }
}
