//! One process at a time, and whoever asks is told which: a record lock on a directory, gone with the process.

use std::{fs::File, io, path::Path};

use nix::{
    fcntl::{FcntlArg, fcntl},
    libc,
};

/// Held for as long as it lives.
pub struct Lock(#[expect(dead_code, reason = "held, not used")] File);

impl Lock {
    /// Locks the directory. The inner error is the process that has it.
    pub fn take(path: &Path) -> io::Result<Result<Self, i32>> {
        let directory = File::open(path)?;
        // A lock to write needs a file that is open for writing, which a directory never is. A lock to read conflicts with
        // the question below alone, so it is asked after taking it too: of two that begin at a time, none goes on.
        fcntl(&directory, FcntlArg::F_SETLK(&whole(libc::F_RDLCK)))?;
        match holder_of(&directory)? {
            Some(holder) => Ok(Err(holder)),
            None => Ok(Ok(Self(directory))),
        }
    }
}

/// The process that holds the lock.
pub fn holder(path: &Path) -> io::Result<Option<i32>> {
    match File::open(path) {
        Ok(directory) => holder_of(&directory),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn holder_of(directory: &File) -> io::Result<Option<i32>> {
    let mut lock = whole(libc::F_WRLCK);
    fcntl(directory, FcntlArg::F_GETLK(&mut lock))?;
    Ok((i32::from(lock.l_type) != libc::F_UNLCK).then_some(lock.l_pid))
}

/// All of a file.
fn whole(kind: i32) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}
