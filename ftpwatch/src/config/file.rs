//! One file: what it sets, or the place where it is wrong.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    ops::Range,
    path::Path,
};

use toml_edit::{Document, Item, Table, TableLike, Value};

use super::{
    key::{self, Key, nearest},
    layers::{Origin, Setting},
};
use crate::{error::Error, escape::printable};

/// More than this is no configuration.
const LARGEST: u64 = 1 << 20;

/// Reads the file.
///
/// # Errors
///
/// The first thing that is wrong with it.
pub fn read(path: &Path) -> Result<Vec<(String, Setting)>, Error> {
    let text = text(path)?;
    settings(path, &text)
}

/// What the text of the file at `path` sets.
///
/// # Errors
///
/// The first thing that is wrong with it.
pub fn settings(path: &Path, text: &str) -> Result<Vec<(String, Setting)>, Error> {
    let mut reader = Reader {
        path,
        text,
        keys: key::all(),
        found: Vec::new(),
    };
    let document = Document::parse(text).map_err(|error| {
        reader.wrong(
            error.span(),
            error.message().trim_end(),
            "Its form is that of https://toml.io.",
        )
    })?;
    let table: &Table = document.as_table();
    reader.table("", table)?;
    Ok(reader.found)
}

/// All of it: text, and not much.
///
/// # Errors
///
/// When it cannot be read, or is nothing of the kind.
pub fn text(path: &Path) -> Result<String, Error> {
    let name = printable(path.as_os_str().as_encoded_bytes());
    let unreadable = |why: String, advice: &str| Error::usage(format!("{name} {why}"), advice);
    let cannot = |error: io::Error| {
        unreadable(
            format!("cannot be read: {error}"),
            "Does it exist, and may this user read it?",
        )
    };
    // Before it is opened: a pipe would be waited for.
    if !fs::metadata(path).map_err(cannot)?.is_file() {
        return Err(unreadable("is no regular file".into(), "Name a file."));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() as u64 > LARGEST {
        return Err(unreadable(
            "is larger than 1 MiB".into(),
            "That is no configuration; `ftpwatch config template` writes one.",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..good]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        Error::usage(
            format!("{name}:{line}: it is not UTF-8"),
            "Save it as UTF-8, or write that line again.",
        )
    })
}

/// Takes a file apart.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    keys: Vec<Key>,
    found: Vec<(String, Setting)>,
}

impl Reader<'_> {
    fn table(&mut self, above: &str, table: &dyn TableLike) -> Result<(), Error> {
        for (name, item) in table.iter() {
            let place = table.key(name).and_then(toml_edit::Key::span);
            let full = format!("{above}{name}");
            let within = format!("{full}.");
            if let Some(at) = self.keys.iter().position(|key| key.name() == full) {
                let setting = self.setting(&self.keys[at], item, place)?;
                self.found.push((full, setting));
            } else if let Some(table) = item.as_table_like()
                && self.keys.iter().any(|key| key.name().starts_with(&within))
            {
                self.table(&within, table)?;
            } else {
                return Err(self.unknown(&full, place));
            }
        }
        Ok(())
    }

    fn unknown(&self, name: &str, place: Option<Range<usize>>) -> Error {
        let names: Vec<String> = self.keys.iter().map(|key| key.name().to_owned()).collect();
        let advice = nearest(name, &names).unwrap_or_default();
        self.wrong(place, &format!("there is no key `{name}`"), &advice)
    }

    fn setting(
        &self,
        key: &Key,
        item: &Item,
        place: Option<Range<usize>>,
    ) -> Result<Setting, Error> {
        let name = key.name();
        let line = self.position(place.clone()).0;
        let values: Vec<&Value> = match item.as_value() {
            Some(Value::Array(array)) if key.is_list() => array.iter().collect(),
            Some(value) => vec![value],
            None => return Err(self.wrong(place, &format!("`{name}` is no table"), &usage(key))),
        };
        if values.is_empty() && !key.defaults().is_empty() {
            return Err(self.wrong(
                place,
                &format!("`{name}` needs a value at least"),
                &usage(key),
            ));
        }
        let mut texts = Vec::with_capacity(values.len());
        for value in values {
            let text = match value {
                Value::String(text) => text.value().clone(),
                Value::Integer(number) => number.value().to_string(),
                other => {
                    let reason = format!("`{name}` takes text, not {}", other.type_name());
                    return Err(self.wrong(other.span(), &reason, &usage(key)));
                }
            };
            key.check(&text).map_err(|wrong| {
                let advice = wrong.advice.unwrap_or_else(|| usage(key));
                self.wrong(
                    value.span(),
                    &format!("`{name}`: {}", wrong.reason),
                    &advice,
                )
            })?;
            texts.push(text);
        }
        Ok(Setting {
            values: texts,
            origin: Origin::File(self.path.to_owned(), line),
        })
    }

    /// The line and the column where `place` begins.
    fn position(&self, place: Option<Range<usize>>) -> (usize, usize) {
        let start = place.map_or(0, |place| place.start);
        let before = self.text.get(..start).unwrap_or(self.text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        (1 + before.matches('\n').count(), 1 + line.chars().count())
    }

    fn wrong(&self, place: Option<Range<usize>>, reason: &str, advice: &str) -> Error {
        let (line, column) = self.position(place);
        let name = printable(self.path.as_os_str().as_encoded_bytes());
        let reason = printable(reason.as_bytes());
        Error::usage(format!("{name}:{line}:{column}: {reason}"), advice)
    }
}

/// How a key is written.
fn usage(key: &Key) -> String {
    let form = key.form();
    let several = if key.is_list() {
        format!(", or [\"{form}\", …]")
    } else {
        String::new()
    };
    format!(
        "Write {} = \"{form}\"{several}: {}.",
        key.name(),
        key.about()
    )
}
