//! What was seen, in order, with times.

use std::time::Duration;

use ftpwatch_common::endpoint::{Endpoint, GiveUp, RejectedSegment, missed};

use super::Context;
use crate::{
    escape::printable,
    history::{Known, network},
    host::Listening,
    tracker::{Case, Facts, Outcome},
};

/// Why absence proves nothing, for each bit of [`missed`].
const MISSED: [(u32, &str); 9] = [
    (missed::REPLIES, "bytes of the server's were missed"),
    (missed::COMMANDS, "bytes of the client's were missed"),
    (
        missed::INDEX,
        "the index was full, a SYN could not be matched",
    ),
    (
        missed::ATTEMPTS,
        "more connection attempts than can be remembered",
    ),
    (
        missed::SHADOWED,
        "another session of the same client was given the same address and port",
    ),
    (
        missed::PIPELINE,
        "more commands in flight than can be remembered",
    ),
    (missed::STORE, "packets may have passed unseen"),
    (missed::CONTENDED, "a packet could not be taken in"),
    (
        missed::ROOM,
        "more endpoints at a time than there is room for: its client had its share, or it made room for others",
    ),
];

/// The evidence, in the order in which it was seen.
pub fn evidence(case: &Case, context: &Context) -> Vec<String> {
    let facts = &case.facts;
    let mut seen = timed(case);
    seen.sort_by_key(|(at, _)| *at);
    let mut lines: Vec<String> = seen.into_iter().map(|(_, line)| line).collect();
    if case.outcome.is_failure() {
        lines.extend(context.listening.iter().map(|now| listens(case, now)));
        lines.extend(others(case));
    }
    if case.outcome == Outcome::Unknown {
        let missed = MISSED.iter().filter(|(bit, _)| facts.missed & bit != 0);
        lines.extend(missed.map(|(_, text)| (*text).to_owned()));
        if facts.missed == 0 && case.server.elsewhere {
            lines
                .push("this server's data connections do not pass here, as far as was seen".into());
        }
    }
    lines
}

/// What the server listened on when the endpoint had failed.
fn listens(case: &Case, now: &Listening) -> String {
    let port = case.views.client_side().port;
    match (now.advertised, now.instead()) {
        (true, _) => format!(
            "the server listens on port {port}: what does not let the client in stands before it"
        ),
        (false, Some(instead)) => {
            format!("the server does not listen on port {port}, but on {instead}")
        }
        (false, None) => format!("nobody listens on port {port} any more"),
    }
}

/// What other endpoints of this server came to: what works for others is not what is wrong.
fn others(case: &Case) -> Option<String> {
    let Known {
        connected,
        connected_on_port,
        connected_from_network,
        ..
    } = case.server;
    let view = case.views.client_side();
    (connected > 0).then(|| {
        format!(
            "of this server's other endpoints {connected} connected: {connected_on_port} on port {}, \
             {connected_from_network} from {}",
            view.port,
            network(view.flow.client)
        )
    })
}

/// What was seen, with its time.
fn timed(case: &Case) -> Vec<(u64, String)> {
    let facts = &case.facts;
    let view = case.views.client_side();
    let since = |at: u64| duration(at.saturating_sub(facts.advertised_at));
    let mut seen = vec![(
        facts.advertised_at,
        format!(
            "{} advertised {}",
            view.code,
            endpoint(view.address.ip(), view.port)
        ),
    )];
    if let Some(at) = facts.resent_at {
        let times = match facts.resent {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        seen.push((
            at,
            format!("reply sent again {times}, last after {}", since(at)),
        ));
    }
    if let Some((attempted, attempt)) = case.views.best_attempt() {
        let to = if attempt.via_control != 0 {
            attempted.flow.server
        } else {
            attempted.address
        };
        let to = endpoint(to.ip(), attempted.port);
        let from = attempt.client.ip();
        let times = match attempt.syns {
            1 => String::new(),
            times => format!(" ({times} times)"),
        };
        seen.push((
            attempt.syn_at,
            format!(
                "SYN from {from} to {to} after {}{times}",
                since(attempt.syn_at)
            ),
        ));
        for (at, what) in [
            (attempt.syn_ack_at, "SYN-ACK"),
            (attempt.ack_at, "handshake complete"),
            (attempt.rst_at, "RST"),
        ] {
            if at != 0 {
                seen.push((at, format!("{what} after {}", since(at))));
            }
        }
    }
    if view.command_at != 0 {
        let verb = printable(&view.command).replace("\\u{0}", "");
        seen.push((
            view.command_at,
            format!("client sent {verb} after {}", since(view.command_at)),
        ));
    }
    if let Some(at) = facts.announced_at {
        seen.push((
            at,
            format!("server said {} after {}", view.announced, since(at)),
        ));
    }
    if let Some((at, code)) = facts.final_reply {
        seen.push((at, format!("server said {code} after {}", since(at))));
    }
    if let Some(rejected) = case.views.rejected() {
        seen.push((
            rejected.rejected_at,
            rejection(rejected, &since(rejected.rejected_at)),
        ));
    }
    seen.extend(absent(case));
    if let Some((at, how)) = facts.gave_up {
        seen.push((at, format!("{} after {}", gave_up(how), since(at))));
    }
    seen
}

/// What an ICMP error said.
fn rejection(view: &Endpoint, after: &str) -> String {
    let what = if view.rejected == RejectedSegment::SynAck as u8 {
        "SYN-ACK"
    } else {
        "SYN"
    };
    let (kind, code) = (view.rejected_type, view.rejected_code);
    // RFC 792 and the registry of ICMP codes; RFC 4443, section 3.1.
    let v4 = view.rejected_by.ip().is_ipv4();
    let name = match (v4, kind, code) {
        (true, 3, 0) => ", network unreachable",
        (true, 3, 1) | (false, 1, 3) => ", host unreachable",
        (true, 3, 3) | (false, 1, 4) => ", port unreachable",
        (true, 3, 9 | 10 | 13) | (false, 1, 1) => ", administratively prohibited",
        (false, 1, 0) => ", no route",
        (true, 11, _) | (false, 3, _) => ", time exceeded",
        _ => "",
    };
    let from = view.rejected_by.ip();
    format!("{from} answered the {what} with ICMP type {kind} code {code}{name} after {after}")
}

/// What was waited for in vain, and until when.
fn absent(case: &Case) -> Option<(u64, String)> {
    let Facts {
        advertised_at,
        acked_at,
        syn_at,
        syn_ack_at,
        ..
    } = case.facts;
    let (what, since) = match case.outcome {
        Outcome::NoSyn if case.views.is_tried_by_others() => (
            "SYN from the client itself",
            acked_at.unwrap_or(advertised_at),
        ),
        Outcome::NoSyn => ("SYN", acked_at.unwrap_or(advertised_at)),
        Outcome::NoAnswer => ("answer to the SYN", syn_at?),
        Outcome::NoAck => ("acknowledgement of the SYN-ACK", syn_ack_at?),
        _ => return None,
    };
    let until = case.facts.gave_up.map_or(case.decided_at, |(at, _)| at);
    let waited = duration(until.saturating_sub(since));
    Some((until, format!("no {what} for {waited}")))
}

const fn gave_up(how: GiveUp) -> &'static str {
    match how {
        GiveUp::None => "client gave up",
        GiveUp::Quit => "client sent QUIT",
        GiveUp::Abort => "client sent ABOR",
        GiveUp::ClientClosed => "client closed",
        GiveUp::ClientReset => "client reset the control connection",
        GiveUp::Replaced => "server answered the client's next request for a data connection",
        GiveUp::ServerClosed => "server closed",
    }
}

/// An address and port, as RFC 5952 (section 6) writes them.
pub fn endpoint(ip: std::net::IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(ip, port).to_string()
}

/// A duration as a person says it.
fn duration(nanoseconds: u64) -> String {
    let seconds = Duration::from_nanos(nanoseconds).as_secs_f64();
    if seconds < 0.001 {
        format!("{:.2} ms", seconds * 1e3)
    } else if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else {
        format!("{seconds:.1} s")
    }
}
