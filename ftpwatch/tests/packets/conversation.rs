//! A control connection, and its sequence numbers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ftpwatch_common::packet::flag;

use super::{Data, Envelope, Packet};

/// Which version of IP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The public address number `host` of a network of clients.
    pub fn client(self, host: u8) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(198, 51, 100, host).into(),
            Self::V6 => Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, host.into()).into(),
        }
    }

    /// The public address number `host` of a network of servers.
    pub fn server(self, host: u8) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(203, 0, 113, host).into(),
            Self::V6 => Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, host.into()).into(),
        }
    }

    /// The private address number `host` of a network of servers.
    pub fn private(self, host: u8) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(172, 16, 40, host).into(),
            Self::V6 => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, host.into()).into(),
        }
    }
}

/// A control connection. Each method says what one side sends next, and returns the packet: it is on the caller
/// whether it arrives, and when.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Who opens it.
    pub client: SocketAddr,
    /// Who accepts it.
    pub server: SocketAddr,
    /// What every packet is wrapped in.
    pub envelope: Envelope,
    /// The client's next sequence number.
    pub client_next: u32,
    /// The server's next sequence number.
    pub server_next: u32,
    data_port: u16,
}

impl Conversation {
    /// Between the first client and the first server.
    pub fn new(family: Family) -> Self {
        let client = SocketAddr::new(family.client(7), 40_000);
        Self::between(client, SocketAddr::new(family.server(10), 21))
    }

    /// Between `client` and `server`. Its sequence numbers soon begin again at zero.
    pub fn between(client: SocketAddr, server: SocketAddr) -> Self {
        Self {
            client,
            server,
            envelope: Envelope::default(),
            client_next: 0xffff_fff0,
            server_next: 0xffff_ffe0,
            data_port: 50_000,
        }
    }

    /// Between client `number` of many and one server.
    pub fn numbered(number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        let client = SocketAddr::new(Ipv4Addr::new(198, 18, high, low).into(), 40_000);
        let mut talk = Self::between(client, SocketAddr::new(Family::V4.server(10), 21));
        // With the same numbers they would be one, seen before and after address translation.
        talk.client_next ^= u32::from(number) << 8;
        talk.server_next ^= u32::from(number) << 8;
        talk
    }

    /// The same four-tuple, opened anew.
    pub fn again(&self) -> Self {
        Self {
            client_next: self.client_next.wrapping_add(0x5000_0000),
            server_next: self.server_next.wrapping_add(0x6000_0000),
            ..self.clone()
        }
    }

    /// The same connection as it looks behind a gateway that translates addresses: sequence numbers stay.
    pub fn translated(&self, client: SocketAddr, server: SocketAddr) -> Self {
        Self {
            client,
            server,
            ..self.clone()
        }
    }

    fn client_packet(&self, flags: u8, payload: &[u8]) -> Packet {
        Packet {
            from: self.client,
            to: self.server,
            sequence: self.client_next,
            acknowledgement: if flags & flag::ACK == 0 {
                0
            } else {
                self.server_next
            },
            flags,
            payload: payload.to_vec(),
            envelope: self.envelope.clone(),
        }
    }

    fn server_packet(&self, flags: u8, payload: &[u8]) -> Packet {
        Packet {
            from: self.server,
            to: self.client,
            sequence: self.server_next,
            acknowledgement: if flags & flag::ACK == 0 {
                0
            } else {
                self.client_next
            },
            flags,
            payload: payload.to_vec(),
            envelope: self.envelope.clone(),
        }
    }

    /// The client sends `bytes`.
    pub fn client_sends(&mut self, bytes: &[u8]) -> Packet {
        let packet = self.client_packet(flag::ACK, bytes);
        self.client_next = self.client_next.wrapping_add(length(bytes));
        packet
    }

    /// The server sends `bytes`.
    pub fn server_sends(&mut self, bytes: &[u8]) -> Packet {
        let packet = self.server_packet(flag::ACK, bytes);
        self.server_next = self.server_next.wrapping_add(length(bytes));
        packet
    }

    /// The client sends a line.
    pub fn client(&mut self, line: &str) -> Packet {
        self.client_sends(format!("{line}\r\n").as_bytes())
    }

    /// The server sends a line.
    pub fn server(&mut self, line: &str) -> Packet {
        self.server_sends(format!("{line}\r\n").as_bytes())
    }

    /// The client acknowledges what the server sent so far.
    pub fn client_acks(&self) -> Packet {
        self.client_packet(flag::ACK, &[])
    }

    /// The server acknowledges what the client sent so far.
    pub fn server_acks(&self) -> Packet {
        self.server_packet(flag::ACK, &[])
    }

    /// The client closes its side.
    pub fn client_fin(&mut self) -> Packet {
        let packet = self.client_packet(flag::FIN | flag::ACK, &[]);
        self.client_next = self.client_next.wrapping_add(1);
        packet
    }

    /// The server closes its side.
    pub fn server_fin(&mut self) -> Packet {
        let packet = self.server_packet(flag::FIN | flag::ACK, &[]);
        self.server_next = self.server_next.wrapping_add(1);
        packet
    }

    /// The client resets the connection.
    pub fn client_rst(&self) -> Packet {
        self.client_packet(flag::RST | flag::ACK, &[])
    }

    /// The server resets the connection.
    pub fn server_rst(&self) -> Packet {
        self.server_packet(flag::RST | flag::ACK, &[])
    }

    /// The three-way handshake.
    pub fn handshake(&mut self) -> [Packet; 3] {
        let syn = self.client_packet(flag::SYN, &[]);
        self.client_next = self.client_next.wrapping_add(1);
        let syn_ack = self.server_packet(flag::SYN | flag::ACK, &[]);
        self.server_next = self.server_next.wrapping_add(1);
        [syn, syn_ack, self.client_acks()]
    }

    /// The handshake and the server's greeting.
    pub fn opening(&mut self) -> Vec<Packet> {
        let mut packets = Vec::from(self.handshake());
        packets.push(self.server("220 (vsFTPd 3.0.3)"));
        packets.push(self.client_acks());
        packets
    }

    /// Both sides close, the client first.
    pub fn closing(&mut self) -> [Packet; 3] {
        [self.client_fin(), self.server_fin(), self.client_acks()]
    }

    /// The server advertises `port` of its own address.
    pub fn passive(&mut self, port: u16) -> Packet {
        let line = match self.server.ip() {
            IpAddr::V4(own) => advertisement(own.into(), port),
            IpAddr::V6(_) => format!("229 Entering Extended Passive Mode (|||{port}|)"),
        };
        self.server(&line)
    }

    /// The client asks for an endpoint, the server advertises `port` of its own address, the client acknowledges that.
    pub fn exchange(&mut self, port: u16) -> [Packet; 3] {
        let ask = match self.server {
            SocketAddr::V4(_) => "PASV",
            SocketAddr::V6(_) => "EPSV",
        };
        [self.client(ask), self.passive(port), self.client_acks()]
    }

    /// A new data connection, from the client to `port` of the server's address.
    pub fn data(&mut self, port: u16) -> Data {
        self.data_to(SocketAddr::new(self.server.ip(), port))
    }

    /// A new data connection of the client's.
    pub fn data_to(&mut self, to: SocketAddr) -> Data {
        self.data_port += 1;
        let from = SocketAddr::new(self.client.ip(), self.data_port);
        let mut data = Data::new(from, to);
        data.envelope = self.envelope.clone();
        data
    }
}

/// The reply that advertises `address`:`port`: a 227, or a 228 where that cannot name the address.
pub fn advertisement(address: IpAddr, port: u16) -> String {
    let port = port.to_be_bytes();
    let join = |numbers: &[u8]| {
        let numbers: Vec<String> = numbers.iter().map(u8::to_string).collect();
        numbers.join(",")
    };
    match address {
        IpAddr::V4(v4) => {
            let numbers = [v4.octets().as_slice(), &port].concat();
            format!("227 Entering Passive Mode ({}).", join(&numbers))
        }
        IpAddr::V6(v6) => {
            let numbers = [&[6, 16], v6.octets().as_slice(), &[2], &port].concat();
            format!("228 Entering Long Passive Mode ({})", join(&numbers))
        }
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("no segment is that long")
}
