//! The lab itself on trial: every fault that the other tests order is shown to be that fault on the wire, by tcpdump,
//! with real servers and clients and without ftpwatch.
//!
//! What belongs here: for each fault in lab/stage.rs, what passes the interfaces in front of and behind the place where
//! it is made, and how its client fares. Nothing about ftpwatch.

mod lab;

use lab::SOON;
use lab::fault::{CLOSED_PORT, NOWHERE, PRIVATE};
use lab::stage::{At, Behaviour, Fault, Stage};
use lab::topology::Family::{self, V4, V6};
use lab::wire::{Capture, Seen, first_endpoint, listing};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const NOTHING: Seen = Seen {
    syn: false,
    syn_ack: false,
    reset: false,
    established: false,
};
const SYN: Seen = Seen {
    syn: true,
    ..NOTHING
};
const REFUSED: Seen = Seen { reset: true, ..SYN };
const ANSWERED: Seen = Seen {
    syn_ack: true,
    ..SYN
};
const ESTABLISHED: Seen = Seen {
    established: true,
    ..ANSWERED
};

/// Whether the client got its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fares {
    Well,
    Badly,
}

/// Sets the stage and lets the client play; checks what passed each interface, and what was advertised there.
#[track_caller]
fn shows(
    fault: Fault,
    family: Family,
    behaviour: Behaviour,
    fares: Fares,
    expected: &[(&str, Option<Ipv4Addr>, Seen)],
) -> Vec<SocketAddr> {
    let stage = if expected.iter().any(|(interface, ..)| *interface == "br0") {
        Stage::set_for(At::Bridge, fault, family)
    } else {
        Stage::set(fault, family)
    };
    let captures: Vec<Capture> = expected
        .iter()
        .map(|(interface, ..)| Capture::start(stage.owner_of(interface), interface))
        .collect();
    if let Some(client) = stage.play(behaviour) {
        let ended = client.wait(SOON);
        assert_eq!(ended.status.success(), fares == Fares::Well, "{ended}");
    }
    let mut advertised = Vec::new();
    for (capture, (interface, address, seen)) in captures.into_iter().zip(expected) {
        let packets = capture.stop();
        let (endpoint, really) = first_endpoint(&packets);
        let where_and_what = format!(
            "{fault:?} over {family:?} at {interface}:\n{}",
            listing(&packets)
        );
        assert_eq!(&really, seen, "{where_and_what}");
        if let Some(address) = address {
            assert_eq!(endpoint.ip(), IpAddr::V4(*address), "{where_and_what}");
        }
        advertised.push(endpoint);
    }
    advertised
}

macro_rules! on_the_wire {
    ($($(#[$doc:meta])* $name:ident($fault:ident, $family:ident, $behaviour:ident) is $fares:ident:
       $($interface:ident $($address:expr)? => $seen:expr),+;)+) => {$(
        $(#[$doc])*
        #[test]
        #[ignore = "needs root: cargo xtask test"]
        fn $name() {
            let expected = [$((stringify!($interface), on_the_wire!(@address $($address)?), $seen)),+];
            shows(Fault::$fault, $family, Behaviour::$behaviour, Fares::$fares, &expected);
        }
    )+};
    (@address) => { None };
    (@address $address:expr) => { Some($address) };
}

const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
const BEHIND_NAT: Ipv4Addr = Ipv4Addr::new(10, 100, 20, 222);

on_the_wire! {
    curl_works_over_ipv4(Nothing, V4, Curl) is Well: r0 => ESTABLISHED, s0 => ESTABLISHED;
    curl_works_over_ipv6(Nothing, V6, Curl) is Well: r0 => ESTABLISHED, s0 => ESTABLISHED;
    pasv_works(Nothing, V4, CurlPasv) is Well: s0 (SERVER) => ESTABLISHED;
    lftp_works_over_ipv4(Nothing, V4, Lftp) is Well: s0 (SERVER) => ESTABLISHED;
    lftp_works_over_ipv6(Nothing, V6, Lftp) is Well: s0 => ESTABLISHED;
    ftplib_works_over_ipv4(Nothing, V4, Ftplib) is Well: s0 (SERVER) => ESTABLISHED;
    ftplib_works_over_ipv6(Nothing, V6, Ftplib) is Well: s0 => ESTABLISHED;

    bridge_shows_it_twice_over_ipv4(Nothing, V4, Curl) is Well: s0 => ESTABLISHED, br0 => ESTABLISHED;
    bridge_shows_it_twice_over_ipv6(Nothing, V6, Curl) is Well: s0 => ESTABLISHED, br0 => ESTABLISHED;

    /// The SYN sets out for the wrong address and vanishes in the internet.
    wrong_address_believed(WrongAddress, V4, Impatient) is Badly: r0 (NOWHERE) => SYN, s0 (NOWHERE) => NOTHING;
    wrong_address_ignored(WrongAddress, V4, CurlPasv) is Well: s0 (NOWHERE) => ESTABLISHED;
    wrong_address_refused(WrongAddress, V4, Refuses) is Badly: r0 (NOWHERE) => NOTHING;
    private_address_believed(PrivateAddress, V4, Impatient) is Badly: r0 (PRIVATE) => SYN, s0 (PRIVATE) => NOTHING;
    private_address_believed_by_curl(PrivateAddress, V4, TrustingCurl) is Badly: r0 (PRIVATE) => SYN;
    private_address_believed_by_lftp(PrivateAddress, V4, Lftp) is Badly: r0 (PRIVATE) => SYN;

    /// Who believes 0.0.0.0 tries itself, and nothing leaves the host.
    zero_address_over_ipv4(ZeroAddress, V4, TrustingPasv) is Badly: c0 (Ipv4Addr::UNSPECIFIED) => NOTHING;
    zero_address_over_ipv6(ZeroAddress, V6, TrustingPasv) is Badly: c0 (Ipv4Addr::UNSPECIFIED) => NOTHING;
    zero_address_ignored(ZeroAddress, V4, CurlPasv) is Well: s0 (Ipv4Addr::UNSPECIFIED) => ESTABLISHED;

    dropped_in_front_over_ipv4(DroppedInFront, V4, Impatient) is Badly: r0 => SYN, r1 => NOTHING, s0 => NOTHING;
    dropped_in_front_over_ipv6(DroppedInFront, V6, Impatient) is Badly: r0 => SYN, r1 => NOTHING, s0 => NOTHING;
    dropped_on_server_over_ipv4(DroppedOnServer, V4, Impatient) is Badly: s0 => SYN;
    dropped_on_server_over_ipv6(DroppedOnServer, V6, Impatient) is Badly: s0 => SYN;
    reset_on_server_over_ipv4(ResetOnServer, V4, Impatient) is Badly: s0 => REFUSED;
    reset_on_server_over_ipv6(ResetOnServer, V6, Impatient) is Badly: s0 => REFUSED;
    nobody_listens_over_ipv4(NobodyListens, V4, Impatient) is Badly: s0 (SERVER) => REFUSED;
    nobody_listens_over_ipv6(NobodyListens, V6, Impatient) is Badly: s0 => REFUSED;
    answer_dropped_over_ipv4(AnswerDropped, V4, Impatient) is Badly: s0 => ANSWERED, r1 => ANSWERED, r0 => SYN;
    answer_dropped_over_ipv6(AnswerDropped, V6, Impatient) is Badly: s0 => ANSWERED, r1 => ANSWERED, r0 => SYN;

    nat_right_over_ipv4(NatRight, V4, TrustingFtplib) is Well:
        g0 (SERVER) => ESTABLISHED, g1 (SERVER) => ESTABLISHED, s0 (SERVER) => ESTABLISHED;
    nat_right_over_ipv6(NatRight, V6, TrustingFtplib) is Well:
        g0 => ESTABLISHED, g1 => ESTABLISHED, s0 => ESTABLISHED;
    nat_wrong(NatWrong, V4, Impatient) is Badly:
        r0 (BEHIND_NAT) => SYN, g0 (BEHIND_NAT) => NOTHING, g1 (BEHIND_NAT) => NOTHING, s0 (BEHIND_NAT) => NOTHING;

    /// Who ignores the address gets there: the ports are not the trouble.
    nat_wrong_ignored(NatWrong, V4, CurlPasv) is Well: g0 (BEHIND_NAT) => ESTABLISHED, s0 (BEHIND_NAT) => ESTABLISHED;

    /// The SYN comes by the second cable, the answer goes by the first: the transfer works.
    other_way(OtherWay, V4, CurlPasv) is Well: r0 => ESTABLISHED, s0 => Seen { syn_ack: true, ..NOTHING };

    quits_at_once_over_ipv4(Nothing, V4, QuitsAtOnce) is Well: s0 => NOTHING;
    quits_at_once_over_ipv6(Nothing, V6, QuitsAtOnce) is Well: s0 => NOTHING;
    file_missing(Nothing, V4, FileMissing) is Well: s0 => NOTHING;
    connects_late_over_ipv4(Nothing, V4, ConnectsLate) is Well: s0 => ESTABLISHED;
    connects_late_over_ipv6(Nothing, V6, ConnectsLate) is Well: s0 => ESTABLISHED;

    ipv6_dropped_over_ipv6(Ipv6Dropped, V6, Ftplib) is Badly: r0 => SYN, s0 => SYN;
    ipv6_dropped_over_ipv4(Ipv6Dropped, V4, Ftplib) is Well: s0 (SERVER) => ESTABLISHED;
    /// vsftpd takes the connection, and then looks where it came from.
    other_client_is_refused(OtherClient, V4, CurlPasv) is Badly: r0 (SERVER) => ESTABLISHED, s0 (SERVER) => ESTABLISHED;
    other_client_is_allowed(OtherClientAllowed, V4, CurlPasv) is Well: s0 (SERVER) => ESTABLISHED;
    data_takes_another_way_both_ways(DataElsewhere, V4, CurlPasv) is Well:
        r0 (SERVER) => ESTABLISHED, r1 (SERVER) => NOTHING, s0 (SERVER) => NOTHING;
    server_says_that_it_waited(ServerTimesOut, V4, CommandFirst) is Badly: r0 (SERVER) => SYN, s0 (SERVER) => NOTHING;
    data_connection_is_taken_and_fails(Answers425, V4, CurlPasv) is Badly: s0 (SERVER) => ESTABLISHED;
    port_is_rewritten(PortRewritten, V4, CurlPasv) is Badly: r0 (SERVER) => REFUSED, s0 (SERVER) => REFUSED;
    port_in_229_is_not(PortRewritten, V4, Curl) is Well: s0 => ESTABLISHED;
    /// The helper lets no SYN follow, as the client never sees the reply.
    odd_reply_is_dropped(OddReply, V4, Impatient) is Badly: r1 (SERVER) => NOTHING, s0 (SERVER) => NOTHING;
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn nobody_listens_where_the_scripted_server_says() {
    let expected = [("s0", Some(SERVER), REFUSED)];
    let endpoints = shows(
        Fault::NobodyListens,
        V4,
        Behaviour::Impatient,
        Fares::Badly,
        &expected,
    );
    assert_eq!(endpoints, [SocketAddr::new(SERVER.into(), CLOSED_PORT)]);
}

/// NAT is there: client and server see the control connection at different addresses, and no helper rewrites a reply.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn gateway_translates_the_server_and_not_the_client() {
    for family in [V4, V6] {
        let stage = Stage::set(Fault::NatRight, family);
        let captures =
            ["g0", "g1"].map(|interface| Capture::start(stage.owner_of(interface), interface));
        stage.client().greet();
        let client = stage.topology.client_address(family);
        let servers = [
            stage.topology.public_address(family),
            stage.topology.server_address(family),
        ];
        assert_ne!(servers[0], servers[1]);
        for (capture, server) in captures.into_iter().zip(servers) {
            for packet in capture.stop() {
                let ends = if packet.source.port() == 21 {
                    (packet.target.ip(), packet.source.ip())
                } else {
                    (packet.source.ip(), packet.target.ip())
                };
                assert_eq!(ends, (client, server), "{packet:?}");
            }
        }
    }
}

/// How late is late: the SYN comes two seconds after the reply.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn late_client_takes_two_seconds() {
    let stage = Stage::set(Fault::Nothing, V4);
    let capture = Capture::start(stage.owner_of("s0"), "s0");
    stage.play(Behaviour::ConnectsLate);
    let packets = capture.stop();
    let (endpoint, _) = first_endpoint(&packets);
    let reply = packets
        .iter()
        .find(|packet| packet.says("227 "))
        .expect("a reply");
    let syn = packets
        .iter()
        .find(|packet| packet.flags == "S" && packet.target == endpoint)
        .expect("a SYN");
    assert!(syn.at - reply.at >= 2.0, "{}", listing(&packets));
}
