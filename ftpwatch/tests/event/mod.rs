//! Holds events to the schema that is published, and to less: what it does not name is not there.

use serde_json::{Map, Value, json};
use std::sync::LazyLock;

use jsonschema::Validator;

/// Inside, since tests are run on other systems as well.
const PUBLISHED: &str = include_str!("../../../docs/event.schema.json");

static STRICT: LazyLock<Validator> = LazyLock::new(|| {
    let mut schema: Value = serde_json::from_str(PUBLISHED).expect("JSON");
    close(&mut schema);
    jsonschema::validator_for(&schema).expect("a JSON Schema")
});

/// Panics where `event` is not as the schema has it.
#[track_caller]
pub fn check(event: &Value) {
    let errors: Vec<String> = STRICT
        .iter_errors(event)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{event:#}");
}

/// Refuses what is not named. A consumer has to allow it: fields are added.
fn close(schema: &mut Value) {
    // What event types have in common is in definitions of their own, which know only a part of an event.
    let mut parts = Vec::new();
    for event_type in schema["oneOf"].as_array().expect("a schema for each type") {
        parts.extend(event_type["$ref"].as_str().map(str::to_owned));
    }
    assert!(!parts.is_empty(), "{schema:#}");
    let whole = schema.as_object_mut().expect("an object");
    whole.insert("unevaluatedProperties".into(), json!(false));
    let definitions = whole["$defs"].as_object_mut().expect("definitions");
    for (name, definition) in definitions {
        if !parts.contains(&format!("#/$defs/{name}")) {
            close_object(definition.as_object_mut().expect("a schema"));
        }
    }
}

fn close_object(definition: &mut Map<String, Value>) {
    if definition.contains_key("properties") {
        definition.insert("additionalProperties".into(), json!(false));
    }
}
