//! When the programs are tested, and what is said of it.

use std::time::{Duration, Instant};

use super::Watch;
use crate::{clock::monotonic_now, source::kernel::Failure};

/// How often.
const PERIOD: Duration = Duration::from_secs(60);

/// The last self-test.
#[derive(Debug, Default)]
pub struct SelfTest {
    /// When that was.
    at: Option<Instant>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

impl SelfTest {
    /// Once it failed, each tick: that it is well again is worth knowing.
    fn is_due(&self) -> bool {
        self.failure.is_some() || self.at.is_none_or(|at| at.elapsed() >= PERIOD)
    }
}

impl Watch<'_> {
    pub(super) fn test_itself_if_due(&mut self) {
        if self.self_test.is_due() {
            self.test_itself();
        }
    }

    /// Tests the programs, and says so when the result is another than before.
    pub(super) fn test_itself(&mut self) {
        let programs = self.attacher.programs();
        let tracker = &mut self.tracker;
        let (result, strange) = self.kernel.self_test(&programs, |record, truth| {
            tracker.take(record, monotonic_now(), truth)
        });
        self.losses.note_strange_records(strange);
        let failure = result.err();
        let before = std::mem::replace(&mut self.self_test.failure, failure);
        self.self_test.at = Some(Instant::now());
        match failure {
            Some(failure) if before != Some(failure) => {
                eprintln!("ftpwatch: blind: the self-test failed: {failure}");
            }
            None if before.is_some() => eprintln!("ftpwatch: the self-test passes again"),
            _ => {}
        }
    }
}
