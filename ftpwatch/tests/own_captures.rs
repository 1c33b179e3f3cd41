//! Captures of our own, in captures/*.pcap: what `ftpwatch read` makes of four servers that work, whose passive range
//! is dropped, and that refuse. captures/README.md says how each was made.
//!
//! What belongs here: what is in each of them, and the test that makes them anew in the lab. Captures of others, and
//! what is wrong with files, belong in captures.rs.

mod lab;
#[allow(dead_code, reason = "what captures.rs needs besides")]
#[path = "captures/reading.rs"]
mod reading;

use lab::event;
use lab::server::MANY;
use lab::server::daemons::Kind;
use lab::stage::{Fault, Stage};
use lab::topology::Family;
use lab::{Directory, SOON, process::Process};
use rustix::process::Signal;
use std::path::{Path, PathBuf};

/// Set to anything, it has the lab's captures replace those that are here.
const REPLACE: &str = "FTPWATCH_REPLACE_CAPTURES";

/// The patience of curl, in seconds: enough for a second SYN.
const PATIENCE: &str = "3";

const KINDS: [Kind; 4] = [Kind::Vsftpd, Kind::Proftpd, Kind::PureFtpd, Kind::Pyftpdlib];

/// What is going on in a capture, and what is to be read from it.
struct Scene {
    name: &'static str,
    fault: Fault,
    /// The exit status.
    status: i32,
    /// The code of each advertisement, what became of it, and why.
    endpoints: &'static [(u64, &'static str, Option<&'static str>)],
}

/// Each was taken on the server's interface. A client asks for PASV, and another one for EPSV. When that fails, curl
/// asks for PASV on the same connection, and tries it in the time that is left: which is none after a time-out.
const SCENES: [Scene; 3] = [
    Scene {
        name: "works",
        fault: Fault::Nothing,
        status: 0,
        endpoints: &[(227, "connected", None), (229, "connected", None)],
    },
    Scene {
        name: "range-dropped",
        fault: Fault::DroppedOnServer,
        status: 1,
        endpoints: &[
            (227, "no_answer", Some("local_drop")),
            (229, "no_answer", Some("local_drop")),
            (227, "unused", None),
        ],
    },
    Scene {
        name: "refused",
        fault: Fault::ResetOnServer,
        status: 1,
        endpoints: &[
            (227, "refused", Some("not_listening")),
            (229, "refused", Some("not_listening")),
            (227, "refused", Some("not_listening")),
        ],
    },
];

#[test]
fn vsftpd() {
    committed(Kind::Vsftpd);
}

#[test]
fn proftpd() {
    committed(Kind::Proftpd);
}

#[test]
fn pure_ftpd() {
    committed(Kind::PureFtpd);
}

#[test]
fn pyftpdlib() {
    committed(Kind::Pyftpdlib);
}

/// The lab makes the same anew, and the same is read from them.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn made_anew() {
    let directory = Directory::new("captures");
    for kind in KINDS {
        for scene in &SCENES {
            let made = directory.path().join(file_name(kind, scene));
            make(kind, scene, &made);
            check(kind, scene, &made);
            if std::env::var_os(REPLACE).is_some() {
                let committed = folder().join(file_name(kind, scene));
                std::fs::copy(&made, committed).expect("the capture is replaced");
            }
        }
    }
}

#[track_caller]
fn committed(kind: Kind) {
    for scene in &SCENES {
        check(kind, scene, &folder().join(file_name(kind, scene)));
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

fn file_name(kind: Kind, scene: &Scene) -> String {
    format!("{}-{}.pcap", kind.name(), scene.name)
}

#[track_caller]
fn check(kind: Kind, scene: &Scene, capture: &Path) {
    let reading = reading::json(capture, &[]);
    let name = capture.display();
    assert_eq!(reading.status, Some(scene.status), "{name}: {reading:?}");
    let outcomes = reading.events_of("outcome");
    let mut endpoints = Vec::new();
    for outcome in &outcomes {
        let software = outcome["server_software"].as_str().unwrap_or_default();
        assert!(software.starts_with(kind.greets_as()), "{name}: {software}");
        assert_eq!(outcome["advertised"]["ip"], "203.0.113.10", "{name}");
        assert_eq!(outcome["observer"]["vantage"], "server", "{name}");
        assert_eq!(outcome["warnings"], serde_json::json!([]), "{name}");
        endpoints.push((
            outcome["reply"]["code"].as_u64().unwrap_or_default(),
            outcome["outcome"].as_str().unwrap_or_default(),
            outcome["cause"].as_str(),
        ));
    }
    assert_eq!(endpoints, scene.endpoints, "{name}: {}", reading.stdout);
    let sessions = reading.events_of("session");
    assert_eq!(sessions.len(), 2, "{name}: {}", reading.stdout);
    for session in &sessions {
        assert_eq!(session["undecodable"], 0, "{name}: {session:#}");
        assert_eq!(session["visibility"], "clear", "{name}: {session:#}");
    }
    assert_eq!(
        reading.events().len(),
        endpoints.len() + sessions.len(),
        "{name}: there is more: {}",
        reading.stdout
    );
}

/// Takes a capture: curl fetches a small file, with PASV and with EPSV.
fn make(kind: Kind, scene: &Scene, into: &Path) {
    let stage = Stage::with(kind, scene.fault, Family::V4);
    let tcpdump = Process::start(
        stage
            .owner_of("s0")
            .command("tcpdump")
            .args(["-nn", "-s", "0", "-U", "--immediate-mode", "-Z", "root"])
            .args(["-i", "s0", "-w"])
            .arg(into)
            .arg("tcp"),
    );
    tcpdump.stderr.wait_for("listening on");
    let file = format!("{MANY}/003");
    for option in ["--disable-epsv", "--disable-eprt"] {
        let options = [option, "--connect-timeout", PATIENCE];
        let ended = stage.client().curl(&options, &[&file]).wait(SOON);
        assert_eq!(
            ended.status.success(),
            scene.fault == Fault::Nothing,
            "{ended}"
        );
    }
    tcpdump.signal(Signal::INT);
    tcpdump.wait(SOON).ok();
}
