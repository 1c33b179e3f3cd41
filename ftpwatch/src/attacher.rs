//! The attacher: a small process of its own that attaches the programs and lets go of them, so that the one that watches
//! needs no privilege. The watcher asks, through a socket that nobody else has; when that closes, the watcher has ended,
//! however it did, and every interface is let go.
//!
//! It does not trust the watcher: what is attached is the programs that it was started with, and to interfaces that the
//! command line wants. Nothing is opened because it was named.

mod claim;
mod message;

use std::{collections::BTreeMap, ffi::CStr, io, os::unix::net::UnixStream, process};

use ftpwatch_common::{address::Flow, packet::Link};
use nix::{
    sys::{
        signal::{SigSet, Signal},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, dup2_stdin, dup2_stdout},
};

use crate::{
    error::Error,
    host::{Listening, listeners_of},
    sandbox,
    source::kernel::{Interface, Kernel, Seen, Way, host, programs},
    watch::give_back,
};
use claim::Claims;
use message::{Failure, Pipe, Request};

/// What the kernel calls it; there is room for so much.
const NAME: &CStr = c"ftpwatch:attach";

/// What the watcher has of the attacher.
pub struct Attacher {
    pipe: Pipe,
    process: Pid,
    ended: bool,
    attached: BTreeMap<u32, Attached>,
}

struct Attached {
    name: String,
    link: Link,
    hook: String,
}

/// Whether `interface` is to be watched: named, or else any that is up and not loopback.
#[must_use]
pub fn is_wanted(interface: &Interface, named: &[String]) -> bool {
    if named.is_empty() {
        interface.up && !interface.loopback
    } else {
        named.contains(&interface.name)
    }
}

impl Attacher {
    /// Starts it, with the programs that `kernel` has loaded, for the interfaces that are `named`.
    ///
    /// To be called while this process has one thread.
    ///
    /// # Errors
    ///
    /// When there is no process to be had.
    pub fn start(
        kernel: &mut Kernel,
        named: &[String],
        level: sandbox::Level,
    ) -> Result<Self, Error> {
        let (ours, its) = UnixStream::pair().map_err(|error| cannot_start(&error))?;
        match fork().map_err(|error| cannot_start(&error))? {
            ForkResult::Parent { child } => {
                drop(its);
                Ok(Self {
                    pipe: Pipe::new(ours),
                    process: child,
                    ended: false,
                    attached: BTreeMap::new(),
                })
            }
            ForkResult::Child => {
                drop(ours);
                // It does not return: what the watcher has set up here is its own, and nothing of it is to be undone.
                let status = match serve(kernel, named, level, its) {
                    Ok(()) => 0,
                    Err(error) => {
                        eprintln!("{error}");
                        i32::from(error.status())
                    }
                };
                process::exit(status);
            }
        }
    }

    /// Attaches to `interface`.
    ///
    /// # Errors
    ///
    /// When it is gone or not wanted, the hook is not to be had, or the attacher has ended ([`Self::has_ended`]).
    pub fn attach(&mut self, interface: &Interface) -> Result<(), Error> {
        let index = interface.index;
        let hook: Result<String, Failure> = self.ask(&Request::Attach { index })?;
        let hook = hook?;
        let name = interface.name.clone();
        let link = interface.link;
        self.attached.insert(index, Attached { name, link, hook });
        Ok(())
    }

    /// Lets go of an interface.
    ///
    /// # Errors
    ///
    /// When the attacher has ended.
    pub fn detach(&mut self, index: u32) -> Result<(), Error> {
        self.attached.remove(&index);
        self.ask(&Request::Detach { index })
    }

    /// Begins to count on an interface, unless that was begun, and tells what was seen since ([`Kernel::count`]).
    ///
    /// # Errors
    ///
    /// When the attacher has ended.
    pub fn count(&mut self, index: u32) -> Result<Vec<(Way, Seen)>, Error> {
        self.ask(&Request::Count { index })
    }

    /// Takes off what counts.
    ///
    /// # Errors
    ///
    /// When the attacher has ended.
    pub fn stop_counting(&mut self) -> Result<(), Error> {
        self.ask(&Request::StopCounting)
    }

    /// Lets go of what an earlier process attached elsewhere.
    ///
    /// # Errors
    ///
    /// When the attacher has ended.
    pub fn release_others(&mut self) -> Result<(), Error> {
        self.ask(&Request::ReleaseOthers)
    }

    /// What the server of a control connection listens on ([`listeners_of`]); among the others are those that are
    /// spoken for.
    ///
    /// # Errors
    ///
    /// When the attacher has ended.
    pub fn listeners(&mut self, flow: &Flow, advertised: u16) -> Result<Option<Listening>, Error> {
        self.ask(&Request::Listeners {
            client: (flow.client.ip(), flow.client_port).into(),
            server: (flow.server.ip(), flow.server_port).into(),
            advertised,
        })
    }

    /// Whether it has ended, and every interface is let go. A child that is stopped signals as well.
    pub fn has_ended(&mut self) -> bool {
        let state = || waitpid(self.process, Some(WaitPidFlag::WNOHANG));
        self.ended = self.ended || !matches!(state(), Ok(WaitStatus::StillAlive));
        self.ended
    }

    /// Names of the interfaces that are watched.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.attached.values().map(|one| one.name.clone()).collect()
    }

    /// Indexes and names of the interfaces that are watched.
    #[must_use]
    pub fn attached(&self) -> Vec<(u32, String)> {
        let attached = self.attached.iter();
        attached
            .map(|(index, one)| (*index, one.name.clone()))
            .collect()
    }

    /// Whether the interface with this index is watched.
    #[must_use]
    pub fn is_attached(&self, index: u32) -> bool {
        self.attached.contains_key(&index)
    }

    /// The hook in use: the first interface's.
    #[must_use]
    pub fn hook_name(&self) -> &str {
        let first = self.attached.values().next();
        first.map_or("none", |one| one.hook.as_str())
    }

    /// The programs in use, each with what its packets begin with.
    #[must_use]
    pub fn programs(&self) -> BTreeMap<&'static str, Link> {
        let attached = self.attached.values();
        programs(attached.map(|one| (one.link, one.hook.as_str())))
    }

    fn ask<A: serde::de::DeserializeOwned>(&mut self, request: &Request) -> Result<A, Error> {
        let answer = self.pipe.send(request).and_then(|()| self.pipe.receive());
        match answer {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(ended()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(cannot_start(&error)),
            Err(_) => Err(ended()),
        }
    }
}

impl Drop for Attacher {
    /// Every interface is let go when this returns.
    fn drop(&mut self) {
        self.pipe.close();
        if !self.ended {
            let _ = waitpid(self.process, None);
        }
    }
}

/// That it ended by itself: nothing is watched any more.
#[must_use]
pub fn ended() -> Error {
    Error::host(
        "the attacher, the part of ftpwatch that holds on to the interfaces, has ended: nothing is watched any more",
        "Was it killed? The kernel's log tells (`dmesg`), if it was for want of memory. Start ftpwatch again.",
    )
}

fn cannot_start(error: &io::Error) -> Error {
    Error::host(
        format!(
            "the attacher, the part of ftpwatch that holds on to the interfaces, cannot work: {error}"
        ),
        "Are the limits of processes or open files too low? See `ulimit -a`.",
    )
}

#[expect(unsafe_code, reason = "a process of its own is had by forking")]
fn fork() -> io::Result<ForkResult> {
    // SAFETY: this process has one thread yet, so that no lock is held by one that the child does not have.
    Ok(unsafe { nix::unistd::fork() }?)
}

/// Does what it is asked for, until nobody is there to ask.
fn serve(
    kernel: &mut Kernel,
    named: &[String],
    level: sandbox::Level,
    socket: UnixStream,
) -> Result<(), Error> {
    settle().map_err(|error| cannot_start(&error))?;
    sandbox::enter_attacher(level)?;
    give_back();
    let mut pipe = Pipe::new(socket);
    let mut claims = Claims::default();
    // A watcher that was killed while it was being answered is no error.
    while let Ok(Some(request)) = pipe.receive() {
        let sent = match request {
            Request::Attach { index } => {
                pipe.send(&attach(kernel, &mut claims, named, index).map_err(Failure::from))
            }
            Request::Detach { index } => {
                kernel.detach(index);
                claims.release(index);
                pipe.send(&())
            }
            // Of an interface that is not watched nothing is told.
            Request::Count { index } => pipe.send(&kernel.count(index)),
            Request::StopCounting => {
                kernel.stop_counting();
                pipe.send(&())
            }
            Request::ReleaseOthers => {
                kernel.attacher.release_others();
                pipe.send(&())
            }
            Request::Listeners {
                client,
                server,
                advertised,
            } => {
                let flow = Flow {
                    client: client.ip().into(),
                    server: server.ip().into(),
                    client_port: client.port(),
                    server_port: server.port(),
                };
                pipe.send(&listeners_of(&flow, advertised, &|_| false))
            }
        };
        if sent.is_err() {
            break;
        }
    }
    // Links close with this process. Filters of clsact do not. What is pinned is there for the next.
    kernel.stop_counting();
    if !kernel.attacher.is_pinned() {
        for index in kernel.attacher.indexes() {
            kernel.detach(index);
        }
    }
    Ok(())
}

/// Makes a process of its own of what was a copy.
fn settle() -> io::Result<()> {
    rustix::thread::set_name(NAME)?;
    // They are sent to all of a terminal, or of a service, and are for the watcher: it is followed when it has ended.
    let mut watchers = SigSet::empty();
    for signal in [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGPIPE,
    ] {
        watchers.add(signal);
    }
    watchers.thread_block()?;
    // Who reads the watcher's output sees its end when the watcher ends.
    let nothing = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    Ok(())
}

/// Attaches to the interface with this index, if it is wanted.
fn attach(
    kernel: &mut Kernel,
    claims: &mut Claims,
    named: &[String],
    index: u32,
) -> Result<&'static str, Error> {
    let host = host()?;
    let mut interfaces = host.interfaces.values();
    let wanted = |interface: &&Interface| interface.index == index && is_wanted(interface, named);
    let interface = interfaces.find(wanted).ok_or_else(|| {
        Error::usage(
            format!("the interface with index {index} went away"),
            "See `ip link` for the interfaces that there are.",
        )
    })?;
    claims.claim(interface)?;
    kernel.attach(interface)?;
    Ok(kernel.attacher.hook_of(index))
}
