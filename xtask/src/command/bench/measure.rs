//! What a program costs: processor time and memory, and how much they vary.

#![expect(
    unsafe_code,
    reason = "no library in xtask waits for a process with what it took"
)]

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};

/// What one run cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Seconds on a processor, in the program and in the kernel for it.
    pub seconds: f64,
    /// The most bytes that were resident.
    pub resident: u64,
}

/// Runs `command` to its end.
///
/// # Errors
///
/// When it cannot be run, or a signal ended it. Its exit status is the caller's to judge.
pub fn cost(command: &mut Command) -> Result<(ExitStatus, Cost)> {
    let name = command.get_program().to_string_lossy().into_owned();
    let child = command
        .spawn()
        .with_context(|| format!("cannot run {name}"))?;
    let pid = libc::pid_t::try_from(child.id())?;
    let mut status = 0;
    // SAFETY: plain numbers, for which all zeros is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to what lives until the call is over; nobody else waits for this child.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    if waited != pid {
        return Err(std::io::Error::last_os_error()).with_context(|| format!("lost {name}"));
    }
    let status = ExitStatus::from_raw(status);
    if let Some(signal) = status.signal() {
        anyhow::bail!("{name} was ended by signal {signal}");
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1_000_000.0;
    Ok((
        status,
        Cost {
            seconds: seconds(usage.ru_utime) + seconds(usage.ru_stime),
            // In KiB (getrusage(2)).
            resident: u64::try_from(usage.ru_maxrss)? * 1_024,
        },
    ))
}

/// The least, the middle and the most of some figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The middle.
    pub median: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Of these, if there are any.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        Some(Self {
            min: *figures.first()?,
            median: *figures.get(figures.len() / 2)?,
            max: *figures.last()?,
        })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { min, median, max } = self;
        let digits = if self.median < 10.0 { 3 } else { 1 };
        write!(f, "{min:.digits$} / {median:.digits$} / {max:.digits$}")
    }
}

/// This machine, in a line.
pub fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let models: Vec<&str> = cpus
        .lines()
        .filter_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches(['\t', ' ', ':']))
        .collect();
    format!(
        "{} × {}, Linux {}, load {}",
        models.len(),
        models.first().unwrap_or(&"unknown processor"),
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/loadavg").split(' ').next().unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_figures() {
        assert_eq!(Spread::of([]), None);
        let spread = Spread::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!(spread.to_string(), "1.000 / 2.000 / 3.000");
    }

    #[test]
    fn what_a_program_costs() {
        let mut shell = Command::new("sh");
        shell.args([
            "-c",
            "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 3",
        ]);
        let (status, cost) = cost(&mut shell).unwrap();
        assert_eq!(status.code(), Some(3));
        assert!(cost.seconds > 0.0 && cost.resident > 0, "{cost:?}");
        assert!(super::cost(Command::new("sh").args(["-c", "kill -9 $$"])).is_err());
    }
}
