//! One ftpwatch an interface: two would report everything twice.
//!
//! A claim is a socket in the abstract name space: one a network namespace, as interfaces are; gone with its process, however
//! that ends; and whoever connects is told whose it is.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    os::{
        fd::AsFd as _,
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    path::Path,
    time::Duration,
};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket,
    sockopt::PeerCredentials,
};

use super::NAME;
use crate::{
    error::Error,
    escape::printable,
    host::owners,
    source::kernel::{Interface, InterfaceId},
};

/// CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN: without any of them nobody watches (`linux/capability.h`).
const CAPABILITIES: u64 = 1 << 39 | 1 << 12 | 1 << 21;

/// How long who is about to end is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The interfaces that this process has claimed.
#[derive(Debug, Default)]
pub struct Claims(BTreeMap<InterfaceId, UnixListener>);

/// Who has a claim.
struct Holder {
    process: i32,
    user: u32,
    stream: UnixStream,
}

impl Claims {
    /// Claims `interface`, if it is not claimed yet: one of this thread's network namespace.
    ///
    /// # Errors
    ///
    /// When another process has it.
    pub fn claim(&mut self, interface: &Interface) -> Result<(), Error> {
        let name = format!("ftpwatch/{}", interface.index);
        if self.0.contains_key(&interface.id()) {
            return Ok(());
        }
        let bound =
            SocketAddr::from_abstract_name(&name).and_then(|at| UnixListener::bind_addr(&at));
        match bound {
            Ok(listener) => {
                self.0.insert(interface.id(), listener);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => match holder(&name) {
                // Anybody can take a name. Who cannot watch does not keep others from it.
                Some(holder) if holder.watches() => {
                    if holder.ends() {
                        return self.claim(interface);
                    }
                    Err(taken(interface, &holder))
                }
                _ => Ok(()),
            },
            // Without sockets there are no claims.
            Err(_) => Ok(()),
        }
    }

    /// Lets go of an interface.
    pub fn release(&mut self, interface: InterfaceId) {
        self.0.remove(&interface);
    }
}

/// Who listens on `name`. `None` when nobody does any more.
fn holder(name: &str) -> Option<Holder> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None).ok()?;
    let address = UnixAddr::new_abstract(name.as_bytes()).ok()?;
    connect(std::os::fd::AsRawFd::as_raw_fd(&socket), &address).ok()?;
    let peer = getsockopt(&socket.as_fd(), PeerCredentials).ok()?;
    Some(Holder {
        process: peer.pid(),
        user: peer.uid(),
        stream: socket.into(),
    })
}

impl Holder {
    /// Whether it may watch, as far as that can be seen.
    fn watches(&self) -> bool {
        let Ok(status) = fs::read_to_string(format!("/proc/{}/status", self.process)) else {
            return true;
        };
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let effective = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
        effective.is_none_or(|effective| effective & CAPABILITIES != 0)
    }

    /// Whether it is an attacher whose watcher was killed, and that has ended now.
    fn ends(&self) -> bool {
        let program = |process: i32| fs::read_link(format!("/proc/{process}/exe")).ok();
        let gone = self.process > 0 && !Path::new(&format!("/proc/{}", self.process)).exists();
        let orphan = gone
            || parent(self.process).is_some_and(|parent| program(parent) != program(self.process));
        let wait = || {
            self.stream.set_nonblocking(false)?;
            self.stream.set_read_timeout(Some(PATIENCE))?;
            (&self.stream).read(&mut [0])
        };
        // It says nothing. When it ends, so does the stream.
        orphan && !wait().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// The attacher's watcher, or whoever took its place as its parent.
fn parent(process: i32) -> Option<i32> {
    let name = fs::read(format!("/proc/{process}/comm")).ok()?;
    if name.trim_ascii_end() != NAME.to_bytes() {
        return None;
    }
    let attacher = owners::process(u32::try_from(process).ok()?)?;
    Some(attacher.parent.cast_signed())
}

/// Who is to be ended: an attacher ends when its watcher does.
fn watcher(process: i32) -> i32 {
    parent(process).unwrap_or(process)
}

fn taken(interface: &Interface, holder: &Holder) -> Error {
    let Holder { process, user, .. } = holder;
    let process = watcher(*process);
    Error::usage(
        format!(
            "{} is watched already, by process {process} of user {user}",
            printable(interface.name.as_bytes())
        ),
        format!(
            "End that one first: `kill {process}`, or `systemctl stop ftpwatch`; or watch another interface: -i NAME."
        ),
    )
}
