//! What the warnings mean.

use super::{Place, Text};
use crate::{diagnose::Warning, servers::Topic};

/// What `warning` means.
#[must_use]
pub const fn warning(warning: Warning) -> &'static Text {
    match warning {
        Warning::AddressMismatch => &Text {
            meaning: "it worked only because the client ignored the advertised address",
            detail: "The client connected to the control connection's address, as curl and many others do. Clients \
                     that believe the advertised address fail.",
            confirm: &[
                "`curl -v --disable-epsv --no-ftp-skip-pasv-ip ftp://SERVER/` believes the address, and fails",
                "Wireshark: `ftp.passive.nat` marks a 227 with another address than its sender's",
            ],
            fix: &["Make the server advertise the address that its clients reach it at."],
            settings: &[Topic::Address],
            ..Text::NOTHING
        },
        Warning::PortOutOfRange => &Text {
            meaning: "it worked, and the port is outside the range that was said to be open",
            detail: "The server advertised a port that `--passive-range` does not have. It connected from this \
                     client; where the firewall is as narrow as was said, it would not have.",
            confirm: &[
                "Compare the range in the server's configuration with the firewall's: `nft list ruleset`",
            ],
            fix: &[
                "Set the server's passive range to the ports that are open, or open the others.",
            ],
            settings: &[Topic::Range],
            open: Some(Place::InFront),
        },
        Warning::OtherClient => &Text {
            meaning: "somebody else than the control connection's client connected",
            detail: "The data connection came from another address: a transfer between two servers (FXP), a client \
                     behind several NAT addresses, a load balancer, or somebody who steals data connections. Most \
                     servers refuse it, and say 425.",
            confirm: &[
                "Wireshark: `tcp.dstport == PORT && tcp.flags.syn == 1`, and its source address",
                "Where it is a NAT or a load balancer, `conntrack -L -p tcp --dport PORT` there",
            ],
            fix: &[
                "Have NAT and load balancers keep one source address for a client's connections to a server.",
                "Where it has to be, the server can be told to accept it. Beware: it then accepts anybody's.",
            ],
            settings: &[Topic::Foreign],
            ..Text::NOTHING
        },
    }
}
