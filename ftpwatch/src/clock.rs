//! From the nanoseconds of whoever saw a packet to the time of day.

use jiff::{SignedDuration, Timestamp};

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
        Self {
            zero: at(Timestamp::now(), -i128::from(monotonic_now())),
        }
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
