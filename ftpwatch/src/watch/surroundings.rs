//! When interfaces and addresses have to be looked at: when the kernel says that some changed (rtnetlink), and now and
//! then whatever it says.

use std::{
    io,
    os::{fd::AsRawFd as _, unix::net},
    time::{Duration, Instant},
};

use nix::{
    libc,
    sys::socket::{AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket},
};
use tokio::net::UnixDatagram;

/// How often, where the kernel does not say.
const SAFETY_NET: Duration = Duration::from_secs(60);

/// Interfaces, and addresses of either family.
const GROUPS: i32 = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;

/// Listens to what the kernel says of interfaces.
pub struct Surroundings {
    /// A socket is a socket: what comes is thrown away, and only that it came matters.
    news: Option<UnixDatagram>,
    looked: Option<Instant>,
}

impl Surroundings {
    /// Begins to listen. Without such a socket, it is always time to look.
    pub fn listen() -> Self {
        Self {
            news: open().ok(),
            looked: None,
        }
    }

    /// Waits until something has changed.
    pub async fn changed(&mut self) {
        let Some(news) = &self.news else {
            return std::future::pending().await;
        };
        // That it fails means that there was more than it has room for, or that there is nothing to wait for.
        if news.readable().await.is_err() {
            self.news = None;
        }
        self.looked = None;
    }

    /// Whether it is time to look; then somebody does.
    pub fn is_time(&mut self) -> bool {
        let recent = |looked: Instant| looked.elapsed() < SAFETY_NET;
        if let Some(news) = &self.news {
            // Before the look: what changes during it is another change.
            let came = drain(news);
            if !came && self.looked.is_some_and(recent) {
                return false;
            }
        }
        self.looked = Some(Instant::now());
        true
    }

    /// Not all could be done about what was seen.
    pub fn look_again(&mut self) {
        self.looked = None;
    }
}

/// Whether there was anything.
fn drain(news: &UnixDatagram) -> bool {
    let mut came = false;
    loop {
        // The rest of a message goes with what fits.
        match news.try_recv(&mut [0; 16]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return came,
            Ok(_) => came = true,
            // ENOBUFS: there was more than it had room for.
            Err(_) => return true,
        }
    }
}

fn open() -> io::Result<UnixDatagram> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        flags,
        SockProtocol::NetlinkRoute,
    )?;
    bind(
        socket.as_raw_fd(),
        &NetlinkAddr::new(0, GROUPS.cast_unsigned()),
    )?;
    UnixDatagram::from_std(net::UnixDatagram::from(socket))
}
