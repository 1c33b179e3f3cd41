//! What a reply says that calls a transfer failed after its endpoint had its outcome, and what to do about it.

mod complaint;

use std::net::IpAddr;

use complaint::{Complaint, complaint};

use super::{Cause, Context, advice::advice, cause::causes, scene::Scene};
use crate::{escape::printable, servers::Topic, tracker::Case};

/// What the reply means in this case, a sentence, and what to do.
#[must_use]
pub fn transfer(case: &Case, context: &Context) -> (String, Vec<String>) {
    let scene = &Scene::of(case, context);
    let code = case.facts.final_reply.map_or(425, |(_, code)| code);
    let (code, text) = case.control_reply.map_or((code, String::new()), |line| {
        (line.code, printable(line.text.as_bytes()))
    });
    let complaint = complaint(code, &text);
    let cause = causes(case, context).first().map(|(cause, _)| *cause);
    let mut lines = remedy(complaint, scene);
    // Where nobody ever connected, why is known already, and what the server says of it is no news.
    let known = matches!(
        complaint,
        Complaint::NotEstablished | Complaint::TimedOut | Complaint::Closing
    );
    if let Some(cause) = cause.filter(|_| known) {
        lines = advice(cause, case, context);
    }
    (meaning(complaint, cause, case, scene), lines)
}

fn meaning(complaint: Complaint, cause: Option<Cause>, case: &Case, scene: &Scene) -> String {
    let Scene { client, .. } = scene;
    match complaint {
        Complaint::ForeignAddress => {
            let from = elsewhere(case, *client);
            format!(
                "The data connection came from {from}, the control connection from {client}, and the server takes \
                 none from elsewhere: a load balancer or a NAT with several addresses is between."
            )
        }
        Complaint::SessionReuse => "The client did not resume the control connection's TLS session on the data \
             connection, and the server insists on it."
            .into(),
        Complaint::Protection => {
            "The server wants data connections encrypted, and the client did not ask for that.".into()
        }
        Complaint::Handshake => "TLS on the data connection failed.".into(),
        Complaint::Exhausted => "The server has no free passive port left.".into(),
        Complaint::NotEstablished | Complaint::TimedOut | Complaint::Closing if cause.is_some() => {
            "The server says so too: no data connection reached it.".into()
        }
        Complaint::TimedOut => {
            "The data connection was there, and nothing went over it for as long as the server waits.".into()
        }
        Complaint::NotEstablished => "The handshake was seen here, and the server has no data connection: it \
             reached another host or process behind that address, or came too late."
            .into(),
        Complaint::Aborted => "The data connection broke off during the transfer.".into(),
        Complaint::Closing => "The server closed the control connection during the transfer.".into(),
    }
}

/// Where the data connection came from, if that was seen.
fn elsewhere(case: &Case, client: IpAddr) -> String {
    case.views
        .best_attempt()
        .map(|(_, attempt)| attempt.client.ip())
        .filter(|from| *from != client)
        .map_or_else(|| "another address".into(), |from| from.to_string())
}

fn remedy(complaint: Complaint, scene: &Scene) -> Vec<String> {
    let lines = |first: &[&str], topic: Option<Topic>| {
        let mut lines: Vec<String> = first.iter().map(ToString::to_string).collect();
        lines.extend(topic.map(|topic| scene.settings(topic)).unwrap_or_default());
        lines
    };
    let mut lines = match complaint {
        Complaint::ForeignAddress => lines(
            &[
                "Have what is between keep one source address for all connections of a client to the server.",
                "Kubernetes Service: `externalTrafficPolicy: Local`",
                "Or have the server take data connections from anybody, which gives up a protection:",
            ],
            Some(Topic::Foreign),
        ),
        Complaint::SessionReuse => lines(
            &[
                "Use a client that resumes TLS sessions on data connections.",
                "Or have the server do without, which gives up a protection:",
            ],
            Some(Topic::Reuse),
        ),
        Complaint::Protection => lines(
            &[
                "Have the client send PROT P; curl: `--ssl-reqd`, lftp: `set ftp:ssl-protect-data yes`",
            ],
            None,
        ),
        Complaint::Handshake => lines(
            &[
                "Compare TLS versions and certificates of client and server, and look for what tampers with data \
                 connections between them.",
                "To see them on the control connection: `openssl s_client -starttls ftp -connect SERVER:21`",
            ],
            None,
        ),
        Complaint::Exhausted => lines(
            &["Widen the server's passive range, and the firewall with it:"],
            Some(Topic::Range),
        ),
        Complaint::TimedOut | Complaint::Aborted => lines(
            &[
                "Look for what ends connections between client and server: idle time-outs of NAT and stateful \
                 firewalls, a link with a smaller MTU whose ICMP errors are dropped.",
                "To see who ends it, on both sides: `tcpdump -ni any 'tcp[tcpflags] & (tcp-rst|tcp-fin) != 0'`",
            ],
            None,
        ),
        Complaint::NotEstablished => lines(
            &[
                "Behind a load balancer, have data connections go to the back end that has the control connection \
               (stickiness by the client's address).",
            ],
            None,
        ),
        Complaint::Closing => lines(
            &["Look at why the server ends sessions: a limit, a restart, a time-out."],
            None,
        ),
    };
    lines.extend(scene.log());
    lines
}
