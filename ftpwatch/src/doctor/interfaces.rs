//! The interfaces that are up: what they are, whether `run` watches them, and whose programs are on them.

use std::{collections::BTreeMap, io};

use aya::programs::{ProgramInfo, SchedClassifier, TcAttachType, loaded_programs};
use ftpwatch_common::packet::Link;

use super::check::{Check, Group, Status};
use crate::{
    escape::printable,
    source::kernel::{
        Interface, host,
        netlink::{self, LinkFacts},
    },
};

const GROUP: Group = Group::Interfaces;
const NAME: &str = "interface";

/// A line for each.
pub fn checks() -> Vec<Check> {
    let host = match host() {
        Ok(host) => host,
        Err(error) => {
            let check = Check::failed(GROUP, NAME, error.what().to_owned());
            return vec![check.advise(error.advice())];
        }
    };
    let links = match netlink::links() {
        Ok(links) => links,
        Err(error) => {
            let check = Check::unknown(GROUP, NAME, format!("links cannot be asked for: {error}"));
            return vec![
                check.advise("Is this a restricted container? It takes a netlink socket."),
            ];
        }
    };
    let name_of = |index: u32| {
        let mut all = host.interfaces.values();
        all.find(|interface| interface.index == index)
            .map_or_else(|| index.to_string(), |interface| shown(&interface.name))
    };
    let up = host.interfaces.values().filter(|interface| interface.up);
    let mut checks: Vec<Check> = up
        .clone()
        .map(|interface| {
            let of = |link: &&LinkFacts| link.index == interface.index;
            let facts = links.iter().find(of).cloned().unwrap_or_default();
            let ports = links
                .iter()
                .filter(|link| link.master == Some(interface.index))
                .map(|link| name_of(link.index));
            let place = Place {
                ports: ports.collect(),
                master: facts.master.map(name_of),
            };
            check(interface, &facts, &place)
        })
        .collect();
    if up.clone().all(|interface| interface.loopback) {
        let check = Check::warning(
            GROUP,
            NAME,
            "none is up but loopback: `run` has nothing to watch",
        );
        checks.push(
            check.advise("Bring one up, or name what is to be watched: `ftpwatch run -i lo`."),
        );
    }
    checks
}

/// An interface among the others.
struct Place {
    ports: Vec<String>,
    master: Option<String>,
}

fn check(interface: &Interface, facts: &LinkFacts, place: &Place) -> Check {
    let name = shown(&interface.name);
    let mut said = vec![kind(interface, facts)];
    if let Some(mtu) = facts.mtu {
        said.push(format!("MTU {mtu}"));
    }
    said.push(if interface.loopback {
        format!("watched only by `-i {name}`")
    } else {
        "watched by `run`".to_owned()
    });
    if let Some(master) = &place.master {
        said.push(format!(
            "port of {master}; what is seen on both counts once"
        ));
    }
    if !place.ports.is_empty() {
        said.push(format!("ports: {}", place.ports.join(", ")));
    }
    if facts.kind.as_deref() == Some("veth") {
        said.push("leave `--hook xdp`: it costs a veth most of its throughput".to_owned());
    }
    let (on_it, unseen) = programs(interface);
    if !on_it.is_empty() {
        said.push(format!("programs on it: {}", on_it.join(", ")));
    }
    let xdp = xdp(facts);
    if !xdp.is_empty() {
        said.push(format!("XDP: {}", xdp.join(", ")));
    }
    if unseen {
        said.push(
            "programs on it cannot be seen without CAP_NET_ADMIN and CAP_SYS_ADMIN".to_owned(),
        );
    }
    let found = format!("{name}: {}", said.join("; "));
    let foreign = xdp.iter().any(|program| !program.starts_with("ftpwatch_"));
    if foreign {
        return Check::warning(GROUP, NAME, found).advise(
            "What that XDP program drops or redirects is not seen here: a missing SYN may be its doing.",
        );
    }
    let mut check = Check::ok(GROUP, NAME, found);
    if unseen {
        check.status = Status::Unknown;
        check = check.advise("Run it as root.");
    }
    check
}

fn kind(interface: &Interface, facts: &LinkFacts) -> String {
    let headers = match interface.link {
        _ if interface.loopback => "loopback",
        Link::Ethernet => "Ethernet",
        Link::Ip => "IP without Ethernet headers",
    };
    match &facts.kind {
        Some(kind) => format!("{headers} ({})", shown(kind)),
        None => headers.to_owned(),
    }
}

/// Programs of tc on an interface, tcx and clsact, and whether some could not be seen.
fn programs(interface: &Interface) -> (Vec<String>, bool) {
    let mut found = Vec::new();
    let mut unseen = false;
    for (kind, direction) in [
        (TcAttachType::Ingress, "ingress"),
        (TcAttachType::Egress, "egress"),
    ] {
        match SchedClassifier::query_tcx(&interface.name, kind) {
            Ok((_, programs)) => found.extend(
                programs
                    .iter()
                    .map(|program| format!("tcx {direction} {}", named(program))),
            ),
            Err(error) => {
                let cause = crate::source::kernel::root_cause(&error);
                // EINVAL: a kernel without tcx has none there.
                unseen |= cause.is_none_or(|cause| cause.kind() != io::ErrorKind::InvalidInput);
            }
        }
    }
    match netlink::filters(interface.index) {
        Ok(filters) => found.extend(filters.iter().map(|filter| {
            let name = if filter.name.is_empty() {
                "?"
            } else {
                &filter.name
            };
            format!("clsact {} {}", filter.direction, shown(name))
        })),
        Err(_) => unseen = true,
    }
    (found, unseen)
}

/// The XDP programs on an interface, by name where that may be seen.
fn xdp(facts: &LinkFacts) -> Vec<String> {
    if facts.xdp.is_empty() {
        return Vec::new();
    }
    let names: BTreeMap<u32, String> = loaded_programs()
        .map_while(Result::ok)
        .map(|program| (program.id(), named(&program)))
        .collect();
    let ids = facts.xdp.iter();
    ids.map(|id| names.get(id).cloned().unwrap_or_else(|| format!("id {id}")))
        .collect()
}

fn named(program: &ProgramInfo) -> String {
    format!("{} (id {})", printable(program.name()), program.id())
}

fn shown(name: &str) -> String {
    printable(name.as_bytes())
}
