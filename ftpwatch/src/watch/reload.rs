//! SIGHUP: the configuration is read again, and holds as a whole or not at all. The programs are tested, too.

use super::Watch;
use crate::{clock::monotonic_now, config};

/// What can change while watching. Everything else decides what is attached, or how the output began.
const LIVE: [&str; 5] = ["timeout", "passive-range", "vantage", "show", "ignore"];

impl Watch<'_> {
    /// Opens files of results again, and reads the configuration again. What is wrong is said, and then nothing changes.
    pub(super) fn reload(&mut self) {
        self.output.reopen();
        let run = match config::reload() {
            Ok(run) => run,
            Err(error) => {
                eprintln!("{error}\n  Until then, what was configured before holds.");
                return;
            }
        };
        // What came before the signal is what it was.
        self.take_news();
        self.test_itself();
        self.bypass.hurry();
        let mut changed = Vec::new();
        let mut waiting = Vec::new();
        for (key, values) in &run.settings {
            if self.settings.get(key) == Some(values) {
                continue;
            }
            if LIVE.contains(&key.as_str()) {
                self.settings.insert(key.clone(), values.clone());
                changed.push(key.as_str());
            } else {
                waiting.push(key.as_str());
            }
        }
        let analysis = run.analysis;
        let timeout = analysis.timeout_nanoseconds();
        self.tracker.ignore(analysis.ignore);
        self.tracker
            .set_timeout(timeout, monotonic_now(), self.kernel.truth());
        self.reporter.vantage = analysis.vantage;
        self.reporter.passive_range = analysis.passive_range;
        self.output.set_show(analysis.show);
        let list = |keys: &[&str]| match keys {
            [] => "nothing".to_owned(),
            keys => keys.join(", "),
        };
        eprintln!(
            "ftpwatch: the configuration was read again; changed: {}; needs a restart: {}",
            list(&changed),
            list(&waiting)
        );
    }
}
