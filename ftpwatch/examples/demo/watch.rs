//! ftpwatch, on the servers' host, and what it says.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{self, Output, Stdio};
use std::time::Duration;

use tokio::time::sleep;

use crate::cast::INTERFACES;
use crate::lab::{Lab, Place, ready_file};
use crate::process::Process;
use crate::say::say;
use crate::trouble::{Result, Trouble};

/// Far beyond what the story takes. ftpwatch ends after it by itself, even if the demo was killed.
const LIMIT: &str = "15s";

/// ftpwatch, watching.
#[derive(Debug)]
pub struct Watch {
    ftpwatch: Process,
    ready: ReadyFile,
}

#[derive(Debug)]
struct ReadyFile(PathBuf);

impl Drop for ReadyFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Watch {
    /// Starts ftpwatch and waits until it is attached.
    pub async fn start(lab: &Lab, ftpwatch: &Path) -> Result<Self> {
        let mut args = vec!["run"];
        args.extend(INTERFACES.iter().flat_map(|interface| ["-i", interface]));
        // 3 s instead of 10: nobody wants to wait, and no packet is under way for long here.
        args.extend(["--timeout", "3s", "--show", "outcomes", "--count", "2"]);
        say(&format!("  $ ftpwatch {}", args.join(" ")))?;
        let ready = ReadyFile(ready_file(process::id()));
        let mut command = lab.command(Place::Servers, ftpwatch);
        command.args(args).args(["--for", LIMIT, "--ready-file"]);
        command.arg(&ready.0);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if io::stdout().is_terminal() {
            // It writes into a pipe, but what it writes goes to the terminal all the same.
            command.env("CLICOLOR_FORCE", "1");
        }
        let ftpwatch = Process::spawn("ftpwatch", &mut command)?;
        let mut watch = Self { ftpwatch, ready };
        if watch.is_attached().await {
            return Ok(watch);
        }
        let output = watch.finish().await?;
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        Err(Trouble::new(
            format!("ftpwatch did not start ({})", output.status),
            "it says why above, and what to do about it",
        ))
    }

    /// Waits until it is attached (true), or ended without.
    async fn is_attached(&mut self) -> bool {
        while !self.ready.0.exists() {
            if self.ftpwatch.has_ended() {
                return false;
            }
            sleep(Duration::from_millis(10)).await;
        }
        true
    }

    /// What it said, once it has seen both outcomes or has waited for them long enough.
    pub async fn finish(&mut self) -> Result<Output> {
        self.ftpwatch.output().await
    }
}
