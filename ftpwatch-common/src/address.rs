//! Addresses and the four-tuple of a control connection.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytemuck::{Pod, Zeroable};

/// An IPv4 or IPv6 address in 16 bytes, network order. IPv4 is kept as an IPv4-mapped IPv6 address
/// (RFC 4291, section 2.5.5.2), so that `::ffff:10.0.0.1` and `10.0.0.1` are the same address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(C, align(4))]
pub struct Address(pub [u8; 16]);

impl Address {
    /// `::`, which stands for "any" in an index key.
    pub const ANY: Self = Self([0; 16]);

    /// The IPv4 address `octets`.
    #[inline(always)]
    #[must_use]
    pub const fn v4(octets: [u8; 4]) -> Self {
        let [a, b, c, d] = octets;
        Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
    }

    /// The address whose bytes are these four numbers, in host order.
    #[inline(always)]
    #[must_use]
    pub fn from_words(words: [u32; 4]) -> Self {
        bytemuck::cast(words.map(u32::to_be))
    }

    /// The address as the standard library has it, IPv4-mapped ones as IPv4.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        Ipv6Addr::from(self.0).to_canonical()
    }
}

/// A port in the network's order, as it stands in the header: most packets' ports are looked up and let go, and need not
/// be turned around for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct WirePort(pub u16);

impl WirePort {
    /// From a port in host order.
    #[inline(always)]
    #[must_use]
    pub const fn new(port: u16) -> Self {
        Self(port.to_be())
    }

    /// In host order.
    #[inline(always)]
    #[must_use]
    pub const fn host(self) -> u16 {
        u16::from_be(self.0)
    }

    /// Its place in a table of all ports.
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => Self::v4(v4.octets()),
            IpAddr::V6(v6) => Self(v6.octets()),
        }
    }
}

impl From<Ipv4Addr> for Address {
    fn from(ip: Ipv4Addr) -> Self {
        Self::v4(ip.octets())
    }
}

impl core::fmt::Debug for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&self.ip(), f)
    }
}

/// The four-tuple of a control connection. Ports are in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Flow {
    /// Who opened the control connection.
    pub client: Address,
    /// Who accepted it.
    pub server: Address,
    /// The client's port.
    pub client_port: u16,
    /// The control port.
    pub server_port: u16,
}

impl Flow {
    /// Its two hosts.
    #[inline(always)]
    #[must_use]
    pub const fn pair(&self) -> Pair {
        Pair {
            client: self.client,
            server: self.server,
        }
    }
}

/// The two hosts of a control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Pair {
    /// Who opened the control connection.
    pub client: Address,
    /// Who accepted it.
    pub server: Address,
}

/// Where a SYN looks for its endpoint: the address and port that it goes to, and who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct IndexKey {
    /// The SYN's destination: the advertised address, or the control connection's server address.
    pub address: Address,
    /// The SYN's source: the control connection's client, or [`Address::ANY`].
    pub client: Address,
    /// The advertised port, host order.
    pub port: u16,
    /// Always zero.
    pub pad: u16,
}

impl IndexKey {
    /// The key for `address`:`port` from `client`.
    #[inline(always)]
    #[must_use]
    pub const fn new(address: Address, port: u16, client: Address) -> Self {
        Self {
            address,
            client,
            port,
            pad: 0,
        }
    }
}
