//! What the watcher asks, and is answered: a line of JSON each, of bounded length.

use std::{
    io::{self, BufRead as _, BufReader, IoSlice, IoSliceMut, Read as _, Write as _},
    mem::MaybeUninit,
    net::{Shutdown, SocketAddr},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{error::Error, source::kernel::InterfaceId};

/// The most bytes of one. The longest are the interfaces of a namespace, some hundred each.
const LONGEST: u64 = 1 << 22;

/// What can be asked for.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Attach to an interface.
    Attach { interface: InterfaceId },
    /// Let go of it.
    Detach { interface: InterfaceId },
    /// Count beside the programs there, and tell what was seen.
    Count { interface: InterfaceId },
    /// Take off what counts.
    StopCounting,
    /// Let go of what an earlier process attached elsewhere.
    ReleaseOthers,
    /// Probe the TLS libraries that are new.
    FollowLibraries,
    /// What the server of this control connection listens on.
    Listeners {
        client: SocketAddr,
        server: SocketAddr,
        advertised: u16,
    },
    /// Look what has the name of a network namespace now. One that has lost its name is let go of, with all that is there.
    Look { namespace: usize },
    /// The interfaces and addresses of a namespace.
    Interfaces { namespace: usize },
    /// A socket that says when these change: the answer is a descriptor.
    News { namespace: usize },
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

    /// Sends a descriptor, or that there is none.
    pub fn send_descriptor(&self, descriptor: Option<&OwnedFd>) -> io::Result<()> {
        let descriptors = descriptor.map(|descriptor| [descriptor.as_fd()]);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        if let Some(descriptors) = &descriptors {
            rights.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        // With nothing at all to read there would be nothing to come along with.
        let byte = [IoSlice::new(&[0])];
        sendmsg(self.0.get_ref(), &byte, &mut rights, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Receives one. It is an answer: nothing was read ahead that it could have come along with.
    pub fn receive_descriptor(&self) -> io::Result<Option<OwnedFd>> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let mut bytes = [IoSliceMut::new(&mut byte)];
        recvmsg(
            self.0.get_ref(),
            &mut bytes,
            &mut rights,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        let mut descriptors = rights.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        Ok(descriptors.next().and_then(|mut of_one| of_one.next()))
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
            Request::Attach {
                interface: InterfaceId {
                    namespace: 0,
                    index: 7,
                },
            },
            Request::Detach {
                interface: InterfaceId {
                    namespace: usize::MAX,
                    index: u32::MAX,
                },
            },
            Request::Look { namespace: 1 },
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
    fn a_descriptor_is_received_between_messages() {
        let (mut one, other) = pair();
        let mut other = Pipe::new(other);
        let (mut ours, its) = UnixStream::pair().unwrap();
        let its = OwnedFd::from(its);
        other.send(&1).unwrap();
        assert_eq!(one.receive().unwrap(), Some(1));
        other.send_descriptor(Some(&its)).unwrap();
        let received = UnixStream::from(one.receive_descriptor().unwrap().unwrap());
        drop(its);
        (&received).write_all(b"x").unwrap();
        let mut byte = [0];
        ours.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"x");
        other.send_descriptor(None).unwrap();
        assert!(one.receive_descriptor().unwrap().is_none());
        other.send(&2).unwrap();
        assert_eq!(one.receive().unwrap(), Some(2));
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        for wrong in [
            "\n",
            "{\"Attach\":{\"interface\":{\"namespace\":0,\"index\":-1}}}\n",
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
