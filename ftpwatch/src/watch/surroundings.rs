//! When interfaces and addresses have to be looked at: when the kernel says that some changed (rtnetlink), and now and
//! then whatever it says.

use std::{
    io,
    os::{fd::OwnedFd, unix::net},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::net::UnixDatagram;

/// How often, where the kernel does not say.
const SAFETY_NET: Duration = Duration::from_secs(60);

/// Listens to what the kernel says of the interfaces of one network namespace.
pub struct Surroundings {
    /// A socket is a socket: what comes is thrown away, and only that it came matters.
    news: Option<UnixDatagram>,
    looked: Option<Instant>,
}

impl Surroundings {
    /// Begins to listen to a socket of [`netlink::news`](crate::source::kernel::netlink::news). Without one, it is always
    /// time to look.
    pub fn listen(news: Option<OwnedFd>) -> Self {
        let news = news.map(net::UnixDatagram::from);
        Self {
            news: news.and_then(|news| UnixDatagram::from_std(news).ok()),
            looked: None,
        }
    }

    /// Waits until something has changed.
    pub fn poll_changed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(news) = &self.news else {
            return Poll::Pending;
        };
        // That it fails means that there was more than it has room for, or that there is nothing to wait for.
        if ready!(news.poll_recv_ready(context)).is_err() {
            self.news = None;
        }
        self.looked = None;
        Poll::Ready(())
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
