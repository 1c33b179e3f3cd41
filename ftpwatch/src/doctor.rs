//! `ftpwatch doctor`: can this host be watched, and is there anything here that keeps FTP from working. It looks, and
//! changes nothing: no program stays loaded, no qdisc is added, no module is loaded, no setting touched.

mod capability;
mod check;
mod feature;
mod interfaces;
mod memory;
mod netlink;
mod show;
mod watching;

use std::{io, process::ExitCode};

use crate::{
    cli,
    error::{Error, HOST},
};

use check::{Check, Group, Status};
use feature::Features;
use show::Show;

/// Runs every check, and writes each as soon as it is done.
///
/// # Errors
///
/// When standard output cannot be written. A closed pipe is none.
pub fn run(options: &cli::Doctor) -> Result<ExitCode, Error> {
    let mut show = Show::new(options.format);
    let mut cannot = false;
    let mut write = |checks: Vec<Check>| {
        cannot |= checks
            .iter()
            .any(|check| check.group == Group::Watching && check.status == Status::Failed);
        checks.iter().try_for_each(|check| show.write(check))
    };
    match examine(options, &mut write) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => {
            return Err(Error::host(
                format!("standard output cannot be written: {error}"),
                "Is the disk full?",
            ));
        }
    }
    Ok(ExitCode::from(if cannot { HOST } else { 0 }))
}

fn examine(
    options: &cli::Doctor,
    write: &mut impl FnMut(Vec<Check>) -> io::Result<()>,
) -> io::Result<()> {
    let features = Features::of_this_host();
    write(watching::checks(&options.control_ports(), &features))?;
    write(interfaces::checks())
}
