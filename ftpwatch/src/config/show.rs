//! What holds, and what could be written: the same keys, in the form of a file.

use std::fmt::Write as _;

use clap::{ArgMatches, parser::ValueSource};

use super::{
    key::{self, Key},
    layers::{Layers, USUAL},
};
use crate::escape::printable;

/// The values that hold, each with where it is from.
pub fn show(layers: &Layers, matches: Option<&ArgMatches>) -> String {
    let mut text = String::new();
    for key in key::all() {
        let source = matches.and_then(|matches| matches.value_source(key.id()));
        let origin = match layers.get(key.name()) {
            _ if source == Some(ValueSource::CommandLine) => "flag".to_owned(),
            Some(setting) => setting.origin.to_string(),
            None => "default".to_owned(),
        };
        let values = key.raw(matches);
        // Writing to a String cannot fail.
        let _ = match (values.as_slice(), key.is_list()) {
            ([], false) => writeln!(text, "# {} is not set", key.name()),
            _ => writeln!(text, "{}  # {origin}", line(&key, &values)),
        };
    }
    text
}

/// A file that says what is the case without it.
pub fn template() -> String {
    let mut text = format!(
        "# The configuration of `ftpwatch run`: {USUAL}.\n\
         # Then come conf.d/*.toml beside it, in the order of their names; then the environment; then flags.\n\
         # What is said later takes the place of what was said before. `ftpwatch config show` tells what holds.\n\
         # A line that begins with # and a key is that key's default.\n"
    );
    for key in key::all() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n# {}.", key.about());
        let choices = key.choices();
        if !choices.is_empty() {
            let _ = writeln!(text, "# One of: {}.", choices.join(", "));
        }
        let _ = writeln!(
            text,
            "# Flag --{}, variable {}.",
            key.name(),
            key.variable()
        );
        let _ = match (key.defaults(), key.is_list()) {
            (values, false) if values.is_empty() => {
                writeln!(
                    text,
                    "# Not set unless written: {} = \"{}\"",
                    key.name(),
                    key.form()
                )
            }
            (values, _) => writeln!(text, "#{}", line(&key, &values)),
        };
    }
    text
}

fn line(key: &Key, values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| quote(value)).collect();
    let values = values.join(", ");
    if key.is_list() {
        format!("{} = [{values}]", key.name())
    } else {
        format!("{} = {values}", key.name())
    }
}

/// As TOML has it: numbers bare, and nothing in a text that could move a cursor.
fn quote(value: &str) -> String {
    if value
        .parse::<u32>()
        .is_ok_and(|number| number.to_string() == value)
    {
        return value.to_owned();
    }
    let mut text = String::from('"');
    for character in value.chars() {
        let plain = printable(character.encode_utf8(&mut [0; 4]).as_bytes())
            .chars()
            .eq([character]);
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            _ if plain => text.push(character),
            _ => {
                let _ = write!(text, "\\U{:08X}", u32::from(character));
            }
        }
    }
    text.push('"');
    text
}
