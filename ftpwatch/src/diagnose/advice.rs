//! What a cause means in this case, and what to do about it: the action first, then the details, then how to
//! confirm it. Each line stands alone.

use std::net::IpAddr;

use super::{Cause, Context, evidence::endpoint};
use crate::{
    address::{is_private, is_public},
    host::Listening,
    tracker::Case,
    vantage::Vantage,
};

/// Where what is where, for the sentences.
struct Scene {
    server: IpAddr,
    client: IpAddr,
    address: IpAddr,
    port: u16,
    /// Address and port, as advertised.
    advertised: String,
    /// What has to be open.
    range: String,
}

impl Scene {
    fn of(case: &Case, context: &Context) -> Self {
        let view = case.views.client_side();
        let (address, port) = (view.address.ip(), view.port);
        Self {
            server: view.flow.server.ip(),
            client: view.flow.client.ip(),
            address,
            port,
            advertised: endpoint(address, port),
            range: match &context.passive_range {
                Some(range) => format!("the passive range {}-{}", range.start(), range.end()),
                None => format!("port {port} and the rest of the server's passive range"),
            },
        }
    }
}

/// What the cause means in this case: a sentence.
pub fn explanation(cause: Cause, case: &Case, context: &Context) -> String {
    let Scene {
        server,
        client,
        address,
        port,
        advertised,
        ..
    } = &Scene::of(case, context);
    match cause {
        Cause::UnusableAddress => format!("Nobody can connect to {advertised}."),
        Cause::PrivateAddress => format!(
            "{address} is private, and {client}, on the Internet, has no way to it: a server behind NAT \
             that does not know its public address."
        ),
        Cause::AddressMismatch => format!(
            "{address} is not where {client} opened its control connection ({server}), and nobody was seen \
             to connect to it."
        ),
        Cause::ClientRefused => format!(
            "The client connects to {server} only, as a protection against FTP bounce, and was told {address}."
        ),
        Cause::ReplyDropped => format!(
            "{client} never acknowledged the reply: something between drops it, as connection-tracking \
             helpers do with replies that they cannot parse."
        ),
        Cause::PortOutOfRange => {
            format!("Port {port} is not among those that were said to be open.")
        }
        Cause::PathBlocked if context.vantage == Vantage::Client => {
            format!("This host sent no SYN to {advertised}.")
        }
        Cause::PathBlocked => format!(
            "Nothing is wrong with {advertised}, and no SYN for it came here: a firewall, security group, NAT \
             or unpublished port in front."
        ),
        Cause::PortRewritten => format!(
            "The server listens on {}, and {advertised} is what became of its reply on the way: something rewrote it.",
            context
                .listening
                .as_ref()
                .and_then(Listening::instead)
                .map_or_else(|| "another port".to_owned(), |port| format!("port {port}"))
        ),
        Cause::LocalDrop => format!(
            "The SYN to {advertised} reached this host, which said nothing: its own firewall drops it."
        ),
        Cause::DroppedBeyond => {
            format!("The SYN to {advertised} went on from here, and nothing came back.")
        }
        Cause::NotListening => {
            format!("Nobody listens on {advertised}, or a firewall answers as if.")
        }
        Cause::Rejected => format!(
            "The firewall of {} rejects what goes to {advertised}.",
            case.views
                .rejected()
                .map_or(*server, |view| view.rejected_by.ip())
        ),
        Cause::ReturnPath => format!(
            "The server's SYN-ACK from {advertised} does not reach {client}: asymmetric routing, a missing \
             route back, or a firewall that drops what leaves."
        ),
    }
}

/// What to do.
pub fn advice(cause: Cause, case: &Case, context: &Context) -> Vec<String> {
    let scene = &Scene::of(case, context);
    let Scene {
        server,
        client,
        address,
        port,
        range,
        ..
    } = scene;
    match cause {
        Cause::UnusableAddress | Cause::AddressMismatch | Cause::ClientRefused => {
            advertise(scene)
        }
        Cause::PrivateAddress => {
            let mut lines = advertise(scene);
            lines.push(
                "Until then, clients that use EPSV, or ignore the advertised address as curl does, may work."
                    .into(),
            );
            lines
        }
        Cause::ReplyDropped => vec![
            "Take the FTP helper out of the way between server and client, or make the server's reply plain."
                .into(),
            "On a Linux gateway, see whether there is one: `lsmod | grep nf_conntrack_ftp`".into(),
        ],
        Cause::PortOutOfRange => vec![
            "Set the server's passive range to the ports that are open, or open this one:".into(),
            "vsftpd: `pasv_min_port` and `pasv_max_port`".into(),
            "ProFTPD: `PassivePorts`".into(),
            "Pure-FTPd: `-p`".into(),
        ],
        Cause::PathBlocked if context.vantage == Vantage::Client => {
            vec!["Look at this host's own outgoing firewall, or at why the client did not try.".into()]
        }
        Cause::PathBlocked => vec![
            format!("Open {range} for TCP between {client} and {server}: firewalls, security groups, NAT."),
            format!("To confirm, from the client's side while the server waits: `nc -vz {address} {port}`"),
        ],
        Cause::PortRewritten => vec![
            "Take the FTP helper or ALG that rewrites replies off the way: `lsmod | grep -e nf_nat_ftp -e ip_vs_ftp`.".into(),
        ],
        Cause::LocalDrop => vec![
            format!("Open {range} in this host's own firewall:"),
            format!("nftables: `tcp dport {port} accept`, for the whole range"),
            format!("firewalld: `firewall-cmd --add-port={port}/tcp`, for the whole range"),
            format!("ufw: `ufw allow {port}/tcp`, for the whole range"),
            "To see the rule that drops: `nft list ruleset`, or `iptables -S`".into(),
        ],
        Cause::DroppedBeyond => vec![format!(
            "Open {range} in the firewalls between here and {server}, and on the server itself."
        )],
        Cause::NotListening => vec![
            "See that the port is forwarded to the right host, and that the server's listener stays open."
                .into(),
            format!("To confirm, on the server while a client waits: `ss -ltn sport = :{port}`"),
        ],
        Cause::Rejected => vec![
            format!("Open {range} there."),
            "To see the rule: `nft list ruleset`, `iptables -S`, or `firewall-cmd --list-all`".into(),
        ],
        Cause::ReturnPath => vec![
            format!("Make the way from {server} back to {client} the same as the way there."),
            format!("To see which way it takes, on the server: `ip route get {client}`"),
        ],
    }
}

/// The directives that make servers advertise the address that clients reach them at. Behind NAT, the server
/// itself does not know it.
fn advertise(scene: &Scene) -> Vec<String> {
    let Scene { server, client, .. } = scene;
    let (what, address) = if is_private(*server) && is_public(*client) {
        let what = format!("its public address; {server} is what NAT makes of it:");
        (what, "PUBLIC-ADDRESS".to_owned())
    } else {
        let what = format!("the address that its clients reach it at, {server}:");
        (what, server.to_string())
    };
    vec![
        format!("Make the server advertise {what}"),
        format!("vsftpd: `pasv_address={address}`"),
        format!("ProFTPD: `MasqueradeAddress {address}`"),
        format!("Pure-FTPd: `-P {address}`"),
    ]
}
