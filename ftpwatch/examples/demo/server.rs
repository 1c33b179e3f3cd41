//! A real FTP server, libunftp, that says what it is told to about its own address.

use std::io;
use std::process;
use std::thread;

use libunftp::ServerBuilder;
use tokio::net::TcpListener;
use unftp_sbe_fs::Filesystem;

use crate::cast::Server;
use crate::say::say;
use crate::trouble::{Result, Trouble};

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/demo/files");

/// Printed once it listens.
pub const READY: &str = "ready";

/// Serves until standard input ends: with the demo, however that ends.
pub async fn serve(server: Server) -> Result<()> {
    let failed = |e: &dyn std::fmt::Display| Trouble::internal(server.name, e);
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(0);
    });
    Filesystem::new(FILES).map_err(|e| failed(&format!("{FILES}: {e}")))?;
    let listener = TcpListener::bind((server.address, 21))
        .await
        .map_err(|e| failed(&e))?;
    say(READY)?;
    loop {
        let (control, _) = listener.accept().await.map_err(|e| failed(&e))?;
        let session = ServerBuilder::new(Box::new(|| {
            Filesystem::new(FILES).expect("was there at the start")
        }))
        .greeting(server.greeting)
        .passive_host(server.advertised)
        .passive_ports(server.passive_port..=server.passive_port)
        .build()
        .map_err(|e| failed(&e))?;
        tokio::spawn(session.service(control));
    }
}
