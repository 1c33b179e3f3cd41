//! `ftpwatch explain`: what it lists, what it says, and what it refuses. Needs no root.
//!
//! What belongs here: the command as a user meets it, and that docs/EXPLAIN.md is what it writes. That every code has
//! a text is seen to beside the texts.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const CODES: [&str; 36] = [
    "connected",
    "no_syn",
    "no_answer",
    "refused",
    "no_ack",
    "unused",
    "unobserved",
    "unknown",
    "unusable_address",
    "private_address",
    "address_mismatch",
    "client_refused",
    "reply_dropped",
    "port_out_of_range",
    "path_blocked",
    "port_rewritten",
    "local_drop",
    "dropped_beyond",
    "not_listening",
    "rejected",
    "return_path",
    "address_mismatch",
    "port_out_of_range",
    "other_client",
    "undecodable_advertisement",
    "passive_range_partly_blocked",
    "client_network_fails",
    "address_family_fails",
    "advertised_address_fails",
    "tls_data_fails",
    "passive_ports_exhausted",
    "port_outside_range",
    "given_up_at_once",
    "no_reply",
    "passive_refused",
    "transfer_stalled",
];

fn explain(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ftpwatch"))
        .arg("explain")
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect("ftpwatch runs")
}

/// What it says, having nothing to complain of.
#[track_caller]
fn said(words: &[&str]) -> String {
    let output = explain(words);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[track_caller]
fn objects(words: &[&str]) -> Vec<Value> {
    said(&[&["--format", "json"], words].concat())
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect()
}

/// It was refused, with a line that says what and one that says what to do.
#[track_caller]
fn refusal(words: &[&str]) -> String {
    let output = explain(words);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(stderr.lines().count(), 2, "{stderr}");
    stderr
}

#[test]
fn the_list_has_every_code_once_a_kind() {
    let list = said(&[]);
    let codes: Vec<&str> = list
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .collect();
    assert_eq!(codes, CODES);
    for heading in ["Outcomes", "Causes", "Warnings", "Findings"] {
        let times = list
            .lines()
            .filter(|line| line.starts_with(heading))
            .count();
        assert_eq!(times, 1, "{heading}");
    }
}

#[test]
fn json_has_every_code_an_object() {
    let objects = objects(&[]);
    let codes: Vec<&str> = objects
        .iter()
        .map(|object| object["code"].as_str().expect("a code"))
        .collect();
    assert_eq!(codes, CODES);
    for object in &objects {
        assert_eq!(object["schema"], 1, "{object}");
        let kind = object["kind"].as_str().unwrap_or_default();
        assert!(
            ["outcome", "cause", "warning", "finding"].contains(&kind),
            "{object}"
        );
        assert!(
            object["confirm"].is_array() && object["fix"].is_array(),
            "{object}"
        );
        assert!(object["servers"].is_object(), "{object}");
    }
}

#[test]
fn a_code_is_explained() {
    let page = said(&["private_address"]);
    for part in [
        "private_address (cause)",
        "Confirm",
        "`ftp.response.code == 227`",
        "Fix",
        "vsftpd: `pasv_address=ADDRESS`",
        "ProFTPD: `MasqueradeAddress ADDRESS`",
        "Pure-FTPd: `-P ADDRESS`",
    ] {
        assert!(page.contains(part), "no {part}: {page}");
    }
}

#[test]
fn case_and_hyphens_are_forgiven() {
    let page = said(&["no_syn"]);
    for name in ["no-syn", "NO_SYN", "No-Syn"] {
        assert_eq!(said(&[name]), page, "{name}");
    }
}

#[test]
fn a_cause_and_a_warning_of_one_name_are_both_explained() {
    let kinds: Vec<Value> = objects(&["address_mismatch"])
        .iter()
        .map(|object| object["kind"].clone())
        .collect();
    assert_eq!(kinds, ["cause", "warning"]);
}

#[test]
fn several_codes_each_once() {
    let codes: Vec<Value> = objects(&["refused", "no-syn", "REFUSED"])
        .iter()
        .map(|object| object["code"].clone())
        .collect();
    assert_eq!(codes, ["refused", "no_syn"]);
}

#[test]
fn one_server_alone() {
    let page = said(&["private_address", "--server", "VSFTPD"]);
    assert!(
        page.contains("`pasv_address=ADDRESS`, in vsftpd.conf"),
        "{page}"
    );
    assert!(!page.contains("ProFTPD"), "{page}");
    let objects = objects(&["private_address", "--server", "pure-ftpd"]);
    let servers = objects[0]["servers"].as_object().expect("an object");
    assert_eq!(servers.keys().collect::<Vec<_>>(), ["Pure-FTPd"]);
    let page = said(&["--server", "proftpd"]);
    assert!(page.contains("ProFTPD, mod_core, PassivePorts"), "{page}");
    let page = said(&["private_address", "--server", "Serv-U"]);
    assert!(page.contains("not known here"), "{page}");
}

#[test]
fn what_is_not_known_is_refused_with_the_nearest() {
    let error = refusal(&["no_sin"]);
    assert!(
        error.contains("no_sin") && error.contains("no_syn"),
        "{error}"
    );
    let error = refusal(&["privat-adress"]);
    assert!(error.contains("private_address"), "{error}");
    let error = refusal(&["no_syn", "frobnicate"]);
    assert!(error.contains("ftpwatch explain"), "{error}");
    let error = refusal(&["\x1b[31m"]);
    assert!(!error.contains('\x1b'), "{error}");
    let error = refusal(&["--server", "vsftp"]);
    assert!(error.contains("vsftpd"), "{error}");
    let error = refusal(&["--server", "\x1b]0;x\x07"]);
    assert!(
        !error.contains('\x1b') && error.contains("Pure-FTPd"),
        "{error}"
    );
    let output = explain(&["--format", "xml"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
}

/// `| head` ends quietly.
#[test]
fn a_reader_that_leaves() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ftpwatch"))
        .args(["explain", "--format", "json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ftpwatch runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn the_page_is_what_the_source_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/EXPLAIN.md");
    let page = std::fs::read_to_string(&path).expect("docs/EXPLAIN.md");
    assert!(
        page == said(&["--format", "markdown"]),
        "docs/EXPLAIN.md is not what the source makes: cargo xtask docs"
    );
}
