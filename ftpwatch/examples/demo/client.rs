//! A real client, curl, that trusts the address in the 227 as most clients do.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};

use crate::cast::Server;
use crate::lab::{Lab, Place};
use crate::process::Process;
use crate::say::{quote, say};
use crate::trouble::Result;

/// The replies that tell the story; the rest of curl's `-v` is left out.
const WORTH_TELLING: [&str; 5] = ["< 220 ", "< 230 ", "< 227 ", "< 226 ", "curl: "];

/// Fetches a file, telling how it goes. Was it fetched?
pub async fn fetch(lab: &Lab, server: &Server) -> Result<bool> {
    let url = format!("ftp://{}/welcome.txt", server.address);
    let mut args = vec!["--disable-epsv", "--no-ftp-skip-pasv-ip"];
    args.extend(["--connect-timeout", "4", &url]);
    say(&format!("  $ curl -v {}", args.join(" ")))?;
    let mut command = lab.command(Place::Client, "curl");
    // Neither this user's settings nor this machine's proxy have a part in the story.
    command.args(["-q", "--noproxy", "*", "-sSv"]).args(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut curl = Process::spawn("curl", &mut command)?;
    let mut lines = BufReader::new(curl.stderr().expect("is piped")).lines();
    while let Some(line) = lines.next_line().await.map_err(|e| curl.failed(&e))? {
        if WORTH_TELLING.iter().any(|start| line.starts_with(start)) {
            quote(&line)?;
        }
    }
    let output = curl.output().await?;
    quote(&String::from_utf8_lossy(&output.stdout))?;
    Ok(output.status.success())
}
