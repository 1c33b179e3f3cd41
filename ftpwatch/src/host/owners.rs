//! Who holds a socket: the open files of every process, as far as they may be seen.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::escape::printable;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number, as this process sees it.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// The name of its executable, without a path; what the kernel calls it where that may not be seen.
    pub name: String,
    /// Its executable, where that may be seen. Who asks another process for this one has no use for it.
    #[serde(skip)]
    pub executable: Option<PathBuf>,
}

/// A process, and those of the sockets asked for that it holds.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The process.
    pub process: Process,
    /// Numbers of the sockets.
    pub inodes: HashSet<u64>,
}

/// All holders of `inodes`. What may not be seen, and what ends meanwhile, is left out.
#[must_use]
pub fn of(inodes: &HashSet<u64>) -> Vec<Holder> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| {
            let inodes = held(pid, inodes).ok()?;
            let process = (!inodes.is_empty()).then(|| process(pid))??;
            Some(Holder { process, inodes })
        })
        .collect()
}

/// The holders of the socket `inode`, their parents and their children: a server that gives up its rights may do in
/// one process what the other is told (vsftpd listens for data in the privileged one of a session's two).
#[must_use]
pub fn family(holders: &[Holder], inode: u64) -> Vec<&Holder> {
    let own: Vec<&Process> = holders
        .iter()
        .filter(|holder| holder.inodes.contains(&inode))
        .map(|holder| &holder.process)
        .collect();
    let related = |other: &Process| {
        own.iter().any(|one| {
            let kin = one.parent == other.pid || other.parent == one.pid;
            one.pid == other.pid || kin && one.name == other.name
        })
    };
    holders
        .iter()
        .filter(|holder| related(&holder.process))
        .collect()
}

/// The process `pid`, if it is still there.
#[must_use]
pub fn process(pid: u32) -> Option<Process> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    // The name in parentheses may hold anything, parentheses too; state and parent come after the last one.
    let stat = fs::read(folder.join("stat")).ok()?;
    let open = stat.iter().position(|&byte| byte == b'(')?;
    let close = stat.iter().rposition(|&byte| byte == b')')?;
    let comm = stat.get(open + 1..close)?;
    let rest = str::from_utf8(stat.get(close + 1..)?).ok()?;
    let parent = rest.split_ascii_whitespace().nth(1)?.parse().ok()?;
    let executable = fs::read_link(folder.join("exe")).ok();
    let name = executable.as_deref().and_then(Path::file_name);
    let name = name.map_or(comm, |name| name.as_encoded_bytes());
    Some(Process {
        pid,
        parent,
        // A server that was updated runs from a file that is no more.
        name: printable(name).trim_end_matches(" (deleted)").to_owned(),
        executable,
    })
}

fn held(pid: u32, wanted: &HashSet<u64>) -> io::Result<HashSet<u64>> {
    let files = fs::read_dir(format!("/proc/{pid}/fd"))?.flatten();
    let inodes = files.filter_map(|file| {
        let target = fs::read_link(file.path()).ok()?;
        let inode = target
            .to_str()?
            .strip_prefix("socket:[")?
            .strip_suffix(']')?;
        inode.parse().ok()
    });
    Ok(inodes.filter(|inode| wanted.contains(inode)).collect())
}
