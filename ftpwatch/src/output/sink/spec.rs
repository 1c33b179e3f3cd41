//! What `--output` takes: `KIND[:PLACE][,KEY=VALUE]…`.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::{
    escape::printable,
    output::{Format, Show},
};

/// The journal's own socket.
const JOURNAL: &str = "/run/systemd/journal/socket";

/// Syslog's.
const SYSLOG: &str = "/dev/log";

/// What is smaller is no log.
const SMALLEST: u64 = 1024;

/// Where results go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Standard output.
    Stdout,
    /// A file.
    File,
    /// The journal.
    Journald,
    /// Syslog.
    Syslog,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Stdout, Self::File, Self::Journald, Self::Syslog];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::File => "file",
            Self::Journald => "journald",
            Self::Syslog => "syslog",
        }
    }
}

/// In which form a sink has its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One of the formats.
    Format(Format),
    /// A line for people.
    Line,
    /// Fields.
    Fields,
}

/// One output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// What it is.
    pub kind: Kind,
    /// Where it is; empty for standard output.
    pub place: PathBuf,
    /// Its format; what is usual for it, unless said.
    pub format: Option<Format>,
    /// What it shows; what is usual for it, unless said.
    pub show: Option<Show>,
    /// For a file, how large it may grow.
    pub limit: Option<u64>,
    /// For a file, how many full ones are kept.
    pub keep: u32,
}

impl Spec {
    /// The file that it writes, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        (self.kind == Kind::File).then_some(self.place.as_path())
    }

    /// Standard output, as it is told by `--format` and `--show`.
    pub const STDOUT: Self = Self {
        kind: Kind::Stdout,
        place: PathBuf::new(),
        format: None,
        show: None,
        limit: Some(100 << 20),
        keep: 5,
    };

    /// The form of its results, where `format` is what was said for all.
    pub(in crate::output) fn form(&self, format: Format) -> Form {
        match (self.kind, self.format) {
            (Kind::Journald, _) => Form::Fields,
            (Kind::Syslog, None) => Form::Line,
            (Kind::File, None) if format == Format::Table => Form::Format(Format::Json),
            (_, said) => Form::Format(said.unwrap_or(format)),
        }
    }

    /// What it shows, where `show` is what was said for all.
    pub(in crate::output) fn shows(&self, format: Format, show: Option<Show>) -> Show {
        let usual = match self.form(format) {
            Form::Format(format) => show.unwrap_or(format.usual()),
            Form::Line | Form::Fields => Show::Alarms,
        };
        self.show.unwrap_or(usual)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let wrong = |reason: String| format!("{key}: {reason}");
        match (self.kind, key) {
            (Kind::Stdout | Kind::File | Kind::Syslog, "format") => {
                let format = choice(value).map_err(wrong)?;
                if (self.kind, format) == (Kind::Syslog, Format::Table) {
                    return Err(wrong("a table has no place in syslog".into()));
                }
                self.format = Some(format);
            }
            (_, "show") => self.show = Some(choice(value).map_err(wrong)?),
            (Kind::File, "max-size") => self.limit = size(value).map_err(wrong)?,
            (Kind::File, "keep") => {
                let keep = value.parse().ok().filter(|keep| (1..=1000).contains(keep));
                let no_keep = || wrong(format!("`{value}` is no number from 1 to 1000"));
                self.keep = keep.ok_or_else(no_keep)?;
            }
            (kind, _) => {
                let keys = match kind {
                    Kind::Stdout | Kind::Syslog => "format, show",
                    Kind::File => "format, show, max-size, keep",
                    Kind::Journald => "show",
                };
                return Err(format!("{} has no `{key}`; there are: {keys}", kind.name()));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if self.place.as_os_str().is_empty() {
            return Ok(());
        }
        let place = printable(self.place.as_os_str().as_encoded_bytes());
        write!(f, ":{place}")
    }
}

/// Reads an output: `file:/var/log/ftpwatch/events.json,show=all`.
///
/// # Errors
///
/// What is wrong with it.
pub fn spec(text: &str) -> Result<Spec, String> {
    let mut parts = text.split(',');
    let what = parts.next().unwrap_or_default();
    let (name, place) = what
        .split_once(':')
        .map_or((what, None), |(name, place)| (name, Some(place)));
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
    let kind = kind.ok_or_else(|| {
        format!("`{name}` is no output; write stdout, file:PATH, journald or syslog")
    })?;
    let place = match (kind, place) {
        (Kind::Stdout, None) => "",
        (Kind::Stdout, Some(_)) => return Err("standard output has no place; write stdout".into()),
        (Kind::File, None | Some("")) => return Err("write file:PATH".into()),
        (Kind::Journald, None) => JOURNAL,
        (Kind::Syslog, None) => SYSLOG,
        (_, Some("")) => return Err(format!("write {name}, or {name}:SOCKET")),
        (_, Some(place)) => place,
    };
    let mut spec = Spec {
        kind,
        place: place.into(),
        ..Spec::STDOUT
    };
    for part in parts {
        let (key, value) = part.split_once('=').ok_or_else(|| {
            format!("`{part}` is no KEY=VALUE (a path with a comma cannot be named)")
        })?;
        spec.set(key, value)?;
    }
    Ok(spec)
}

fn choice<T: clap::ValueEnum>(value: &str) -> Result<T, String> {
    T::from_str(value, false).map_err(|_| {
        let names: Vec<String> = T::value_variants()
            .iter()
            .filter_map(|variant| Some(variant.to_possible_value()?.get_name().to_owned()))
            .collect();
        format!("`{value}` is none of: {}", names.join(", "))
    })
}

/// Reads a size: `100M`; `none` is no limit.
fn size(text: &str) -> Result<Option<u64>, String> {
    if text == "none" {
        return Ok(None);
    }
    let wrong = || format!("`{text}` is no size from 1K on; write 100M, 1G or none");
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K') => (&text[..text.len() - 1], 10),
        Some(b'M') => (&text[..text.len() - 1], 20),
        Some(b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let bytes = number.checked_mul(1 << shift).ok_or_else(wrong)?;
    if bytes < SMALLEST {
        return Err(wrong());
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said() {
        let file = spec("file:/a/b.json,format=json,show=all,max-size=2K,keep=3").expect("right");
        assert_eq!(
            file,
            Spec {
                kind: Kind::File,
                place: "/a/b.json".into(),
                format: Some(Format::Json),
                show: Some(Show::All),
                limit: Some(2048),
                keep: 3,
            }
        );
        assert_eq!(file.to_string(), "file:/a/b.json");
        assert_eq!(spec("stdout"), Ok(Spec::STDOUT));
        assert_eq!(
            spec("syslog").map(|s| s.to_string()),
            Ok("syslog:/dev/log".into())
        );
        assert_eq!(spec("journald:/s").map(|s| s.place), Ok("/s".into()));
        assert_eq!(spec("file:/a,max-size=none").map(|s| s.limit), Ok(None));
    }

    #[test]
    fn what_is_usual() {
        let form = |text: &str, format| spec(text).expect("right").form(format);
        assert_eq!(form("stdout", Format::Table), Form::Format(Format::Table));
        assert_eq!(form("file:/a", Format::Table), Form::Format(Format::Json));
        assert_eq!(
            form("file:/a,format=table", Format::Json),
            Form::Format(Format::Table)
        );
        assert_eq!(form("syslog", Format::Json), Form::Line);
        assert_eq!(
            form("syslog,format=json", Format::Table),
            Form::Format(Format::Json)
        );
        let shows = |text: &str| spec(text).expect("right").shows(Format::Table, None);
        assert_eq!(shows("stdout"), Show::Failures);
        assert_eq!(shows("file:/a"), Show::Outcomes);
        assert_eq!(shows("journald,show=all"), Show::All);
        assert_eq!(shows("journald"), Show::Alarms);
        assert_eq!(shows("syslog"), Show::Alarms);
    }

    #[test]
    fn what_is_wrong() {
        for (text, why) in [
            ("", "is no output"),
            ("fil:/a", "`fil` is no output"),
            ("stdout:/a", "no place"),
            ("file", "write file:PATH"),
            ("file:", "write file:PATH"),
            ("syslog:", "write syslog, or syslog:SOCKET"),
            ("file:/a,b", "`b` is no KEY=VALUE"),
            ("file:/a,keep=0", "keep: `0` is no number"),
            ("file:/a,max-size=1", "max-size: `1` is no size"),
            ("file:/a,max-size=99999999999G", "is no size"),
            ("file:/a,max-size=é", "is no size"),
            (
                "file:/a,format=xml",
                "format: `xml` is none of: table, json",
            ),
            (
                "stdout,keep=3",
                "stdout has no `keep`; there are: format, show",
            ),
            (
                "journald,format=json",
                "journald has no `format`; there are: show",
            ),
            ("syslog,format=table", "format: a table has no place"),
        ] {
            let told = spec(text).expect_err(text);
            assert!(told.contains(why), "{text}: {told}");
        }
    }
}
