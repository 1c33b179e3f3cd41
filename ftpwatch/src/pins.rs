//! `ftpwatch status` and `ftpwatch detach`: what `run --pin` left in the kernel, seen and taken off.

mod status;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;

use crate::{error::Error, output::Format, source::kernel::pin};

/// Where maps and links are pinned.
pub const ROOT: &str = "/sys/fs/bpf/ftpwatch";

pub(crate) const STATUS: &str = "\
Exit status:
  0  it runs, and nothing was lost
  1  it does not run, or something was lost
  2  bad usage
  3  nothing is pinned, or it may not be looked at";

pub(crate) const DETACH: &str = "\
Exit status:
  0  nothing is left
  2  an ftpwatch runs there
  3  it may not be taken off";

/// `ftpwatch status`
#[derive(Args, Debug)]
pub struct Status {
    /// Where that is pinned
    #[arg(long, value_name = "DIR", default_value = ROOT)]
    pub pin_path: PathBuf,
    /// How to write it
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
}

/// `ftpwatch detach`
#[derive(Args, Debug)]
pub struct Detach {
    /// Where that is pinned
    #[arg(long, value_name = "DIR", default_value = ROOT)]
    pub pin_path: PathBuf,
}

/// Says what is there.
///
/// # Errors
///
/// When nothing is, or it may not be looked at.
pub fn status(options: &Status) -> Result<ExitCode, Error> {
    let status = status::Status::of(&options.pin_path)?;
    let text = match options.format {
        Format::Json => status.json(),
        _ => status.to_string(),
    };
    // Whoever closed the pipe has read enough.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::from(u8::from(!status.is_fine())))
}

/// Takes off what is there.
///
/// # Errors
///
/// When an ftpwatch runs there, or it may not be taken off.
pub fn detach(options: &Detach) -> Result<ExitCode, Error> {
    let path = options.pin_path.display();
    let there = options.pin_path.exists();
    let attached = pin::remove_all(&options.pin_path)?;
    let said = match attached[..] {
        [] if !there => format!("nothing is pinned in {path}"),
        [] => format!("removed {path}; nothing was attached"),
        _ => format!("detached from {}; removed {path}", attached.join(", ")),
    };
    let _ = writeln!(io::stdout(), "{said}");
    Ok(ExitCode::SUCCESS)
}
