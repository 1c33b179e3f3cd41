//! What the watcher asks, and is answered: a line of JSON each, of bounded length.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr},
    os::unix::net::UnixStream,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::Error;

/// The most bytes of one. The longest are the ports that a server listens on.
const LONGEST: u64 = 1 << 20;

/// What can be asked for.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Attach to an interface.
    Attach { index: u32 },
    /// Let go of it.
    Detach { index: u32 },
    /// Count beside the programs there, and tell what was seen.
    Count { index: u32 },
    /// Take off what counts.
    StopCounting,
    /// Let go of what an earlier process attached elsewhere.
    ReleaseOthers,
    /// What the server of this control connection listens on.
    Listeners {
        client: SocketAddr,
        server: SocketAddr,
        advertised: u16,
    },
}

/// An error on its way.
#[derive(Debug, Serialize, Deserialize)]
pub struct Failure {
    what: String,
    advice: String,
    status: u8,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            what: error.what().to_owned(),
            advice: error.advice().to_owned(),
            status: error.status(),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        if failure.status == crate::error::USAGE {
            Self::usage(failure.what, failure.advice)
        } else {
            Self::host(failure.what, failure.advice)
        }
    }
}

/// One end of the socket.
pub struct Pipe(BufReader<UnixStream>);

impl Pipe {
    pub fn new(socket: UnixStream) -> Self {
        Self(BufReader::new(socket))
    }

    pub fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.0.get_mut().write_all(&line)
    }

    /// The next message; `None` where the other end is closed.
    pub fn receive<M: DeserializeOwned>(&mut self) -> io::Result<Option<M>> {
        let mut line = Vec::new();
        self.0.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&line)?))
    }

    pub fn close(&self) {
        // It may be closed from the other end.
        let _ = self.0.get_ref().shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Pipe, UnixStream) {
        let (one, other) = UnixStream::pair().unwrap();
        (Pipe::new(one), other)
    }

    #[test]
    fn what_is_sent_is_received() {
        let (mut one, other) = pair();
        let mut other = Pipe::new(other);
        for request in [
            Request::Attach { index: 7 },
            Request::Detach { index: u32::MAX },
            Request::Listeners {
                client: "198.51.100.7:40000".parse().unwrap(),
                server: "[2001:db8::10]:21".parse().unwrap(),
                advertised: 50_000,
            },
        ] {
            one.send(&request).unwrap();
            assert_eq!(other.receive().unwrap(), Some(request));
        }
        one.close();
        assert_eq!(other.receive::<Request>().unwrap(), None);
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        for wrong in [
            "\n",
            "{\"Attach\":{\"index\":-1}}\n",
            "{\"Open\":\"x\"}\n",
            "{",
        ] {
            let (mut one, mut other) = pair();
            other.write_all(wrong.as_bytes()).unwrap();
            drop(other);
            assert!(one.receive::<Request>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_message_without_an_end_is_an_error() {
        let (mut one, mut other) = pair();
        let writing = std::thread::spawn(move || {
            let chunk = [b'['; 1 << 16];
            while other.write_all(&chunk).is_ok() {}
        });
        assert!(one.receive::<Request>().is_err());
        one.close();
        writing.join().unwrap();
    }
}
