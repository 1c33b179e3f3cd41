//! docs/EXPLAIN.md.

use std::io::{self, Write};

use super::{Entry, Kind, command::Question, sentence};
use crate::servers::{Software, Topic, Values};

const HEAD: &str = "\
# What ftpwatch says

<!-- Made by `cargo xtask docs` of the texts in ftpwatch/src/explain and ftpwatch/src/servers: change them there. -->

Every outcome, cause, warning and finding: what it means, how to confirm it, how to fix it. `ftpwatch explain CODE`
says the same on a terminal, `--server NAME` for one server alone, `--format json` for programs.

In commands, ADDRESS and PORT are the advertised ones, SERVER and CLIENT those of the control connection, LO and HI the
ends of the passive range.
";

/// Writes the whole page.
pub fn write(out: &mut impl Write, question: &Question) -> io::Result<()> {
    out.write_all(HEAD.as_bytes())?;
    for kind in Kind::ALL {
        let entries = question.entries.iter();
        let entries: Vec<&Entry> = entries.filter(|entry| entry.kind == kind).collect();
        if entries.is_empty() {
            continue;
        }
        let (title, says) = kind.title();
        write!(out, "\n## {title}\n\n{says}\n")?;
        for entry in entries {
            write_entry(out, entry)?;
        }
    }
    writeln!(
        out,
        "\n## Servers\n\nTheir settings, and where each was read."
    )?;
    for software in &question.servers {
        write_software(out, software)?;
    }
    Ok(())
}

fn write_entry(out: &mut impl Write, entry: &Entry) -> io::Result<()> {
    let Entry { code, text, .. } = entry;
    write!(
        out,
        "\n### {code}\n\n**{}** {}\n",
        sentence(text.meaning),
        text.detail
    )?;
    list(out, "Confirm", text.confirm)?;
    list(out, "Fix", text.fix)?;
    list(out, "Open LO-HI", &entry.firewall())?;
    if !text.settings.is_empty() {
        let topics: Vec<&str> = text.settings.iter().map(|topic| topic.title()).collect();
        write!(
            out,
            "\nSettings of the [servers](#servers): {}.\n",
            topics.join("; ")
        )?;
    }
    Ok(())
}

fn write_software(out: &mut impl Write, software: &Software) -> io::Result<()> {
    let mut settings = Topic::ALL
        .into_iter()
        .filter_map(|topic| Some((topic, software.setting(topic)?)))
        .peekable();
    if settings.peek().is_none() {
        return Ok(());
    }
    write!(out, "\n### {software}\n\n")?;
    for (topic, setting) in settings {
        let line = setting.line(&Values::default());
        writeln!(out, "- {}: {line} ({})", topic.title(), setting.source)?;
    }
    Ok(())
}

fn list(out: &mut impl Write, heading: &str, lines: &[impl AsRef<str>]) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    write!(out, "\n{heading}:\n\n")?;
    for line in lines {
        writeln!(out, "- {}", line.as_ref())?;
    }
    Ok(())
}
