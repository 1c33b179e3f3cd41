//! A program of the story, which ends and is gone before the demo is.

use std::fmt;
use std::process::Output;
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use crate::trouble::{Result, Trouble};

/// A running program.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    pub fn spawn(name: &'static str, command: &mut Command) -> Result<Self> {
        let spawned = command.spawn();
        let child = spawned.map_err(|e| Trouble::internal(name, &e))?;
        Ok(Self { name, child })
    }

    /// Its output, if it is piped and was not taken before.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// What it says besides, likewise.
    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it ends, for what it has said by then that was not taken before.
    pub async fn output(&mut self) -> Result<Output> {
        let (stdout, stderr) = (read(self.stdout()), read(self.stderr()));
        let ends = tokio::try_join!(stdout, stderr, self.child.wait());
        let (stdout, stderr, status) = ends.map_err(|e| self.failed(&e))?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }

    pub fn failed(&self, why: &dyn fmt::Display) -> Trouble {
        Trouble::internal(self.name, why)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        // Dead at once, and waited for all the same: some containers have nobody else who would.
        while let Ok(None) = self.child.try_wait() {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut said = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut said).await?;
    }
    Ok(said)
}
