//! What a process may no longer do once all is attached: no privilege, no other file than those that are named, no
//! connection, no other program. Who gets hold of it gets little.

mod capability;
mod files;
mod syscalls;

use std::{fmt, path::PathBuf};

use clap::ValueEnum;
use rustix::thread::CapabilitySet;

use crate::error::Error;

/// How much of it there has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// All of it, or ftpwatch does not start
    Strict,
    /// What this kernel has
    #[default]
    BestEffort,
    /// None
    Off,
}

/// The files that are needed after that.
#[derive(Debug, Default)]
pub struct Files {
    /// To be read: files, or directories and all beneath.
    pub read: Vec<PathBuf>,
    /// To be written: directories in which files are made and moved, or what is there and no directory.
    pub write: Vec<PathBuf>,
}

/// What could be had, and what could not, in words.
#[derive(Debug, Default)]
pub struct Entered {
    had: Vec<String>,
    missing: Vec<String>,
}

impl Entered {
    fn note(&mut self, what: &str, done: Result<(), String>) {
        match done {
            Ok(()) => self.had.push(what.to_owned()),
            Err(why) => self.missing.push(format!("{what} ({why})")),
        }
    }

    fn judge(self, level: Level) -> Result<Self, Error> {
        if level == Level::Strict && !self.missing.is_empty() {
            return Err(Error::host(
                format!(
                    "--sandbox strict: not to be had: {}",
                    self.missing.join("; ")
                ),
                "Use a newer kernel, or --sandbox best-effort for what this one has.",
            ));
        }
        Ok(self)
    }
}

impl fmt::Display for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.had.join(", "))?;
        if !self.missing.is_empty() {
            write!(f, "; without {}", self.missing.join("; "))?;
        }
        Ok(())
    }
}

/// Enters the watcher's sandbox, for this thread and those that it starts. `works` tells whether watching does without
/// privilege: a kernel before 5.19 may ask for CAP_BPF for every look into a map (`kernel.unprivileged_bpf_disabled`).
///
/// # Errors
///
/// When it is to be strict, and something is not to be had.
pub fn enter(
    level: Level,
    files: &Files,
    works: &mut dyn FnMut() -> bool,
) -> Result<Option<Entered>, Error> {
    if level == Level::Off {
        return Ok(None);
    }
    let mut entered = Entered::default();
    entered.note("no_new_privs", no_new_privileges());
    entered.note("Landlock", files::restrict(files));
    let none = CapabilitySet::empty();
    let dropped = capability::keep_only(none).and_then(|()| {
        if works() {
            return capability::forget_the_others(none).map(|()| none);
        }
        let bpf = CapabilitySet::BPF;
        capability::keep_only(bpf)?;
        capability::forget_the_others(bpf).map(|()| bpf)
    });
    match dropped {
        Ok(kept) if kept.is_empty() => entered.note("no capabilities", Ok(())),
        Ok(_) => entered.note(
            "no capabilities",
            Err("this kernel asks for CAP_BPF to look into maps".to_owned()),
        ),
        Err(error) => entered.note("no capabilities", Err(error.to_string())),
    }
    entered.note("seccomp", syscalls::allow_the_watchers());
    entered.judge(level).map(Some)
}

/// What an attacher is there for, besides attaching.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// To probe libraries.
    pub probes: bool,
    /// To enter other network namespaces.
    pub other_namespaces: bool,
}

/// Enters the attacher's: what it is there for, it goes on to be able to.
///
/// # Errors
///
/// When it is to be strict, and something is not to be had.
pub fn enter_attacher(level: Level, needs: Needs) -> Result<(), Error> {
    if level == Level::Off {
        return Ok(());
    }
    // The last two are for looking at who listens: processes and open files of other users.
    let mut needed = CapabilitySet::BPF
        | CapabilitySet::NET_ADMIN
        | CapabilitySet::PERFMON
        | CapabilitySet::SYS_PTRACE
        | CapabilitySet::DAC_READ_SEARCH;
    // Of probes, `perf_uprobe_event_init` asks for it, where CAP_PERFMON does for every other kind.
    if needs.probes || needs.other_namespaces {
        needed |= CapabilitySet::SYS_ADMIN;
    }
    let mut entered = Entered::default();
    entered.note("no_new_privs", no_new_privileges());
    let dropped =
        capability::keep_only(needed).and_then(|()| capability::forget_the_others(needed));
    entered.note(
        "few capabilities",
        dropped.map_err(|error| error.to_string()),
    );
    entered.note(
        "seccomp",
        syscalls::refuse_the_attachers(needs.other_namespaces),
    );
    entered.judge(level).map(drop)
}

fn no_new_privileges() -> Result<(), String> {
    rustix::thread::set_no_new_privs(true).map_err(|error| error.to_string())
}
