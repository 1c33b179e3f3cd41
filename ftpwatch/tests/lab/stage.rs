//! The stage set: a topology with a server in it, and one thing wrong (or nothing). A new fault is one name in
//! [`Fault`] and what makes it in [`Stage::set`]; tests/wire.rs shows on the wire that it is what it says.

use super::client::{Client, PATIENCE, Trust};
use super::netns::Namespace;
use super::process::Process;
use super::server::daemons::Kind;
use super::server::{CONTROL_PORT, FILE, PASSIVE_PORTS, Scripted, Server, Vsftpd};
use super::topology::{Family, Layout, Topology};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A public address that leads nowhere.
pub const NOWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 99);

/// A private address that leads nowhere: PRODFTP's.
pub const PRIVATE: Ipv4Addr = Ipv4Addr::new(172, 16, 40, 222);

/// A port that is in the passive range, and that nobody listens on.
pub const CLOSED_PORT: u16 = 40_007;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Nothing,
    /// Another public address than the server's is advertised ([`NOWHERE`]).
    WrongAddress,
    /// A private address is advertised by a server with a public one ([`PRIVATE`]).
    PrivateAddress,
    /// 0.0.0.0 is advertised: by vsftpd's pasv_address on IPv4, by vsftpd's own doing on PASV over IPv6.
    ZeroAddress,
    /// The router drops what goes to the passive range.
    DroppedInFront,
    /// The server's own firewall drops it.
    DroppedOnServer,
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
    /// 1:1 NAT in front of the server, which advertises its public address, as it should.
    NatRight,
    /// 1:1 NAT in front of the server, which advertises its own address.
    NatWrong,
}

/// What the client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// curl as it comes: EPSV.
    Curl,
    /// curl that asks for PASV, and uses the control connection's address.
    CurlPasv,
    /// curl that asks for PASV and believes it.
    TrustingCurl,
    /// lftp that believes what it is told.
    Lftp,
    /// Python's ftplib as it comes: PASV or EPSV, the control connection's address.
    Ftplib,
    /// ftplib that believes PASV.
    TrustingFtplib,
    /// ftplib that believes PASV, on IPv6 too.
    TrustingPasv,
    /// ftplib with a time-out of two seconds; it then closes without a word.
    Impatient,
    /// Asks for an endpoint, and quits.
    QuitsAtOnce,
    /// Asks for PASV, sees an address that it does not like, and sends ABOR and QUIT.
    Refuses,
    /// Asks for an endpoint, and for a file that is not there, before connecting.
    FileMissing,
    /// Connects two seconds after it was told where to.
    ConnectsLate,
}

/// Where to look on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Server,
    /// On the server's bridge and on the interface that is its port. The server has a bridge when this is asked for.
    Bridge,
    /// On both interfaces of the router.
    Router,
    /// On both interfaces of the NAT gateway.
    Gateway,
}

impl At {
    pub fn interfaces(self) -> &'static [&'static str] {
        match self {
            At::Server => &["s0"],
            At::Bridge => &["s0", "br0"],
            At::Router => &["r0", "r1"],
            At::Gateway => &["g0", "g1"],
        }
    }
}

pub struct Stage {
    pub family: Family,
    pub server: Server,
    pub topology: Topology,
}

impl Stage {
    /// Builds everything, and returns when a client can reach the server's control port.
    pub fn set(fault: Fault, family: Family) -> Self {
        let layout = match fault {
            Fault::NatRight | Fault::NatWrong => Layout::Natted,
            _ => Layout::Routed,
        };
        Stage::set_on(Topology::new(layout), fault, family)
    }

    /// The same, with a bridge in the server where that is to be looked on from.
    pub fn set_for(at: At, fault: Fault, family: Family) -> Self {
        match at {
            At::Bridge => Stage::set_on(Topology::new(Layout::Bridged), fault, family),
            _ => Stage::set(fault, family),
        }
    }

    /// The same, with a server that advertises what it does of itself.
    pub fn with(kind: Kind, fault: Fault, family: Family) -> Self {
        let topology = Topology::new(Layout::Routed);
        let server = kind.start(&topology.server, topology.server_address(family));
        let stage = Stage {
            family,
            server,
            topology,
        };
        stage.client().greet();
        stage.break_path(fault);
        stage
    }

    fn set_on(topology: Topology, fault: Fault, family: Family) -> Self {
        let advertise = match (fault, family) {
            (Fault::WrongAddress, Family::V4) => Some(NOWHERE),
            (Fault::PrivateAddress, Family::V4) => Some(PRIVATE),
            (Fault::ZeroAddress, Family::V4) => Some(Ipv4Addr::UNSPECIFIED),
            (Fault::NatRight, Family::V4) => Some(Ipv4Addr::new(203, 0, 113, 10)),
            (Fault::WrongAddress | Fault::PrivateAddress | Fault::NatWrong, Family::V6) => {
                panic!("EPSV has no address to get wrong")
            }
            _ => None,
        };
        let listen = topology.server_address(family);
        let server = match fault {
            Fault::NobodyListens => Server::Scripted(Scripted::start(
                &topology.server,
                listen,
                closed_port(&topology, family),
            )),
            _ => Server::Vsftpd(Vsftpd::start(&topology.server, listen, advertise)),
        };
        let stage = Stage {
            family,
            server,
            topology,
        };
        stage.client().greet();
        stage.break_path(fault);
        stage
    }

    /// Breaks the way while clients and servers are at work, if `fault` is in the way.
    pub fn break_path(&self, fault: Fault) {
        if fault == Fault::OtherWay {
            return self.topology.divert(&PASSIVE_PORTS);
        }
        let ports = format!("{}-{}", PASSIVE_PORTS.start(), PASSIVE_PORTS.end());
        let (namespace, hook, rule) = match fault {
            Fault::DroppedInFront => (
                self.topology.router(),
                "forward",
                format!("iifname r0 tcp dport {ports} counter drop"),
            ),
            Fault::AnswerDropped => (
                self.topology.router(),
                "forward",
                format!(
                    "iifname r1 tcp sport {ports} tcp flags & (syn | ack) == syn | ack counter drop"
                ),
            ),
            Fault::DroppedOnServer => (
                &self.topology.server,
                "input",
                format!("tcp dport {ports} counter drop"),
            ),
            Fault::ResetOnServer => (
                &self.topology.server,
                "input",
                format!("tcp dport {ports} counter reject with tcp reset"),
            ),
            Fault::RejectedOnServer => (
                &self.topology.server,
                "input",
                format!("tcp dport {ports} counter reject with icmpx type admin-prohibited"),
            ),
            Fault::RejectedByRouter => (
                self.topology.router(),
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

    /// Takes the firewall's rules away again.
    pub fn mend_path(&self, namespace: &Namespace) {
        namespace.nft("delete table inet lab");
    }

    /// The client, who knows the server by its public address.
    pub fn client(&self) -> Client<'_> {
        Client {
            namespace: &self.topology.client,
            server: self.control(self.topology.public_address(self.family)),
        }
    }

    /// The namespace to look on from.
    pub fn namespace(&self, at: At) -> &Namespace {
        match at {
            At::Server | At::Bridge => &self.topology.server,
            At::Router => self.topology.router(),
            At::Gateway => self.topology.gateway(),
        }
    }

    /// The namespace that an interface is in.
    pub fn owner_of(&self, interface: &str) -> &Namespace {
        match interface {
            "c0" => &self.topology.client,
            "s0" | "s1" | "br0" => &self.topology.server,
            "r0" | "r1" | "r2" => self.topology.router(),
            "g0" | "g1" => self.topology.gateway(),
            _ => panic!("there is no {interface}"),
        }
    }

    fn control(&self, address: std::net::IpAddr) -> SocketAddr {
        SocketAddr::new(address, CONTROL_PORT)
    }

    /// Lets the client do its part. What is led by hand is over when this returns; a real client runs.
    pub fn play(&self, behaviour: Behaviour) -> Option<Process> {
        let client = self.client();
        match behaviour {
            Behaviour::Curl => Some(client.curl(&[], &[FILE])),
            Behaviour::CurlPasv => Some(client.curl(&["--disable-epsv"], &[FILE])),
            Behaviour::TrustingCurl => Some(client.trusting_curl(&[FILE])),
            Behaviour::Lftp => Some(client.lftp(Trust::Advertised, &format!("cat {FILE}"))),
            Behaviour::Ftplib => Some(client.ftplib(Trust::Control, PATIENCE, FILE, 1)),
            Behaviour::TrustingFtplib => Some(client.ftplib(Trust::Advertised, PATIENCE, FILE, 1)),
            Behaviour::TrustingPasv => Some(client.trusting_pasv(FILE)),
            Behaviour::Impatient => {
                Some(client.ftplib(Trust::Advertised, Duration::from_secs(2), FILE, 1))
            }
            Behaviour::QuitsAtOnce => {
                let mut dialogue = client.log_in();
                dialogue.passive();
                dialogue.quit();
                None
            }
            Behaviour::Refuses => {
                let mut dialogue = client.log_in();
                let endpoint = dialogue.passive();
                assert_ne!(
                    endpoint.ip(),
                    client.server.ip(),
                    "the address is one to refuse"
                );
                dialogue.say("ABOR");
                dialogue.quit();
                None
            }
            Behaviour::FileMissing => {
                let mut dialogue = client.log_in();
                dialogue.passive();
                assert_eq!(dialogue.command("RETR nosuch").0, 550);
                dialogue.quit();
                None
            }
            Behaviour::ConnectsLate => {
                let mut dialogue = client.log_in();
                let endpoint = dialogue.passive();
                std::thread::sleep(Duration::from_secs(2)); // this is what the client does
                dialogue.fetch(endpoint, FILE);
                dialogue.quit();
                None
            }
        }
    }
}

/// What a server says that advertises a port nobody listens on.
fn closed_port(topology: &Topology, family: Family) -> String {
    match topology.public_address(family) {
        std::net::IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            let [p, q] = CLOSED_PORT.to_be_bytes();
            format!("227 Entering Passive Mode ({a},{b},{c},{d},{p},{q}).")
        }
        std::net::IpAddr::V6(_) => {
            format!("229 Entering Extended Passive Mode (|||{CLOSED_PORT}|)")
        }
    }
}
