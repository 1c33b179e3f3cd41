//! Between the watching and a sink: so many messages, and no more. What finds no room is counted.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::Target;

/// How many messages wait at most,
const MESSAGES: usize = 4096;

/// and how many bytes.
const BYTES: usize = 4 << 20;

/// How long whoever watches waits in all for a queue that is full, until it is empty again: a burst is written in less, and
/// what goes by meanwhile waits in the kernel's ring.
const PATIENCE: Duration = Duration::from_secs(3);

/// What such a thread does needs little.
const STACK: usize = 128 << 10;

/// Wakes whoever watches when a sink cannot go on.
pub type Signal = Arc<Notify>;

/// The queue, from the side of whoever watches.
pub struct Queue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    news: Condvar,
    /// Woken when writing fails for good; `None` where it is tried again with the next message.
    broken: Option<Signal>,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Somebody waits for room, and how long he has waited since the queue was empty.
    awaited: bool,
    waited: Duration,
    /// The thread has a message that is not written yet.
    writing: bool,
    reopen: bool,
    closed: bool,
    ended: bool,
    stuck: bool,
    dropped: u64,
    reason: String,
    error: Option<io::Error>,
}

/// What was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// How many messages, since the start.
    pub count: u64,
    /// Why the last one was not.
    pub reason: String,
}

enum Work {
    Message(Vec<u8>),
    Reopen,
    End,
}

impl Queue {
    /// Starts a thread that hands messages to `target`. With `broken`, the first error is the last; else what could not
    /// be written is counted, and the next message is tried.
    ///
    /// # Errors
    ///
    /// When there can be no thread.
    pub fn start(target: Box<dyn Target>, broken: Option<Signal>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            news: Condvar::new(),
            broken,
        });
        let worker = Arc::clone(&shared);
        thread::Builder::new()
            .name("output".into())
            .stack_size(STACK)
            .spawn(move || worker.run(target))?;
        Ok(Self(shared))
    }

    /// Hands on a message, if there is room.
    pub fn push(&self, message: Vec<u8>) {
        let mut state = self.0.lock();
        while !state.stuck && state.is_full(&message) && state.waited < PATIENCE {
            state = self.0.wait_for_room(state);
        }
        if state.error.is_some() {
            return;
        }
        if state.is_full(&message) {
            state.stuck = true;
            state.drop_one("it takes nothing in, and its queue is full");
            return;
        }
        state.bytes += message.len();
        state.messages.push_back(message);
        self.0.news.notify_all();
    }

    /// Has the target let go of what it writes to, and take hold of it anew.
    pub fn reopen(&self) {
        self.0.lock().reopen = true;
        self.0.news.notify_all();
    }

    /// Whether it would be of no use to tell it something now.
    pub fn is_stuck(&self) -> bool {
        self.0.lock().stuck
    }

    /// What was not written.
    pub fn dropped(&self) -> Dropped {
        let state = self.0.lock();
        Dropped {
            count: state.dropped,
            reason: state.reason.clone(),
        }
    }

    /// The error for good, said once.
    ///
    /// # Errors
    ///
    /// That one.
    pub fn check(&self) -> io::Result<()> {
        let state = self.0.lock();
        match &state.error {
            Some(error) => Err(io::Error::new(error.kind(), error.to_string())),
            None => Ok(()),
        }
    }

    /// Waits until nothing waits any more, but not longer than `until`. Whether it came to that.
    pub fn settle(&self, until: Instant) -> bool {
        let mut state = self.0.lock();
        while !(state.ended || state.messages.is_empty() && !state.writing) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.0.news.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// No message comes any more: the thread writes those that wait, and ends.
    pub fn close(&self) {
        self.0.lock().closed = true;
        self.0.news.notify_all();
    }

    /// Waits for the end of the thread, but not longer than `until`. What is not written by then counts as dropped.
    pub fn finish(&self, until: Instant) {
        let mut state = self.0.lock();
        while !state.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let waiting = state.messages.len() + usize::from(state.writing);
                for _ in 0..waiting {
                    state.drop_one("it did not take them in before the end");
                }
                return;
            }
            let waited = self.0.news.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut target: Box<dyn Target>) {
        loop {
            match self.next() {
                Work::Message(message) => {
                    let written = target.write(&message);
                    if !self.note(written) {
                        break;
                    }
                }
                Work::Reopen => target.reopen(),
                Work::End => break,
            }
        }
        self.lock().ended = true;
        self.news.notify_all();
    }

    fn next(&self) -> Work {
        let mut state = self.lock();
        loop {
            if std::mem::take(&mut state.reopen) {
                return Work::Reopen;
            }
            if let Some(message) = state.messages.pop_front() {
                state.bytes -= message.len();
                if !state.is_half_full() && std::mem::take(&mut state.awaited) {
                    self.news.notify_all();
                }
                state.writing = true;
                return Work::Message(message);
            }
            if state.closed {
                return Work::End;
            }
            // What a burst took is not needed for long.
            state.messages = VecDeque::new();
            state.waited = Duration::ZERO;
            state = self
                .news
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until the queue is half empty or patience is at an end.
    fn wait_for_room<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let began = Instant::now();
        state.awaited = true;
        let left = PATIENCE.saturating_sub(state.waited);
        let waited = self.news.wait_timeout(state, left);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.waited += began.elapsed();
        state
    }

    /// Returns whether there is a point in going on.
    fn note(&self, written: io::Result<()>) -> bool {
        let mut state = self.lock();
        state.writing = false;
        if state.messages.is_empty() || written.is_err() {
            self.news.notify_all();
        }
        match (written, &self.broken) {
            (Ok(()), _) => {
                // Half of it, so that it is not full again with the next message.
                state.stuck &= state.is_half_full();
                true
            }
            (Err(error), None) => {
                state.stuck = true;
                state.drop_one(&error.to_string());
                true
            }
            (Err(error), Some(broken)) => {
                state.error = Some(error);
                broken.notify_one();
                false
            }
        }
    }
}

impl State {
    fn is_full(&self, message: &[u8]) -> bool {
        let full = self.messages.len() >= MESSAGES || self.bytes + message.len() > BYTES;
        full && self.error.is_none()
    }

    fn is_half_full(&self) -> bool {
        self.bytes > BYTES / 2 || self.messages.len() > MESSAGES / 2
    }

    fn drop_one(&mut self, reason: &str) {
        self.dropped += 1;
        if self.reason != reason {
            reason.clone_into(&mut self.reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    /// Says that it has a message, and takes it in when it is told what comes of that.
    struct Gate {
        came: Sender<Vec<u8>>,
        go: Receiver<io::Result<()>>,
    }

    impl Target for Gate {
        fn write(&mut self, message: &[u8]) -> io::Result<()> {
            let _ = self.came.send(message.to_vec());
            self.go.recv().unwrap_or(Ok(()))
        }
    }

    fn gate(broken: Option<Signal>) -> (Queue, Receiver<Vec<u8>>, Sender<io::Result<()>>) {
        let ((came, arrived), (go, gate)) = (channel(), channel());
        let queue = Queue::start(Box::new(Gate { came, go: gate }), broken).expect("a thread");
        (queue, arrived, go)
    }

    fn full() -> io::Error {
        io::ErrorKind::StorageFull.into()
    }

    #[test]
    fn a_sink_that_takes_nothing_costs_a_bounded_queue_and_is_counted() {
        let (queue, came, go) = gate(None);
        queue.push(b"0".to_vec());
        came.recv_timeout(LONG).expect("the first message");
        for number in 0..MESSAGES + 10 {
            queue.push(number.to_string().into_bytes());
        }
        assert_eq!(queue.dropped().count, 10);
        assert!(queue.is_stuck());
        // Whoever waits for it waits no longer than was said.
        queue.close();
        queue.finish(Instant::now());
        assert_eq!(queue.dropped().count, 10 + MESSAGES as u64 + 1);
        drop(go);
    }

    #[test]
    fn bytes_are_bounded_too_and_order_is_kept() {
        let (queue, came, go) = gate(None);
        queue.push(vec![0]);
        came.recv_timeout(LONG).expect("the first message");
        for number in 1..=5 {
            queue.push(vec![number; BYTES / 4]);
        }
        assert_eq!(queue.dropped().count, 1, "four have room");
        drop(go);
        for number in 1..=4 {
            let message = came.recv_timeout(LONG).expect("a message");
            assert_eq!(message[0], number);
        }
        queue.close();
        queue.finish(Instant::now() + LONG);
        assert!(!queue.is_stuck(), "it flows again");
    }

    /// More than there is room for, at once: a sink that does its work gets it all.
    #[test]
    fn a_burst_is_waited_for() {
        let (queue, came, go) = gate(None);
        drop(go);
        let reader = thread::spawn(move || came.iter().count());
        for number in 0..3 * MESSAGES {
            queue.push(number.to_string().into_bytes());
        }
        queue.close();
        queue.finish(Instant::now() + LONG);
        assert_eq!(queue.dropped().count, 0);
        assert_eq!(reader.join().expect("it counts"), 3 * MESSAGES);
    }

    #[test]
    fn it_is_settled_once_all_is_written() {
        let (queue, came, go) = gate(None);
        assert!(queue.settle(Instant::now()), "nothing waits");
        queue.push(b"one".to_vec());
        came.recv_timeout(LONG).expect("the message");
        assert!(!queue.settle(Instant::now()), "it is being written");
        go.send(Ok(())).expect("it waits");
        assert!(queue.settle(Instant::now() + LONG));
    }

    #[test]
    fn what_fails_is_counted_and_the_next_is_tried() {
        let (queue, came, go) = gate(None);
        queue.push(b"lost".to_vec());
        queue.push(b"kept".to_vec());
        came.recv_timeout(LONG).expect("the first");
        go.send(Err(full())).expect("it waits");
        came.recv_timeout(LONG).expect("the second");
        assert!(queue.is_stuck());
        let dropped = queue.dropped();
        assert_eq!(dropped.count, 1);
        assert_eq!(dropped.reason, full().to_string());
        go.send(Ok(())).expect("it waits");
        queue.close();
        queue.finish(Instant::now() + LONG);
        assert!(!queue.is_stuck());
        assert_eq!(queue.dropped().count, 1);
        assert!(queue.check().is_ok());
    }

    #[test]
    fn where_an_error_is_for_good_it_is_told_and_nothing_waits() {
        let signal = Signal::default();
        let (queue, came, go) = gate(Some(Arc::clone(&signal)));
        queue.push(b"lost".to_vec());
        came.recv_timeout(LONG).expect("the first");
        go.send(Err(io::ErrorKind::BrokenPipe.into()))
            .expect("it waits");
        queue.finish(Instant::now() + LONG);
        let error = queue.check().expect_err("it is broken");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        queue.push(b"nobody reads this".to_vec());
        assert_eq!(queue.dropped().count, 0);
    }
}
