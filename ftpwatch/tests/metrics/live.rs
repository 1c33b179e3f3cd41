//! `ftpwatch run` with metrics, and real sessions.

use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::lab::fault::Fault;
use super::lab::server::FILE;
use super::lab::stage::{At, Behaviour, Stage};
use super::lab::topology::Family::V4;
use super::lab::watch::{Hook, Report, Watch};
use super::lab::{SOON, wait_until};
use super::{Answer, Samples, samples, sum};

pub const LISTEN: &str = "127.0.0.1:9421";
pub const OPTION: [&str; 2] = ["--web.listen-address", LISTEN];

fn connect(stage: &Stage) -> TcpStream {
    let at: SocketAddr = LISTEN.parse().expect("an address");
    let stream = stage.namespace(At::Server).connect(at, SOON);
    stream.expect("metrics are served")
}

pub fn scrape_text(stage: &Stage) -> String {
    let answer = Answer::get(connect(stage), "/metrics");
    assert_eq!(answer.status, 200);
    answer.body
}

fn scrape(stage: &Stage) -> Samples {
    samples(&scrape_text(stage))
}

/// Waits until all `endpoints` have their outcome, for whoever scrapes, and the kernel's counters were looked at: once a
/// second.
fn decided(stage: &Stage, endpoints: u64) -> Samples {
    wait_until("every outcome is counted", SOON, || {
        let samples = scrape(stage);
        let decided = sum(&samples, "ftpwatch_outcomes_total") as u64 == endpoints;
        (decided && samples["ftpwatch_control_segments_total"] > 0.0).then_some(samples)
    })
}

/// What is served is what `stats` and the summary say.
#[track_caller]
fn compare(scraped: &Samples, report: &Report) {
    let stats = &report.of_type("stats")[0].json;
    let number = |value: &Value| value.as_f64().expect("a number");
    for (field, name) in [
        ("sessions", "ftpwatch_sessions_total"),
        ("tls", "ftpwatch_tls_sessions_total"),
        ("endpoints", "ftpwatch_endpoints_total"),
        ("pending", "ftpwatch_endpoints_pending"),
        ("late", "ftpwatch_late_connections_total"),
        ("transfer", "ftpwatch_failed_transfers_total"),
        ("undecodable", "ftpwatch_undecodable_advertisements_total"),
    ] {
        assert_eq!(scraped[name], number(&stats[field]), "{name}");
    }
    let summary = &report.ended.stderr;
    for (outcome, count) in stats["outcomes"].as_object().expect("an object") {
        let series = format!("ftpwatch_outcomes_total{{outcome=\"{outcome}\"}}");
        assert_eq!(scraped[&series], number(count), "{series}");
        if scraped[&series] > 0.0 {
            let line = format!("  {outcome:<11}{:>6}\n", scraped[&series]);
            assert!(summary.contains(&line), "{line:?} is not in {summary}");
        }
    }
    let causes = report.of_type("outcome");
    for (series, count) in scraped.range("ftpwatch_failures_total{".to_owned()..) {
        let Some(labels) = series.strip_prefix("ftpwatch_failures_total{") else {
            break;
        };
        let told = causes.iter().filter(|event| {
            let cause = match event.text("/cause") {
                "" => "none",
                cause => cause,
            };
            labels == format!("outcome=\"{}\",cause=\"{cause}\"}}", event.text("/outcome"))
        });
        assert_eq!(*count, told.count() as f64, "{series}");
    }
    assert_eq!(
        scraped["ftpwatch_time_to_connect_seconds_count"],
        scraped["ftpwatch_outcomes_total{outcome=\"connected\"}"]
    );
    assert_eq!(sum(scraped, "ftpwatch_losses_total"), 0.0);
    assert_eq!(scraped["ftpwatch_state{state=\"ok\"}"], 1.0);
    assert_eq!(stats["state"], "ok");
    assert!(
        summary.ends_with("nothing was lost\nstate: ok\n"),
        "{summary}"
    );
    assert_eq!(scraped["ftpwatch_interfaces_watched"], 1.0);
    let peak = scraped["ftpwatch_ring_peak_bytes"];
    assert!(
        peak > 0.0 && peak <= scraped["ftpwatch_ring_size_bytes"],
        "{peak}"
    );
}

#[track_caller]
fn watch(fault: Fault, clients: &[Behaviour]) {
    let stage = Stage::set(fault, V4);
    let server = stage.namespace(At::Server);
    let mut watch = Watch::start(server, At::Server.interfaces(), Hook::Tcx, &OPTION);
    assert_eq!(Answer::get(connect(&stage), "/-/ready").status, 200);
    let first = scrape(&stage);
    assert_eq!(sum(&first, "ftpwatch_endpoints_total"), 0.0);
    for &client in clients {
        if let Some(process) = stage.play(client) {
            process.wait(SOON);
        }
    }
    let all = clients.len();
    watch.wait_until("every session", |events| {
        events.iter().filter(|event| event.is("session")).count() == all
    });
    watch.wait_until("every outcome", |events| {
        let count = |what: &str| events.iter().filter(|event| event.is(what)).count();
        count("outcome") == count("advertised")
    });
    let advertised = watch.events().iter().filter(|event| event.is("advertised"));
    let advertised = advertised.count() as u64;
    assert!(advertised > 0);
    let scraped = decided(&stage, advertised);
    assert_eq!(scraped.len(), first.len());
    compare(&scraped, &watch.stop());
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn what_is_served_is_what_the_summary_says() {
    let clients = [
        Behaviour::CurlPasv,
        Behaviour::QuitsAtOnce,
        Behaviour::Ftplib,
    ];
    watch(Fault::Nothing, &clients);
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn failures_are_served_with_their_causes() {
    watch(
        Fault::NobodyListens,
        &[Behaviour::CurlPasv, Behaviour::Ftplib],
    );
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn who_asks_for_nothing_does_not_hold_up_the_watching() {
    let stage = Stage::set(Fault::Nothing, V4);
    let server = stage.namespace(At::Server);
    let mut watch = Watch::start(server, At::Server.interfaces(), Hook::Tcx, &OPTION);
    let idle: Vec<TcpStream> = (0..64).map(|_| connect(&stage)).collect();
    stage.client().curl(&[], &[FILE]).wait(SOON).ok();
    let outcome = watch.wait_for("outcome", |event| event.is("outcome"));
    assert_eq!(outcome.text("/outcome"), "connected");
    drop(idle);
    let scraped = decided(&stage, 1);
    assert_eq!(sum(&scraped, "ftpwatch_losses_total"), 0.0);
    let report = watch.stop();
    assert!(
        report.ended.stderr.ends_with("state: ok\n"),
        "{}",
        report.ended
    );
}

/// Kilobytes that are resident, and of no file: code that is not used for a while is none of a process's.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|number| number.parse().ok()).expect("kB")
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn metrics_take_little_memory_and_none_where_nobody_asked_for_them() {
    let stage = Stage::set(Fault::Nothing, V4);
    let server = stage.namespace(At::Server);
    let without = Watch::start(server, At::Server.interfaces(), Hook::Tcx, &[]);
    let tasks = |watch: &Watch<'_>| {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", watch.process_id()));
        tasks.expect("it runs").count()
    };
    let (least, alone) = (resident(without.process_id()), tasks(&without));
    without.stop();
    let with = Watch::start(server, At::Server.interfaces(), Hook::Tcx, &OPTION);
    for _ in 0..200 {
        scrape(&stage);
    }
    let more = resident(with.process_id());
    // Standard output has one of its own.
    assert_eq!((alone, tasks(&with)), (2, 3));
    assert!(more < least + 1_024, "{least} kB without, {more} kB with");
    with.stop();
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn what_is_not_shown_is_counted() {
    let stage = Stage::set(Fault::Nothing, V4);
    let server = stage.namespace(At::Server);
    let watch = Watch::start_with(server, At::Server.interfaces(), &OPTION);
    stage.client().curl(&[], &[FILE]).wait(SOON).ok();
    let scraped = decided(&stage, 1);
    assert_eq!(scraped["ftpwatch_time_to_connect_seconds_count"], 1.0);
    let ended = watch.end_anyhow();
    assert!(ended.stdout.is_empty(), "{ended}");
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn without_an_interface_it_is_blind_and_says_so() {
    let stage = Stage::set(Fault::Nothing, V4);
    let server = stage.namespace(At::Server);
    let interface = At::Server.interfaces()[0];
    let mut watch = Watch::start(server, &[interface], Hook::Tcx, &OPTION);
    server.ip(&format!("link delete {interface}"));
    let loss = watch.wait_for("loss", |event| event.is("loss"));
    assert_eq!(loss.text("/what"), "interface_gone");
    assert_eq!(loss.text("/state"), "blind");
    let ready = wait_until("it is not ready any more", SOON, || {
        let answer = Answer::get(connect(&stage), "/-/ready");
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(ready.status, 503);
    assert_eq!(ready.body, "blind: no interface is watched\n");
    let scraped = scrape(&stage);
    assert_eq!(scraped["ftpwatch_state{state=\"blind\"}"], 1.0);
    assert_eq!(
        scraped["ftpwatch_losses_total{loss=\"interface_gone\"}"],
        1.0
    );
    let ended = watch.end_anyhow();
    assert!(
        ended
            .stderr
            .ends_with("state: blind: no interface is watched\n"),
        "{ended}"
    );
}
