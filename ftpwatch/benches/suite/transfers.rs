//! What a whole passive transfer takes, from PASV to 226, with ftpwatch on the server's interface and without: vsftpd and
//! its client on one processor, ftpwatch's process on another.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use anyhow::Result;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::lab::client::Client;
use crate::lab::netns::{Namespace, cable};
use crate::lab::server::{FILE, Setup, Vsftpd};
use crate::lab::watch::Watch;
use crate::series::{Chance, Table};

const ROUNDS: usize = 21;
const TRANSFERS: u32 = 300;

/// Runs it, and prints the table.
pub fn run() -> Result<()> {
    let server = Namespace::new("bench-server");
    let client = Namespace::new("bench-client");
    cable((&server, "s0"), (&client, "c0"));
    server.ip("address add 10.20.0.1/24 dev s0");
    client.ip("address add 10.20.0.2/24 dev c0");
    let last = std::thread::available_parallelism()?.get() - 1;
    // What is started from here on stays there as well.
    pin(None, last)?;
    let address = IpAddr::from(Ipv4Addr::new(10, 20, 0, 1));
    let _vsftpd = Vsftpd::start(&server, &Setup::plain(address));
    let client = Client {
        namespace: &client,
        server: SocketAddr::new(address, 21),
    };
    let mut table = Table::new("µs");
    let without = table.row("without", 0);
    let rows = [
        (without, false),
        (table.row("without again (A/A)", without), false),
        (table.row("with ftpwatch", without), true),
    ];
    let mut order = Chance::new();
    for round in 0..=ROUNDS {
        for at in order.order(rows.len()) {
            let (row, watched) = rows[at];
            let watch = watched.then(|| {
                let watch = Watch::start_with(&server, &["s0"], &[]);
                (pin(Pid::from_raw(watch.process_id() as i32), 0), watch)
            });
            let taken = transfers(client);
            if let Some((pinned, watch)) = watch {
                pinned?;
                watch.end_anyhow();
            }
            // The first round warms up.
            if round > 0 {
                table.push(row, taken);
            }
        }
    }
    table.print();
    Ok(())
}

/// Keeps a process, or this thread, on one processor.
fn pin(process: Option<Pid>, processor: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(processor);
    Ok(sched_setaffinity(process, &set)?)
}

/// Microseconds for each of many transfers over one control connection.
fn transfers(client: Client<'_>) -> f64 {
    let mut dialogue = client.log_in();
    let begun = Instant::now();
    for _ in 0..TRANSFERS {
        let endpoint = dialogue.passive();
        dialogue.fetch(endpoint, FILE);
    }
    let taken = begun.elapsed();
    dialogue.quit();
    taken.as_secs_f64() * 1e6 / f64::from(TRANSFERS)
}
