//! How many series there are, whoever talks to whom. Needs no privilege.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use ftpwatch::clock::Clock;
use ftpwatch::health::Vitals;
use ftpwatch::metrics::{Entries, Format, Metrics, Snapshot};
use ftpwatch::report::Reporter;
use ftpwatch::source::kernel::Room;
use ftpwatch::source::memory::Memory;
use ftpwatch::tracker::{SECOND, Tracker};
use ftpwatch::vantage::Choice;
use ftpwatch_common::packet::Link;

use super::packets::{Conversation, Family, Packet};
use super::{samples, sum};

const ENDPOINTS: u32 = 100_000;
const MOST: usize = 150;

/// The loop of `run` without a kernel.
struct Stage {
    memory: Memory,
    tracker: Tracker,
    reporter: Reporter,
    metrics: Metrics,
    now: u64,
}

impl Stage {
    fn new() -> Self {
        Self {
            memory: Memory::new(&[21]),
            tracker: Tracker::new(10 * SECOND),
            reporter: Reporter {
                clock: Clock::unix(),
                vantage: Choice::Gateway,
                local: HashSet::new(),
                passive_range: None,
                listening: None,
                host: "test".into(),
                file: None,
                interfaces: vec!["eth0".into()],
                hook: "tcx".into(),
            },
            metrics: Metrics::default(),
            now: SECOND,
        }
    }

    fn send(&mut self, packets: impl IntoIterator<Item = Packet>) {
        for packet in packets {
            self.now += SECOND / 1_000;
            let bytes = packet.bytes(Link::Ip);
            let length = u32::try_from(bytes.len()).unwrap();
            self.memory
                .take(&bytes, Link::Ip, length, self.now)
                .unwrap();
        }
        while let Some(record) = self.memory.next_record() {
            self.tracker.take(record, self.now, &mut &self.memory);
        }
        self.tracker.advance(self.now, &mut &self.memory);
        self.tell();
    }

    fn finish(&mut self) {
        self.tracker.finish(self.now, &mut &self.memory);
        self.tell();
    }

    fn tell(&mut self) {
        for request in self.tracker.take_retired() {
            self.memory.retire(&request);
        }
        for event in self.tracker.take_events() {
            self.metrics.note(&event);
            self.metrics
                .note_failure(&event, &self.reporter.report(&event));
        }
        self.metrics.publish(Snapshot {
            books: *self.tracker.books(),
            counters: self.memory.counters(),
            losses: Default::default(),
            entries: Entries::default(),
            room: Room::default(),
            dropped: Default::default(),
            ring_peak: 0,
            vitals: Vitals {
                interfaces: 1,
                ..Vitals::default()
            },
            at: Instant::now(),
        });
    }

    fn text(&self, format: Format) -> String {
        self.metrics.families().encode(format).unwrap()
    }
}

/// One of a thousand clients, each with an address of its own.
fn client(number: u32) -> SocketAddr {
    let [_, _, c, d] = number.to_be_bytes();
    SocketAddr::new(Ipv4Addr::new(100, 100, c, d).into(), 40_000)
}

#[test]
fn series_are_there_from_the_start_and_do_not_grow() {
    let mut stage = Stage::new();
    let before = samples(&stage.text(Format::Text));
    assert!(before.len() <= MOST, "{} series", before.len());
    let server = SocketAddr::new(Family::V4.server(10), 21);
    for session in 0..ENDPOINTS / 100 {
        let mut talk = Conversation::between(client(session), server);
        stage.send(talk.opening());
        for round in 0..100u16 {
            let port = 20_000 + round;
            stage.send(talk.exchange(port));
            let data = talk.data(port);
            match round % 4 {
                0 | 1 => stage.send(data.handshake()),
                2 => stage.send([data.syn(), data.refusal()]),
                // No SYN, which is a failure if the next request comes late enough.
                _ => stage.now += 2 * SECOND,
            }
        }
        stage.send(talk.closing());
    }
    stage.finish();

    let books = *stage.tracker.books();
    assert_eq!(books.endpoints, u64::from(ENDPOINTS));
    let [connected, no_syn, _, refused, ..] = books.outcomes;
    assert!(connected > 0 && no_syn > 0 && refused > 0, "{books:?}");
    let text = stage.text(Format::Text);
    let after = samples(&text);
    let names = |samples: &super::Samples| samples.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after));
    let told = |name| sum(&after, name) as u64;
    assert_eq!(told("ftpwatch_endpoints_total"), books.endpoints);
    assert_eq!(told("ftpwatch_failures_total"), books.failures());
    assert_eq!(told("ftpwatch_time_to_connect_seconds_count"), connected);
    for address in ["100.100.", "203.0.113."] {
        assert!(!text.contains(address), "{text}");
    }
    let open = samples(&stage.text(Format::OpenMetrics));
    assert_eq!(open.len(), after.len());
}
