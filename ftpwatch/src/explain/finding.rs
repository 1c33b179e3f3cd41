//! What the findings mean.

use super::{Place, Text};
use crate::{diagnose::Finding, servers::Topic};

/// What `finding` means.
#[must_use]
pub const fn finding(finding: Finding) -> &'static Text {
    match finding {
        Finding::UndecodableAdvertisement => &Text {
            meaning: "a 227, 228 or 229 reply names no endpoint that a client could connect to",
            detail: "A reply cut off after the parenthesis, numbers above 255 or 65535, or an address of another \
                     family than its form can hold.",
            confirm: &[
                "Wireshark: `ftp.response.code == 227 || ftp.response.code == 229`, and the text",
            ],
            fix: &["Correct the server's passive address and ports, or use EPSV."],
            settings: &[Topic::Address, Topic::Range],
            ..Text::NOTHING
        },
        Finding::PassiveRangePartlyBlocked => &Text {
            meaning: "part of the passive ports connect, others never do",
            detail: "The hole in the firewall is narrower than the server's passive range, so transfers fail now and \
                     then, by the port that they happen to get.",
            confirm: &[
                "Compare the range in the server's configuration with the firewall's: `nft list ruleset`",
                "From a client, for a port of the part that fails: `curl -v ftp://SERVER/`, several times",
            ],
            fix: &["Make both the same: narrow the server's range, or widen the hole."],
            settings: &[Topic::Range],
            open: Some(Place::InFront),
        },
        Finding::ClientNetworkFails => &Text {
            meaning: "one client network fails, others connect",
            detail: "The server and what is in front of it work. That network's own firewall keeps high ports closed \
                     to the outside, a rule in front of the server leaves it out, or its way back is broken.",
            confirm: &[
                "On a client of that network: `curl -v ftp://SERVER/`, and `tcpdump -ni any 'tcp port PORT'`",
                "`traceroute -T -p PORT ADDRESS` there",
            ],
            fix: &[
                "Let that network out to the passive range, on TCP.",
                "See the rules in front of the server for source addresses.",
            ],
            open: Some(Place::InFront),
            ..Text::NOTHING
        },
        Finding::AddressFamilyFails => &Text {
            meaning: "one address family fails, the other works",
            detail: "For example EPSV over IPv6 fails and PASV over IPv4 works: the firewall's rules are there for one \
                     family only.",
            confirm: &[
                "`curl -v -4 ftp://SERVER/` and `curl -v -6 ftp://SERVER/`",
                "`iptables -S` and `ip6tables -S`; `nft list ruleset`: tables of family ip where inet is meant",
            ],
            fix: &[
                "Open the passive range for both families: in nftables in a table of family inet, in security \
                    groups by a rule for ::/0 next to the one for 0.0.0.0/0.",
            ],
            open: Some(Place::Host),
            ..Text::NOTHING
        },
        Finding::AdvertisedAddressFails => &Text {
            meaning: "only clients that believe the advertised address fail",
            detail: "Others connect to the same ports through the control connection's address: the ports are open, \
                     and the address is wrong.",
            confirm: &[
                "`curl -v --disable-epsv ftp://SERVER/` works, and with `--no-ftp-skip-pasv-ip` it does not",
            ],
            fix: &["Make the server advertise the address that its clients reach it at."],
            settings: &[Topic::Address],
            ..Text::NOTHING
        },
        Finding::TlsDataFails => &Text {
            meaning: "data connections of TLS sessions go unanswered or are refused, while nobody's connect",
            detail: "A helper or an ALG that opens the ports for plain FTP cannot read an encrypted reply, and opens \
                     none.",
            confirm: &[
                "`curl -v --ssl-reqd ftp://SERVER/` fails where `curl -v ftp://SERVER/` works",
                "`lsmod | grep nf_conntrack_ftp`, and `conntrack -L expect` while a client waits",
            ],
            fix: &[
                "Open the passive range for good, rely on no helper, and set the server to that range.",
                "Make the server advertise its public address: nobody rewrites it in an encrypted reply.",
            ],
            settings: &[Topic::Range, Topic::Address],
            open: Some(Place::InFront),
        },
        Finding::PassivePortsExhausted => &Text {
            meaning: "the server has no free passive port left",
            detail: "It answers PASV or EPSV with 425 or 421. The range is too narrow for the transfers that run at a \
                     time, ports being held for a minute or more after each (TIME_WAIT), or clients leave listeners \
                     open.",
            confirm: &[
                "`ss -tan | awk '{print $1, $4}' | sort | uniq -c | sort -rn | head` on the server: how many, in which state",
                "Wireshark: `ftp.response.code == 425 || ftp.response.code == 421`",
            ],
            fix: &["Widen the server's passive range, and the firewall with it."],
            settings: &[Topic::Range],
            open: Some(Place::InFront),
        },
        Finding::PortOutsideRange => &Text {
            meaning: "a port was advertised that is outside the passive range seen so far",
            detail: "ProFTPD takes any port when all of its range are in use; other servers do after their \
                     configuration was changed. A firewall that opens the range only drops it.",
            confirm: &[
                "Compare the port with the range in the server's configuration",
                "The server's log: ProFTPD says that it found no port in PassivePorts",
            ],
            fix: &["Widen the server's passive range, and the firewall with it."],
            settings: &[Topic::Range, Topic::Log],
            open: Some(Place::InFront),
        },
        Finding::GivenUpAtOnce => &Text {
            meaning: "nearly all endpoints are given up within a second, and none was ever connected",
            detail: "Something answers the client with RST where it cannot be seen from here, and the client gives up \
                     in milliseconds: the passive ports of a container are not published, or a NAT box in front \
                     refuses them.",
            confirm: &[
                "On the client: `curl -v ftp://SERVER/` says \"Connection refused\"; Wireshark there: \
                 `tcp.flags.reset == 1 && tcp.srcport == PORT`",
                "`docker port CONTAINER`: is the passive range in it",
            ],
            fix: &[
                "Publish or forward the passive range, each port to the same port, and set the server to it.",
            ],
            settings: &[Topic::Range, Topic::Address],
            open: Some(Place::InFront),
        },
        Finding::NoReply => &Text {
            meaning: "the server does not answer PASV or EPSV",
            detail: "The user is logged in, and the next reply does not come: the server hangs, or a \
                     connection-tracking helper on the way drops the reply because it cannot parse it.",
            confirm: &[
                "On the client: `tcpdump -ni any 'tcp port 21'` shows whether a reply comes",
                "On a Linux gateway: `lsmod | grep nf_conntrack_ftp`",
            ],
            fix: &[
                "Take FTP helpers and inspection out of the way, and try again.",
                "Look into the server's own log for the time of the command.",
            ],
            settings: &[Topic::Log],
            ..Text::NOTHING
        },
        Finding::PassiveRefused => &Text {
            meaning: "the server refuses every way of asking for a passive endpoint",
            detail: "Passive mode is switched off, the server knows neither PASV nor EPSV over this version of IP, or \
                     it wants TLS or another user first.",
            confirm: &[
                "Over the other version of IP: `ftpwatch probe -4 SERVER`, `ftpwatch probe -6 SERVER`",
            ],
            fix: &["Switch passive mode on in the server (vsftpd: pasv_enable=YES)."],
            settings: &[Topic::Log],
            ..Text::NOTHING
        },
        Finding::TransferStalled => &Text {
            meaning: "the data connection is made, and the transfer does not end",
            detail: "Handshakes pass and data do not: the path takes smaller packets only and drops the ICMP errors \
                     that would say so, a firewall inspects FTP and waits, or the server itself does.",
            confirm: &[
                "On the client: `ping -M do -s 1400 SERVER` finds how large packets may be",
                "On the server: `ss -tino` shows whether the data are sent again and again",
            ],
            fix: &[
                "Let ICMP fragmentation-needed and ICMPv6 packet-too-big through, or clamp the MSS where the path narrows.",
                "Look into the server's own log for what it waits for.",
            ],
            settings: &[Topic::Log],
            ..Text::NOTHING
        },
    }
}
