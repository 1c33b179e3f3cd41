//! What opens ports in the firewalls that are met most.
//!
//! Sources: nft(8), payload expressions; firewall-cmd(1), --add-port; ufw(8), rule syntax; docker-run(1), --publish.

/// The ports to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    low: String,
    high: String,
}

impl Ports {
    /// Those from `low` to `high`.
    pub fn range(low: impl ToString, high: impl ToString) -> Self {
        Self {
            low: low.to_string(),
            high: high.to_string(),
        }
    }

    /// One of them.
    #[must_use]
    pub fn one(port: u16) -> Self {
        Self::range(port, port)
    }

    fn joined(&self, by: char) -> String {
        let Self { low, high } = self;
        if low == high {
            low.clone()
        } else {
            format!("{low}{by}{high}")
        }
    }
}

/// What opens them in a host's own firewall.
#[must_use]
pub fn on_the_host(ports: &Ports) -> Vec<String> {
    let (dashed, colon) = (ports.joined('-'), ports.joined(':'));
    vec![
        format!("nftables: `tcp dport {dashed} accept`, in the input chain"),
        format!(
            "firewalld: `firewall-cmd --permanent --add-port={dashed}/tcp`, then `firewall-cmd --reload`"
        ),
        format!("ufw: `ufw allow {colon}/tcp`"),
    ]
}

/// What opens them between clients, as `client`, and the server.
#[must_use]
pub fn in_front(ports: &Ports, client: &str) -> Vec<String> {
    let dashed = ports.joined('-');
    vec![
        format!("security group: an inbound rule for TCP {dashed} from {client}"),
        format!("router with NAT: forward TCP {dashed} to the server, each port to the same port"),
        format!("container: publish the ports as they are, `docker run -p {dashed}:{dashed}`"),
        format!("Linux gateway, nftables: `tcp dport {dashed} accept`, in the forward chain"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_writes_ranges_its_own_way() {
        assert_eq!(
            on_the_host(&Ports::range(50000, 50100)),
            [
                "nftables: `tcp dport 50000-50100 accept`, in the input chain",
                "firewalld: `firewall-cmd --permanent --add-port=50000-50100/tcp`, then `firewall-cmd --reload`",
                "ufw: `ufw allow 50000:50100/tcp`",
            ]
        );
        assert_eq!(on_the_host(&Ports::one(21))[2], "ufw: `ufw allow 21/tcp`");
    }
}
