//! Opens a TCP connection and finds out what answered the SYN: SYN-ACK, RST, an ICMP error and whose, or nothing.

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsRawFd as _,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::socket::{
        ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt,
        sockopt::{Ipv4RecvErr, Ipv6RecvErr},
    },
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{net::TcpStream, time::timeout};

use crate::clock::monotonic_now;

/// Room for what the kernel says of an error: `sock_extended_err` and an address (ip(7), `IP_RECVERR`).
const CONTROL_BYTES: usize = 256;

/// What answered.
#[derive(Debug)]
pub enum Answer {
    /// The handshake is complete.
    Connected(TcpStream),
    /// RST.
    Reset,
    /// An ICMP error.
    Rejected(Icmp),
    /// Nothing.
    Nothing,
    /// The SYN did not leave this host: no route, nobody of that address on this network, or its own firewall.
    NotSent(io::Error),
}

/// An ICMP or ICMPv6 error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Who sent it.
    pub from: IpAddr,
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
}

/// A connection attempt. Times in nanoseconds of the kernel's monotonic clock.
#[derive(Debug)]
pub struct Attempt {
    /// Where the SYN went.
    pub to: SocketAddr,
    /// Where it came from, if it was sent.
    pub from: Option<SocketAddr>,
    /// When.
    pub began: u64,
    /// When it was answered, or waiting was over.
    pub ended: u64,
    /// What answered.
    pub answer: Answer,
}

/// Connects to `to`.
pub async fn connect(to: SocketAddr, within: Duration) -> Attempt {
    let began = monotonic_now();
    let (from, answer) = match begin(to) {
        Ok(stream) => {
            let from = stream.local_addr().ok();
            (from, finish(stream, to, within).await)
        }
        Err(error) if Errno::from_raw(error.raw_os_error().unwrap_or(0)) == Errno::ECONNREFUSED => {
            (None, Answer::Reset)
        }
        Err(error) => (None, Answer::NotSent(error)),
    };
    Attempt {
        to,
        from,
        began,
        ended: monotonic_now(),
        answer,
    }
}

/// Sends the SYN. An error means that it was not sent.
fn begin(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(to),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    match to {
        SocketAddr::V4(_) => setsockopt(&socket, Ipv4RecvErr, &true)?,
        SocketAddr::V6(_) => setsockopt(&socket, Ipv6RecvErr, &true)?,
    }
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => return Err(error),
        _ => {}
    }
    TcpStream::from_std(socket.into())
}

/// Waits for the answer.
async fn finish(stream: TcpStream, to: SocketAddr, within: Duration) -> Answer {
    match timeout(within, stream.writable()).await {
        Err(_) => return Answer::Nothing,
        Ok(Err(error)) => return Answer::NotSent(error),
        Ok(Ok(())) => {}
    }
    let error = match stream.take_error() {
        Ok(error) => error,
        Err(error) => Some(error),
    };
    if error.is_none() && stream.peer_addr().is_ok() {
        return Answer::Connected(stream);
    }
    let own = stream.local_addr().ok().map(|address| address.ip());
    let error = error.unwrap_or_else(|| Errno::EHOSTUNREACH.into());
    match icmp(&stream) {
        // This host's own word: nobody of that address answered on its network, or its own firewall rejected.
        Some(icmp) if Some(icmp.from) == own => Answer::NotSent(error),
        Some(icmp) => Answer::Rejected(icmp),
        None => without_icmp(error, to),
    }
}

fn without_icmp(error: io::Error, to: SocketAddr) -> Answer {
    match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        Errno::ECONNREFUSED | Errno::ECONNRESET => Answer::Reset,
        Errno::ETIMEDOUT => Answer::Nothing,
        // Before Linux 5.9, TCP does not tell whose error it was: it counts as the server's.
        Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EACCES => Answer::Rejected(Icmp {
            from: to.ip(),
            kind: if to.is_ipv4() { 3 } else { 1 },
            code: 1,
        }),
        _ => Answer::NotSent(error),
    }
}

/// The ICMP error that ended the attempt, from the socket's error queue (Linux 5.9 and newer).
fn icmp(stream: &TcpStream) -> Option<Icmp> {
    let mut data = [0; 128];
    let mut data = [IoSliceMut::new(&mut data)];
    let mut control = [0; CONTROL_BYTES];
    let message = recvmsg::<SockaddrStorage>(
        stream.as_raw_fd(),
        &mut data,
        Some(&mut control),
        MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT,
    )
    .ok()?;
    message.cmsgs().ok()?.find_map(|message| match message {
        ControlMessageOwned::Ipv4RecvErr(error, Some(from)) => Some(Icmp {
            from: Ipv4Addr::from(from.sin_addr.s_addr.to_ne_bytes()).into(),
            kind: error.ee_type,
            code: error.ee_code,
        }),
        ControlMessageOwned::Ipv6RecvErr(error, Some(from)) => Some(Icmp {
            from: Ipv6Addr::from(from.sin6_addr.s6_addr).to_canonical(),
            kind: error.ee_type,
            code: error.ee_code,
        }),
        _ => None,
    })
}
