//! Causes on the way between client and server, and at its end.

use crate::{
    explain::{Place, Text},
    servers::Topic,
};

pub const PATH_BLOCKED: Text = Text {
    meaning: "address and port are fine, and the SYN never got here",
    detail: "A firewall, security group, NAT or unpublished port in front of this vantage point keeps it away, or the \
             client's own firewall does.",
    confirm: &[
        "On the client: `curl -v ftp://SERVER/`, or `nc -vz ADDRESS PORT` while the server waits",
        "Here: `tcpdump -ni any 'tcp port PORT'` shows no SYN meanwhile",
        "On gateways between: the same, to find the one behind which it is gone",
    ],
    fix: &["Open the passive range between clients and server, and set the server to it."],
    settings: &[Topic::Range],
    open: Some(Place::InFront),
};

pub const LOCAL_DROP: Text = Text {
    meaning: "the SYN reached the server's host, which said nothing",
    detail: "The host's own firewall drops it, or its kernel does: a full backlog, or a reverse-path filter.",
    confirm: &[
        "`nft list ruleset`, or `iptables -S`: the input chain's policy and rules",
        "`nft monitor trace`, with a rule `tcp dport PORT meta nftrace set 1`",
        "`ss -ltn sport = :PORT` while a client waits: the server listens",
        "`nstat -az TcpExtListenDrops TcpExtListenOverflows TcpExtIPReversePathFilter`",
    ],
    fix: &["Open the passive range in the host's own firewall, and set the server to it."],
    settings: &[Topic::Range],
    open: Some(Place::Host),
};

pub const DROPPED_BEYOND: Text = Text {
    meaning: "the SYN passed here, and nothing came back",
    detail: "It is dropped further on: by a firewall between here and the server, or on the server.",
    confirm: &[
        "On the server: `tcpdump -ni any 'tcp port PORT'` shows whether the SYN arrives",
        "`traceroute -T -p PORT ADDRESS` shows how far it gets",
    ],
    fix: &[
        "Open the passive range in the firewalls between here and the server, and on the server itself.",
    ],
    settings: &[Topic::Range],
    open: Some(Place::Host),
};

pub const NOT_LISTENING: Text = Text {
    meaning: "nobody listens on the advertised port, or a firewall answers as if",
    detail: "RST came back. The port is forwarded to another host or not at all, the server closed its listener before \
             the client came, or a firewall rejects with RST.",
    confirm: &[
        "On the server, while a client waits: `ss -ltnp sport = :PORT`",
        "Wireshark: `tcp.port == PORT && tcp.flags.reset == 1`; the TTL of the RST, next to that of the server's \
         other packets, says who sent it",
        "`nft list ruleset | grep 'reject with tcp reset'`",
    ],
    fix: &[
        "Have the passive range forwarded to the host on which the server runs, each port to the same port; behind a \
         load balancer, to the back end that has the control connection.",
        "See the server's log for why it stopped listening.",
    ],
    settings: &[Topic::Range, Topic::Log],
    ..Text::NOTHING
};

pub const REJECTED: Text = Text {
    meaning: "an ICMP error answered: a firewall rejects",
    detail: "The evidence names who sent it. Clients say \"No route to host\" or \"Connection refused\".",
    confirm: &[
        "`tcpdump -ni any 'icmp or icmp6'`; Wireshark: `icmp.type == 3 || icmpv6.type == 1`",
        "On the host that sent it: `nft list ruleset`, `iptables -S`, or `firewall-cmd --list-all`",
    ],
    fix: &["Open the passive range there, and set the server to it."],
    settings: &[Topic::Range],
    open: Some(Place::Host),
};

pub const RETURN_PATH: Text = Text {
    meaning: "the server answered, and the answer did not reach the client",
    detail: "Asymmetric routing, a missing route back, or a filter on what leaves. Stateful firewalls drop a SYN-ACK \
             whose SYN took another way.",
    confirm: &[
        "On the server: `ip route get CLIENT`; on gateways: `tcpdump -ni any 'tcp port PORT'`",
        "`nft list ruleset`: the output and forward chains",
        "`conntrack -L -p tcp --dport PORT` on gateways: SYN_SENT or SYN_RECV",
    ],
    fix: &["Make the way back the same as the way there, and open it in filters on what leaves."],
    ..Text::NOTHING
};
