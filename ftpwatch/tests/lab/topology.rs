//! Who is connected to whom: namespaces, cables, addresses, routes, NAT.

use super::Permit;
use super::netns::{Namespace, cable};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

/// The version of IP that the control connection runs over. Every topology has both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

/// How client and server are connected.
///
/// ```text
/// Direct   client c0 ── s0 server
/// Routed   client c0 ── r0 router r1 ── s0 server
/// Bridged  client c0 ── r0 router r1 ── s0 server                       s0 is a port of the server's bridge br0
/// Natted   client c0 ── r0 router r1 ── g0 gateway g1 ── s0 server      1:1 NAT on the gateway
/// ```
///
/// Client and server have public addresses (those set aside for documentation), but behind NAT the server's own is
/// private. The router stands for the internet: it knows the public networks at its two ends, and packets to private
/// or other addresses vanish there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    Direct,
    Routed,
    Bridged,
    Natted,
}

pub struct Topology {
    pub layout: Layout,
    pub client: Namespace,
    pub server: Namespace,
    router: Option<Namespace>,
    gateway: Option<Namespace>,
    _permit: Permit,
}

impl Topology {
    pub fn new(layout: Layout) -> Self {
        let permit = Permit::wait();
        let client = Namespace::new("client");
        let server = Namespace::new("server");
        // Clients give up sooner, so that tests end.
        client.sysctl("net/ipv4/tcp_syn_retries", "2");
        let mut topology = Topology {
            layout,
            client,
            server,
            router: None,
            gateway: None,
            _permit: permit,
        };
        match layout {
            Layout::Direct => topology.connect_directly(),
            Layout::Routed | Layout::Bridged => {
                let router = topology.connect_router();
                cable((&router, "r1"), (&topology.server, "s0"));
                topology.address_router(&router);
                topology.address_server();
                topology.router = Some(router);
            }
            Layout::Natted => {
                let router = topology.connect_router();
                let gateway = topology.connect_gateway(&router);
                topology.address_router(&router);
                topology.router = Some(router);
                topology.gateway = Some(gateway);
            }
        }
        topology
    }

    fn connect_directly(&self) {
        cable((&self.client, "c0"), (&self.server, "s0"));
        self.client.ip("addr add 203.0.113.7/24 dev c0
                        addr add 2001:db8:5::7/64 dev c0 nodad");
        self.server.ip("addr add 203.0.113.10/24 dev s0
                        addr add 2001:db8:5::10/64 dev s0 nodad");
    }

    fn address_server(&self) {
        let interface = if self.layout == Layout::Bridged {
            self.server.ip("link add br0 type bridge
                            link set s0 master br0
                            link set br0 up");
            "br0"
        } else {
            "s0"
        };
        self.server.ip(&format!(
            "addr add 203.0.113.10/24 dev {interface}
             addr add 2001:db8:5::10/64 dev {interface} nodad
             route add default via 203.0.113.1
             route add default via 2001:db8:5::1"
        ));
    }

    /// Lays a second cable between router and server, for what is sent to `ports` of the server. IPv4 alone: an
    /// interface does not answer for an IPv6 address of another.
    pub fn divert(&self, ports: &RangeInclusive<u16>) {
        cable((self.router(), "r2"), (&self.server, "s1"));
        self.router().ip(&format!(
            "route add 203.0.113.10 dev r2 table 100
             rule add iif r0 ipproto tcp dport {}-{} lookup 100",
            ports.start(),
            ports.end()
        ));
    }

    /// Sends what the server answers from `ports` over that cable as well. IPv4 alone.
    pub fn divert_back(&self, ports: &RangeInclusive<u16>) {
        self.server.ip(&format!(
            "route add default via 203.0.113.1 dev s1 onlink table 100
             rule add ipproto tcp sport {}-{} lookup 100",
            ports.start(),
            ports.end()
        ));
    }

    fn connect_router(&self) -> Namespace {
        let router = Namespace::new("router");
        forward(&router);
        cable((&self.client, "c0"), (&router, "r0"));
        self.client.ip("addr add 198.51.100.7/24 dev c0
                        addr add 2001:db8:c::7/64 dev c0 nodad
                        route add default via 198.51.100.1
                        route add default via 2001:db8:c::1");
        router
    }

    fn address_router(&self, router: &Namespace) {
        router.ip("addr add 198.51.100.1/24 dev r0
                   addr add 2001:db8:c::1/64 dev r0 nodad
                   addr add 203.0.113.1/24 dev r1
                   addr add 2001:db8:5::1/64 dev r1 nodad
                   route add blackhole default
                   route add blackhole ::/0");
    }

    fn connect_gateway(&self, router: &Namespace) -> Namespace {
        let gateway = Namespace::new("gateway");
        forward(&gateway);
        cable((router, "r1"), (&gateway, "g0"));
        cable((&gateway, "g1"), (&self.server, "s0"));
        gateway.ip("addr add 203.0.113.2/24 dev g0
                    addr add 203.0.113.10/24 dev g0
                    addr add 2001:db8:5::2/64 dev g0 nodad
                    addr add 2001:db8:5::10/64 dev g0 nodad
                    addr add 10.100.20.1/24 dev g1
                    addr add fd00:20::1/64 dev g1 nodad
                    route add default via 203.0.113.1
                    route add default via 2001:db8:5::1");
        self.server.ip("addr add 10.100.20.222/24 dev s0
                        addr add fd00:20::222/64 dev s0 nodad
                        route add default via 10.100.20.1
                        route add default via fd00:20::1");
        gateway.nft(
            "table ip nat {
               chain inwards {
                 type nat hook prerouting priority dstnat
                 ip daddr 203.0.113.10 dnat to 10.100.20.222
               }
               chain outwards {
                 type nat hook postrouting priority srcnat
                 ip saddr 10.100.20.222 oifname g0 snat to 203.0.113.10
               }
             }
             table ip6 nat {
               chain inwards {
                 type nat hook prerouting priority dstnat
                 ip6 daddr 2001:db8:5::10 dnat to fd00:20::222
               }
               chain outwards {
                 type nat hook postrouting priority srcnat
                 ip6 saddr fd00:20::222 oifname g0 snat to 2001:db8:5::10
               }
             }",
        );
        gateway
    }

    #[track_caller]
    pub fn router(&self) -> &Namespace {
        self.router.as_ref().expect("this topology has a router")
    }

    #[track_caller]
    pub fn gateway(&self) -> &Namespace {
        self.gateway.as_ref().expect("this topology has a gateway")
    }

    /// The address of the client.
    pub fn client_address(&self, family: Family) -> IpAddr {
        match (self.layout, family) {
            (Layout::Direct, Family::V4) => IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)),
            (Layout::Direct, Family::V6) => {
                IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 5, 0, 0, 0, 0, 7))
            }
            (_, Family::V4) => IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)),
            (_, Family::V6) => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 7)),
        }
    }

    /// The address under which the client knows the server.
    pub fn public_address(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10)),
            Family::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 5, 0, 0, 0, 0, 0x10)),
        }
    }

    /// The address that the server itself has.
    pub fn server_address(&self, family: Family) -> IpAddr {
        match (self.layout, family) {
            (Layout::Natted, Family::V4) => IpAddr::V4(Ipv4Addr::new(10, 100, 20, 222)),
            (Layout::Natted, Family::V6) => {
                IpAddr::V6(Ipv6Addr::new(0xfd00, 0x20, 0, 0, 0, 0, 0, 0x222))
            }
            _ => self.public_address(family),
        }
    }
}

fn forward(namespace: &Namespace) {
    namespace.sysctl("net/ipv4/ip_forward", "1");
    namespace.sysctl("net/ipv6/conf/all/forwarding", "1");
}
