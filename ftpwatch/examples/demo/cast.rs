//! Who is where, and which address each server tells its clients.

use std::net::Ipv4Addr;

/// An FTP server of the story.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    pub name: &'static str,
    pub greeting: &'static str,
    /// Where it listens.
    pub address: Ipv4Addr,
    /// What its 227 says instead of, or as, its address.
    pub advertised: Ipv4Addr,
    /// Its whole passive range.
    pub passive_port: u16,
}

/// In the same network as the client, and it says so: works.
pub const DEVFTP: Server = Server {
    name: "DEVFTP",
    greeting: "DEVFTP ready",
    address: Ipv4Addr::new(10, 100, 20, 222),
    advertised: Ipv4Addr::new(10, 100, 20, 222),
    passive_port: 23256,
};

/// Reached at a public address, and advertises the one that it has inside: fails.
pub const PRODFTP: Server = Server {
    name: "PRODFTP",
    greeting: "PRODFTP ready",
    address: Ipv4Addr::new(203, 0, 113, 10),
    advertised: Ipv4Addr::new(172, 16, 40, 222),
    passive_port: 23200,
};

/// Both of them.
pub const SERVERS: [Server; 2] = [DEVFTP, PRODFTP];

/// Where the servers' host is connected to the client's office network, and to the Internet.
pub const INTERFACES: [&str; 2] = ["dev0", "prod0"];
