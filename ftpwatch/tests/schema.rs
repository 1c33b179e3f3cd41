//! The published schema: made of the types, and strict enough that a wrong event shows.

mod event;

use serde_json::{Value, json};
use std::{path::Path, process::Command};

const CAPTURE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/captures/vsftpd-refused.pcap"
);

fn read(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ftpwatch"))
        .args(words)
        .output()
        .expect("ftpwatch runs");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn the_page_is_made_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/event.schema.json");
    let page = std::fs::read_to_string(path).expect("docs/event.schema.json");
    assert!(
        page == read(&["schema"]),
        "docs/event.schema.json is not what the source makes: cargo xtask docs"
    );
    let schema: Value = serde_json::from_str(&page).expect("JSON");
    jsonschema::meta::validate(&schema).expect("a schema itself");
    // Whoever validates with it must not be broken by a field that is added.
    assert!(!page.contains("additionalProperties\": false"));
}

/// An event of each type that a capture has.
fn events() -> Vec<Value> {
    let text = read(&["read", CAPTURE, "--format", "json", "--show", "all"]);
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
fn what_is_right_passes_and_what_is_wrong_does_not() {
    let events = events();
    assert!(events.len() > 4, "{events:?}");
    for right in events {
        event::check(&right);
        let wrong = |change: &dyn Fn(&mut Value)| {
            let mut wrong = right.clone();
            change(&mut wrong);
            std::panic::catch_unwind(|| event::check(&wrong)).expect_err("it is wrong");
        };
        wrong(&|event| event["unheard"] = json!("of"));
        wrong(&|event| event["observer"]["unheard"] = json!("of"));
        wrong(&|event| event["event_type"] = json!("unheard"));
        wrong(&|event| event["schema"] = json!(2));
        wrong(&|event| drop(event.as_object_mut().expect("one").remove("timestamp")));
        if right["event_type"] == "outcome" {
            wrong(&|event| event["client"]["port"] = json!(65_536));
            wrong(&|event| event["outcome"] = json!("unheard"));
            wrong(&|event| drop(event.as_object_mut().expect("one").remove("cause")));
        }
    }
}

/// Every name outside of `ftpwatch` is one of the Elastic Common Schema's, and what it has in there is the event.
#[test]
fn the_names_of_ecs() {
    const NAMES: [&str; 26] = [
        "@timestamp",
        "destination.address",
        "destination.ip",
        "destination.port",
        "ecs.version",
        "event.action",
        "event.category",
        "event.duration",
        "event.kind",
        "event.module",
        "event.outcome",
        "event.reason",
        "event.type",
        "log.level",
        "message",
        "network.protocol",
        "network.transport",
        "network.type",
        "observer.hostname",
        "observer.product",
        "observer.type",
        "observer.version",
        "source.address",
        "source.ip",
        "source.port",
        "ftpwatch",
    ];
    let text = read(&["read", CAPTURE, "--format", "ecs", "--show", "all"]);
    let documents: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    for document in &documents {
        for (name, value) in document.as_object().expect("an object") {
            match value.as_object().filter(|_| name != "ftpwatch") {
                Some(inner) => seen.extend(inner.keys().map(|inner| format!("{name}.{inner}"))),
                None => drop(seen.insert(name.clone())),
            }
        }
    }
    assert_eq!(seen, NAMES.map(str::to_owned).into());
    let events: Vec<Value> = documents
        .iter()
        .map(|one| one["ftpwatch"].clone())
        .collect();
    assert_eq!(events, self::events(), "the same as JSON");
    let refused = documents
        .iter()
        .find(|one| one["ftpwatch"]["outcome"] == "refused");
    let refused = refused.expect("a failure");
    assert_eq!(refused["event"]["kind"], "alert");
    assert_eq!(refused["event"]["outcome"], "failure");
    assert_eq!(refused["event"]["type"], json!(["connection"]));
    assert_eq!(refused["source"]["ip"], refused["ftpwatch"]["client"]["ip"]);
    assert_eq!(refused["@timestamp"], refused["ftpwatch"]["timestamp"]);
}
