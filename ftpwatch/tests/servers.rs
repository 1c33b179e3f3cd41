//! Real servers of several makes, live: vsftpd, ProFTPD and Pure-FTPd, each over both versions of IP and both hooks.
//!
//! What belongs here: what ftpwatch makes of how another server writes its replies, or how they come in segments.
//! Faults belong in faults.rs, the lab's own truth in wire.rs, replies that no server of these sends in scenarios/.

mod lab;

use lab::client::endpoint_of_227;
use lab::fault::take_small_segments;
use lab::server::daemons::Kind;
use lab::server::{CONTROL_PORT, FILE, PASSIVE_PORTS};
use lab::stage::{At, Behaviour, Fault, Stage};
use lab::topology::Family::{self, V4, V6};
use lab::watch::{Event, Hook, Report, Watch};
use lab::wire::{Capture, Packet, listing};
use lab::{SOON, wait_until};
use std::net::SocketAddr;

macro_rules! servers {
    ($($name:ident($kind:ident, $family:ident, $hook:ident);)+) => {$(
        mod $name {
            use super::*;

            #[test]
            #[ignore = "needs root: cargo xtask test"]
            fn ordinary() {
                super::ordinary(Kind::$kind, $family, Hook::$hook);
            }

            #[test]
            #[ignore = "needs root: cargo xtask test"]
            fn reply_in_segments() {
                super::reply_in_segments(Kind::$kind, $family, Hook::$hook);
            }

            #[test]
            #[ignore = "needs root: cargo xtask test"]
            fn three_at_once() {
                super::three_at_once(Kind::$kind, $family, Hook::$hook);
            }
        }
    )+};
}

servers! {
    vsftpd_ipv4_tcx(Vsftpd, V4, Tcx);
    vsftpd_ipv4_clsact(Vsftpd, V4, Clsact);
    vsftpd_ipv6_tcx(Vsftpd, V6, Tcx);
    vsftpd_ipv6_clsact(Vsftpd, V6, Clsact);
    proftpd_ipv4_tcx(Proftpd, V4, Tcx);
    proftpd_ipv4_clsact(Proftpd, V4, Clsact);
    proftpd_ipv6_tcx(Proftpd, V6, Tcx);
    proftpd_ipv6_clsact(Proftpd, V6, Clsact);
    pure_ftpd_ipv4_tcx(PureFtpd, V4, Tcx);
    pure_ftpd_ipv4_clsact(PureFtpd, V4, Clsact);
    pure_ftpd_ipv6_tcx(PureFtpd, V6, Tcx);
    pure_ftpd_ipv6_clsact(PureFtpd, V6, Clsact);
}

/// Transfers by curl and ftplib connect, and the server is named.
#[track_caller]
fn ordinary(kind: Kind, family: Family, hook: Hook) {
    let stage = Stage::with(kind, Fault::Nothing, family);
    let watch = watch(&stage, hook);
    for behaviour in [Behaviour::Curl, Behaviour::Ftplib] {
        let client = stage.play(behaviour).expect("a real client");
        client.wait(SOON).ok();
    }
    let report = watch.stop();
    for outcome in balanced(&stage, &report, &["connected", "connected"]) {
        assert_named(kind, outcome);
        assert_eq!(
            outcome.json["connected"]["ip"],
            outcome.json["advertised"]["ip"]
        );
        assert_eq!(outcome.text("/observer/hook"), hook.name());
    }
}

/// The reply that advertises comes in two segments or more, since the client takes no larger ones.
#[track_caller]
fn reply_in_segments(kind: Kind, family: Family, hook: Hook) {
    let stage = Stage::with(kind, Fault::Nothing, family);
    take_small_segments(&stage.topology);
    let capture = Capture::start(stage.owner_of("s0"), "s0");
    let watch = watch(&stage, hook);

    let client = stage.client();
    let mut dialogue = client.log_in();
    let endpoint = dialogue.passive();
    dialogue.fetch(endpoint, FILE);
    dialogue.quit();

    let report = watch.stop();
    let packets = capture.stop();
    let outcomes = balanced(&stage, &report, &["connected"]);
    assert_eq!(advertised(outcomes[0]), endpoint);
    assert_named(kind, outcomes[0]);

    let reply = outcomes[0].text("/reply/text");
    let first = said(&packets)
        .find(|packet| packet.says("227 ") || packet.says("229 "))
        .unwrap_or_else(|| panic!("no beginning of \"{reply}\":\n{}", listing(&packets)));
    assert!(
        first.length < reply.len(),
        "\"{reply}\" came in one segment:\n{}",
        listing(&packets)
    );
}

/// Three requests in one segment and the three answers in one; the last of them is used.
#[track_caller]
fn three_at_once(kind: Kind, family: Family, hook: Hook) {
    let stage = Stage::with(kind, Fault::Nothing, family);
    let capture = Capture::start(stage.owner_of("s0"), "s0");
    let watch = watch(&stage, hook);

    let request = match family {
        V4 => "PASV",
        V6 => "EPSV",
    };
    let client = stage.client();
    let mut dialogue = client.log_in();
    // By this the length of an answer is known: the ports all have five digits, and so have the halves of them.
    let (_, before) = dialogue.command(request);
    let answers = 3 * (before.len() + 2);
    hold_back_replies(&stage);
    dialogue.say(&[request; 3].join("\r\n"));
    wait_until("the server has answered thrice", SOON, || {
        (waiting_to_be_sent(&stage) >= answers).then_some(())
    });
    stage.mend_path(&stage.topology.server);
    let mut endpoints = vec![endpoint_of(&stage, &before)];
    endpoints.extend([(); 3].map(|()| endpoint_of(&stage, &dialogue.reply().1)));
    dialogue.fetch(endpoints[3], FILE);
    dialogue.quit();

    let report = watch.stop();
    let packets = capture.stop();
    let outcomes = balanced(
        &stage,
        &report,
        &["unused", "unused", "unused", "connected"],
    );
    let seen: Vec<SocketAddr> = outcomes.into_iter().map(advertised).collect();
    assert_eq!(seen, endpoints);

    let requests = 3 * (request.len() + 2);
    assert!(
        packets
            .iter()
            .any(|packet| packet.target.port() == CONTROL_PORT && packet.length == requests),
        "the requests did not come together:\n{}",
        listing(&packets)
    );
    assert!(
        said(&packets).any(|packet| packet.length == answers),
        "the answers did not come together:\n{}",
        listing(&packets)
    );
}

/// Keeps what the server says in its kernel, in front of ftpwatch, until the path is mended.
fn hold_back_replies(stage: &Stage) {
    stage.topology.server.nft(&format!(
        "table inet lab {{
           chain held {{
             type filter hook output priority filter
             tcp sport {CONTROL_PORT} tcp flags & psh == psh drop
           }}
         }}"
    ));
}

/// How many bytes the server's kernel has to send on its control connections, or to see acknowledged.
fn waiting_to_be_sent(stage: &Stage) -> usize {
    // ProFTPD takes IPv4 on sockets of IPv6.
    let tables = ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"];
    let connections = stage
        .topology
        .server
        .enter(|| tables.map(|table| std::fs::read_to_string(table).expect("the connections")));
    let control = format!(":{CONTROL_PORT:04X}");
    connections
        .iter()
        .flat_map(|table| table.lines())
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (waiting, _) = fields.get(4)?.split_once(':')?;
            (fields[1].ends_with(&control) && fields[3] == "01")
                .then(|| usize::from_str_radix(waiting, 16).ok())?
        })
        .sum()
}

fn watch(stage: &Stage, hook: Hook) -> Watch<'_> {
    Watch::start(
        stage.namespace(At::Server),
        At::Server.interfaces(),
        hook,
        &[],
    )
}

/// What the server said.
fn said(packets: &[Packet]) -> impl Iterator<Item = &Packet> {
    packets
        .iter()
        .filter(|packet| packet.source.port() == CONTROL_PORT && packet.length > 0)
}

/// The outcomes, after checking that they are those `expected`, in this order, that each is of an endpoint that this
/// server may well advertise, and that nothing was lost or not understood.
#[track_caller]
fn balanced<'a>(stage: &Stage, report: &'a Report, expected: &[&str]) -> Vec<&'a Event> {
    let outcomes = report.of_type("outcome");
    let names: Vec<&str> = outcomes
        .iter()
        .map(|event| event.text("/outcome"))
        .collect();
    assert_eq!(names, expected, "{:#?}", report.events);
    assert_eq!(report.of_type("advertised").len(), expected.len());
    for outcome in &outcomes {
        assert_eq!(outcome.json["warnings"], serde_json::json!([]));
        let endpoint = advertised(outcome);
        assert_eq!(endpoint.ip(), stage.topology.public_address(stage.family));
        assert!(PASSIVE_PORTS.contains(&endpoint.port()), "{endpoint}");
        assert_eq!(endpoint_of(stage, outcome.text("/reply/text")), endpoint);
    }
    for event_type in ["finding", "late", "loss", "transfer"] {
        let events = report.of_type(event_type);
        assert!(events.is_empty(), "{events:#?}");
    }
    for session in report.of_type("session") {
        assert_eq!(session.number("/undecodable"), Some(0), "{session:#?}");
        assert_eq!(session.text("/visibility"), "clear");
    }
    outcomes
}

#[track_caller]
fn assert_named(kind: Kind, outcome: &Event) {
    let name = kind.greets_as();
    let software = outcome.text("/server_software");
    assert!(software.starts_with(name), "\"{software}\" is not {name}");
}

#[track_caller]
fn advertised(outcome: &Event) -> SocketAddr {
    let address = outcome.text("/advertised/ip").parse().expect("an address");
    let port = outcome.number("/advertised/port").expect("a port");
    SocketAddr::new(address, port.try_into().expect("a port"))
}

/// The endpoint in a 227, or that which a 229 means.
#[track_caller]
fn endpoint_of(stage: &Stage, reply: &str) -> SocketAddr {
    if reply.starts_with("227") {
        return endpoint_of_227(reply);
    }
    let port = reply.split('|').nth(3).expect("a port");
    let address = stage.topology.public_address(stage.family);
    SocketAddr::new(address, port.parse().expect("a port"))
}
