//! The attacher: a small process of its own that attaches the programs and lets go of them, so that the one that watches
//! needs no privilege. The watcher asks, through a socket that nobody else has; when that closes, the watcher has ended,
//! however it did, and every interface is let go.
//!
//! It does not trust the watcher: what is attached is the programs that it was started with, and to interfaces that the
//! command line wants, in network namespaces that it names. Nothing is opened because the watcher named it.

mod claim;
mod message;
mod namespaces;

use std::{
    collections::BTreeMap,
    ffi::CStr,
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process,
};

use ftpwatch_common::{address::Flow, packet::Link};
use nix::{
    sys::{
        signal::{SigSet, Signal},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, dup2_stdin, dup2_stdout},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    error::Error,
    escape::printable,
    host::{Listening, listeners_of},
    sandbox,
    source::kernel::{
        Host, Interface, InterfaceId, Kernel, Seen, Way, is_name_of,
        libraries::{News, Wanted},
        programs,
    },
    watch::give_back,
};
use claim::Claims;
use message::{Failure, Pipe, Request};
use namespaces::Namespaces;
pub use namespaces::Presence;

/// What the kernel calls it; there is room for so much.
const NAME: &CStr = c"ftpwatch:attach";

/// What the watcher has of the attacher.
pub struct Attacher {
    pipe: Pipe,
    process: Pid,
    ended: bool,
    /// What the network namespaces are called.
    netns: Vec<String>,
    attached: BTreeMap<InterfaceId, Attached>,
}

/// What the command line wants of it.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// The interfaces that are named.
    pub named: &'a [String],
    /// Network namespaces besides this process's own.
    pub netns: &'a [String],
    /// The TLS libraries to be probed.
    pub tls: &'a Wanted,
    /// Where servers listen that have them.
    pub control_ports: &'a [u16],
    /// How much of a sandbox there has to be.
    pub level: sandbox::Level,
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
        interface.is_among(named)
    }
}

impl Attacher {
    /// Starts it, with the programs that `kernel` has loaded.
    ///
    /// To be called while this process has one thread.
    ///
    /// # Errors
    ///
    /// When there is no process to be had.
    pub fn start(kernel: &mut Kernel, task: &Task<'_>) -> Result<Self, Error> {
        let (ours, its) = UnixStream::pair().map_err(|error| cannot_start(&error))?;
        match fork().map_err(|error| cannot_start(&error))? {
            ForkResult::Parent { child } => {
                drop(its);
                Ok(Self {
                    pipe: Pipe::new(ours),
                    process: child,
                    ended: false,
                    netns: task.netns.to_vec(),
                    attached: BTreeMap::new(),
                })
            }
            ForkResult::Child => {
                drop(ours);
                // It does not return: what the watcher has set up here is its own, and nothing of it is to be undone.
                let status = match serve(kernel, task, its) {
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
        let id = interface.id();
        let hook: Result<String, Failure> = self.ask(&Request::Attach { interface: id })?;
        let hook = hook?;
        let name = interface.name.clone();
        let link = interface.link;
        self.attached.insert(id, Attached { name, link, hook });
        Ok(())
    }

    /// Lets go of an interface.
    ///
    /// # Errors
    ///
    /// When the attacher has ended.
    pub fn detach(&mut self, interface: InterfaceId) -> Result<(), Error> {
        self.attached.remove(&interface);
        self.ask(&Request::Detach { interface })
    }

    /// Looks what has the name of a network namespace now. With one that has lost it, its interfaces are let go.
    ///
    /// # Errors
    ///
    /// When there is none of that name, or it may not be entered, or the attacher has ended.
    pub fn look(&mut self, namespace: usize) -> Result<Presence, Error> {
        let seen: Result<Presence, Failure> = self.ask(&Request::Look { namespace })?;
        Ok(seen?)
    }

    /// The interfaces and addresses of a network namespace.
    ///
    /// # Errors
    ///
    /// When they cannot be listed, or the attacher has ended.
    pub fn interfaces(&mut self, namespace: usize) -> Result<Host, Error> {
        let host: Result<Host, Failure> = self.ask(&Request::Interfaces { namespace })?;
        Ok(named_by(host?, namespace, &self.netns))
    }

    /// What says when these change, where that is to be had.
    pub fn news(&mut self, namespace: usize) -> Option<OwnedFd> {
        let asked = self.pipe.send(&Request::News { namespace });
        asked.and_then(|()| self.pipe.receive_descriptor()).ok()?
    }

    /// Begins to count on an interface, unless that was begun, and tells what was seen since ([`Kernel::count`]).
    ///
    /// # Errors
    ///
    /// When the attacher has ended.
    pub fn count(&mut self, interface: InterfaceId) -> Result<Vec<(Way, Seen)>, Error> {
        self.ask(&Request::Count { interface })
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

    /// Probes the TLS libraries that are new.
    ///
    /// # Errors
    ///
    /// When the attacher has ended.
    pub fn follow_libraries(&mut self) -> Result<News, Error> {
        self.ask(&Request::FollowLibraries)
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
        let attached = self.attached.values();
        // Who is root in a container names what is there.
        attached.map(|one| printable(one.name.as_bytes())).collect()
    }

    /// The interfaces that are watched, and their names.
    #[must_use]
    pub fn attached(&self) -> Vec<(InterfaceId, String)> {
        let attached = self.attached.iter();
        attached.map(|(id, one)| (*id, one.name.clone())).collect()
    }

    /// Whether an interface is watched.
    #[must_use]
    pub fn is_attached(&self, interface: InterfaceId) -> bool {
        self.attached.contains_key(&interface)
    }

    /// Whether an interface is watched that `name`, on the command line, means.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let mut attached = self.attached.values();
        attached.any(|one| is_name_of(name, &one.name))
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
fn serve(kernel: &mut Kernel, task: &Task<'_>, socket: UnixStream) -> Result<(), Error> {
    settle().map_err(|error| cannot_start(&error))?;
    let needs = sandbox::Needs {
        probes: task.tls.is_any(),
        other_namespaces: !task.netns.is_empty(),
    };
    sandbox::enter_attacher(task.level, needs)?;
    give_back();
    let mut pipe = Pipe::new(socket);
    let mut claims = Claims::default();
    let mut namespaces = Namespaces::new(task.netns);
    // A watcher that was killed while it was being answered is no error.
    while let Ok(Some(request)) = pipe.receive() {
        let sent = match request {
            Request::Attach { interface } => {
                let attached = attach(kernel, &mut claims, &namespaces, task, interface);
                pipe.send(&attached.map_err(Failure::from))
            }
            Request::Detach { interface } => {
                detach(kernel, &mut claims, &namespaces, interface);
                pipe.send(&())
            }
            Request::Look { namespace } => {
                let seen = namespaces.look(namespace);
                if matches!(seen, Ok(Presence::Gone)) {
                    let mut all = kernel.attacher.interfaces();
                    all.retain(|interface| interface.namespace == namespace);
                    for interface in all {
                        detach(kernel, &mut claims, &namespaces, interface);
                    }
                    namespaces.release(namespace);
                }
                pipe.send(&seen.map_err(Failure::from))
            }
            Request::Interfaces { namespace } => {
                pipe.send(&namespaces.host(namespace).map_err(Failure::from))
            }
            Request::News { namespace } => {
                pipe.send_descriptor(namespaces.news(namespace).as_ref())
            }
            // Of an interface that is not watched nothing is told.
            Request::Count { interface } => pipe.send(&count(kernel, &namespaces, interface)),
            Request::StopCounting => {
                stop_counting(kernel, &namespaces);
                pipe.send(&())
            }
            Request::ReleaseOthers => {
                kernel.attacher.release_others();
                pipe.send(&())
            }
            Request::FollowLibraries => {
                pipe.send(&kernel.follow_libraries(task.tls, task.control_ports))
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
                // It is in the namespace that the control connection ends in.
                let look = || listeners_of(&flow, advertised, &|_| false);
                let found = namespaces
                    .numbers()
                    .find_map(|number| namespaces.within(number, look).ok()?);
                pipe.send(&found)
            }
        };
        if sent.is_err() {
            break;
        }
    }
    // Links close with this process. Filters of clsact do not. What is pinned is there for the next.
    stop_counting(kernel, &namespaces);
    if !kernel.attacher.is_pinned() {
        for interface in kernel.attacher.interfaces() {
            detach(kernel, &mut claims, &namespaces, interface);
        }
    }
    Ok(())
}

/// Counts on an interface: on one at a time.
fn count(
    kernel: &mut Kernel,
    namespaces: &Namespaces<'_>,
    interface: InterfaceId,
) -> Vec<(Way, Seen)> {
    if kernel.counting_on().is_some_and(|other| other != interface) {
        stop_counting(kernel, namespaces);
    }
    let seen = namespaces.within(interface.namespace, || kernel.count(interface));
    seen.unwrap_or_default()
}

/// Takes off what counts, in the namespace where it does. With one that is gone, it is.
fn stop_counting(kernel: &mut Kernel, namespaces: &Namespaces<'_>) {
    if let Some(interface) = kernel.counting_on() {
        let _ = namespaces.within(interface.namespace, || kernel.stop_counting());
    }
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
    // An interface takes three, and there may be many. Where that is refused there is room for fewer.
    let most = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: most,
        maximum: most,
    };
    let _ = setrlimit(Resource::Nofile, limit);
    Ok(())
}

/// Attaches to an interface, if it is wanted.
fn attach(
    kernel: &mut Kernel,
    claims: &mut Claims,
    namespaces: &Namespaces<'_>,
    task: &Task<'_>,
    id: InterfaceId,
) -> Result<&'static str, Error> {
    let host = named_by(namespaces.host(id.namespace)?, id.namespace, task.netns);
    let mut interfaces = host.interfaces.values();
    let wanted = |interface: &&Interface| interface.id() == id && is_wanted(interface, task.named);
    let interface = interfaces.find(wanted).ok_or_else(|| {
        Error::usage(
            format!("the interface with index {} went away", id.index),
            "See `ip link` for the interfaces that there are.",
        )
    })?;
    namespaces.within(id.namespace, || {
        claims.claim(interface)?;
        kernel.attach(interface)?;
        Ok(kernel.attacher.hook_of(id))
    })?
}

/// The interfaces of a network namespace, by the names that they are shown by.
fn named_by(host: Host, namespace: usize, netns: &[String]) -> Host {
    let name = namespace.checked_sub(1).and_then(|at| netns.get(at));
    match name {
        Some(name) => host.of_namespace(namespace, name),
        None => host,
    }
}

/// Lets go of an interface.
fn detach(
    kernel: &mut Kernel,
    claims: &mut Claims,
    namespaces: &Namespaces<'_>,
    interface: InterfaceId,
) {
    claims.release(interface);
    // Nowhere else: another one has that index there. A namespace that cannot be entered is beyond reach.
    let _ = namespaces.within(interface.namespace, || kernel.detach(interface));
}
