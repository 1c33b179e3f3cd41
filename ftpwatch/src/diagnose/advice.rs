//! What to do about a cause.

use super::{Cause, Context, evidence::endpoint};
use crate::{tracker::Case, vantage::Vantage};

/// The advice: what to change first, then how to confirm it.
pub fn advice(cause: Cause, case: &Case, context: &Context) -> Vec<String> {
    let view = case.views.client_side();
    let (server, client) = (view.flow.server.ip(), view.flow.client.ip());
    let port = view.port;
    let advertised = endpoint(view.address.ip(), port);
    let public = format!(
        "Make the server advertise the address that its clients reach it at, {server}: \
         vsftpd `pasv_address={server}`, ProFTPD `MasqueradeAddress {server}`, Pure-FTPd `-P {server}`."
    );
    let open = match &context.passive_range {
        Some(range) => format!("ports {}-{}", range.start(), range.end()),
        None => format!("port {port} and the rest of the server's passive range"),
    };
    match cause {
        Cause::UnusableAddress => vec![
            format!("Nobody can connect to {advertised}."),
            public,
        ],
        Cause::PrivateAddress => vec![
            format!("{client} cannot reach the private address in {advertised}."),
            public,
            format!("Until then, EPSV works, and so does a client that ignores the advertised address: \
                     curl does by default."),
        ],
        Cause::AddressMismatch => vec![
            format!("{advertised} is not where {client} opened its control connection, {server}. \
                     If that address cannot be reached from there, this is why."),
            public,
        ],
        Cause::ClientRefused => vec![
            format!("The client does not connect to another address than the control connection's, \
                     as a protection against FTP bounce: it was told {advertised}."),
            public,
        ],
        Cause::ReplyDropped => vec![
            "Look for a connection-tracking helper or an FTP-aware firewall between server and client: \
             they drop replies that they cannot parse.".into(),
            "On Linux gateways: `lsmod | grep nf_conntrack_ftp`.".into(),
        ],
        Cause::PortOutOfRange => vec![format!(
            "Set the server's passive range to the ports that are open: vsftpd `pasv_min_port`/`pasv_max_port`, \
             ProFTPD `PassivePorts`, Pure-FTPd `-p`; or open {port}."
        )],
        Cause::PathBlocked if context.vantage == Vantage::Client => vec![format!(
            "This host sent no SYN to {advertised}: look at its own outgoing firewall, or ask the client \
             why it did not try."
        )],
        Cause::PathBlocked => vec![
            format!("Open {open} for TCP in every firewall, security group and NAT between {client} and {server}."),
            format!("To confirm, try from the client's side: `nc -vz {} {port}` while the server waits.", view.address.ip()),
        ],
        Cause::LocalDrop => vec![
            format!("Open {open} in this host's own firewall: nftables `tcp dport {port} accept`, firewalld \
                     `--add-port={port}/tcp`, ufw `allow {port}/tcp`, each for the whole range."),
            "To see the rule that drops: `nft list ruleset`, or `iptables -S`.".into(),
        ],
        Cause::DroppedBeyond => vec![format!(
            "The SYN to {advertised} went on from here and nothing came back: open {open} in the firewalls \
             between here and {server}, and on the server itself."
        )],
        Cause::NotListening => vec![
            format!("Nothing listens on {advertised} any more, or a firewall rejects with RST: is the port \
                     forwarded to the right host, and did the server close its listener early?"),
            format!("On the server, while a client waits: `ss -ltn sport = :{port}`."),
        ],
        Cause::Rejected => {
            let by = case.views.rejected().map_or(server, |view| view.rejected_by.ip());
            vec![
                format!("The firewall of {by} rejects what goes to {advertised}: open {open} there."),
                "To see the rule: `nft list ruleset`, `iptables -S`, or `firewall-cmd --list-all`.".into(),
            ]
        }
        Cause::ReturnPath => vec![format!(
            "The server's SYN-ACK from {advertised} does not reach {client}: look for asymmetric routing, a \
             missing route back, or a firewall that drops what leaves."
        )],
    }
}
