//! What can be said of an advertised address by looking at it.

use std::net::{IpAddr, Ipv4Addr};

/// What is wrong with an advertised endpoint, from its address and port alone. An endpoint without such
/// a fault is *plausible*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody can connect to it from anywhere.
    Unusable,
    /// A private address, advertised to a client with a public one.
    Private,
    /// Another address than the control connection's.
    Mismatch,
}

/// Judges the endpoint `address`:`port`, advertised by `server` to `client` with the reply `code`.
///
/// A 229 names no address (RFC 2428, section 3): the client uses the one it is connected to already, and
/// only the port can be wrong.
#[must_use]
pub fn fault(
    code: u16,
    address: IpAddr,
    port: u16,
    server: IpAddr,
    client: IpAddr,
) -> Option<Fault> {
    if port == 0 {
        return Some(Fault::Unusable);
    }
    if code == 229 {
        return None;
    }
    if is_unusable(address, server) {
        Some(Fault::Unusable)
    } else if is_private(address) && is_public(client) {
        Some(Fault::Private)
    } else if address != server && !(is_public(address) && is_private(server)) {
        Some(Fault::Mismatch)
    } else {
        None
    }
}

fn is_unusable(address: IpAddr, server: IpAddr) -> bool {
    let local = (address.is_loopback() && !server.is_loopback())
        || (is_link_local(address) && !is_link_local(server));
    let nobody = match address {
        // 0.0.0.0/8 (RFC 791), and class E with the broadcast address (RFC 1112, section 4).
        IpAddr::V4(v4) => v4.octets()[0] == 0 || v4.octets()[0] >= 240,
        IpAddr::V6(v6) => v6.is_unspecified(),
    };
    local || nobody || address.is_multicast()
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Private: RFC 1918, the shared space of RFC 6598, unique local addresses (RFC 4193).
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || is_shared(v4),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

fn is_shared(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    a == 100 && b & 0xc0 == 64
}

/// Public, as routing sees it: the documentation ranges are.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    !is_private(address)
        && !address.is_loopback()
        && !is_link_local(address)
        && !address.is_multicast()
        && !address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(address: &str, server: &str, client: &str) -> Option<Fault> {
        let ip = |text: &str| text.parse().unwrap();
        fault(227, ip(address), 50000, ip(server), ip(client))
    }

    #[test]
    fn addresses_that_are_plausible() {
        for (address, server, client) in [
            ("203.0.113.10", "203.0.113.10", "198.51.100.7"),
            ("10.0.0.5", "10.0.0.5", "10.0.0.9"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
            // Behind NAT, and knows it.
            ("203.0.113.10", "10.0.0.5", "198.51.100.7"),
            ("203.0.113.10", "100.64.1.1", "198.51.100.7"),
        ] {
            assert_eq!(judged(address, server, client), None, "{address}");
        }
    }

    #[test]
    fn addresses_that_are_not() {
        for (address, server, client, expected) in [
            ("0.0.0.0", "203.0.113.10", "198.51.100.7", Fault::Unusable),
            ("127.0.0.1", "203.0.113.10", "198.51.100.7", Fault::Unusable),
            ("169.254.1.1", "203.0.113.10", "10.0.0.7", Fault::Unusable),
            ("224.0.0.1", "203.0.113.10", "10.0.0.7", Fault::Unusable),
            (
                "255.255.255.255",
                "203.0.113.10",
                "10.0.0.7",
                Fault::Unusable,
            ),
            ("240.0.0.1", "203.0.113.10", "10.0.0.7", Fault::Unusable),
            (
                "172.16.40.222",
                "203.0.113.10",
                "198.51.100.7",
                Fault::Private,
            ),
            ("10.0.0.5", "10.0.0.5", "198.51.100.7", Fault::Private),
            ("100.64.0.1", "203.0.113.10", "198.51.100.7", Fault::Private),
            ("fd00::5", "2001:db8::5", "2001:db8::7", Fault::Private),
            ("172.16.40.222", "10.0.0.5", "10.0.0.9", Fault::Mismatch),
            (
                "203.0.113.11",
                "203.0.113.10",
                "198.51.100.7",
                Fault::Mismatch,
            ),
        ] {
            assert_eq!(judged(address, server, client), Some(expected), "{address}");
        }
    }

    #[test]
    fn a_229_names_a_port_only() {
        let ip = |text: &str| text.parse().unwrap();
        let (server, client) = (ip("10.0.0.5"), ip("198.51.100.7"));
        assert_eq!(fault(229, server, 50000, server, client), None);
        assert_eq!(fault(229, server, 0, server, client), Some(Fault::Unusable));
    }
}
