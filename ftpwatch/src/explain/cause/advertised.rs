//! Causes in what was advertised, and in what became of the reply.

use crate::{
    explain::{Place, Text},
    servers::Topic,
};

/// Shows the 227 and where a client that believes it connects to.
const BELIEVE: &str = "From a client, believing the reply: `curl -v --disable-epsv --no-ftp-skip-pasv-ip ftp://SERVER/`";
/// Shows the replies.
const REPLIES: &str = "Wireshark: `ftp.response.code == 227`, and the address in it";

pub const UNUSABLE_ADDRESS: Text = Text {
    meaning: "nobody can connect to the advertised address or port",
    detail: "0.0.0.0, a loopback, link-local, multicast, broadcast or class E address, or port 0 was advertised. \
             Often the default of a container image, or what a server makes of a PASV over IPv6.",
    confirm: &[REPLIES, BELIEVE],
    fix: &["Make the server advertise the address that its clients reach it at."],
    settings: &[Topic::Address],
    ..Text::NOTHING
};

pub const PRIVATE_ADDRESS: Text = Text {
    meaning: "a private address was advertised to a client with a public one",
    detail: "A server behind NAT, or in a container, that does not know its public address. Clients that believe it \
             cannot connect; those that use EPSV or ignore the address, as curl does, may.",
    confirm: &[REPLIES, BELIEVE],
    fix: &[
        "Make the server advertise the address that its clients reach it at.",
        "Have NAT forward the passive range, each port to the same port.",
        "Until then, clients that use EPSV work.",
    ],
    settings: &[Topic::Address, Topic::Range],
    ..Text::NOTHING
};

pub const ADDRESS_MISMATCH: Text = Text {
    meaning: "another address than the control connection's was advertised",
    detail: "And nobody was seen to connect through it: an address of another interface, of before a move, or of a \
             name that resolves to something else where the server is.",
    confirm: &[
        REPLIES,
        "Wireshark: `ftp.passive.nat` marks a 227 with another address than its sender's",
        BELIEVE,
    ],
    fix: &["Make the server advertise the address that its clients reach it at."],
    settings: &[Topic::Address],
    ..Text::NOTHING
};

pub const CLIENT_REFUSED: Text = Text {
    meaning: "the client dropped the advertised address without trying it",
    detail: "Some clients connect to the control connection's address only, as a protection against FTP bounce, and \
             give up when they are told another: inetutils ftp says \"Passive mode address mismatch.\", basic-ftp \
             throws.",
    confirm: &[
        REPLIES,
        "The client's own messages, and its ABOR or QUIT within a second of the reply",
    ],
    fix: &[
        "Make the server advertise the address that its clients reach it at, or have the client use EPSV.",
    ],
    settings: &[Topic::Address],
    ..Text::NOTHING
};

pub const REPLY_DROPPED: Text = Text {
    meaning: "the reply never reached the client",
    detail: "The server sent it again and again, and it was never acknowledged. Connection-tracking helpers drop \
             replies that they cannot parse: one that is split over segments, has other digits in its text, or blanks \
             between the numbers.",
    confirm: &[
        "Wireshark: `ftp.response.code == 227 && tcp.analysis.retransmission`",
        "On gateways and on the server: `lsmod | grep -e nf_conntrack_ftp -e nf_nat_ftp -e ip_vs_ftp`",
        "`nft list ruleset | grep helper`, or `iptables -t raw -S | grep CT`",
    ],
    fix: &[
        "Take the helper out of the way: remove the rule that assigns it, or `modprobe -r nf_nat_ftp nf_conntrack_ftp`; \
         on a router, switch off its FTP ALG. Then open the passive range.",
        "Or give the server's reply the usual form, `227 Entering Passive Mode (a,b,c,d,p,q).`",
    ],
    settings: &[Topic::Range],
    open: Some(Place::InFront),
};

pub const PORT_OUT_OF_RANGE: Text = Text {
    meaning: "the port is outside the range that was said to be open",
    detail: "The server advertised a port that `--passive-range` does not have: no range is set, another one, or it is \
             exhausted and the server takes any port.",
    confirm: &[
        "Compare the range in the server's configuration with the firewall's: `nft list ruleset`",
        "`ss -tan sport = :PORT` on the server",
    ],
    fix: &["Set the server's passive range to the ports that are open, or open the others."],
    settings: &[Topic::Range],
    open: Some(Place::InFront),
};

pub const PORT_REWRITTEN: Text = Text {
    meaning: "another port of the server's was opened for it than the one that was advertised",
    detail: "Nobody ever listened on the port that left this host, and the server waits on another: a helper or an ALG \
             rewrote the reply between the server and here, or NAT expects ports that it did not give.",
    confirm: &[
        "On the server, while a client waits: `ss -ltnp` shows the port that it listens on; compare with the reply",
        "Capture the reply on both sides, `tcpdump -A -ni any 'tcp port 21'`, and compare the numbers",
        "`lsmod | grep -e nf_nat_ftp -e ip_vs_ftp`, and `conntrack -L expect` on gateways",
    ],
    fix: &[
        "Take the helper out of the way (nf_conntrack_ftp and nf_nat_ftp, IPVS's ip_vs_ftp, a router's FTP ALG), have \
         NAT forward the passive range, each port to the same port, and the server advertise its public address.",
        "Or encrypt the control connection (AUTH TLS): what cannot be read is not rewritten. The range has to be \
         forwarded all the same.",
    ],
    settings: &[Topic::Address, Topic::Range],
    ..Text::NOTHING
};
