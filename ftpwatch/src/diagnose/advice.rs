//! What a cause means in this case, and what to do about it: the action first, then the details, then how to
//! confirm it. Each line stands alone.

use super::{Cause, Context, scene::Scene};
use crate::{
    address::{is_private, is_public},
    firewalls,
    host::Listening,
    servers::Topic,
    tracker::Case,
    vantage::Vantage,
};

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
            "The server listens on {}, and {advertised} is what became of its reply: a helper or an ALG rewrote it.",
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
        port,
        range,
        ports,
        ..
    } = scene;
    let mut lines = match cause {
        Cause::UnusableAddress | Cause::AddressMismatch | Cause::ClientRefused => advertise(scene),
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
            "On a Linux gateway, see whether there is one: `lsmod | grep nf_conntrack_ftp`, and what assigns it: \
             `nft list ruleset | grep helper`"
                .into(),
            format!("Without the helper, {range} has to be open and forwarded for good."),
        ],
        Cause::PortRewritten => vec![
            "Take the FTP helper out of the way between server and client: nf_conntrack_ftp and nf_nat_ftp, \
             IPVS's ip_vs_ftp, a router's FTP ALG."
                .into(),
            format!("Without it, forward {range} to the server, each port to the same port."),
            "Or encrypt the control connection (AUTH TLS): what cannot be read is not rewritten.".into(),
            "To confirm, on the server while a client waits: `ss -ltnp`, and compare with the reply".into(),
        ],
        Cause::PortOutOfRange => {
            let what = "Set the server's passive range to the ports that are open, or open this one:";
            headed(what.into(), scene.settings(Topic::Range))
        }
        Cause::PathBlocked if context.vantage == Vantage::Client => {
            vec!["Look at this host's own outgoing firewall, or at why the client did not try.".into()]
        }
        Cause::PathBlocked => headed(
            format!("Open {range} between {client} and {server}, wherever it is closed:"),
            firewalls::in_front(ports, &format!("{client}'s network")),
        ),
        Cause::LocalDrop => {
            let what = format!("Open {range} in this host's own firewall:");
            let mut lines = headed(what, firewalls::on_the_host(ports));
            lines.push("To see the rule that drops: `nft list ruleset`, or `iptables -S`".into());
            lines
        }
        Cause::DroppedBeyond => headed(
            format!("Open {range} in the firewalls between here and {server}, and on the server itself:"),
            firewalls::on_the_host(ports),
        ),
        Cause::NotListening => vec![
            if context.vantage == Vantage::Server {
                "See why nobody listens here: the server closed its listener, or it runs on another host behind \
                 this address; or the host's firewall rejects with RST: `nft list ruleset`"
                    .into()
            } else {
                format!(
                    "Have {range} forwarded to the host on which the server runs, each port to the same port, and \
                     see that the server's listener stays open."
                )
            },
            format!("To confirm, on the server while a client waits: `ss -ltnp sport = :{port}`"),
        ],
        Cause::Rejected => {
            let mut lines = headed(format!("Open {range} there:"), firewalls::on_the_host(ports));
            lines.push(
                "To see the rule: `nft list ruleset`, `iptables -S`, or `firewall-cmd --list-all`".into(),
            );
            lines
        }
        Cause::ReturnPath => vec![
            format!("Make the way from {server} back to {client} the same as the way there."),
            format!("To see which way it takes, on the server: `ip route get {client}`"),
        ],
    };
    match cause {
        Cause::PathBlocked | Cause::LocalDrop | Cause::DroppedBeyond | Cause::Rejected => {
            lines.extend(scene.range_to_set());
        }
        Cause::NotListening => lines.extend(scene.log()),
        _ => {}
    }
    if is_seen_client_command(cause) {
        lines.push(scene.client_command());
    }
    lines
}

/// Whether a client shows by itself that it is so, or is so no more.
const fn is_seen_client_command(cause: Cause) -> bool {
    !matches!(
        cause,
        Cause::ReplyDropped | Cause::PortRewritten | Cause::NotListening | Cause::ReturnPath
    )
}

/// What makes servers advertise the address that clients reach them at. Behind NAT, the server itself does not know
/// it.
fn advertise(scene: &Scene) -> Vec<String> {
    let Scene { server, client, .. } = scene;
    let what = if is_private(*server) && is_public(*client) {
        format!("its public address; {server} is what NAT makes of it:")
    } else {
        format!("the address that its clients reach it at, {server}:")
    };
    headed(
        format!("Make the server advertise {what}"),
        scene.settings(Topic::Address),
    )
}

/// `first`, and what it says is below it.
fn headed(first: String, mut lines: Vec<String>) -> Vec<String> {
    lines.insert(0, first);
    lines
}
