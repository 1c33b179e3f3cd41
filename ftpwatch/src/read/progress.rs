//! How far reading has come, on a terminal, where it takes a while.

use std::{
    cell::{Cell, OnceCell},
    io::{IsTerminal as _, stderr},
    rc::Rc,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// What takes no longer needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many packets there are between two looks at the clock.
const PACKETS: u64 = 4096;

/// A progress bar that comes when it is needed.
#[derive(Debug)]
pub struct Progress {
    bar: OnceCell<ProgressBar>,
    packets: Cell<u64>,
    started: Instant,
    position: Rc<Cell<u64>>,
    size: Option<u64>,
    name: String,
    wanted: bool,
}

impl Progress {
    /// Of the file `name` of `size` bytes, `position` of which are read.
    #[must_use]
    pub fn new(name: String, position: Rc<Cell<u64>>, size: Option<u64>) -> Self {
        Self {
            bar: OnceCell::new(),
            packets: Cell::new(0),
            started: Instant::now(),
            position,
            size,
            name,
            wanted: stderr().is_terminal(),
        }
    }

    /// Another packet was read.
    pub fn tick(&self) {
        let packets = self.packets.get() + 1;
        self.packets.set(packets);
        if self.wanted && packets.is_multiple_of(PACKETS) && self.started.elapsed() > PATIENCE {
            self.bar
                .get_or_init(|| self.begin())
                .set_position(self.position.get());
        }
    }

    fn begin(&self) -> ProgressBar {
        let (bar, template) = match self.size {
            Some(size) => (
                ProgressBar::new(size),
                "{msg} {wide_bar} {bytes}/{total_bytes}, {eta} left",
            ),
            None => (
                ProgressBar::no_length(),
                "{msg} {bytes}, {binary_bytes_per_sec}",
            ),
        };
        // The default style does where the template is wrong.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.with_message(self.name.clone())
    }

    /// Does `what` writes to the terminal, with the bar out of its way.
    pub fn aside<T>(&self, what: impl FnOnce() -> T) -> T {
        match self.bar.get() {
            Some(bar) => bar.suspend(what),
            None => what(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
