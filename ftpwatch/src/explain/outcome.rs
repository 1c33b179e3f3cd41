//! What the outcomes mean.

use super::Text;
use crate::{explain::Place, servers::Topic, tracker::Outcome};

/// What `outcome` means.
#[must_use]
pub const fn outcome(outcome: Outcome) -> &'static Text {
    match outcome {
        Outcome::Connected => &Text {
            meaning: "the three-way handshake completed",
            detail: "The client connected to the endpoint, through the advertised address or the control \
                     connection's. Whether the transfer then succeeded is another question: a reply that says that \
                     it did not is reported as a transfer event.",
            confirm: &["Wireshark: `tcp.port == PORT`, SYN, SYN-ACK and ACK"],
            ..Text::NOTHING
        },
        Outcome::NoSyn => &Text {
            meaning: "no SYN for it was seen",
            detail: "The server advertised the endpoint, and no connection attempt arrived until the time-out, or \
                     until the client gave up. Either the client did not try, or something between it and this \
                     vantage point kept the SYN away. The cause says which is likely.",
            confirm: &[
                "`tcpdump -ni any 'tcp port PORT'` shows nothing while a client waits",
                "On the client, `tcpdump -ni any 'tcp port PORT'` shows whether it sends the SYN at all, and where to",
                "Wireshark: `ftp.response.code == 227 || ftp.response.code == 229`, and no packet for \
                 `tcp.dstport == PORT`",
            ],
            fix: &[
                "See the cause; where none is given, look at the advertised address first, then at the ports.",
            ],
            settings: &[Topic::Address, Topic::Range],
            ..Text::NOTHING
        },
        Outcome::NoAnswer => &Text {
            meaning: "a SYN, and neither SYN-ACK nor RST nor ICMP error",
            detail: "The client tried and something drops its SYN without a word, at this host or further on.",
            confirm: &[
                "`tcpdump -ni any 'tcp port PORT'` shows the SYN again and again, and nothing else",
                "Wireshark: `tcp.dstport == PORT && tcp.flags.syn == 1`, with retransmissions",
                "On the server, `nft list ruleset` shows which rule drops",
            ],
            fix: &["Open the passive range where the SYN is dropped."],
            open: Some(Place::Host),
            ..Text::NOTHING
        },
        Outcome::Refused => &Text {
            meaning: "the SYN was answered with RST, or with ICMP errors and nothing else",
            detail: "Something answered that the port is closed: a host on which nobody listens there, or a \
                     firewall that rejects. Clients say \"Connection refused\", or \"No route to host\" for most ICMP \
                     errors.",
            confirm: &[
                "`tcpdump -ni any 'tcp port PORT or icmp or icmp6'` shows who answers",
                "Wireshark: `tcp.port == PORT && tcp.flags.reset == 1`, or `icmp.type == 3`",
                "On the server, while a client waits: `ss -ltn sport = :PORT`",
            ],
            fix: &[
                "With RST: have the port forwarded to the host on which the server listens, and the listener kept open.",
                "With an ICMP error: open the passive range in the firewall that sent it.",
            ],
            settings: &[Topic::Range],
            ..Text::NOTHING
        },
        Outcome::NoAck => &Text {
            meaning: "a SYN-ACK, and the handshake did not complete",
            detail: "The server answered, and its answer did not get back to the client, or the client's \
                     acknowledgement not here.",
            confirm: &[
                "`tcpdump -ni any 'tcp port PORT'` shows the SYN-ACK again and again",
                "On the client, `tcpdump -ni any 'tcp port PORT'` shows whether the SYN-ACK arrives",
                "On the server, `ip route get CLIENT` shows which way it leaves",
            ],
            fix: &[
                "Make the way back the same as the way there, and open it in filters on what leaves.",
            ],
            ..Text::NOTHING
        },
        Outcome::Unused => &Text {
            meaning: "the client never needed it",
            detail: "It gave up within a second, asked for another endpoint, or was refused the transfer for another \
                     reason, such as a file that is not there. No failure by itself; when nearly every endpoint of \
                     a server ends so, see given_up_at_once.",
            confirm: &[
                "Wireshark: `ftp.request.command` and `ftp.response.code` after the reply, e.g. 550",
            ],
            ..Text::NOTHING
        },
        Outcome::Unobserved => &Text {
            meaning: "the transfer ran, past this vantage point",
            detail: "The server reported success, and the data connection was not seen here: it takes another \
                     interface or another way.",
            confirm: &[
                "Wireshark: `ftp.response.code == 226 || ftp.response.code == 250` after the reply, and no packet for \
                 `tcp.port == PORT`",
                "`ip route get CLIENT` on the server, and `ip route get ADDRESS` on the client, show the ways",
            ],
            fix: &[
                "Watch the interface that the data connections take: `ftpwatch run` without -i watches them all.",
            ],
            ..Text::NOTHING
        },
        Outcome::Unknown => &Text {
            meaning: "absence proves nothing here: something was missed, or watching ended before the decision",
            detail: "Packets or records were lost since the reply, watching stopped or the capture ended first, or \
                     data connections of this server have only been seen to go elsewhere. It is counted, and no alarm.",
            confirm: &["The evidence, and loss events, say what was missed"],
            fix: &[
                "Capture whole packets of all ports, not of port 21 alone, and without drops: `tcpdump -B 65536 -w FILE`.",
            ],
            ..Text::NOTHING
        },
    }
}
