//! `ftpwatch doctor`: can this host be watched, and is there anything here that keeps FTP from working. It looks, and
//! changes nothing: no program stays loaded, no qdisc is added, no module is loaded, no setting touched.

pub(crate) mod capability;
mod check;
mod feature;
mod firewall;
mod helpers;
mod interfaces;
mod memory;
mod server;
mod show;
mod watching;

use std::{io, ops::RangeInclusive, process::ExitCode};

use crate::{
    cli,
    error::{Error, HOST},
};

use check::{Check, Group, Status};
use feature::Features;
pub use show::Format;
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
    write(interfaces::checks())?;

    let (checks, servers) = server::checks(&options.control_ports());
    write(checks)?;

    let rules = firewall::Firewall::read(&features);
    write(helpers::checks(&features, &rules))?;
    let ranges = ranges(options, &servers);
    write(firewall::checks(&rules, &servers, &ranges))
}

/// The passive ranges to ask the firewall about: what the operator says, else what the servers are told.
fn ranges(options: &cli::Doctor, servers: &[server::Server]) -> Vec<RangeInclusive<u16>> {
    if let Some(range) = &options.passive_range {
        return vec![range.clone()];
    }
    let mut ranges: Vec<_> = servers
        .iter()
        .filter_map(|server| server.range.clone())
        .collect();
    ranges.sort_by_key(|range| (*range.start(), *range.end()));
    ranges.dedup();
    ranges
}
