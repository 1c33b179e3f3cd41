//! What `--tls auto` costs FTPS: a large download from vsftpd, and one call of a library that is probed.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ftpwatch::source::kernel::libraries::Wanted;
use ftpwatch::source::kernel::{Hook, Kernel, Room, Settings};

use crate::lab::client::{Client, Trust};
use crate::lab::ftps::{Manner, Version};
use crate::lab::netns::{Namespace, cable};
use crate::lab::server::tls::{Begins, Tls};
use crate::lab::server::{CONTROL_PORT, Setup, Vsftpd};
use crate::lab::watch::Watch;
use crate::library::Object;
use crate::series::{Chance, Table};

const ROUNDS: usize = 11;
const CALLS: u32 = 200_000;

/// The file that is fetched, and its bytes.
const LARGE: &str = "large.bin";
const BYTES: u64 = 1 << 30;

/// Runs it, and prints the tables.
pub fn run() -> Result<()> {
    calls()?;
    downloads()
}

fn downloads() -> Result<()> {
    let server = Namespace::new("bench-server");
    let client = Namespace::new("bench-client");
    cable((&server, "s0"), (&client, "c0"));
    server.ip("address add 10.20.0.1/24 dev s0");
    client.ip("address add 10.20.0.2/24 dev c0");
    let address = IpAddr::from(Ipv4Addr::new(10, 20, 0, 1));
    let tls = Tls {
        begins: Begins::Explicit,
        reuse_demanded: false,
    };
    let setup = Setup {
        tls: Some(tls),
        ..Setup::plain(address)
    };
    let vsftpd = Vsftpd::start(&server, &setup);
    // All of it is a hole: no disk takes part.
    File::create(vsftpd.home().join(LARGE))?.set_len(BYTES)?;
    let client = Client {
        namespace: &client,
        server: SocketAddr::new(address, CONTROL_PORT),
    };
    let manner = Manner {
        begins: Begins::Explicit,
        version: Version::V13,
        resumes: true,
        trust: Trust::Control,
    };
    let mut table = Table::new("ms a GiB");
    let off = table.row("ftpwatch without --tls", 0);
    let rows = [
        (off, &[][..]),
        (table.row("the same again (A/A)", off), &[]),
        (table.row("with --tls auto", off), &["--tls", "auto"]),
    ];
    let mut order = Chance::new();
    for round in 0..=ROUNDS {
        for at in order.order(rows.len()) {
            let (row, options) = rows[at];
            let watch = Watch::start_with(&server, &["s0"], options);
            let before = Instant::now();
            let ended = client.curl_tls(manner, LARGE).wait(Duration::from_secs(60));
            let taken = before.elapsed();
            ensure!(ended.status.success(), "curl failed: {ended}");
            watch.end_anyhow();
            // The first round warms up.
            if round > 0 {
                table.push(row, taken.as_secs_f64() * 1e3);
            }
        }
    }
    table.print();
    Ok(())
}

/// A call that writes through an object that is no control connection's: the probes at its beginning and at its return.
fn calls() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let _context = runtime.enter();
    let mut table = Table::new("ns a call");
    let without = table.row("not probed", 0);
    let probed = table.row("probed, of a data connection", without);
    for round in 0..=ROUNDS {
        for row in [without, probed] {
            let mut kernel = Kernel::load(&Settings {
                control_ports: vec![CONTROL_PORT],
                hook: Hook::Auto,
                log: false,
                room: Room::default(),
                tls: row == probed,
            })?;
            if row == probed {
                let wanted = Wanted {
                    auto: false,
                    named: vec![std::env::current_exe()?],
                };
                let news = kernel.follow_libraries(&wanted, &[]);
                ensure!(news.heard.len() == 1, "not probed: {news:?}");
            }
            let object = Object::new();
            // All of the library's functions are there to be probed only if all are called.
            Object::new().reads(b"nothing");
            Object::new().frees();
            let before = Instant::now();
            for _ in 0..CALLS {
                object.writes(b"nothing that a server says", || {});
            }
            let taken = before.elapsed().as_nanos() as f64 / f64::from(CALLS);
            if round > 0 {
                table.push(row, taken);
            }
        }
    }
    table.print();
    Ok(())
}
