//! The stage set: a topology with a server in it, and one thing wrong (or nothing); and what a client does there.

use super::client::{Client, PATIENCE, Trust};
use super::netns::Namespace;
use super::process::Process;
use super::server::daemons::Kind;
use super::server::tls::{Begins, Tls};
use super::server::{CONTROL_PORT, FILE, Passive, Scripted, Server, Setup, endpoint_reply};
use super::topology::{Family, Layout, Topology};
use std::net::SocketAddr;
use std::time::Duration;

use super::fault::CLOSED_PORT;
pub use super::fault::Fault;

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
    /// lftp as it comes: a private address of a server with a public one is replaced.
    CarefulLftp,
    /// ncftp: PASV. A private address of a server with a public one is replaced. It asks thrice.
    Ncftp,
    /// tnftp: EPSV. When that does not work it goes over to active mode.
    Tnftp,
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
    /// ftplib that asks for an endpoint, and closes without a word.
    ClosesAtOnce,
    /// Asks for PASV, sees an address that it does not like, and sends ABOR and QUIT.
    Refuses,
    /// Asks for an endpoint, and for a file that is not there, before connecting.
    FileMissing,
    /// Connects two seconds after it was told where to.
    ConnectsLate,
    /// ftplib that takes eight seconds to connect.
    Slow,
    /// The same, and believes PASV.
    TrustingSlow,
    /// ftplib that says what it wants first, and then connects, as WinSCP does. It believes PASV.
    CommandFirst,
    /// ftplib that stays logged in for two seconds after it failed, as somebody at a prompt does.
    Stays,
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
    /// Builds everything, with vsftpd, and returns when a client can reach the server's control port.
    pub fn set(fault: Fault, family: Family) -> Self {
        Stage::with(Kind::Vsftpd, fault, family)
    }

    /// The same, with a bridge in the server where that is to be looked on from.
    pub fn set_for(at: At, fault: Fault, family: Family) -> Self {
        match at {
            At::Bridge => {
                Stage::set_on(Topology::new(Layout::Bridged), Kind::Vsftpd, fault, family)
            }
            _ => Stage::set(fault, family),
        }
    }

    /// The same, with a server of any make. Where the fault wants a scripted one it is that.
    pub fn with(kind: Kind, fault: Fault, family: Family) -> Self {
        Stage::set_on(Topology::new(fault.layout()), kind, fault, family)
    }

    /// vsftpd with nothing wrong, which listens on both versions of IP. Its client begins with IPv4.
    pub fn with_both_versions() -> Self {
        Stage::set_up(|topology, plain| plain.and_on(topology.server_address(Family::V6)))
    }

    /// vsftpd with nothing wrong, which takes AUTH TLS.
    pub fn with_tls() -> Self {
        let tls = Tls {
            begins: Begins::Explicit,
            reuse_demanded: false,
        };
        Stage::set_up(|_, plain| Setup {
            tls: Some(tls),
            ..plain
        })
    }

    /// vsftpd with nothing wrong, set up in another way than servers come.
    fn set_up(change: impl FnOnce(&Topology, Setup) -> Setup) -> Self {
        let topology = Topology::new(Layout::Routed);
        let plain = Setup::plain(topology.server_address(Family::V4));
        let setup = change(&topology, plain);
        let stage = Stage {
            family: Family::V4,
            server: Kind::Vsftpd.start(&topology.server, &setup),
            topology,
        };
        stage.client().greet();
        stage
    }

    fn set_on(topology: Topology, kind: Kind, fault: Fault, family: Family) -> Self {
        let server = if fault.is_scripted() {
            Server::Scripted(Scripted::start(
                &topology.server,
                topology.server_address(family),
                passive(fault, &topology, family),
            ))
        } else {
            kind.start(&topology.server, &fault.setup(&topology, family))
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
        fault.break_path(&self.topology);
    }

    /// Takes the firewall's rules away again.
    pub fn mend_path(&self, namespace: &Namespace) {
        namespace.nft("delete table inet lab");
    }

    /// The client, who knows the server by its public address.
    pub fn client(&self) -> Client<'_> {
        self.client_over(self.family)
    }

    /// The same, over another version of IP.
    pub fn client_over(&self, family: Family) -> Client<'_> {
        Client {
            namespace: &self.topology.client,
            server: self.control(self.topology.public_address(family)),
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
        self.play_for(behaviour, FILE)
    }

    /// The same, and what a real client wants is `file`.
    pub fn play_for(&self, behaviour: Behaviour, file: &str) -> Option<Process> {
        let client = self.client();
        match behaviour {
            Behaviour::Curl => Some(client.curl(&[], &[file])),
            Behaviour::CurlPasv => Some(client.curl(&["--disable-epsv"], &[file])),
            Behaviour::TrustingCurl => Some(client.trusting_curl(&[file])),
            Behaviour::Lftp | Behaviour::CarefulLftp => {
                let trust = match behaviour {
                    Behaviour::Lftp => Trust::Advertised,
                    _ => Trust::Control,
                };
                Some(client.lftp_get(trust, file))
            }
            Behaviour::Ncftp => Some(client.ncftp(file)),
            Behaviour::Tnftp => Some(client.tnftp(&[file])),
            Behaviour::Ftplib => Some(client.ftplib(Trust::Control, PATIENCE, file, 1)),
            Behaviour::TrustingFtplib => Some(client.ftplib(Trust::Advertised, PATIENCE, file, 1)),
            Behaviour::TrustingPasv => Some(client.trusting_pasv(file)),
            Behaviour::Impatient => {
                Some(client.ftplib(Trust::Advertised, Duration::from_secs(2), file, 1))
            }
            Behaviour::ClosesAtOnce => Some(client.ftplib_that("closes", Trust::Control, file)),
            Behaviour::Slow => Some(client.ftplib_that("waits", Trust::Control, file)),
            Behaviour::TrustingSlow => Some(client.ftplib_that("waits", Trust::Advertised, file)),
            Behaviour::Stays => Some(client.ftplib_that("stays", Trust::Advertised, file)),
            Behaviour::CommandFirst => {
                Some(client.ftplib_that("says first", Trust::Advertised, file))
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

/// What the scripted server does about PASV and EPSV.
fn passive(fault: Fault, topology: &Topology, family: Family) -> Passive {
    let closed = SocketAddr::new(topology.public_address(family), CLOSED_PORT);
    match fault {
        Fault::Answers425 => Passive::TakesAndFails,
        // nf_conntrack_ftp wants no blanks between the numbers.
        Fault::OddReply => Passive::Says(endpoint_reply("PASV", closed).replace(',', ", ")),
        _ => Passive::Closed(closed),
    }
}
