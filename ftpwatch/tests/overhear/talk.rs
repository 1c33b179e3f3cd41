//! A server that speaks TLS through the library, and its packets.

use ftpwatch::source::kernel::libraries::{News, Wanted};
use ftpwatch_common::{address::Address, endpoint::Endpoint, tls};

use crate::bench::{Bench, Program};
use crate::library::Object;
use crate::packets::{self, Conversation, Family, Packet};
use crate::scenarios::{Seen, Store as _};

pub const FAMILY: Family = Family::V4;

/// Application data with so much plaintext, as of TLS 1.3.
pub fn record(plaintext: usize) -> Vec<u8> {
    let length = plaintext + 17;
    let mut record = vec![23, 3, 3, (length >> 8) as u8, length as u8];
    record.resize(5 + length, 0xa5);
    record
}

/// The reply that advertises this port.
pub fn pasv(port: u16) -> String {
    packets::advertisement(FAMILY.server(10), port)
}

/// The kernel's programs, with probes on the library.
pub struct Stage {
    bench: Bench,
    records: Vec<ftpwatch_common::record::Record>,
}

impl Stage {
    pub fn new() -> Self {
        let mut bench = Bench::with_probes(Program::Ether);
        let news = bench.kernel.follow_libraries(&own(), &[]);
        assert_eq!((news.heard.len(), news.refused.len()), (1, 0), "{news:?}");
        Self {
            bench,
            records: Vec::new(),
        }
    }

    /// Shows the programs a packet, on behalf of this task.
    pub fn take(&mut self, packet: &Packet) {
        self.bench.take(&packet.bytes(Program::Ether.link()));
    }

    /// What there is by now.
    pub fn seen(&mut self) -> Seen {
        self.records.extend(self.bench.records());
        Seen::new(
            self.bench.controls(),
            self.bench.endpoints(),
            self.records.clone(),
            self.bench.counters(),
            &[0],
        )
    }

    /// Of each control connection, in the order they were opened, whether it can be read.
    pub fn blind(&mut self) -> Vec<u8> {
        let seen = self.seen();
        seen.controls.iter().map(|control| control.blind).collect()
    }

    /// Looks for libraries again.
    pub fn follow(&mut self) {
        let news = self.bench.kernel.follow_libraries(&own(), &[]);
        assert_eq!(news, News::default());
    }

    /// Whether anything is kept of a process.
    pub fn knows(&mut self, process: u32) -> bool {
        let mut objects = objects(&mut self.bench).into_iter();
        objects.any(|object| object.process as u32 == process)
    }

    /// All bytes that are kept of conversations.
    pub fn kept(&mut self) -> Vec<u8> {
        let map = conversations(&mut self.bench);
        let values = map.iter().map(|entry| entry.expect("it can be read").1);
        values.flatten().collect()
    }

    /// Whether the object is taken for a conversation. (Other tests' are as well, in the same process.)
    pub fn listens_to(&mut self, object: &Object) -> bool {
        let mut objects = objects(&mut self.bench).into_iter();
        objects.any(|known| known.address == object.address())
    }
}

type Conversations<'a> = aya::maps::HashMap<
    &'a aya::maps::MapData,
    [u8; size_of::<tls::Object>()],
    [u8; size_of::<tls::Conversation>()],
>;

fn conversations(bench: &mut Bench) -> Conversations<'_> {
    let map = bench.kernel.ebpf_mut().map("TLS_CONVERSATIONS");
    let map = map.expect("it is there").try_into();
    map.expect("it is of that kind")
}

fn objects(bench: &mut Bench) -> Vec<tls::Object> {
    let map = conversations(bench);
    let keys = map.keys().map(|key| key.expect("it can be read"));
    keys.map(|key| bytemuck::pod_read_unaligned(&key)).collect()
}

/// This test is the library.
fn own() -> Wanted {
    let own = std::env::current_exe().expect("this test is a file");
    Wanted {
        auto: false,
        named: vec![own],
    }
}

/// A control connection that turned to TLS.
pub struct Talk {
    pub wire: Conversation,
    pub object: Object,
}

impl Talk {
    pub fn new(stage: &mut Stage, number: u16) -> Self {
        let mut wire = Conversation::numbered(number);
        for packet in wire.opening() {
            stage.take(&packet);
        }
        let mut talk = [wire.client("AUTH TLS"), wire.server("234 Go on")].to_vec();
        talk.push(wire.client_sends(b"\x16\x03\x01\x00\x05hello"));
        talk.push(wire.server_sends(b"\x16\x03\x03\x00\x05hello"));
        talk.iter().for_each(|packet| stage.take(packet));
        Self {
            wire,
            object: Object::new(),
        }
    }

    /// Panics unless it is what `PASV` was answered on this connection, and nothing is wrong with it.
    #[track_caller]
    pub fn assert_advertised(&self, endpoint: &Endpoint, port: u16) {
        assert_eq!(endpoint.flow.client, self.client());
        assert_eq!(endpoint.address, FAMILY.server(10).into());
        assert_eq!((endpoint.port, endpoint.code), (port, 227));
        assert_eq!(endpoint.missed, 0);
    }

    pub fn client(&self) -> Address {
        self.wire.client.ip().into()
    }

    /// The packet that has this reply.
    pub fn makes(&mut self, reply: &str) -> Packet {
        self.wire.server_sends(&record(reply.len() + 2))
    }

    /// The server says something, which is sent meanwhile.
    pub fn says(&mut self, stage: &mut Stage, reply: &str) {
        self.says_while(stage, reply, &[], true);
    }

    /// The same; others' packets are sent meanwhile, and its own after them, or not yet.
    pub fn says_while(&mut self, stage: &mut Stage, reply: &str, others: &[Packet], own: bool) {
        let own = own.then(|| self.makes(reply));
        let packets: Vec<&Packet> = others.iter().chain(&own).collect();
        self.speak(stage, reply, &packets);
    }

    /// The same; others' packets are sent after its own.
    pub fn says_before(&mut self, stage: &mut Stage, reply: &str, others: &[Packet]) {
        let own = self.makes(reply);
        let packets: Vec<&Packet> = std::iter::once(&own).chain(others).collect();
        self.speak(stage, reply, &packets);
    }

    fn speak(&self, stage: &mut Stage, reply: &str, packets: &[&Packet]) {
        let text = format!("{reply}\r\n");
        self.object.writes(text.as_bytes(), || {
            packets.iter().for_each(|packet| stage.take(packet));
        });
    }

    /// What it says goes by, and is heard by nobody.
    pub fn sends_unheard(&mut self, stage: &mut Stage, reply: &str) -> Packet {
        let packet = self.makes(reply);
        stage.take(&packet);
        packet
    }

    /// The client's command comes, and is read.
    pub fn hears(&mut self, stage: &mut Stage, command: &str) {
        let text = format!("{command}\r\n");
        let packet = self.wire.client_sends(&record(text.len()));
        stage.take(&packet);
        self.object.reads(text.as_bytes());
    }

    /// The client asks for an endpoint, and is told one.
    pub fn advertises(&mut self, stage: &mut Stage, port: u16) {
        self.hears(stage, "PASV");
        self.says(stage, &pasv(port));
    }

    pub fn log_in(&mut self, stage: &mut Stage) {
        self.hears(stage, "USER someone");
        self.says(stage, "331 Your password");
        self.hears(stage, "PASS something");
        self.says(stage, "230 Welcome");
    }
}
