//! Standard output.

use std::io::{self, Write as _};

use super::Target;

/// Standard output; without colours where it is no terminal.
pub struct Stdout;

impl Target for Stdout {
    fn write(&mut self, message: &[u8]) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        out.write_all(message)?;
        out.flush()
    }
}
