//! What can be wrong, and how it is made. A new fault is a name in [`Fault`] and what makes it here; tests/wire.rs shows
//! on the wire that it is what it says.

use super::server::{CONTROL_PORT, PASSIVE_PORTS, Setup};
use super::topology::{Family, Layout, Topology};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A public address that leads nowhere.
pub const NOWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 99);

/// A private address that leads nowhere: PRODFTP's.
pub const PRIVATE: Ipv4Addr = Ipv4Addr::new(172, 16, 40, 222);

/// The address that the client's data connections come from where another does that for it.
pub const OTHER_CLIENT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 99);

/// A port that is in the passive range, and that nobody listens on.
pub const CLOSED_PORT: u16 = 40_007;

/// The half of the passive range that is dropped where half of it is.
pub const DROPPED_HALF: RangeInclusive<u16> = 40_008..=40_015;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    Nothing,
    /// Another public address than the server's is advertised ([`NOWHERE`]).
    WrongAddress,
    /// A private address is advertised by a server with a public one ([`PRIVATE`]).
    PrivateAddress,
    /// 0.0.0.0 is advertised: by the server's settings on IPv4, by vsftpd's own doing on PASV over IPv6.
    ZeroAddress,
    /// The router drops what goes to the passive range.
    DroppedInFront,
    /// The router drops what goes to [`DROPPED_HALF`] of it.
    HalfDropped,
    /// The server's own firewall drops it.
    DroppedOnServer,
    /// The server's own firewall drops it over IPv6 alone. The server listens on both addresses.
    Ipv6Dropped,
    /// The server's own firewall answers it with RST.
    ResetOnServer,
    /// The server's own firewall answers it with an ICMP error.
    RejectedOnServer,
    /// The router answers it with an ICMP error.
    RejectedByRouter,
    /// The server advertises a port that it does not listen on.
    NobodyListens,
    /// The router drops the SYN-ACK.
    AnswerDropped,
    /// The way of the data is another: what clients send to the passive range comes to the server over a second cable.
    /// The answers take the first one.
    OtherWay,
    /// All of the data takes the second cable, either way, and takes its time.
    DataElsewhere,
    /// 1:1 NAT in front of the server, which advertises its public address, as it should.
    NatRight,
    /// 1:1 NAT in front of the server, which advertises its own address.
    NatWrong,
    /// The router gives data connections another source address ([`OTHER_CLIENT`]) than the control connection's.
    OtherClient,
    /// The same, and the server does not mind.
    OtherClientAllowed,
    /// The router drops what goes to the passive range, and the server says after two seconds that the transfer failed.
    ServerTimesOut,
    /// The data connection is taken, and the transfer then answered with 425. The server is scripted.
    Answers425,
    /// The router's connection tracking helper drops a reply that comes in several segments.
    ReplySplit,
    /// The router's connection tracking helper drops a reply that it cannot read. The server is scripted.
    OddReply,
    /// An ALG on the server's host rewrites the port in a 227.
    PortRewritten,
}

impl Fault {
    /// Whether the server is scripted for it.
    pub fn is_scripted(self) -> bool {
        matches!(
            self,
            Fault::NobodyListens | Fault::Answers425 | Fault::OddReply
        )
    }

    pub fn layout(self) -> Layout {
        match self {
            Fault::NatRight | Fault::NatWrong => Layout::Natted,
            _ => Layout::Routed,
        }
    }

    /// How the server is set up for it, to be reached over `family`.
    pub fn setup(self, topology: &Topology, family: Family) -> Setup {
        let plain = Setup::plain(topology.server_address(family));
        match (self, family) {
            (Fault::WrongAddress, Family::V4) => plain.advertising(NOWHERE),
            (Fault::PrivateAddress, Family::V4) => plain.advertising(PRIVATE),
            (Fault::ZeroAddress, Family::V4) => plain.advertising(Ipv4Addr::UNSPECIFIED),
            (Fault::NatRight, Family::V4) => plain.advertising(Ipv4Addr::new(203, 0, 113, 10)),
            (Fault::WrongAddress | Fault::PrivateAddress | Fault::NatWrong, Family::V6) => {
                panic!("EPSV has no address to get wrong")
            }
            (Fault::Ipv6Dropped, _) => Setup::plain(topology.server_address(Family::V4))
                .and_on(topology.server_address(Family::V6)),
            (Fault::DataElsewhere, _) => Setup {
                rate: Some(400),
                ..plain
            },
            (Fault::OtherClientAllowed, _) => Setup {
                promiscuous: true,
                ..plain
            },
            (Fault::ServerTimesOut, _) => Setup {
                patience: Some(Duration::from_secs(2)),
                ..plain
            },
            _ => plain,
        }
    }

    /// Breaks the way, if the fault is in the way.
    pub fn break_path(self, topology: &Topology) {
        match self {
            Fault::OtherWay => return topology.divert(&PASSIVE_PORTS),
            Fault::DataElsewhere => {
                topology.divert(&PASSIVE_PORTS);
                return topology.divert_back(&PASSIVE_PORTS);
            }
            Fault::OtherClient | Fault::OtherClientAllowed => return change_source(topology),
            Fault::PortRewritten => return rewrite_port(topology),
            Fault::OddReply => return help(topology),
            Fault::ReplySplit => {
                take_small_segments(topology);
                return help(topology);
            }
            _ => {}
        }
        let ports = words(&PASSIVE_PORTS);
        let (namespace, hook, rule) = match self {
            Fault::DroppedInFront | Fault::ServerTimesOut => (
                topology.router(),
                "forward",
                format!("iifname r0 tcp dport {ports} counter drop"),
            ),
            Fault::HalfDropped => (
                topology.router(),
                "forward",
                format!("iifname r0 tcp dport {} counter drop", words(&DROPPED_HALF)),
            ),
            Fault::AnswerDropped => (
                topology.router(),
                "forward",
                format!(
                    "iifname r1 tcp sport {ports} tcp flags & (syn | ack) == syn | ack counter drop"
                ),
            ),
            Fault::DroppedOnServer => (
                &topology.server,
                "input",
                format!("tcp dport {ports} counter drop"),
            ),
            Fault::Ipv6Dropped => (
                &topology.server,
                "input",
                format!("meta nfproto ipv6 tcp dport {ports} counter drop"),
            ),
            Fault::ResetOnServer => (
                &topology.server,
                "input",
                format!("tcp dport {ports} counter reject with tcp reset"),
            ),
            Fault::RejectedOnServer => (
                &topology.server,
                "input",
                format!("tcp dport {ports} counter reject with icmpx type admin-prohibited"),
            ),
            Fault::RejectedByRouter => (
                topology.router(),
                "forward",
                format!("tcp dport {ports} counter reject with icmpx type host-unreachable"),
            ),
            _ => return,
        };
        namespace.nft(&format!(
            "table inet lab {{
               chain fault {{
                 type filter hook {hook} priority filter
                 {rule}
               }}
             }}"
        ));
    }
}

fn words(ports: &RangeInclusive<u16>) -> String {
    format!("{}-{}", ports.start(), ports.end())
}

/// Data connections come from [`OTHER_CLIENT`], as from a load balancer with several addresses.
fn change_source(topology: &Topology) {
    topology.router().nft(&format!(
        "table ip lab {{
           chain source {{
             type nat hook postrouting priority srcnat
             oifname r1 tcp dport {} snat to {OTHER_CLIENT}
           }}
         }}",
        words(&PASSIVE_PORTS)
    ));
}

/// In `227 Entering Passive Mode (203,0,113,10,156,64).` the first byte of the port, at offset 40, becomes another:
/// 40000 is told as 40256. It is as long, so that sequence numbers hold, and checksums are the interface's to make.
fn rewrite_port(topology: &Topology) {
    topology.server.nft(&format!(
        "table ip lab {{
           chain alg {{
             type filter hook output priority filter
             tcp sport {CONTROL_PORT} @ih,0,32 0x32323720 @ih,320,24 0x313536 @ih,320,24 set 0x313537
           }}
         }}"
    ));
}

/// The kernel's helper for FTP looks at every control connection that passes the router.
fn help(topology: &Topology) {
    topology.router().nft(&format!(
        "table ip lab {{
           ct helper ftp {{
             type \"ftp\" protocol tcp
             l3proto ip
           }}
           chain assign {{
             type filter hook prerouting priority filter
             iifname r0 tcp dport {CONTROL_PORT} ct helper set \"ftp\"
           }}
         }}"
    ));
}

/// Has the client say that it takes segments of 48 bytes, the least that Linux sends, options included; and has the
/// server's kernel cut them itself, in front of ftpwatch, and not leave it to the interface.
pub fn take_small_segments(topology: &Topology) {
    topology.client.nft(
        "table inet small {
           chain segments {
             type route hook output priority mangle
             tcp flags & (syn | ack) == syn tcp option maxseg size set 48
           }
         }",
    );
    topology.server.ip("link set s0 gso_max_segs 1");
}
