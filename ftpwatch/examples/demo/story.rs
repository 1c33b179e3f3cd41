//! The story, from the first scene to the check that it came out as it was told.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};

use crate::cast::{DEVFTP, PRODFTP, SERVERS, Server};
use crate::client::fetch;
use crate::lab::{Lab, Place};
use crate::process::Process;
use crate::say::{quote, say};
use crate::server::READY;
use crate::trouble::{Result, Trouble};
use crate::watch::Watch;

const SETTING: &str = "\
ftpwatch demo: PRODFTP lets you log in, and then nothing comes. Why?

Three network namespaces, made for this and removed afterwards:
  client    10.100.20.7 in the office, 198.51.100.7 on the Internet
  internet  carries public addresses, and drops private ones, as the Internet does
  servers   DEVFTP   at 10.100.20.222, in the client's office
            PRODFTP  at 203.0.113.10 on the Internet; its address inside is 172.16.40.222
(A real PRODFTP would be behind a NAT that has 203.0.113.10. Here its host has both addresses.)
";

/// Tells the story. An error if it came out otherwise.
pub async fn tell(ftpwatch: &Path) -> Result<()> {
    let lab = Lab::build()?;
    say(SETTING)?;
    let mut servers = Vec::new();
    for server in SERVERS {
        servers.push(start(&lab, server).await?);
    }

    say("ftpwatch watches on the servers' host:")?;
    let mut watch = Watch::start(&lab, ftpwatch).await?;

    say("\nThe client, told to trust the address in the 227 as many do, fetches from DEVFTP:")?;
    let from_dev = fetch(&lab, &DEVFTP).await?;
    say("\nAnd the same from PRODFTP:")?;
    let from_prod = fetch(&lab, &PRODFTP).await?;
    say("(It was logged in on port 21. What it could not reach is the address in the 227.)")?;

    let output = watch.finish().await?;
    let report = String::from_utf8_lossy(&output.stdout);
    say("\nWhat ftpwatch says:\n")?;
    quote(&report)?;
    say("\nAnd at its end, in sum:\n")?;
    quote(&String::from_utf8_lossy(&output.stderr))?;

    let as_told = [
        (from_dev, "curl could not fetch the file from DEVFTP"),
        (!from_prod, "curl fetched the file from PRODFTP"),
        (
            says(&report, &DEVFTP, &["connected"]),
            "ftpwatch does not report DEVFTP's endpoint as connected",
        ),
        (
            says(&report, &PRODFTP, &["no_syn", "private_address"]),
            "ftpwatch does not report PRODFTP's endpoint as no_syn, private_address",
        ),
        (
            output.status.code() == Some(1),
            "ftpwatch's exit status is not 1, though it saw a failure",
        ),
    ];
    match as_told.into_iter().find(|(holds, _)| !holds) {
        None => say("\nTo watch the FTP servers of this machine: cargo xtask run"),
        Some((_, otherwise)) => Err(Trouble::new(
            format!("the story did not come out as told: {otherwise}"),
            "please report it, with all of the above and 'uname -r'",
        )),
    }
}

/// Has the report a line with the server's endpoint and all these words?
fn says(report: &str, server: &Server, words: &[&str]) -> bool {
    let endpoint = format!("{}:{}", server.advertised, server.passive_port);
    report
        .lines()
        .any(|line| line.contains(&endpoint) && words.iter().all(|word| line.contains(word)))
}

/// Starts a server and waits until it listens.
async fn start(lab: &Lab, server: Server) -> Result<Process> {
    let this_program =
        std::env::current_exe().map_err(|e| Trouble::internal("cannot find myself", &e))?;
    let mut command = lab.command(Place::Servers, this_program);
    command.args(["serve", server.name]);
    // Its input stays open for as long as the demo lives, however that ends, and then it ends too.
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = Process::spawn(server.name, &mut command)?;
    let mut lines = BufReader::new(process.stdout().expect("is piped")).lines();
    match lines.next_line().await {
        Ok(Some(line)) if line == READY => Ok(process),
        // It has said why on standard error.
        _ => Err(process.failed(&"did not start")),
    }
}
