//! The published schema: made of the types, and strict enough that a wrong event shows.

mod event;

use serde_json::{Value, json};
use std::{path::Path, process::Command};

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
    let captures = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/captures/vsftpd-refused.pcap"
    );
    let text = read(&["read", captures, "--format", "json", "--show", "all"]);
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
