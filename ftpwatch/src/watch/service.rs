//! What the service manager is told (`sd_notify`): when watching begins, that it goes on, what it has come to, and when it
//! ends. Without a service manager (no `NOTIFY_SOCKET`) nothing is sent.

use std::{env, io};

use sd_notify::{NotifyState, notify};

use crate::{
    escape::printable,
    health::{Health, State},
    report::Reporter,
    tracker::Books,
};

/// Where a service manager listens.
const SOCKET: &str = "NOTIFY_SOCKET";

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub struct Service {
    present: bool,
    said: String,
    complained: bool,
}

impl Service {
    /// The service manager that started this process.
    pub fn of_environment() -> Self {
        Self {
            present: env::var_os(SOCKET).is_some(),
            ..Self::default()
        }
    }

    /// Watching begins.
    pub fn say_ready(&mut self, reporter: &Reporter) {
        let status = format!("watching {}", place(reporter));
        self.send(&[NotifyState::Ready, NotifyState::Status(&status)]);
        self.said = status;
    }

    /// Watching goes on: this feeds the watchdog, and is said by the loop that reads the ring.
    pub fn say_alive(&mut self, reporter: &Reporter, books: &Books, health: &Health) {
        if !self.present {
            return;
        }
        let status = status(reporter, books, health);
        let alive = NotifyState::Watchdog;
        if status == self.said {
            self.send(&[alive]);
        } else {
            self.send(&[alive, NotifyState::Status(&status)]);
            self.said = status;
        }
    }

    /// Watching ends.
    pub fn say_stopping(&mut self) {
        self.send(&[NotifyState::Stopping]);
    }

    fn send(&mut self, states: &[NotifyState<'_>]) {
        if !self.present {
            return;
        }
        match notify(states) {
            // It is busy: the watchdog has patience for many of these.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if !self.complained => {
                self.complained = true;
                eprintln!("ftpwatch: the service manager cannot be told ({SOCKET}): {error}");
            }
            _ => {}
        }
    }
}

/// In one line, for `systemctl status`.
fn status(reporter: &Reporter, books: &Books, health: &Health) -> String {
    let health = match health.state {
        State::Ok => "nothing was lost".to_owned(),
        _ => health.to_string(),
    };
    format!(
        "watching {}; {} endpoints, {} pending, {} failures; {health}",
        place(reporter),
        books.endpoints,
        books.pending(),
        books.failures(),
    )
}

fn place(reporter: &Reporter) -> String {
    let Reporter {
        interfaces, hook, ..
    } = reporter;
    if interfaces.is_empty() {
        return "no interface yet".to_owned();
    }
    // A line's end would begin another message.
    printable(format!("{} through {hook}", interfaces.join(", ")).as_bytes())
}
