//! What whoever asks gets, whatever they ask. Needs no privilege: nothing is watched.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use ftpwatch::health::{SILENCE, Vitals};
use ftpwatch::metrics::{Entries, Metrics, Snapshot};
use ftpwatch::source::kernel::Room;
use ftpwatch::tracker::Books;

use super::lab::SOON;
use super::lab::process::{Ended, Process};
use super::lab::watch::FTPWATCH;
use super::{Answer, samples};

/// Metrics of a watch that has one interface, and was well `before`.
struct Served {
    metrics: Metrics,
    at: SocketAddr,
}

impl Served {
    fn start() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (metrics, at) =
            Metrics::serve(any, "/metrics".to_owned(), None).expect("a port is free");
        Self { metrics, at }
    }

    fn publish(&self, vitals: Vitals, ago: Duration) {
        self.metrics.publish(Snapshot {
            books: Books::default(),
            counters: Default::default(),
            losses: Default::default(),
            entries: Entries::default(),
            room: Room::default(),
            dropped: Default::default(),
            ring_peak: 0,
            vitals,
            at: Instant::now().checked_sub(ago).expect("it is up so long"),
        });
    }

    fn well() -> Self {
        let served = Self::start();
        served.publish(WELL, Duration::ZERO);
        served
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.at).expect("somebody listens")
    }

    #[track_caller]
    fn get(&self, path: &str) -> Answer {
        Answer::get(self.connect(), path)
    }

    #[track_caller]
    fn send(&self, request: &str) -> Answer {
        Answer::to(self.connect(), request)
    }
}

const WELL: Vitals = Vitals {
    interfaces: 1,
    missing: 0,
    lost: 0,
    unbalanced: 0,
    failure: None,
    bypassed: None,
};

#[test]
fn both_formats_are_served_and_open_metrics_to_who_asks_for_it() {
    let served = Served::well();
    let plain = served.get("/metrics");
    assert_eq!(plain.status, 200);
    assert!(
        plain
            .head
            .contains("content-type: text/plain; version=0.0.4"),
        "{}",
        plain.head
    );
    let open = served.send(
        "GET /metrics HTTP/1.1\r\nHost: here\r\n\
         Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n\r\n",
    );
    assert!(
        open.head
            .contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{}",
        open.head
    );
    assert!(open.body.ends_with("# EOF\n"), "{}", open.body);
    assert_eq!(samples(&plain.body).len(), samples(&open.body).len());
}

#[test]
fn head_is_get_without_the_body() {
    let served = Served::well();
    let head = served.send("HEAD /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let length = format!("content-length: {}", served.get("/metrics").body.len());
    assert!(head.head.contains(&length), "{}", head.head);
}

#[test]
fn what_is_wrong_is_said() {
    let served = Served::well();
    let request = |line: &str| served.send(&format!("{line}\r\nHost: here\r\n\r\n")).status;
    assert_eq!(request("GET / HTTP/1.1"), 404);
    assert_eq!(request("GET /metrics/ HTTP/1.1"), 404);
    assert_eq!(request("GET /../metrics HTTP/1.1"), 404);
    assert_eq!(request("POST /nowhere HTTP/1.1"), 404);
    assert_eq!(request("GET /metrics?x=1 HTTP/1.1"), 200);
    assert_eq!(request("GET /metrics HTTP/1.0"), 200);
    assert_eq!(request("GET"), 400);
    assert_eq!(request("GET /\u{1b}[2J HTTP/1.1"), 400);
    assert_eq!(request("\u{16}\u{3}\u{1} a TLS hello"), 400);
    let post = served.send("POST /metrics HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(post.status, 405);
    assert!(post.head.contains("allow: get, head"), "{}", post.head);
}

#[test]
fn metrics_can_be_elsewhere() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let (_, at) = Metrics::serve(any, "/ftp".to_owned(), None).expect("a port is free");
    let get = |path| Answer::get(TcpStream::connect(at).expect("somebody listens"), path);
    assert_eq!(get("/ftp").status, 200);
    let nowhere = get("/metrics");
    assert_eq!(nowhere.status, 404);
    assert_eq!(nowhere.body, "There are /ftp, /-/healthy and /-/ready.\n");
}

#[test]
fn a_head_that_is_too_long_is_refused() {
    let served = Served::well();
    // As long as is taken, to the byte: what nobody reads would be answered with a reset as well.
    let begun = "GET /metrics HTTP/1.1\r\nX: ";
    let long = format!("{begun}{}", "x".repeat((8 << 10) - begun.len()));
    assert_eq!(served.send(&long).status, 431);
}

#[test]
fn who_asks_for_nothing_is_sent_away_and_others_get_their_turn() {
    let served = Served::well();
    // More than are let in at a time; one of them stops half-way.
    let idle: Vec<TcpStream> = (0..40).map(|_| served.connect()).collect();
    use std::io::Write as _;
    (&idle[0]).write_all(b"GET /metr").expect("it is taken");
    assert_eq!(served.get("/metrics").status, 200);
    // They were closed, with nothing said but that it took too long.
    for stream in idle {
        match Answer::read(stream) {
            Ok(answer) => assert_eq!(answer.status, 408),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::Other, "{error}"),
        }
    }
}

#[test]
fn readiness_and_health_say_why() {
    let served = Served::start();
    let said = |path: &str| {
        let answer = served.get(path);
        (answer.status, answer.body)
    };
    let blind = "blind: no interface is watched\n".to_owned();
    assert_eq!(said("/-/ready"), (503, blind.clone()));
    assert_eq!(said("/-/healthy"), (200, blind));
    served.publish(WELL, Duration::ZERO);
    assert_eq!(said("/-/ready"), (200, "ok\n".to_owned()));
    served.publish(Vitals { lost: 7, ..WELL }, Duration::ZERO);
    assert_eq!(
        said("/-/ready"),
        (
            200,
            "degraded: 7 losses, the last within ten minutes\n".to_owned()
        )
    );
    served.publish(WELL, SILENCE + Duration::from_secs(1));
    let (status, why) = said("/-/healthy");
    assert_eq!(status, 503);
    assert!(
        why.starts_with("blind: nobody has looked for news for 1"),
        "{why}"
    );
    assert_eq!(said("/-/ready").0, 503);
    let state = samples(&served.get("/metrics").body);
    assert_eq!(state["ftpwatch_state{state=\"blind\"}"], 1.0);
    assert_eq!(state["ftpwatch_state{state=\"ok\"}"], 0.0);
}

fn run_with(address: &str) -> Ended {
    let mut command = Command::new(FTPWATCH);
    command.args(["run", "--web.listen-address", address]);
    Process::start(&mut command).wait(SOON)
}

#[test]
fn an_address_that_is_not_to_be_had_is_bad_usage() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let taken = taken.local_addr().map(|at| (at.to_string(), taken));
    let (address, _holder) = taken.expect("it has an address");
    for (address, why) in [
        (address.as_str(), "in use"),
        ("192.0.2.1:9100", "192.0.2.1:9100"),
        ("nonsense", "`nonsense` is no address"),
        ("127.0.0.1:99999", "is no address"),
    ] {
        let ended = run_with(address);
        assert_eq!(ended.status.code(), Some(2), "{ended}");
        assert!(ended.stderr.contains(why), "{ended}");
        assert_eq!(ended.stdout, "", "{ended}");
    }
}
