//! Attaching the programs to interfaces, and letting go.

use std::{collections::BTreeMap, io};

use aya::{
    Ebpf,
    programs::{
        LinkOrder, ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode,
        tc::{self, NlOptions, SchedClassifierLinkId, TcAttachOptions},
        xdp::XdpLinkId,
    },
};
use clap::ValueEnum;
use ftpwatch_common::packet::Link;
use nix::errno::Errno;

use super::{
    Interface, InterfaceId, Way, bypass,
    load::root_cause,
    pin::{
        Pins,
        links::{Links, Name},
    },
};
use crate::{error::Error, escape::printable};

/// How an interface is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Hook {
    /// tcx where the kernel has it, else clsact
    #[default]
    Auto,
    /// tc, through a link (Linux 6.6)
    Tcx,
    /// tc, through a filter of the clsact qdisc
    Clsact,
    /// XDP for what comes in, tc for what goes out. Native XDP costs a virtual interface most of its
    /// throughput: choose it for real network cards alone
    Xdp,
}

/// The programs on an interface.
struct Attached {
    hook: &'static str,
    program: &'static str,
    tc: Vec<SchedClassifierLinkId>,
    xdp: Option<XdpLinkId>,
    /// What outlives this process.
    pinned: Vec<Name>,
}

/// The programs in use on interfaces that are watched through these hooks, each with what its packets begin with.
pub fn programs<'a>(
    interfaces: impl Iterator<Item = (Link, &'a str)>,
) -> BTreeMap<&'static str, Link> {
    let mut programs = BTreeMap::new();
    for (link, hook) in interfaces {
        programs.insert(program_for(link), link);
        if hook == XDP_HOOK {
            programs.insert(XDP, Link::Ethernet);
        }
    }
    programs
}

/// The tc program for what begins so.
const fn program_for(link: Link) -> &'static str {
    match link {
        Link::Ethernet => ETHERNET,
        Link::Ip => IP,
    }
}

/// Knows what is attached where.
pub struct Attacher {
    hook: Hook,
    pins: Option<Pins>,
    attached: BTreeMap<InterfaceId, Attached>,
}

const ETHERNET: &str = "ftpwatch_ether";
const IP: &str = "ftpwatch_ip";
const XDP: &str = "ftpwatch_xdp";

/// The name of the hook that has this one too.
const XDP_HOOK: &str = "xdp";

impl Attacher {
    /// Nothing is attached yet, by this process. With `pins`, what will be outlives it.
    #[must_use]
    pub const fn new(hook: Hook, pins: Option<Pins>) -> Self {
        Self {
            hook,
            pins,
            attached: BTreeMap::new(),
        }
    }

    /// The interfaces that are watched.
    #[must_use]
    pub fn interfaces(&self) -> Vec<InterfaceId> {
        self.attached.keys().copied().collect()
    }

    /// The hook of an interface.
    #[must_use]
    pub fn hook_of(&self, interface: InterfaceId) -> &'static str {
        self.attached
            .get(&interface)
            .map_or("none", |attached| attached.hook)
    }

    /// Whether what is attached outlives this process.
    #[must_use]
    pub const fn is_pinned(&self) -> bool {
        self.pins.is_some()
    }

    /// The tc program on the interface with this index, and which ways it sees: XDP is where a packet comes in, before all
    /// else.
    pub(super) fn of(&self, interface: InterfaceId) -> Option<(&'static str, Vec<Way>)> {
        let attached = self.attached.get(&interface)?;
        let directions = directions(attached.hook == XDP_HOOK);
        let ways = directions.iter().map(|direction| Way::of(*direction));
        Some((attached.program, ways.collect()))
    }

    fn links(&self) -> Option<&Links> {
        self.pins.as_ref().map(|pins| &pins.links)
    }

    /// Lets go of what an earlier process attached elsewhere.
    pub fn release_others(&self) {
        if let Some(links) = self.links() {
            let indexes: Vec<u32> = self.attached.keys().map(|id| id.index).collect();
            links.retain_interfaces(&indexes);
        }
    }

    /// Attaches to `interface`, to both directions or to neither.
    pub(super) fn attach(&mut self, ebpf: &mut Ebpf, interface: &Interface) -> Result<(), Error> {
        let program = program_for(interface.link);
        let mut attached = Attached {
            hook: "none",
            program,
            tc: Vec::new(),
            xdp: None,
            pinned: Vec::new(),
        };
        let done = self.attach_all(ebpf, interface, &mut attached);
        if done.is_err() {
            release(ebpf, attached, self.links());
        } else {
            if let Some(links) = self.links() {
                // Another hook than before. For a moment packets are seen twice, which the engine takes for once.
                links.retain(interface.index, &attached.pinned);
            }
            self.attached.insert(interface.id(), attached);
        }
        done
    }

    fn attach_all(
        &self,
        ebpf: &mut Ebpf,
        interface: &Interface,
        attached: &mut Attached,
    ) -> Result<(), Error> {
        let links = self.links();
        let xdp = self.hook == Hook::Xdp && attach_xdp(ebpf, interface, attached, links)?;
        let mut hook = self.hook;
        for direction in directions(xdp) {
            hook = attach_tc(ebpf, interface, attached, hook, *direction, links)?;
        }
        attached.hook = match (xdp, hook) {
            (true, _) => XDP_HOOK,
            (false, Hook::Clsact) => "clsact",
            (false, _) => "tcx",
        };
        Ok(())
    }

    /// Lets go of an interface.
    pub(super) fn detach(&mut self, ebpf: &mut Ebpf, interface: InterfaceId) {
        if let Some(attached) = self.attached.remove(&interface) {
            release(ebpf, attached, self.links());
        }
    }
}

/// What tc has to see, beside XDP or alone.
const fn directions(xdp: bool) -> &'static [TcAttachType] {
    if xdp {
        &[TcAttachType::Egress]
    } else {
        &[TcAttachType::Egress, TcAttachType::Ingress]
    }
}

/// Attaches XDP. `false` where tc has to do both directions.
fn attach_xdp(
    ebpf: &mut Ebpf,
    interface: &Interface,
    attached: &mut Attached,
    links: Option<&Links>,
) -> Result<bool, Error> {
    let name = &printable(interface.name.as_bytes());
    if interface.link != Link::Ethernet {
        eprintln!(
            "ftpwatch: {name} has no Ethernet headers; watching it through tc instead of XDP"
        );
        return Ok(false);
    }
    let program: &mut Xdp = program(ebpf, XDP)?;
    if let Some(name) = links.and_then(|links| links.replace_xdp(program, interface.index)) {
        attached.pinned.push(name);
        return Ok(true);
    }
    match program.attach_to_if_index(interface.index, XdpMode::Default) {
        Ok(link) => {
            match links {
                Some(links) => {
                    let name = links.keep_xdp(program, link, interface.index)?;
                    attached.pinned.push(name);
                }
                None => attached.xdp = Some(link),
            }
            Ok(true)
        }
        // The kernel lets a bridge and its port not both have one (dev_xdp_attach in net/core/dev.c).
        Err(error) if os_error(&error) == Some(Errno::EEXIST) => {
            eprintln!(
                "ftpwatch: the bridge or bond above {name} has an XDP program; watching {name} through tc"
            );
            Ok(false)
        }
        Err(error) => Err(attach_error(name, "XDP", &error)),
    }
}

/// Attaches to one direction. Returns the way that worked.
fn attach_tc(
    ebpf: &mut Ebpf,
    interface: &Interface,
    attached: &mut Attached,
    hook: Hook,
    direction: TcAttachType,
    links: Option<&Links>,
) -> Result<Hook, Error> {
    let name = &printable(interface.name.as_bytes());
    let program: &mut SchedClassifier = program(ebpf, attached.program)?;
    let (device, index) = (interface.device(), interface.index);
    if hook != Hook::Clsact {
        if let Some(name) = links.and_then(|links| links.replace_tcx(program, index, direction)) {
            attached.pinned.push(name);
            return Ok(Hook::Tcx);
        }
        // At the head of the chain, so that no other program's verdict keeps packets away.
        let options = TcAttachOptions::TcxOrder(LinkOrder::first());
        match program.attach_with_options(device, direction, options) {
            Ok(link) => {
                match links {
                    Some(links) => {
                        let name = links.keep_tcx(program, link, index, direction)?;
                        attached.pinned.push(name);
                    }
                    None => attached.tc.push(link),
                }
                return Ok(Hook::Tcx);
            }
            // The kernel has no tcx; every other error is one.
            Err(error) if hook != Hook::Tcx && is_invalid(&error) => {}
            Err(error) => return Err(attach_error(name, "tcx", &error)),
        }
    }
    match tc::qdisc_add_clsact(device) {
        Ok(()) => {}
        Err(error) if os_error(&error) == Some(Errno::EEXIST) => {}
        Err(error) => return Err(attach_error(name, "clsact", &error.into())),
    }
    bypass::clear(name, direction);
    if let Some(name) =
        links.and_then(|links| links.replace_clsact(program, device, index, direction))
    {
        attached.pinned.push(name);
        return Ok(Hook::Clsact);
    }
    // Filters outlive a process that was killed. Not finding any is the usual case.
    let _ = tc::qdisc_detach_program(device, direction, attached.program);
    let options = TcAttachOptions::Netlink(NlOptions::default());
    let link = program
        .attach_with_options(device, direction, options)
        .map_err(|error| attach_error(name, "clsact", &error))?;
    match links {
        Some(links) => {
            let name = links.keep_clsact(program, link, index, direction)?;
            attached.pinned.push(name);
        }
        None => attached.tc.push(link),
    }
    Ok(Hook::Clsact)
}

fn release(ebpf: &mut Ebpf, attached: Attached, links: Option<&Links>) {
    for name in &attached.pinned {
        let _ = links.map(|links| links.remove(name, true));
    }
    // An interface that is gone took its programs along: then letting go fails, and is done already.
    if let Ok(program) = program::<SchedClassifier>(ebpf, attached.program) {
        for link in attached.tc {
            let _ = program.detach(link);
        }
    }
    if let Some(link) = attached.xdp
        && let Ok(program) = program::<Xdp>(ebpf, XDP)
    {
        let _ = program.detach(link);
    }
}

pub(super) fn program<'a, P>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut P, Error>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
{
    ebpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| {
            Error::host(
                format!("the kernel half has no program {name}"),
                "This is a fault of this build of ftpwatch: please report it.",
            )
        })
}

pub(super) fn os_error(error: &(dyn std::error::Error + 'static)) -> Option<Errno> {
    root_cause(error)?.raw_os_error().map(Errno::from_raw)
}

fn is_invalid(error: &ProgramError) -> bool {
    os_error(error) == Some(Errno::EINVAL)
}

fn attach_error(interface: &str, hook: &str, error: &ProgramError) -> Error {
    let cause = root_cause(error);
    let why = cause.map_or_else(|| error.to_string(), io::Error::to_string);
    match os_error(error) {
        Some(Errno::ENODEV) => Error::usage(
            format!("the interface {interface} went away"),
            "See `ip link` for the interfaces that there are.",
        ),
        Some(Errno::EPERM | Errno::EACCES) => Error::host(
            format!("not permitted to watch {interface}"),
            "Run it as root, or with CAP_BPF and CAP_NET_ADMIN.",
        ),
        Some(Errno::EBUSY) => Error::host(
            format!("{interface} has another XDP program: {why}"),
            "Use --hook tcx, or take that program off: `ip link set dev NAME xdp off`.",
        ),
        Some(Errno::ENOENT) if hook == "clsact" => Error::host(
            format!(
                "{interface} cannot be watched: this kernel has no clsact qdisc, or no BPF filters for it"
            ),
            "Load them: `modprobe sch_ingress cls_bpf`.",
        ),
        Some(Errno::EINVAL) if hook == "tcx" => Error::host(
            format!("this kernel has no tcx for {interface}"),
            "Use --hook auto or --hook clsact; tcx needs Linux 6.6 or newer.",
        ),
        _ => Error::host(
            format!("{interface} cannot be watched through {hook}: {why}"),
            "Try another --hook; see `ip link` for the interface's kind.",
        ),
    }
}
