//! ProFTPD: directives in contexts, other files included (proftpd.conf(5); "PassivePorts", "MasqueradeAddress" and
//! "Include" of its directive list). It writes over its command line, where `-c` would tell the file.

use super::{Passive, Words, files::Files, usual};
use crate::{escape::printable, host::owners::Process};

pub const WORDS: Words = Words {
    name: "ProFTPD",
    range: "`PassivePorts 50000 50100`",
    address: "MasqueradeAddress",
    set_address: "`MasqueradeAddress` and the address that clients reach it at",
};

const PLACES: [&str; 3] = [
    "/etc/proftpd/proftpd.conf",
    "/etc/proftpd.conf",
    "/usr/local/etc/proftpd.conf",
];

/// How deep files may include files, and how many there may be.
const DEEPEST: usize = 8;
const MOST: usize = 500;

/// Its settings, where a file can be read.
pub fn read(files: &Files, _process: &Process) -> Option<Passive> {
    let named = named(&files.words);
    let places = PLACES.iter().map(|&place| place.to_owned());
    let (source, text) = match &named {
        Some(path) => (path.clone(), files.read(path)?),
        None => places
            .into_iter()
            .find_map(|place| Some((usual(&place), files.read(&place)?)))?,
    };
    let mut reader = Reader {
        files,
        passive: Passive {
            source,
            takes_names: true,
            ..Passive::default()
        },
        contexts: Vec::new(),
        read: 1,
    };
    reader.take(&text, 0);
    Some(reader.passive)
}

/// What `-c` or `--config` names.
fn named(words: &[String]) -> Option<String> {
    words.iter().enumerate().find_map(|(at, word)| {
        let next = || words.get(at + 1).cloned();
        match word.as_str() {
            "-c" | "--config" => next(),
            _ => word.strip_prefix("--config=").map(str::to_owned),
        }
    })
}

/// What a section means for what stands in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    /// It counts.
    Counts,
    /// It counts if something holds that is not seen here.
    Perhaps,
    /// Another server of the same daemon.
    Other,
    /// Neither directive may stand there.
    Elsewhere,
}

struct Reader<'a> {
    files: &'a Files,
    passive: Passive,
    contexts: Vec<Context>,
    read: usize,
}

impl Reader<'_> {
    fn take(&mut self, text: &str, depth: usize) {
        // A backslash at the end goes on with the next line.
        let joined = text.replace("\\\n", " ");
        for line in joined.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(section) = line.strip_prefix('<') {
                self.section(section);
                continue;
            }
            let mut words = line.split_whitespace();
            let directive = words.next().unwrap_or_default().to_ascii_lowercase();
            let words: Vec<&str> = words.map(|word| word.trim_matches('"')).collect();
            match (directive.as_str(), words.as_slice()) {
                ("include" | "includeoptional", [path, ..]) => self.include(path, depth),
                ("passiveports", [low, high, ..]) => {
                    let range = low.parse().ok().zip(high.parse().ok());
                    self.set("PassivePorts", |passive| {
                        passive.range.replace_if_none(range)
                    });
                }
                ("masqueradeaddress", [address, ..]) => {
                    let address = Some((*address).to_owned());
                    self.set("MasqueradeAddress", |passive| {
                        passive.address.replace_if_none(address)
                    });
                }
                _ => {}
            }
        }
    }

    fn section(&mut self, section: &str) {
        if section.starts_with('/') {
            self.contexts.pop();
            return;
        }
        let name = section.split([' ', '\t', '>']).next().unwrap_or_default();
        self.contexts
            .push(match name.to_ascii_lowercase().as_str() {
                "global" => Context::Counts,
                "ifmodule" if !section.contains('!') => Context::Counts,
                "ifmodule" | "ifdefine" | "ifversion" => Context::Perhaps,
                "virtualhost" => Context::Other,
                _ => Context::Elsewhere,
            });
    }

    /// Sets something where this place counts. The first one does.
    fn set(&mut self, directive: &str, set: impl FnOnce(&mut Passive) -> bool) {
        let is = |context| self.contexts.contains(&context);
        if is(Context::Elsewhere) {
            return;
        }
        if is(Context::Other) {
            self.note(format!("a <VirtualHost> has a {directive} of its own"));
        } else if is(Context::Perhaps) {
            self.note(format!(
                "a {directive} stands in a section that may not count"
            ));
        } else if !set(&mut self.passive) {
            self.note(format!("{directive} stands there more than once"));
        }
    }

    fn note(&mut self, note: String) {
        if !self.passive.notes.contains(&note) {
            self.passive.notes.push(note);
        }
    }

    fn include(&mut self, path: &str, depth: usize) {
        let (folder, pattern) = path.rsplit_once('/').unwrap_or(("", path));
        let is_folder = self.files.is_folder(path);
        let paths: Vec<String> = if is_folder {
            let names = self.files.list(path);
            let path = path.trim_end_matches('/');
            names.iter().map(|name| format!("{path}/{name}")).collect()
        } else if pattern.contains(['*', '?']) {
            let names = self.files.list(folder);
            let names = names
                .iter()
                .filter(|name| matches(pattern.as_bytes(), name.as_bytes()));
            names.map(|name| format!("{folder}/{name}")).collect()
        } else {
            vec![path.to_owned()]
        };
        for path in paths {
            self.read += 1;
            let text = self
                .files
                .read(&path)
                .filter(|_| depth < DEEPEST && self.read < MOST);
            match text {
                Some(text) => self.take(&text, depth + 1),
                // A folder of a folder is none of its files.
                None if is_folder && self.files.is_folder(&path) => {}
                None => self.note(format!(
                    "it includes {}, which cannot be read",
                    printable(path.as_bytes())
                )),
            }
        }
    }
}

trait ReplaceIfNone<T> {
    /// Sets what is not set. Returns whether it did.
    fn replace_if_none(&mut self, value: Option<T>) -> bool;
}

impl<T> ReplaceIfNone<T> for Option<T> {
    fn replace_if_none(&mut self, value: Self) -> bool {
        let free = self.is_none();
        if free {
            *self = value;
        }
        free
    }
}

/// Whether `name` is of the `pattern`, with `*` and `?`.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            matches(rest, name)
                || name
                    .split_first()
                    .is_some_and(|(_, left)| matches(pattern, left))
        }
        ([b'?', rest @ ..], [_, left @ ..]) => matches(rest, left),
        ([one, rest @ ..], [other, left @ ..]) => one == other && matches(rest, left),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
