//! Which server: what was written on the command line, and the addresses behind it.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::lookup_host, time::timeout};

use crate::{error::Error, escape::printable};

/// How many addresses of a family are tried for a control connection.
const ADDRESSES: usize = 4;

/// A server, as it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name or address.
    pub host: String,
    /// The control port, if it was said.
    pub port: Option<u16>,
}

/// The version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// The one that `address` is of.
    #[must_use]
    pub const fn of(address: &SocketAddr) -> Self {
        match address {
            SocketAddr::V4(_) => Self::V4,
            SocketAddr::V6(_) => Self::V6,
        }
    }
}

/// Reads `HOST`, `HOST:PORT`, `::1`, `[::1]` or `[::1]:PORT`.
pub fn target(text: &str) -> Result<Target, String> {
    if text.contains("://") || text.contains('/') {
        return Err("write the host alone, as in ftp.example.com:2121".into());
    }
    if text.contains('@') {
        return Err("name the user with --user".into());
    }
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest
            .split_once(']')
            .ok_or("the bracket is never closed; write [2001:db8::1]:21")?;
        (host, rest)
    } else if text.matches(':').count() > 1 {
        (text, "")
    } else {
        text.split_at(text.find(':').unwrap_or(text.len()))
    };
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("that is no host; write ftp.example.com, or an address".into());
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some(port) => Some(port.parse().ok().filter(|port| *port > 0)),
        None => Some(None),
    };
    match port {
        Some(None) => Err("the port is none; write ftp.example.com:2121".into()),
        port => Ok(Target {
            host: host.to_owned(),
            port: port.flatten(),
        }),
    }
}

impl Target {
    /// The name, made harmless.
    #[must_use]
    pub fn name(&self) -> String {
        printable(self.host.as_bytes())
    }

    /// Its addresses, IPv4 first, each family's together; of `only`, where that is asked for.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub async fn resolve(
        &self,
        port: u16,
        only: Option<Family>,
        within: Duration,
    ) -> Result<Vec<(Family, Vec<SocketAddr>)>, Error> {
        let name = self.name();
        let looked_up = timeout(within, lookup_host((self.host.as_str(), port))).await;
        let found: Vec<SocketAddr> = match looked_up {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(error)) => {
                return Err(Error::usage(
                    format!("{name} has no address: {error}"),
                    "Is it written right? `getent ahosts NAME` asks as ftpwatch does.",
                ));
            }
            Err(_) => {
                return Err(Error::usage(
                    format!("the addresses of {name} were not found in {within:?}"),
                    "Does this host's resolver answer? See /etc/resolv.conf, or give an address.",
                ));
            }
        };
        let families: Vec<_> = [Family::V4, Family::V6]
            .into_iter()
            .filter(|family| only.is_none_or(|only| only == *family))
            .map(|family| {
                let of = found.iter().filter(|address| Family::of(address) == family);
                let mut addresses: Vec<SocketAddr> = of.copied().collect();
                addresses.truncate(ADDRESSES);
                (family, addresses)
            })
            .filter(|(_, addresses)| !addresses.is_empty())
            .collect();
        if families.is_empty() {
            let wanted = only.map_or("", Family::name);
            return Err(Error::usage(
                format!("{name} has no {wanted} address"),
                "Leave out -4 or -6 to probe it at the addresses that it has.",
            ));
        }
        Ok(families)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (text, host, port) in [
            ("ftp.example.com", "ftp.example.com", None),
            ("ftp.example.com:2121", "ftp.example.com", Some(2121)),
            ("203.0.113.10:21", "203.0.113.10", Some(21)),
            ("2001:db8::10", "2001:db8::10", None),
            ("[2001:db8::10]", "2001:db8::10", None),
            ("[2001:db8::10]:2121", "2001:db8::10", Some(2121)),
            ("fe80::1%eth0", "fe80::1%eth0", None),
        ] {
            let wanted = Target {
                host: host.into(),
                port,
            };
            assert_eq!(target(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_target() {
        for text in [
            "",
            ":21",
            "host:",
            "host:0",
            "host:65536",
            "host:ftp",
            "ftp://host",
            "host/path",
            "ann@host",
            "[::1",
            "[::1]21",
            "two words",
            "a\nb",
        ] {
            assert!(target(text).is_err(), "{text:?}");
        }
    }
}
