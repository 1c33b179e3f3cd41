//! For people: a list, or a page for each code.

use std::io::{self, Write};

use anstyle::Style;
use textwrap::{Options, WordSeparator, core::Word};

use super::{Entry, Kind, command::Question, sentence};
use crate::servers::{Software, Topic, Values};

const HEAD: Style = Style::new().bold();

/// What the placeholders stand for.
const PLACEHOLDERS: &str = "ADDRESS and PORT are the advertised ones, SERVER and CLIENT those of the control \
     connection, LO and HI the ends of the passive range.";

/// Writes what is asked for, in lines of `width` columns at most.
pub fn write(out: &mut impl Write, question: &Question, width: Option<usize>) -> io::Result<()> {
    let mut page = Page { out, width };
    if question.everything {
        page.list(&question.entries)?;
        if question.narrowed {
            for software in &question.servers {
                page.software(software)?;
            }
        }
        return Ok(());
    }
    for (number, entry) in question.entries.iter().enumerate() {
        if number > 0 {
            page.text(0, "")?;
        }
        page.entry(entry, question)?;
    }
    page.text(0, "")?;
    page.text(0, PLACEHOLDERS)
}

/// Where it is written.
struct Page<'a, W> {
    out: &'a mut W,
    width: Option<usize>,
}

impl<W: Write> Page<'_, W> {
    /// Every code, a line each.
    fn list(&mut self, entries: &[Entry]) -> io::Result<()> {
        let widest = entries.iter().map(|entry| entry.code.len()).max();
        let widest = widest.unwrap_or_default();
        for kind in Kind::ALL {
            let (title, sentence) = kind.title();
            writeln!(self.out, "{HEAD}{title}{HEAD:#}: {sentence}")?;
            for Entry { code, text, .. } in entries.iter().filter(|entry| entry.kind == kind) {
                let line = format!("{code:<widest$}  {}", text.meaning);
                self.wrapped(&line, "  ", &" ".repeat(widest + 4))?;
            }
            writeln!(self.out)?;
        }
        self.text(
            0,
            "`ftpwatch explain CODE` says more, `--server NAME` of one server alone.",
        )
    }

    fn entry(&mut self, entry: &Entry, question: &Question) -> io::Result<()> {
        let Entry { kind, code, text } = entry;
        writeln!(self.out, "{HEAD}{code}{HEAD:#} ({})", kind.name())?;
        self.text(2, &sentence(text.meaning))?;
        self.text(2, text.detail)?;
        self.lines("Confirm", text.confirm)?;
        self.lines("Fix", text.fix)?;
        self.lines("Open LO-HI", &entry.firewall())?;
        self.settings(entry, question)
    }

    /// What to set on all servers, or where on the one that was named.
    fn settings(&mut self, entry: &Entry, question: &Question) -> io::Result<()> {
        if entry.text.settings.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::new();
        for software in &question.servers {
            if question.narrowed {
                let settings = entry.settings(software);
                if settings.is_empty() {
                    lines.push("its settings for this are not known here".to_owned());
                }
                lines.extend(settings);
            } else {
                let directives = entry.directives(software);
                if !directives.is_empty() {
                    lines.push(format!("{software}: {}", directives.join("; ")));
                }
            }
        }
        if question.narrowed {
            let names: Vec<&str> = question.servers.iter().map(|it| it.name).collect();
            self.lines(&format!("On {}", names.join(", ")), &lines)
        } else {
            self.lines("On the server (where, says --server NAME)", &lines)
        }
    }

    /// The settings of one server, with where that was read.
    fn software(&mut self, software: &Software) -> io::Result<()> {
        writeln!(self.out, "\n{HEAD}{software}{HEAD:#}")?;
        let mut known = false;
        for topic in Topic::ALL {
            let Some(setting) = software.setting(topic) else {
                continue;
            };
            known = true;
            self.text(
                2,
                &format!("{}:", sentence(topic.title()).trim_end_matches('.')),
            )?;
            self.text(4, &setting.line(&Values::default()))?;
            self.text(4, &format!("({})", setting.source))?;
        }
        if known {
            Ok(())
        } else {
            self.text(2, "Its settings are not known here.")
        }
    }

    /// A heading, and what is below it.
    fn lines(&mut self, heading: &str, lines: &[impl AsRef<str>]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "  {HEAD}{heading}{HEAD:#}")?;
        for line in lines {
            self.wrapped(line.as_ref(), "    - ", "      ")?;
        }
        Ok(())
    }

    fn text(&mut self, indent: usize, text: &str) -> io::Result<()> {
        let indent = " ".repeat(indent);
        self.wrapped(text, &indent, &indent)
    }

    fn wrapped(&mut self, text: &str, first: &str, others: &str) -> io::Result<()> {
        let Some(width) = self.width else {
            return writeln!(self.out, "{}", format!("{first}{text}").trim_end());
        };
        let options = Options::new(width)
            .initial_indent(first)
            .subsequent_indent(others)
            .word_separator(WordSeparator::Custom(words))
            .break_words(false);
        for line in textwrap::wrap(text, options) {
            writeln!(self.out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// The words of a line. What is between backquotes is to be copied, and is one.
fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    let mut quoted = false;
    let mut blank = false;
    let mut start = 0;
    let mut words = Vec::new();
    for (at, character) in line.char_indices() {
        // A word ends before the first character that is no blank again.
        if blank && character != ' ' {
            words.push(Word::from(&line[start..at]));
            start = at;
        }
        quoted ^= character == '`';
        blank = character == ' ' && !quoted;
    }
    words.push(Word::from(&line[start..]));
    Box::new(words.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_copied_stays_on_a_line() {
        let mut out = Vec::new();
        let mut page = Page {
            out: &mut out,
            width: Some(44),
        };
        page.wrapped(
            "On the server: `tcpdump -ni any 'tcp port PORT'` shows whether the SYN arrives there",
            "- ",
            "  ",
        )
        .unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "- On the server:\n  \
             `tcpdump -ni any 'tcp port PORT'` shows\n  \
             whether the SYN arrives there\n"
        );
    }
}
