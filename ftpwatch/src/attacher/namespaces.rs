//! Other network namespaces: those that the command line names, entered for as long as something is done there.
//!
//! A namespace lives as long as somebody holds on to it, be it by an open file. So it is let go of once it has lost its
//! name, which is looked for each second.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    escape::printable,
    source::kernel::{Host, host, netlink},
};

/// Where `ip netns` keeps them.
const FOLDER: &str = "/run/netns";

/// The most interfaces and addresses of one. Who is root in a container makes as many as there is memory for, and takes no
/// room from others by that.
const MOST: [usize; 2] = [1_024, 16_384];

/// This process's own.
const OWN: &str = "/proc/self/ns/net";

/// What is found under the name of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Presence {
    /// The one that was there the last time.
    AsBefore,
    /// One that was not.
    New,
    /// One that is watched already: this process's own, or one that has another name too.
    Twin,
    /// Not the one any more that was there the last time: that is let go of.
    Gone,
}

/// Those of `--netns`, by number: 0 is this process's own.
pub struct Namespaces<'a> {
    named: &'a [String],
    held: Vec<Option<Held>>,
}

/// One that is watched.
struct Held {
    file: File,
    identity: Identity,
}

/// Device and inode: what has both in common is one namespace.
type Identity = (u64, u64);

impl<'a> Namespaces<'a> {
    /// Those that are `named`. None is entered yet.
    pub fn new(named: &'a [String]) -> Self {
        Self {
            named,
            held: named.iter().map(|_| None).collect(),
        }
    }

    /// Looks what is there under a name. What is [`Presence::Gone`] is to be released.
    pub fn look(&mut self, number: usize) -> Result<Presence, Error> {
        let name = self.name(number)?;
        let path = path(name);
        let there = identity(&path);
        if let Some(held) = self.held(number) {
            let same = there.is_ok_and(|there| there == held.identity);
            return Ok(if same {
                Presence::AsBefore
            } else {
                Presence::Gone
            });
        }
        let opened = there.and_then(|_| {
            let file = File::open(&path)?;
            let identity = identity_of(&file.metadata()?);
            Ok((file, identity))
        });
        let (file, identity) = opened.map_err(|error| cannot_find(name, &error))?;
        let own = self::identity(Path::new(OWN)).map_err(|error| cannot_find(OWN, &error))?;
        let mut known = self.held.iter().flatten().map(|held| held.identity);
        if identity == own || known.any(|known| known == identity) {
            return Ok(Presence::Twin);
        }
        enter(&file, || ()).map_err(|error| cannot_enter(name, &error))?;
        self.held[number - 1] = Some(Held { file, identity });
        Ok(Presence::New)
    }

    /// Holds on to it no longer.
    pub fn release(&mut self, number: usize) {
        if let Some(held) = number.checked_sub(1).and_then(|at| self.held.get_mut(at)) {
            *held = None;
        }
    }

    /// The numbers of those that are there, this process's own the first.
    pub fn numbers(&self) -> impl Iterator<Item = usize> {
        let there = (1..).zip(&self.held).filter(|(_, held)| held.is_some());
        std::iter::once(0).chain(there.map(|(number, _)| number))
    }

    /// Does something in one of them.
    pub fn within<T: Send>(
        &self,
        number: usize,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, Error> {
        if number == 0 {
            return Ok(work());
        }
        let name = self.name(number)?;
        let held = self
            .held(number)
            .ok_or_else(|| cannot_find(name, &io::ErrorKind::NotFound.into()))?;
        enter(&held.file, work).map_err(|error| cannot_enter(name, &error))
    }

    /// What there is in one of them.
    pub fn host(&self, number: usize) -> Result<Host, Error> {
        let host = self.within(number, host)??;
        if number > 0
            && let there = [host.interfaces.len(), host.addresses.len()]
            && there.iter().zip(MOST).any(|(&there, most)| there > most)
        {
            return Err(too_many(self.name(number)?, there));
        }
        Ok(host)
    }

    /// What says when that changes.
    pub fn news(&self, number: usize) -> Option<OwnedFd> {
        self.within(number, netlink::news).ok()?.ok()
    }

    fn name(&self, number: usize) -> Result<&'a str, Error> {
        let name = number.checked_sub(1).and_then(|at| self.named.get(at));
        name.map(String::as_str).ok_or_else(|| {
            Error::usage(
                format!("no network namespace has the number {number}"),
                "This is a fault of this build of ftpwatch: please report it.",
            )
        })
    }

    fn held(&self, number: usize) -> Option<&Held> {
        self.held.get(number.checked_sub(1)?)?.as_ref()
    }
}

/// Does something in the namespace that `file` stands for, on a thread of its own: this one stays where it is, whatever
/// happens, and `ip netns pids` does not count this process among those that are there.
fn enter<T: Send>(file: &File, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let inside = thread::Builder::new().spawn_scoped(scope, || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(work())
        })?;
        let done = inside.join();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Where a namespace is that is called so.
fn path(name: &str) -> PathBuf {
    if name.contains('/') {
        PathBuf::from(name)
    } else {
        Path::new(FOLDER).join(name)
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    let metadata = fs::metadata(path)?;
    // Nothing else is opened: a pipe would be waited for.
    if metadata.is_file() {
        Ok(identity_of(&metadata))
    } else {
        Err(io::ErrorKind::InvalidInput.into())
    }
}

fn identity_of(metadata: &fs::Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

fn cannot_find(name: &str, error: &io::Error) -> Error {
    let name = printable(name.as_bytes());
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::usage(
            format!("there is no network namespace {name}"),
            "See `ip netns list` for those that there are; a name with a slash in it is that of a file, such as \
             /proc/PID/ns/net.",
        ),
        io::ErrorKind::PermissionDenied => Error::host(
            format!("the network namespace {name} may not be looked at: {error}"),
            "Run it as root; /proc/PID/ns/net of another user's process takes CAP_SYS_PTRACE.",
        ),
        _ => no_namespace(&name),
    }
}

fn cannot_enter(name: &str, error: &io::Error) -> Error {
    let name = printable(name.as_bytes());
    match error.kind() {
        io::ErrorKind::PermissionDenied => Error::host(
            format!("not permitted to enter the network namespace {name}"),
            "Run it as root, or with CAP_SYS_ADMIN besides CAP_BPF and CAP_NET_ADMIN; the process that watches gives \
             it up like the others.",
        ),
        io::ErrorKind::InvalidInput => no_namespace(&name),
        _ => Error::host(
            format!("the network namespace {name} cannot be entered: {error}"),
            "Are the limits of processes or open files too low? See `ulimit -a`.",
        ),
    }
}

fn too_many(name: &str, [interfaces, addresses]: [usize; 2]) -> Error {
    Error::host(
        format!(
            "the network namespace {} has {interfaces} interfaces and {addresses} addresses: those that are new are not \
             watched",
            printable(name.as_bytes())
        ),
        format!(
            "There is room for {} interfaces and {} addresses; run an ftpwatch in that namespace.",
            MOST[0], MOST[1]
        ),
    )
}

fn no_namespace(name: &str) -> Error {
    Error::usage(
        format!("{name} is no network namespace"),
        "See `ip netns list` for those that there are; a name with a slash in it is that of a file, such as \
         /proc/PID/ns/net.",
    )
}
