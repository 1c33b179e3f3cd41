//! Where results go. Each sink has a bounded queue and a thread of its own: the watching goes on, whatever becomes of them.

mod datagram;
mod file;
mod journal;
mod line;
mod queue;
mod spec;
mod stdout;
mod syslog;

use std::io;

pub use spec::{Kind, Spec, spec};

/// What takes in messages, on a thread of its own: it may wait for as long as it likes.
pub trait Target: Send {
    /// Takes in a whole message, or nothing of it.
    fn write(&mut self, message: &[u8]) -> io::Result<()>;

    /// Lets go of what it writes to, and takes hold of it anew.
    fn reopen(&mut self) {}
}

pub(super) use self::{
    datagram::Datagram,
    file::LogFile,
    journal::entry,
    line::{Severity, line},
    queue::{Queue, Signal},
    spec::Form,
    stdout::Stdout,
    syslog::packet,
};
