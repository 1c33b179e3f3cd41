//! Questions to the kernel over rtnetlink: links, and filters on them. They are read-only and need no privilege.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, LinkXdp},
    tc::{TcAttribute, TcFilterBpfOption, TcHandle, TcMessage, TcOption},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::{
    libc,
    sys::socket::{AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket},
};

/// Of what news are: interfaces, and addresses of either family.
const GROUPS: i32 = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;

/// The parents of clsact's filters (TC_H_MIN_INGRESS and TC_H_MIN_EGRESS in `linux/pkt_sched.h`).
const PARENTS: [(&str, u16); 2] = [("ingress", 0xfff2), ("egress", 0xfff3)];

/// What rtnetlink tells of a link.
#[derive(Clone, Debug, Default)]
pub struct LinkFacts {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What its packets begin with: a number of `linux/if_arp.h`.
    pub kind_of_header: u16,
    /// It is up.
    pub up: bool,
    /// It is up, and there is somebody at the other end.
    pub running: bool,
    /// It is the loopback interface.
    pub loopback: bool,
    /// Its kind, such as `veth` or `bridge`; none for real hardware.
    pub kind: Option<String>,
    /// The largest packet, in bytes.
    pub mtu: Option<u32>,
    /// The index of the bridge or bond that it is a port of.
    pub master: Option<u32>,
    /// The ids of XDP programs on it.
    pub xdp: Vec<u32>,
    /// How many packets came in, and how many went out.
    pub packets: [u64; 2],
}

/// A filter with a BPF program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// `ingress` or `egress`.
    pub direction: &'static str,
    /// The name that it was given; empty where none was.
    pub name: String,
    /// Where it stands among the others: the lowest is the first.
    pub priority: u16,
}

/// A socket that says when interfaces or addresses of this thread's network namespace change, and does not block.
///
/// # Errors
///
/// When there is none to be had.
pub fn news() -> io::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        SockProtocol::NetlinkRoute,
    )?;
    let groups = NetlinkAddr::new(0, GROUPS.cast_unsigned());
    bind(socket.as_raw_fd(), &groups)?;
    Ok(socket)
}

/// All links.
///
/// # Errors
///
/// When netlink cannot be asked.
pub fn links() -> io::Result<Vec<LinkFacts>> {
    ask_links(LinkMessage::default(), NLM_F_DUMP)
}

/// The link with this index.
///
/// # Errors
///
/// When there is none, or netlink cannot be asked.
pub fn link(index: u32) -> io::Result<LinkFacts> {
    let mut question = LinkMessage::default();
    question.header.index = index;
    let mut found = ask_links(question, NLM_F_ACK)?;
    found
        .pop()
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}

fn ask_links(question: LinkMessage, flags: u16) -> io::Result<Vec<LinkFacts>> {
    let answers = ask(RouteNetlinkMessage::GetLink(question), flags)?;
    Ok(answers
        .into_iter()
        .filter_map(|answer| match answer {
            RouteNetlinkMessage::NewLink(link) => Some(facts(link)),
            _ => None,
        })
        .collect())
}

/// The BPF filters of the clsact qdisc of the link `index`, if it has one.
///
/// # Errors
///
/// When netlink cannot be asked.
pub fn filters(index: u32) -> io::Result<Vec<Filter>> {
    let mut found = Vec::new();
    for (direction, minor) in PARENTS {
        let mut question = TcMessage::with_index(index.cast_signed());
        question.header.parent = TcHandle {
            major: 0xffff,
            minor,
        };
        let answers = match ask(RouteNetlinkMessage::GetTrafficFilter(question), NLM_F_DUMP) {
            Ok(answers) => answers,
            // No clsact there.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => continue,
            Err(error) => return Err(error),
        };
        for answer in answers {
            if let RouteNetlinkMessage::NewTrafficFilter(filter) = answer {
                // With the protocol in the lower half.
                let priority = (filter.header.info >> 16) as u16;
                let name = filter_name(&filter);
                found.extend(name.map(|name| Filter {
                    direction,
                    name,
                    priority,
                }));
            }
        }
    }
    Ok(found)
}

fn facts(link: LinkMessage) -> LinkFacts {
    let mut facts = LinkFacts {
        index: link.header.index,
        kind_of_header: link.header.link_layer_type.into(),
        up: link.header.flags.contains(LinkFlags::Up),
        running: link
            .header
            .flags
            .contains(LinkFlags::Up | LinkFlags::Running),
        loopback: link.header.flags.contains(LinkFlags::Loopback),
        ..LinkFacts::default()
    };
    for attribute in link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => facts.name = name,
            LinkAttribute::Mtu(mtu) => facts.mtu = Some(mtu),
            LinkAttribute::Controller(master) => facts.master = Some(master),
            LinkAttribute::LinkInfo(infos) => {
                facts.kind = infos.into_iter().find_map(|info| match info {
                    LinkInfo::Kind(InfoKind::Other(kind)) => Some(kind),
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            LinkAttribute::Stats64(stats) => {
                facts.packets = [stats.rx_packets, stats.tx_packets];
            }
            LinkAttribute::Xdp(infos) => {
                facts.xdp = infos
                    .into_iter()
                    .filter_map(|info| match info {
                        LinkXdp::ProgId(id) if id > 0 => Some(id),
                        _ => None,
                    })
                    .collect();
            }
            _ => {}
        }
    }
    facts
}

/// The kernel announces a filter, and its priority without one before it: the name is in the former.
fn filter_name(filter: &TcMessage) -> Option<String> {
    filter.attributes.iter().find_map(|attribute| {
        let TcAttribute::Options(options) = attribute else {
            return None;
        };
        let names = options.iter().filter_map(|option| match option {
            TcOption::Bpf(TcFilterBpfOption::ProgName(name)) => Some(name.clone()),
            TcOption::Bpf(TcFilterBpfOption::ProgId(_)) => Some(String::new()),
            _ => None,
        });
        names.max_by_key(String::len)
    })
}

/// With NLM_F_DUMP or NLM_F_ACK: both tell when that was all.
fn ask(question: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut question =
        NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::from(question));
    question.header.flags = NLM_F_REQUEST | flags;
    question.header.sequence_number = 1;
    question.finalize();
    let mut bytes = vec![0; question.buffer_len()];
    question.serialize(&mut bytes);
    socket.send(&bytes, 0)?;

    let mut answers = Vec::new();
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(io::Error::other)?;
            match answer.payload {
                NetlinkPayload::Done(_) => return Ok(answers),
                NetlinkPayload::Error(error) if error.code.is_none() => return Ok(answers),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(message) => answers.push(message),
                _ => {}
            }
            // Messages begin at multiples of four bytes (NLMSG_ALIGN).
            let length = (answer.header.length as usize).next_multiple_of(4);
            rest = rest.get(length.max(16)..).unwrap_or_default();
        }
    }
}
