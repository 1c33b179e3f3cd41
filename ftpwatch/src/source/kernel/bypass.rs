//! Whether packets reach the hook: for a moment a program that only counts stands beside ours, and what it counts is held
//! against what the interface counts. Whatever keeps packets from it keeps them from ours.
//!
//! Between these moments nothing of it is there.

use aya::{
    Ebpf,
    maps::PerCpuArray,
    programs::{
        LinkOrder, SchedClassifier, TcAttachType,
        tc::{self, NlOptions, SchedClassifierLinkId, TcAttachOptions},
    },
};
use nix::{errno::Errno, net::if_::if_indextoname};
use serde::{Deserialize, Serialize};

use super::{
    InterfaceId, Kernel,
    attach::{os_error, program},
    netlink,
};

/// Kinds of interfaces that count no packet that does not go through tc. Others do: a VRF and an IFB what is received
/// elsewhere, a bond what its ports receive for themselves, a bridge what is for none of its own VLANs. Hardware has no kind.
const JUDGED: [&str; 4] = ["veth", "vlan", "macvlan", "tun"];

/// A way through an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Way {
    /// What comes in.
    In,
    /// What goes out.
    Out,
}

impl Way {
    /// Both.
    pub const ALL: [Self; 2] = [Self::In, Self::Out];

    pub(super) const fn of(direction: TcAttachType) -> Self {
        match direction {
            TcAttachType::Ingress => Self::In,
            _ => Self::Out,
        }
    }

    const fn direction(self) -> TcAttachType {
        match self {
            Self::In => TcAttachType::Ingress,
            Self::Out => TcAttachType::Egress,
        }
    }

    /// As `netlink` has it.
    const fn word(self) -> &'static str {
        match self {
            Self::In => "ingress",
            Self::Out => "egress",
        }
    }

    /// The program that counts.
    const fn counter(self) -> &'static str {
        match self {
            Self::In => "ftpwatch_in",
            Self::Out => "ftpwatch_out",
        }
    }
}

/// What was seen of one way since counting began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// Packets.
    Packets {
        /// So many, as the interface has it.
        moved: u64,
        /// So many came by beside ours.
        reached: u64,
    },
    /// Ours is not there: somebody took it off.
    Gone,
}

/// Counting on an interface.
pub(super) struct Counting {
    interface: InterfaceId,
    /// What was counted before it began.
    moved: [u64; 2],
    reached: [u64; 2],
    /// The ways that can be judged.
    ways: Vec<(Way, Beside)>,
}

/// What is in the place of ours.
enum Beside {
    /// What counts.
    Counter(SchedClassifierLinkId),
    /// Not even ours.
    Nothing,
}

impl Kernel {
    /// Begins to count on an interface of this thread's network namespace, unless that was begun, and tells what was seen
    /// since. A way of which nothing can be said is left out.
    ///
    /// It is done on one interface at a time.
    pub fn count(&mut self, interface: InterfaceId) -> Vec<(Way, Seen)> {
        if self.counting_on() != Some(interface) {
            self.stop_counting();
            self.counting = self.begin_counting(interface);
        }
        self.seen().unwrap_or_default()
    }

    /// The interface that is counted on.
    #[must_use]
    pub fn counting_on(&self) -> Option<InterfaceId> {
        self.counting.as_ref().map(|counting| counting.interface)
    }

    /// Takes off what counts. It is in this thread's network namespace.
    pub fn stop_counting(&mut self) {
        let ways = self.counting.take().map(|counting| counting.ways);
        for (way, beside) in ways.into_iter().flatten() {
            if let Beside::Counter(link) = beside
                && let Some(counter) = counter(&mut self.ebpf, way)
            {
                // An interface that is gone took it along.
                let _ = counter.detach(link);
            }
        }
    }

    fn begin_counting(&mut self, interface: InterfaceId) -> Option<Counting> {
        let index = interface.index;
        let facts = netlink::link(index).ok()?;
        let judged = |kind: &String| JUDGED.contains(&kind.as_str());
        if !facts.kind.as_ref().is_none_or(judged) {
            return None;
        }
        let (ours, places) = self.attacher.of(interface)?;
        let attach = |way| Some((way, attach(&mut self.ebpf, index, way, ours)?));
        let ways = places.into_iter().filter_map(attach).collect();
        Some(Counting {
            interface,
            reached: reached(&self.ebpf),
            // Read when all is attached, so that what it counts from here on would be seen.
            moved: netlink::link(index).ok()?.packets,
            ways,
        })
    }

    fn seen(&self) -> Option<Vec<(Way, Seen)>> {
        let counting = self.counting.as_ref()?;
        // In this order, so that what the interface has counted was seen.
        let moved = netlink::link(counting.interface.index).ok()?.packets;
        let reached = reached(&self.ebpf);
        let seen = counting.ways.iter().filter_map(|(way, beside)| {
            let at = *way as usize;
            let seen = match beside {
                Beside::Counter(_) => Seen::Packets {
                    // Counters that were reset say nothing.
                    moved: moved[at].checked_sub(counting.moved[at])?,
                    reached: reached[at].wrapping_sub(counting.reached[at]),
                },
                Beside::Nothing => Seen::Gone,
            };
            Some((*way, seen))
        });
        Some(seen.collect())
    }
}

/// Attaches what counts to the place of the program `ours`. Nothing comes of it where the interface went away meanwhile.
fn attach(ebpf: &mut Ebpf, index: u32, way: Way, ours: &'static str) -> Option<Beside> {
    let name = if_indextoname(index).ok()?;
    let name = name.to_str().ok()?;
    let beside: &mut SchedClassifier = program(ebpf, ours).ok()?;
    let options = TcAttachOptions::TcxOrder(LinkOrder::after_program(beside).ok()?);
    let counter = counter(ebpf, way)?;
    match counter.attach_with_options(name, way.direction(), options) {
        Ok(link) => return Some(Beside::Counter(link)),
        // Ours is not there, or the kernel has no tcx.
        Err(error) if matches!(os_error(&error), Some(Errno::ENOENT | Errno::EINVAL)) => {}
        Err(_) => return None,
    }
    let filters = netlink::filters(index).ok()?;
    let is_ours = |filter: &&netlink::Filter| filter.direction == way.word() && filter.name == ours;
    let Some(filter) = filters.iter().find(is_ours) else {
        return Some(Beside::Nothing);
    };
    // Of the same priority, the last to come is the first in turn: nobody is between it and ours.
    let options = TcAttachOptions::Netlink(NlOptions {
        priority: filter.priority,
        ..NlOptions::default()
    });
    let link = counter.attach_with_options(name, way.direction(), options);
    link.ok().map(Beside::Counter)
}

/// Takes off what a process left that was killed while it counted: only filters of clsact can be left.
pub(super) fn clear(interface: &str, direction: TcAttachType) {
    // Not finding any is the usual case.
    let _ = tc::qdisc_detach_program(interface, direction, Way::of(direction).counter());
}

fn counter(ebpf: &mut Ebpf, way: Way) -> Option<&mut SchedClassifier> {
    program(ebpf, way.counter()).ok()
}

/// How many packets were counted, each way.
fn reached(ebpf: &Ebpf) -> [u64; 2] {
    let passed = ebpf
        .map("PASSED")
        .and_then(|map| PerCpuArray::<_, u64>::try_from(map).ok());
    Way::ALL.map(|way| {
        let values = passed
            .as_ref()
            .and_then(|map| map.get(&(way as u32), 0).ok());
        values.map_or(0, |values| values.iter().sum())
    })
}
