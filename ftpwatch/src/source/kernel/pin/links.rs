//! What is attached, and outlives the process.
//!
//! A tcx or an XDP link is pinned: `3-tcx-ingress`, `3-xdp`, by the interface's index. A clsact filter outlives its process by
//! itself; an empty directory tells of it: `3-clsact-ingress-49152-1`, with priority and handle.

use std::{
    ffi::CString,
    fs, io,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Path, PathBuf},
};

use aya::programs::{
    ProgramError, SchedClassifier, TcAttachType, Xdp,
    links::{FdLink, PinnedLink},
    tc::{self, SchedClassifierLink, SchedClassifierLinkId, TcHandle},
    xdp::{XdpLink, XdpLinkId},
};
use aya_obj::generated::bpf_cmd;
use bytemuck::Pod;
use nix::{errno::Errno, libc, net::if_::if_indextoname};

use super::unpinnable;
use crate::error::Error;

/// The programs that filters are of: two that stay, and two that only count for a moment.
const PROGRAMS: [&str; 4] = [
    "ftpwatch_ether",
    "ftpwatch_ip",
    "ftpwatch_in",
    "ftpwatch_out",
];

/// What is attached.
#[derive(Clone, Debug)]
pub struct Links(PathBuf);

/// One thing that is attached, by its name in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    fn new(index: u32, hook: &str) -> Self {
        Self(format!("{index}-{hook}"))
    }

    /// The interface's index.
    #[must_use]
    pub fn index(&self) -> Option<u32> {
        self.0.split('-').next()?.parse().ok()
    }

    /// `tcx`, `clsact` or `xdp`.
    #[must_use]
    pub fn hook(&self) -> &str {
        self.0.split('-').nth(1).unwrap_or_default()
    }

    /// The interface's name, or else its index.
    #[must_use]
    pub fn interface(&self) -> String {
        let index = self.index().unwrap_or_default();
        let name = if_indextoname(index).map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_else(|_| index.to_string())
    }

    /// Where a filter is: direction, priority, handle.
    fn filter(&self) -> Option<(TcAttachType, u16, u32)> {
        let mut parts = self.0.split('-').skip(1);
        if parts.next()? != "clsact" {
            return None;
        }
        let direction = match parts.next()? {
            "ingress" => TcAttachType::Ingress,
            _ => TcAttachType::Egress,
        };
        Some((
            direction,
            parts.next()?.parse().ok()?,
            parts.next()?.parse().ok()?,
        ))
    }
}

const fn word(direction: TcAttachType) -> &'static str {
    match direction {
        TcAttachType::Ingress => "ingress",
        _ => "egress",
    }
}

impl Links {
    /// Where they are, of the maps at `place`.
    pub(super) fn directory(place: &Path) -> PathBuf {
        place.join("links")
    }

    /// Those of the maps at `place`.
    #[must_use]
    pub fn at(place: &Path) -> Self {
        Self(Self::directory(place))
    }

    /// All of them.
    #[must_use]
    pub fn names(&self) -> Vec<Name> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let mut names: Vec<Name> = entries
            .map(|entry| Name(entry.file_name().to_string_lossy().into_owned()))
            .collect();
        names.sort_by_key(|name| (name.index(), name.0.clone()));
        names
    }

    pub(super) fn is_any(&self) -> bool {
        !self.names().is_empty()
    }

    /// `eth0 (tcx)` each, once an interface and hook.
    pub(super) fn describe(&self) -> Vec<String> {
        let names = self.names();
        let mut told: Vec<String> = names
            .iter()
            .map(|name| format!("{} ({})", name.interface(), name.hook()))
            .collect();
        told.dedup();
        told
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.0.join(&name.0)
    }

    /// Puts `program` into the place of the one that is attached through tcx, if there is one: no packet passes unseen,
    /// and none is seen twice.
    pub(in super::super) fn replace_tcx(
        &self,
        program: &mut SchedClassifier,
        index: u32,
        direction: TcAttachType,
    ) -> Option<Name> {
        let name = Name::new(index, &format!("tcx-{}", word(direction)));
        let old = PinnedLink::from_pin(self.path(&name)).ok()?;
        let replaced = SchedClassifierLink::try_from(FdLink::from(old))
            .ok()
            .and_then(|link| program.attach_to_link(link).ok())
            .and_then(|link| program.take_link(link).ok());
        self.replaced(name, replaced.is_some())
    }

    /// Pins what was just attached through tcx.
    pub(in super::super) fn keep_tcx(
        &self,
        program: &mut SchedClassifier,
        link: SchedClassifierLinkId,
        index: u32,
        direction: TcAttachType,
    ) -> Result<Name, Error> {
        let name = Name::new(index, &format!("tcx-{}", word(direction)));
        self.keep(name, "the tcx link", program.take_link(link))
    }

    /// As [`Self::replace_tcx`], for XDP.
    pub(in super::super) fn replace_xdp(&self, program: &mut Xdp, index: u32) -> Option<Name> {
        let name = Name::new(index, "xdp");
        let old = PinnedLink::from_pin(self.path(&name)).ok()?;
        let replaced = XdpLink::try_from(FdLink::from(old))
            .ok()
            .and_then(|link| program.attach_to_link(link).ok())
            .and_then(|link| program.take_link(link).ok());
        self.replaced(name, replaced.is_some())
    }

    /// As [`Self::keep_tcx`], for XDP.
    pub(in super::super) fn keep_xdp(
        &self,
        program: &mut Xdp,
        link: XdpLinkId,
        index: u32,
    ) -> Result<Name, Error> {
        let name = Name::new(index, "xdp");
        self.keep(name, "the XDP link", program.take_link(link))
    }

    /// What was pinned under `name` has another program now; or else its interface went away, and took the program along.
    fn replaced(&self, name: Name, replaced: bool) -> Option<Name> {
        if !replaced {
            let _ = self.remove(&name, true);
        }
        replaced.then_some(name)
    }

    /// Pins `link` under `name`.
    fn keep<L>(&self, name: Name, what: &str, link: Result<L, ProgramError>) -> Result<Name, Error>
    where
        FdLink: TryFrom<L, Error: std::error::Error + 'static>,
    {
        let link = link.map_err(|error| unpinnable(what, &error))?;
        let link = FdLink::try_from(link).map_err(|error| unpinnable(what, &error))?;
        link.pin(self.path(&name))
            .map_err(|error| unpinnable(what, &error))?;
        Ok(name)
    }

    /// As [`Self::replace_tcx`], for a clsact filter: the kernel puts one program into the place of another.
    pub(in super::super) fn replace_clsact(
        &self,
        program: &mut SchedClassifier,
        interface: &str,
        index: u32,
        direction: TcAttachType,
    ) -> Option<Name> {
        let names = self.names().into_iter();
        let mut filters = names.filter_map(|name| {
            let (towards, priority, handle) = name.filter()?;
            (name.index() == Some(index) && towards == direction)
                .then_some((name, priority, handle))
        });
        let (name, priority, handle) = filters.next()?;
        let handle = TcHandle::from(handle);
        let replaced = SchedClassifierLink::attached(interface, direction, priority, handle, None)
            .ok()
            .and_then(|link| program.attach_to_link(link).ok())
            .and_then(|link| program.take_link(link).ok());
        match replaced {
            Some(link) => {
                // Dropped, it would take the filter off.
                std::mem::forget(link);
                Some(name)
            }
            None => {
                let _ = fs::remove_dir(self.path(&name));
                None
            }
        }
    }

    /// Writes down where the filter is that was just attached, and lets it be.
    pub(in super::super) fn keep_clsact(
        &self,
        program: &mut SchedClassifier,
        link: SchedClassifierLinkId,
        index: u32,
        direction: TcAttachType,
    ) -> Result<Name, Error> {
        let failed = |error: &ProgramError| unpinnable("the clsact filter", error);
        let link = program.take_link(link).map_err(|error| failed(&error))?;
        let priority = link.priority().map_err(|error| failed(&error))?;
        let handle = u32::from(link.handle().map_err(|error| failed(&error))?);
        let hook = format!("clsact-{}-{priority}-{handle}", word(direction));
        let name = Name::new(index, &hook);
        fs::create_dir(self.path(&name))
            .map_err(|error| unpinnable("the clsact filter", &error))?;
        // Dropped, it would take the filter off.
        std::mem::forget(link);
        Ok(name)
    }

    /// Takes off what is attached to the interface `index` otherwise than by `wanted`.
    pub(in super::super) fn retain(&self, index: u32, wanted: &[Name]) {
        for name in self.names() {
            if name.index() == Some(index) && !wanted.contains(&name) {
                let _ = self.remove(&name, true);
            }
        }
    }

    /// Takes off what is attached to other interfaces than these.
    pub(in super::super) fn retain_interfaces(&self, wanted: &[u32]) {
        for name in self.names() {
            if name.index().is_none_or(|index| !wanted.contains(&index)) {
                let _ = self.remove(&name, true);
            }
        }
    }

    /// Takes everything off. Filters of another network namespace are out of reach.
    pub(super) fn remove_all(&self, reachable: bool) -> io::Result<()> {
        self.names()
            .iter()
            .try_for_each(|name| self.remove(name, reachable))
    }

    /// Takes one thing off.
    pub(in super::super) fn remove(&self, name: &Name, reachable: bool) -> io::Result<()> {
        let Some((direction, ..)) = name.filter() else {
            // A link that is only unlinked is let go of at some later time; the next one may be in want of its place.
            // One whose interface is gone is let go of already.
            let _ = detach(&self.path(name));
            return fs::remove_file(self.path(name));
        };
        if reachable
            && let Some(interface) = name.index().and_then(|index| if_indextoname(index).ok())
        {
            // An interface that is gone took its filters along.
            for program in PROGRAMS {
                let interface = interface.to_string_lossy();
                let _ = tc::qdisc_detach_program(&interface, direction, program);
            }
        }
        fs::remove_dir(self.path(name))
    }
}

/// Takes the link that is pinned at `path` off, at once.
#[expect(unsafe_code, reason = "a descriptor from bpf(2)")]
fn detach(path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let get = [path.as_ptr() as u64, 0];
    let link = bpf(bpf_cmd::BPF_OBJ_GET, &get)?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    let link = unsafe { OwnedFd::from_raw_fd(link) };
    bpf(bpf_cmd::BPF_LINK_DETACH, &[link.as_raw_fd() as u32]).map(drop)
}

/// The system call, which aya has no function for that would detach.
#[expect(unsafe_code, reason = "bpf(2), for what no library does")]
fn bpf<T: Pod>(command: bpf_cmd, attributes: &[T]) -> io::Result<i32> {
    let size = size_of_val(attributes);
    // SAFETY: the attributes are as long as it is said, and what they point to outlives the call.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command as u32, attributes.as_ptr(), size) };
    let done = Errno::result(done)?;
    i32::try_from(done).map_err(io::Error::other)
}
