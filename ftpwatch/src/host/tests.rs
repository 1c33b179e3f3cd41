use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    process::id,
};

use super::{sockets::socket, *};

#[test]
fn lines_of_the_tables() {
    // As a little-endian machine prints them; the numbers are what a big-endian one would make of other digits.
    if cfg!(target_endian = "big") {
        return;
    }
    let v4 = "   0: 0A7100CB:0015 076433C6:9394 01 00000000:00000000 02:000A 00000000  1000        0 4711 1 0";
    let found = socket(v4).unwrap();
    assert_eq!(found.local, "203.0.113.10:21".parse().unwrap());
    assert_eq!(found.remote, "198.51.100.7:37780".parse().unwrap());
    assert_eq!((found.listening, found.inode), (false, 4711));

    let mapped = "   1: 0000000000000000FFFF00000A7100CB:9C47 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0";
    let found = socket(mapped).unwrap();
    assert_eq!(found.local, "203.0.113.10:40007".parse().unwrap());
    assert!(found.listening);

    let v6 = "   2: B80D0120000005000000000010000000:0015 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0";
    let found = socket(v6).unwrap();
    assert_eq!(found.local, "[2001:db8:5::10]:21".parse().unwrap());
}

#[test]
fn what_is_no_line_is_passed_over() {
    for line in [
        "",
        "\n",
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
        "   0: 0A7100CB:0015 076433C6:9394 01",
        "   0: 0A71:0015 076433C6:9394 01 0:0 0:0 0 0 0 4711",
        "   0: \u{e9}\u{e9}\u{e9}\u{e9}:0015 076433C6:9394 01 0:0 0:0 0 0 0 4711",
    ] {
        assert_eq!(socket(line), None, "{line:?}");
    }
}

#[test]
fn for_whom_a_listener_is() {
    let listener = |local: &str| Socket {
        local: local.parse().unwrap(),
        remote: SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0),
        listening: true,
        inode: 1,
    };
    let (v4, v6): (IpAddr, IpAddr) = (
        "203.0.113.10".parse().unwrap(),
        "2001:db8::1".parse().unwrap(),
    );
    assert!(listener("0.0.0.0:21").is_for(v4));
    assert!(!listener("0.0.0.0:21").is_for(v6));
    assert!(listener("[::]:21").is_for(v4) && listener("[::]:21").is_for(v6));
    assert!(listener("203.0.113.10:21").is_for(v4));
    assert!(!listener("127.0.0.1:21").is_for(v4));
}

/// This test's process is server and client at once: its control connection, and what it listens on.
struct Session {
    control: TcpListener,
    _client: TcpStream,
    _server: TcpStream,
    flow: Flow,
}

impl Session {
    fn new(address: &str) -> Self {
        let control = TcpListener::bind(address).unwrap();
        let client = TcpStream::connect(control.local_addr().unwrap()).unwrap();
        let (server, peer) = control.accept().unwrap();
        let own = server.local_addr().unwrap();
        let flow = Flow {
            client: peer.ip().into(),
            server: own.ip().into(),
            client_port: peer.port(),
            server_port: own.port(),
        };
        Self {
            control,
            _client: client,
            _server: server,
            flow,
        }
    }
}

/// Other tests of this process listen too: all but the ports at hand are known.
fn looked_at(session: &Session, advertised: u16, ours: &[u16]) -> Listening {
    listeners_of(&session.flow, advertised, &|port| !ours.contains(&port)).unwrap()
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

#[test]
fn the_advertised_port_is_listened_on() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let session = Session::new(address);
        let passive = TcpListener::bind(address).unwrap();
        let found = looked_at(&session, port(&passive), &[port(&passive)]);
        assert!(found.advertised, "{found:?}");
        assert_eq!(found.instead(), None);
        assert!(found.shared, "it listens on the control port too");
        assert_eq!(found.owner.unwrap().pid, id());
    }
}

#[test]
fn another_port_is_listened_on_instead() {
    let session = Session::new("127.0.0.1:0");
    let passive = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = [port(&passive), port(&session.control)];
    let found = looked_at(&session, 1, &ours);
    assert!(!found.advertised);
    assert_eq!(found.instead(), Some(port(&passive)));

    let second = TcpListener::bind("127.0.0.1:0").unwrap();
    let found = looked_at(&session, 1, &[port(&passive), port(&second)]);
    assert_eq!(found.others.len(), 2);
    assert_eq!(found.instead(), None, "which of them?");
}

#[test]
fn an_ipv4_client_of_an_ipv6_server() {
    let Ok(control) = TcpListener::bind("[::]:0") else {
        return; // no IPv6 on this host
    };
    let client = TcpStream::connect(("127.0.0.1", port(&control))).unwrap();
    let (_server, peer) = control.accept().unwrap();
    let flow = Flow {
        client: peer.ip().into(),
        server: client.peer_addr().unwrap().ip().into(),
        client_port: peer.port(),
        server_port: port(&control),
    };
    let passive = TcpListener::bind("[::ffff:127.0.0.1]:0").unwrap();
    let found = listeners_of(&flow, port(&passive), &|_| true).unwrap();
    assert!(found.advertised);
}

#[test]
fn a_connection_that_does_not_end_here() {
    let mut session = Session::new("127.0.0.1:0");
    session.flow.client = IpAddr::from([198, 51, 100, 7]).into();
    assert_eq!(listeners_of(&session.flow, 40_000, &|_| false), None);
}
