//! What a whole passive transfer takes, from PASV to 226, with ftpwatch on the server's interface and without: vsftpd and
//! its client on one processor, ftpwatch's process on another.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Instant;

use anyhow::{Result, ensure};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::assembly::{self, Kind};
use crate::lab::client::endpoint_of_227;
use crate::lab::netns::{Namespace, cable};
use crate::lab::server::{FILE, Setup, Vsftpd};
use crate::lab::watch::Watch;
use crate::series::{Chance, Table};

const ROUNDS: usize = 21;
const TRANSFERS: u32 = 500;

/// What looks on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watcher {
    Nobody,
    /// Programs that do nothing, where ftpwatch's would be.
    Hooks,
    Ftpwatch,
}

/// Runs it, and prints the table.
pub fn run() -> Result<()> {
    let server = Namespace::new("bench-server");
    let client = Namespace::new("bench-client");
    cable((&server, "s0"), (&client, "c0"));
    server.ip("address add 10.20.0.1/24 dev s0");
    client.ip("address add 10.20.0.2/24 dev c0");
    // vsftpd's 226 waits for its 150 to be acknowledged (Nagle), and that would be put off for 40 ms.
    client.ip("route change 10.20.0.0/24 dev c0 scope link src 10.20.0.2 quickack 1");
    let last = std::thread::available_parallelism()?.get() - 1;
    // What is started from here on stays there as well.
    pin(None, last)?;
    let address = IpAddr::from(Ipv4Addr::new(10, 20, 0, 1));
    let _vsftpd = Vsftpd::start(&server, &Setup::plain(address));
    let mut table = Table::new("µs");
    let without = table.row("without", 0);
    let rows = [
        (without, Watcher::Nobody),
        (table.row("without again (A/A)", without), Watcher::Nobody),
        (
            table.row("the hooks: return-only programs", without),
            Watcher::Hooks,
        ),
        (table.row("with ftpwatch", without), Watcher::Ftpwatch),
    ];
    let nothing = assembly::nothing(Kind::Tc)?;
    let mut order = Chance::new();
    for round in 0..=ROUNDS {
        for at in order.order(rows.len()) {
            let (row, watcher) = rows[at];
            let hooks = watcher == Watcher::Hooks;
            let _links = hooks
                .then(|| server.enter(|| assembly::attach(&nothing, "s0")))
                .transpose()?;
            let watch = (watcher == Watcher::Ftpwatch).then(|| {
                let watch = Watch::start_with(&server, &["s0"], &[]);
                (pin(Pid::from_raw(watch.process_id() as i32), 0), watch)
            });
            let taken = transfers(&client, SocketAddr::new(address, 21))?;
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
fn transfers(client: &Namespace, server: SocketAddr) -> Result<f64> {
    // All in one thread that stays there: to go in for each connection would cost more than the transfer.
    client.enter(|| {
        let mut control = BufReader::new(TcpStream::connect(server)?);
        reply(&mut control)?;
        command(&mut control, "USER anonymous")?;
        command(&mut control, "PASS bench@")?;
        let mut content = Vec::new();
        let begun = Instant::now();
        for _ in 0..TRANSFERS {
            let endpoint = endpoint_of_227(&command(&mut control, "PASV")?);
            let mut data = TcpStream::connect(endpoint)?;
            command(&mut control, &format!("RETR {FILE}"))?;
            content.clear();
            data.read_to_end(&mut content)?;
            reply(&mut control)?;
        }
        let taken = begun.elapsed();
        command(&mut control, "QUIT")?;
        Ok(taken.as_secs_f64() * 1e6 / f64::from(TRANSFERS))
    })
}

fn command(control: &mut BufReader<TcpStream>, line: &str) -> Result<String> {
    let line = format!("{line}\r\n");
    control.get_mut().write_all(line.as_bytes())?;
    reply(control)
}

/// The last line of the next reply, which has to be a good one.
fn reply(control: &mut BufReader<TcpStream>) -> Result<String> {
    loop {
        let mut line = String::new();
        ensure!(control.read_line(&mut line)? > 0, "vsftpd hung up");
        if line.as_bytes().get(3) == Some(&b' ') {
            ensure!(line.starts_with(['1', '2', '3']), "vsftpd said: {line}");
            return Ok(line);
        }
    }
}
