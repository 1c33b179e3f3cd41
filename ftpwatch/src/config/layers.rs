//! Files and the environment, one over the other.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use clap::{Command, builder::OsStr as Word};

use super::{environment, file, key};
use crate::{error::Error, escape::printable};

/// Where the configuration is, unless said.
pub const USUAL: &str = "/etc/ftpwatch/ftpwatch.toml";

/// Beside it: files that have a part each.
const PARTS: &str = "conf.d";

/// The file that is read, and the directory of its parts.
pub fn places(config: Option<&Path>) -> [PathBuf; 2] {
    let file = config.unwrap_or(Path::new(USUAL));
    [file.to_owned(), file.with_file_name(PARTS)]
}

/// Where a value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file.
    File(PathBuf, usize),
    /// A variable.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => {
                write!(
                    f,
                    "{}:{line}",
                    printable(path.as_os_str().as_encoded_bytes())
                )
            }
            Self::Environment(variable) => write!(f, "environment, {variable}"),
        }
    }
}

/// What a key is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its values, as the command line would have them.
    pub values: Vec<String>,
    /// Where they are from.
    pub origin: Origin,
}

/// What is set, by key.
#[derive(Debug, Default)]
pub struct Layers {
    files: Vec<PathBuf>,
    settings: BTreeMap<String, Setting>,
}

impl Layers {
    /// Reads `config` or the usual file, its parts, and the environment.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn read(config: Option<&Path>) -> Result<Self, Error> {
        let mut layers = Self::default();
        let path = config.unwrap_or(Path::new(USUAL));
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && config.is_none() => {}
            _ => layers.add(path)?,
        }
        for part in parts(path)? {
            layers.add(&part)?;
        }
        for key in key::all() {
            if let Some(setting) = environment::read(&key)? {
                layers.settings.insert(key.name().to_owned(), setting);
            }
        }
        Ok(layers)
    }

    fn add(&mut self, path: &Path) -> Result<(), Error> {
        self.settings.extend(file::read(path)?);
        self.files.push(path.to_owned());
        Ok(())
    }

    /// What `key` is set to.
    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.settings.get(key)
    }

    /// What was read, for people.
    pub fn told(&self) -> String {
        let mut lines: Vec<String> = self
            .files
            .iter()
            .map(|path| printable(path.as_os_str().as_encoded_bytes()))
            .collect();
        lines.extend(
            self.settings
                .values()
                .filter(|setting| matches!(setting.origin, Origin::Environment(_)))
                .map(|setting| setting.origin.to_string()),
        );
        if lines.is_empty() {
            return format!("nothing is configured: there is no {USUAL}\n");
        }
        lines
            .into_iter()
            .map(|line| format!("{line}: ok\n"))
            .collect()
    }

    /// What is set takes the place of the built-in values: flags win, and nothing else has to know.
    pub fn apply(&self, command: Command) -> Command {
        key::all()
            .iter()
            .fold(command, |command, key| match self.get(key.name()) {
                Some(setting) => command.mut_arg(key.id(), |option| {
                    option.default_values(setting.values.iter().map(Word::from))
                }),
                None => command,
            })
    }
}

/// The parts beside the file, in the order of their names.
fn parts(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let directory = path.with_file_name(PARTS);
    let cannot = |error: io::Error| {
        let name = printable(directory.as_os_str().as_encoded_bytes());
        Error::usage(
            format!("{name} cannot be read: {error}"),
            "It is a directory of files that end in .toml, or it is not there.",
        )
    };
    let entries = match fs::read_dir(&directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(cannot)?,
    };
    let mut parts = Vec::new();
    for entry in entries {
        let path = entry.map_err(cannot)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension() == Some(OsStr::new("toml")) {
            parts.push(path);
        }
    }
    parts.sort();
    Ok(parts)
}
