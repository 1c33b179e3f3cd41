//! The analysis of one capture: packets and their times in, reports out.

use std::io;

use ftpwatch_common::{
    address::Flow,
    engine::{Request, Store as _},
    packet::{Segment, Skip},
    record::{Progress, Record},
};

use super::{findings::Findings, hops::Hops};
use crate::{
    cli,
    report::{Body, Report, Reporter},
    source::{capture::Packet, memory::Memory},
    tracker::{Event, SECOND, Tracker},
};

/// Packets of several interfaces, or of several processors, may be this much out of order. Beyond it,
/// another capture begins.
const DISORDER: u64 = 60 * SECOND;

/// A clock that goes ahead by more than this has been set, or is damaged.
const LEAP: u64 = 366 * 24 * 3600 * SECOND;

/// How often control connections are looked for that ended unseen.
const SWEEP: u64 = 3600 * SECOND;

/// What reports are given to.
pub trait Sink {
    /// Takes in an event. `false` where it needs a report.
    fn pass_over(&mut self, _event: &Event) -> bool {
        false
    }

    /// Takes in a report.
    ///
    /// # Errors
    ///
    /// Those of writing.
    fn write(&mut self, report: &Report) -> io::Result<()>;
}

impl<F: FnMut(&Report) -> io::Result<()>> Sink for F {
    fn write(&mut self, report: &Report) -> io::Result<()> {
        self(report)
    }
}

/// An analysis under way.
pub struct Analysis<'a> {
    /// Makes the reports.
    pub reporter: Reporter,
    options: &'a cli::Analysis,
    sink: &'a mut dyn Sink,
    memory: Memory,
    tracker: Tracker,
    hops: Hops,
    now: u64,
    swept_at: u64,
    /// Up to this time, there is nothing to do but take in packets.
    quiet_until: u64,
    done: Findings,
}

fn tracker(options: &cli::Analysis) -> Tracker {
    let mut tracker = Tracker::new(options.timeout_nanoseconds());
    tracker.ignore(options.ignore.clone());
    tracker
}

impl<'a> Analysis<'a> {
    /// An analysis that has seen nothing yet.
    pub fn new(options: &'a cli::Analysis, reporter: Reporter, sink: &'a mut dyn Sink) -> Self {
        Self {
            reporter,
            sink,
            memory: Memory::new(&options.control_ports()),
            tracker: tracker(options),
            hops: Hops::default(),
            now: 0,
            swept_at: 0,
            quiet_until: 0,
            done: Findings::default(),
            options,
        }
    }

    /// Takes in a packet.
    ///
    /// # Errors
    ///
    /// Those of writing.
    #[inline]
    pub fn take(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        match packet.at {
            Some(time) if self.is_quiet(time) && !packet.after_loss => {
                self.now = self.now.max(time);
                self.look(packet)
            }
            _ => self.catch_up(packet),
        }
    }

    /// Whether there is nothing to do before `time` but take in packets.
    #[inline]
    fn is_quiet(&self, time: u64) -> bool {
        time <= self.quiet_until && time + DISORDER >= self.now
    }

    /// Takes in a packet before which there is something to do.
    #[inline(never)]
    fn catch_up(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        self.turn_to(packet.at.unwrap_or(self.now.max(1)))?;
        if packet.after_loss {
            self.miss()?;
        }
        self.look(packet)
    }

    /// Takes in a packet whose time it is.
    #[inline(always)]
    fn look(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        // Nearly every packet ends here.
        if self.memory.lets_go(packet.bytes, packet.link) {
            self.done.beside += 1;
            return Ok(());
        }
        self.take_in(packet)
    }

    /// Takes in a packet that may mean something.
    #[inline(never)]
    fn take_in(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        let Packet {
            bytes, link, total, ..
        } = *packet;
        let taken = self.memory.take(bytes, link, total, self.now);
        let news = self.take_news();
        let cut = usize::try_from(total).is_ok_and(|total| bytes.len() < total);
        match taken {
            Ok(segment) if self.is_control(&segment) => self.hops.note(bytes, &segment),
            Ok(_) => self.done.beside += 1,
            // It may have been the SYN that is waited for.
            Err(Skip::Short) if cut => {
                self.done.beheaded += 1;
                self.miss()?;
            }
            Err(_) => {}
        }
        // Of what the engine keeps to itself, the tracker knows nothing.
        if news { self.report() } else { Ok(()) }
    }

    fn is_control(&self, segment: &Segment) -> bool {
        [segment.source, segment.destination]
            .into_iter()
            .any(|port| self.memory.port(port).control)
    }

    /// Packets went by unseen.
    #[cold]
    fn miss(&mut self) -> io::Result<()> {
        self.tracker.miss(self.now, &mut &self.memory);
        self.retire();
        self.report()
    }

    /// Does all that is due before `time`, which is next.
    fn turn_to(&mut self, time: u64) -> io::Result<()> {
        let began = self.now > 0;
        if began && (time + DISORDER < self.now || time > self.now + LEAP) {
            self.done.leaps += 1;
            self.conclude()?;
            self.now = time;
            self.swept_at = time;
        }
        while let Some(due) = self.tracker.next_deadline()
            && due < time
        {
            self.tracker.advance(due, &mut &self.memory);
            self.retire();
        }
        self.now = self.now.max(time);
        if self.now - self.swept_at > SWEEP {
            self.sweep();
        }
        self.report()
    }

    /// Lets go of control connections that have said nothing for long.
    fn sweep(&mut self) {
        self.swept_at = self.now;
        let (controls, endpoints) = (self.memory.controls(), self.memory.endpoints());
        self.tracker
            .reconcile(&controls, &endpoints, self.now, &mut &self.memory);
        self.retire();
    }

    /// Hands the engine's news to the tracker. `false` when there are none.
    fn take_news(&mut self) -> bool {
        let mut news = false;
        while let Some(record) = self.memory.next_record() {
            if let Record::Session(session) = &record
                && session.progress == Progress::Opened as u32
            {
                self.hops.open(session.flow, session.id);
            }
            self.tracker.take(record, self.now, &mut &self.memory);
            news = true;
        }
        if news {
            self.retire();
        }
        news
    }

    fn retire(&mut self) {
        for request in self.tracker.take_retired() {
            self.memory.retire(&request);
            let Request { flow, control, .. } = request;
            if control != 0 {
                self.hops.close(&flow, control);
            }
        }
    }

    /// Says what there is to say, and looks when there is something to do again.
    fn report(&mut self) -> io::Result<()> {
        let due = self.tracker.next_deadline().unwrap_or(u64::MAX);
        self.quiet_until = due.min(self.swept_at + SWEEP);
        for event in self.tracker.take_events() {
            if self.sink.pass_over(&event) {
                continue;
            }
            self.reporter.local = self.hops.local(flows(&event));
            self.sink.write(&self.reporter.report(&event))?;
        }
        Ok(())
    }

    /// There is nothing more to come. What has no outcome is unknown.
    fn conclude(&mut self) -> io::Result<()> {
        self.tracker.finish(self.now, &mut &self.memory);
        self.report()?;
        let books = Body::Stats {
            books: *self.tracker.books(),
            health: None,
            sums: Vec::new(),
        };
        self.sink.write(&self.reporter.note(self.now, books))?;
        self.done
            .add_run(self.tracker.books(), &self.memory.counters());
        self.memory = Memory::new(&self.options.control_ports());
        self.tracker = tracker(self.options);
        self.hops = Hops::default();
        Ok(())
    }

    /// How many control connections, endpoints and index keys are held: what memory depends on.
    #[must_use]
    pub fn held(&self) -> (usize, usize, usize) {
        self.memory.sizes()
    }

    /// Ends the analysis.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn finish(mut self) -> io::Result<Findings> {
        self.conclude()?;
        Ok(self.done)
    }
}

/// The control connections that an event is about.
fn flows(event: &Event) -> Vec<Flow> {
    match event {
        Event::Advertised(endpoint) => vec![endpoint.flow],
        Event::Outcome(case) | Event::Late(case) | Event::Transfer(case) => {
            case.views.flows().collect()
        }
        Event::Undecodable(undecodable) => vec![undecodable.0],
        Event::Pattern(found) => vec![found.flow],
        Event::Session(session) => vec![session.flow],
    }
}
