//! Who says what to whom: sessions, step by step.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::segment::{ACK, FIN, PUSH, Payload, SYN, Segment};

/// Of three sessions, two speak FTP.
const OTHERS: u64 = 3;
/// Of four sessions, one speaks IPv6.
const IPV6: u64 = 4;
/// Of so many FTP sessions, one has a server that advertises an address of its own network.
const BROKEN: u64 = 11;
/// Transfers in a session.
const TRANSFERS: u16 = 4;
/// Data segments of a transfer. Every second is acknowledged.
const SEGMENTS: u16 = 100;
/// Bytes in one: what fits into a frame of Ethernet.
const BYTES: u16 = 1_428;

/// Nanoseconds to the next packet of the session.
const MOMENT: u64 = 10_000_000;
/// How long a client waits for a connection that does not come: longer than ftpwatch does.
const PATIENCE: u64 = 12_000_000_000;

/// A packet, and when the next one follows.
pub struct Step {
    /// The packet.
    pub segment: Segment,
    /// It is on a control connection.
    pub on_control: bool,
    /// Nanoseconds to the next packet.
    pub pause: u64,
}

/// A TCP connection.
struct Connection {
    client: SocketAddr,
    server: SocketAddr,
    client_next: u32,
    server_next: u32,
}

/// What is to be said.
struct Line {
    connection: usize,
    by_client: bool,
    flags: u8,
    payload: Payload,
    pause: u64,
}

/// A session with all its connections, of which the first is the control connection.
pub struct Session {
    /// Endpoints that are advertised in it.
    pub endpoints: u64,
    /// Of those, the ones that no SYN comes for.
    pub failures: u64,
    connections: Vec<Connection>,
    script: VecDeque<Line>,
}

impl Session {
    /// The session with this number.
    pub fn new(number: u64) -> Self {
        let host = u16::try_from(number % 200 + 1).unwrap_or(1);
        let (client, server) = if number.is_multiple_of(IPV6) {
            (
                IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, host)),
                IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 10)),
            )
        } else {
            let host = host.to_be_bytes()[1];
            (
                IpAddr::from(Ipv4Addr::new(198, 51, 100, host)),
                IpAddr::from(Ipv4Addr::new(203, 0, 113, 10)),
            )
        };
        let mut session = Self {
            endpoints: 0,
            failures: 0,
            connections: Vec::new(),
            script: VecDeque::new(),
        };
        // Every port of a client's is its own for long.
        let first_port = u16::try_from(number * 8 % 28_000).unwrap_or(0) + 32_768;
        let port = if number.is_multiple_of(OTHERS) {
            443
        } else {
            21
        };
        session.connect(
            SocketAddr::new(client, first_port),
            SocketAddr::new(server, port),
        );
        if port == 21 {
            session.ftp(number, first_port);
        } else {
            session.transfer(0, true);
            session.close(0);
        }
        session
    }

    /// The next packet.
    pub fn step(&mut self) -> Option<Step> {
        let line = self.script.pop_front()?;
        let connection = &mut self.connections[line.connection];
        let (from, to, sequence, acknowledgement, ttl) = if line.by_client {
            let Connection { client, server, .. } = *connection;
            (
                client,
                server,
                &mut connection.client_next,
                connection.server_next,
                57,
            )
        } else {
            let Connection { client, server, .. } = *connection;
            (
                server,
                client,
                &mut connection.server_next,
                connection.client_next,
                64,
            )
        };
        let segment = Segment {
            from,
            to,
            ttl,
            sequence: *sequence,
            acknowledgement: if line.flags & ACK == 0 {
                0
            } else {
                acknowledgement
            },
            flags: line.flags,
            payload: line.payload,
        };
        let control = u32::from(line.flags & (SYN | FIN) != 0);
        *sequence = sequence.wrapping_add(u32::from(segment.payload.length()) + control);
        Some(Step {
            segment,
            on_control: self.endpoints > 0 && line.connection == 0,
            pause: line.pause,
        })
    }

    fn ftp(&mut self, number: u64, first_port: u16) {
        self.says(false, "220 (vsFTPd 3.0.3)");
        for (command, reply) in [
            ("USER demo", "331 Please specify the password."),
            ("PASS demo", "230 Login successful."),
            ("TYPE I", "200 Switching to Binary mode."),
        ] {
            self.asks(command, reply);
        }
        let v6 = number.is_multiple_of(IPV6);
        if number.is_multiple_of(BROKEN) && !v6 {
            self.asks("PASV", "227 Entering Passive Mode (172,16,40,222,90,160).");
            self.endpoints += 1;
            self.failures += 1;
            if let Some(line) = self.script.back_mut() {
                line.pause = PATIENCE;
            }
        } else {
            for transfer in 0..TRANSFERS {
                let port = 40_000 + u16::try_from(number * 4 % 20_000).unwrap_or(0) + transfer;
                self.retrieve(port, first_port + 1 + transfer, v6 || transfer % 2 == 1);
            }
        }
        self.asks("QUIT", "221 Goodbye.");
        self.close(0);
    }

    /// A file, through `port` of the server's; one in two goes the other way.
    fn retrieve(&mut self, port: u16, from: u16, extended: bool) {
        let Connection { client, server, .. } = self.connections[0];
        let (high, low) = (port >> 8, port & 0xff);
        if extended {
            let reply = format!("229 Entering Extended Passive Mode (|||{port}|)");
            self.asks("EPSV", &reply);
        } else {
            let address = server.ip().to_string().replace('.', ",");
            let reply = format!("227 Entering Passive Mode ({address},{high},{low}).");
            self.asks("PASV", &reply);
        }
        self.endpoints += 1;
        let data = self.connect(
            SocketAddr::new(client.ip(), from),
            SocketAddr::new(server.ip(), port),
        );
        let down = port.is_multiple_of(2);
        self.says(
            true,
            if down {
                "RETR file.bin"
            } else {
                "STOR file.bin"
            },
        );
        self.says(
            false,
            "150 Opening BINARY mode data connection for file.bin (142800 bytes).",
        );
        self.transfer(data, !down);
        self.close(data);
        self.says(false, "226 Transfer complete.");
        self.line(0, true, ACK, Payload::NONE);
    }

    /// A new connection, and its handshake.
    fn connect(&mut self, client: SocketAddr, server: SocketAddr) -> usize {
        let number = self.connections.len();
        self.connections.push(Connection {
            client,
            server,
            client_next: u32::from(client.port()) << 15,
            server_next: u32::from(client.port()) << 14,
        });
        self.line(number, true, SYN, Payload::NONE);
        self.line(number, false, SYN | ACK, Payload::NONE);
        self.line(number, true, ACK, Payload::NONE);
        number
    }

    fn transfer(&mut self, connection: usize, up: bool) {
        for number in 1..=SEGMENTS {
            self.line(connection, up, ACK, Payload::Noise(BYTES));
            if number.is_multiple_of(2) {
                self.line(connection, !up, ACK, Payload::NONE);
            }
        }
    }

    fn close(&mut self, connection: usize) {
        self.line(connection, false, FIN | ACK, Payload::NONE);
        self.line(connection, true, FIN | ACK, Payload::NONE);
        self.line(connection, false, ACK, Payload::NONE);
    }

    fn asks(&mut self, command: &str, reply: &str) {
        self.says(true, command);
        self.says(false, reply);
        self.line(0, true, ACK, Payload::NONE);
    }

    fn says(&mut self, by_client: bool, text: &str) {
        let text = Payload::Text(format!("{text}\r\n"));
        self.line(0, by_client, PUSH | ACK, text);
    }

    fn line(&mut self, connection: usize, by_client: bool, flags: u8, payload: Payload) {
        self.script.push_back(Line {
            connection,
            by_client,
            flags,
            payload,
            pause: MOMENT,
        });
    }
}
