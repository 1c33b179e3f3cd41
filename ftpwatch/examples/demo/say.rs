//! Standard output, whose reader may go away before the story ends.

use std::io::Write;

use crate::trouble::{Result, Trouble};

/// Prints a paragraph, now.
pub fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let said = writeln!(out, "{text}").and_then(|()| out.flush());
    said.map_err(|e| {
        Trouble::new(
            format!("cannot go on telling: {e}"),
            "let standard output be read to its end",
        )
    })
}

/// Prints what a program printed, set off from the narration.
pub fn quote(text: &str) -> Result<()> {
    text.lines().try_for_each(|line| say(&format!("  {line}")))
}
