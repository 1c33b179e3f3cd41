//! Which interfaces there are, here and in the network namespaces of `--netns`: followed as they come and go.

use std::{
    collections::BTreeSet,
    future::poll_fn,
    task::Poll,
    time::{Duration, Instant},
};

use super::{Watch, surroundings::Surroundings};
use crate::{
    attacher::{Attacher, Presence, is_wanted},
    cli::Run,
    clock::monotonic_now,
    error::Error,
    escape::printable,
    source::kernel::{Host, Interface, InterfaceId, host, netlink},
};

/// How often the names of namespaces are looked for at most: each time that the loop ticks.
const OFTEN: Duration = Duration::from_millis(500);

/// What is known of them.
pub struct Interfaces {
    /// By number: the first is this process's own namespace.
    namespaces: Vec<Namespace>,
    /// Interfaces that were up when they were last looked at.
    running: BTreeSet<InterfaceId>,
    /// When names were last looked for.
    asked: Instant,
}

/// A network namespace.
struct Namespace {
    /// None of one that is not there, or is followed under another name.
    surroundings: Option<Surroundings>,
    host: Host,
    /// There was no other one in its place, the last time.
    there: bool,
    /// It was said that it cannot be looked at.
    complained: bool,
}

impl Namespace {
    fn own(host: Host) -> Self {
        Self {
            // What changed since the first look is seen in the second, which is at once.
            surroundings: Some(Surroundings::listen(netlink::news().ok())),
            host,
            there: true,
            complained: false,
        }
    }

    /// What the attacher has `seen`.
    fn seen(seen: Presence, number: usize, attacher: &mut Attacher) -> Self {
        Self {
            surroundings: (seen == Presence::New)
                .then(|| Surroundings::listen(attacher.news(number))),
            host: Host::default(),
            there: seen != Presence::Gone,
            complained: false,
        }
    }
}

impl Interfaces {
    /// Begins to follow them.
    ///
    /// # Errors
    ///
    /// When a namespace is not there, or may not be entered.
    pub fn follow(own: Host, options: &Run, attacher: &mut Attacher) -> Result<Self, Error> {
        let mut namespaces = vec![Namespace::own(own)];
        for number in 1..=options.netns.len() {
            let mut namespace = Namespace::seen(attacher.look(number)?, number, attacher);
            if namespace.surroundings.is_some() {
                namespace.host = attacher.interfaces(number)?;
            }
            namespaces.push(namespace);
        }
        Ok(Self {
            namespaces,
            running: BTreeSet::new(),
            asked: Instant::now(),
        })
    }

    /// All interfaces and addresses.
    pub fn host(&self) -> Host {
        let mut all = Host::default();
        for Namespace { host, .. } in &self.namespaces {
            all.interfaces.extend(host.interfaces.clone());
            all.addresses.extend(&host.addresses);
        }
        all
    }

    /// How many namespaces are not there.
    pub fn absent(&self) -> usize {
        self.namespaces.iter().filter(|one| !one.there).count()
    }

    /// Waits until something has changed.
    pub async fn changed(&mut self) {
        poll_fn(|context| {
            let all = self.namespaces.iter_mut();
            let mut all = all.filter_map(|one| one.surroundings.as_mut());
            if all.any(|one| one.poll_changed(context).is_ready()) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Looks wherever it is time to. Whether there was anything to look at.
    fn look(&mut self, attacher: &mut Attacher) -> bool {
        let mut looked = self.look_for_names(attacher);
        for (number, one) in self.namespaces.iter_mut().enumerate() {
            let Some(surroundings) = &mut one.surroundings else {
                continue;
            };
            if !surroundings.is_time() {
                continue;
            }
            let found = match number {
                0 => host(),
                number => attacher.interfaces(number),
            };
            match found {
                Ok(host) => {
                    one.host = host;
                    one.complained = false;
                    looked = true;
                }
                Err(error) => {
                    surroundings.look_again();
                    // An attacher that has ended is told of by its signal.
                    if !one.complained && !attacher.has_ended() {
                        one.complained = true;
                        eprintln!("{error}");
                    }
                }
            }
        }
        looked
    }

    /// Looks whether namespaces have come and gone. Until it is noticed that one has lost its name, it is there as before.
    fn look_for_names(&mut self, attacher: &mut Attacher) -> bool {
        if self.asked.elapsed() < OFTEN {
            return false;
        }
        self.asked = Instant::now();
        let mut changed = false;
        for (number, one) in self.namespaces.iter_mut().enumerate().skip(1) {
            match attacher.look(number) {
                Ok(seen @ (Presence::New | Presence::Gone)) => {
                    *one = Namespace::seen(seen, number, attacher);
                    changed = true;
                }
                Ok(Presence::Twin) => one.there = true,
                // What is not there had gone before. An attacher that has ended is told of by its signal.
                Ok(Presence::AsBefore) | Err(_) => {}
            }
        }
        changed
    }

    /// Not all could be done about what was seen there.
    pub(super) fn look_again(&mut self, namespace: usize) {
        let one = self.namespaces.get_mut(namespace);
        if let Some(surroundings) = one.and_then(|one| one.surroundings.as_mut()) {
            surroundings.look_again();
        }
    }
}

impl Watch<'_> {
    pub(super) fn follow_interfaces(&mut self) {
        if !self.interfaces.look(&mut self.attacher) {
            return;
        }
        let host = self.interfaces.host();
        let mut changed = false;
        for (id, name) in self.attacher.attached() {
            if !host.interfaces.values().any(|one| one.id() == id) {
                // An attacher that has ended is told of by its signal.
                let _ = self.attacher.detach(id);
                self.interfaces.running.remove(&id);
                self.losses.note_interface_gone(&name);
                self.tracker.miss(monotonic_now(), self.kernel.truth());
                changed = true;
            }
        }
        for interface in host.interfaces.values() {
            self.follow_state(interface);
            let new = !self.attacher.is_attached(interface.id());
            if new && is_wanted(interface, &self.options.interfaces) {
                match self.attacher.attach(interface) {
                    Ok(()) => changed = true,
                    // It may be on its way out again. The next look tells.
                    Err(error) => {
                        self.losses.note_unattached(&interface.name, &error);
                        self.interfaces.look_again(interface.namespace);
                    }
                }
            }
        }
        if changed {
            self.reporter.interfaces = self.attacher.names();
            self.reporter.hook = self.attacher.hook_name().to_owned();
        }
        self.tracker.history_mut().set_local(&host.addresses);
        // An endpoint is judged by the addresses that this host had when it was advertised.
        if self.tracker.books().pending() == 0 {
            self.reporter.local = host.addresses;
        } else if self.reporter.local != host.addresses {
            self.reporter.local.extend(host.addresses);
            self.interfaces.look_again(0);
        }
    }

    /// While an interface is down nothing can be seen there: not that a client did not come.
    fn follow_state(&mut self, interface: &Interface) {
        let id = interface.id();
        if interface.running {
            self.interfaces.running.insert(id);
        } else if self.interfaces.running.remove(&id) && self.attacher.is_attached(id) {
            self.losses.note_interface_down(&interface.name);
            self.tracker.miss(monotonic_now(), self.kernel.truth());
        }
    }
}

/// What can be said before anything is loaded.
pub fn ensure_possible(options: &Run, own: &Host) -> Result<(), Error> {
    if options.netns.is_empty() {
        return ensure_present(own, &options.interfaces);
    }
    if options.pin {
        return Err(Error::usage(
            "--netns and --pin do not go together: what is pinned is found again in ftpwatch's own network namespace alone",
            "Leave one of them out; or run an ftpwatch with --pin, and a --pin-path of its own, in that namespace.",
        ));
    }
    Ok(())
}

fn ensure_present(host: &Host, named: &[String]) -> Result<(), Error> {
    let present = &host.interfaces;
    let is_missing = |name: &&String| {
        let name = std::slice::from_ref(*name);
        !present.values().any(|interface| interface.is_among(name))
    };
    let Some(missing) = named.iter().find(is_missing) else {
        return Ok(());
    };
    let names = present.keys().map(|name| printable(name.as_bytes()));
    Err(Error::usage(
        format!("there is no interface {}", printable(missing.as_bytes())),
        format!("There are: {}.", names.collect::<Vec<_>>().join(", ")),
    ))
}

/// The interfaces that are to be watched.
pub fn wanted<'a>(host: &'a Host, options: &Run) -> Vec<&'a Interface> {
    let wanted = |interface: &&Interface| is_wanted(interface, &options.interfaces);
    host.interfaces.values().filter(wanted).collect()
}

/// The interfaces to begin with.
pub fn choose<'a>(host: &'a Host, options: &Run) -> Result<Vec<&'a Interface>, Error> {
    ensure_present(host, &options.interfaces)?;
    let chosen = wanted(host, options);
    if chosen.is_empty() {
        eprintln!("ftpwatch: no interface is up yet; waiting for one (loopback: -i lo)");
    }
    Ok(chosen)
}
