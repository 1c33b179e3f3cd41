//! A socket of this host's that takes a message a datagram: syslog's, or the journal's.

use std::{io, os::unix::net::UnixDatagram, path::PathBuf};

use super::Target;

/// The socket at a path. It is looked up for each message: whoever listens may have been started anew.
pub struct Datagram {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Datagram {
    /// The socket at `path`, whether or not it is there yet.
    ///
    /// # Errors
    ///
    /// When there can be no socket at all.
    pub fn new(path: PathBuf) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        Ok(Self { socket, path })
    }
}

impl Target for Datagram {
    fn write(&mut self, message: &[u8]) -> io::Result<()> {
        self.socket.send_to(message, &self.path).map(|_| ())
    }
}
