//! The story of DEVFTP and PRODFTP: two FTP servers that both let the client in, of which one
//! cannot be transferred from, and ftpwatch saying why. `cargo xtask demo` builds and runs it.
//!
//! Real programs on a real kernel: two FTP servers (libunftp), a client (curl) and ftpwatch, in
//! network namespaces that are made for the story and go with it.

mod cast;
mod client;
mod lab;
mod process;
mod say;
mod server;
mod story;
mod trouble;
mod watch;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use trouble::{Result, Trouble};

/// Far beyond what the story takes.
const LIMIT: Duration = Duration::from_secs(30);

const USAGE: &str = "run it with 'cargo xtask demo', which takes no arguments";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let told = match args[..] {
        [] => tell().await,
        // How the demo starts its servers: itself, in a namespace.
        ["serve", name] => serve(name).await.map(|()| ExitCode::SUCCESS),
        _ => Err(Trouble::new(
            "the demo does not know these arguments",
            USAGE,
        )),
    };
    told.unwrap_or_else(|trouble| {
        eprintln!("{trouble}");
        ExitCode::FAILURE
    })
}

/// Tells the story, unless a signal comes first: then whatever was set up goes, as at the end.
async fn tell() -> Result<ExitCode> {
    let ftpwatch = require()?;
    let listen = |kind| signal(kind).map_err(|e| Trouble::internal("cannot wait for signals", &e));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let kind = tokio::select! {
        told = story::tell(&ftpwatch) => return told.map(|()| ExitCode::SUCCESS),
        () = sleep(LIMIT) => return Err(Trouble::internal("the story", &"no end after 30 s")),
        _ = interrupt.recv() => SignalKind::interrupt(),
        _ = terminate.recv() => SignalKind::terminate(),
        _ = hangup.recv() => SignalKind::hangup(),
    };
    // 128 + the signal, as shells have it.
    Ok(ExitCode::from(kind.as_raw_value() as u8 | 128))
}

async fn serve(name: &str) -> Result<()> {
    let server = cast::SERVERS.into_iter().find(|server| server.name == name);
    let server = server
        .ok_or_else(|| Trouble::new(format!("there is no server '{name}' in the story"), USAGE))?;
    server::serve(server).await
}

/// What the story cannot do without; returns where ftpwatch is.
fn require() -> Result<PathBuf> {
    let ftpwatch = std::env::var_os("FTPWATCH").map(PathBuf::from);
    let ftpwatch = ftpwatch
        .ok_or_else(|| Trouble::new("FTPWATCH does not say where the ftpwatch binary is", USAGE))?;
    // A relative path would be looked up from elsewhere by `ip netns exec`.
    let ftpwatch = ftpwatch.canonicalize().map_err(|e| {
        Trouble::new(
            format!("FTPWATCH={}: {e}", ftpwatch.display()),
            "build it with 'cargo xtask build'",
        )
    })?;
    if !is_root().map_err(|e| Trouble::internal("cannot read /proc/self", &e))? {
        return Err(Trouble::new(
            "the demo needs root, to make network namespaces and to watch them",
            "run it with 'cargo xtask demo', which asks sudo for it",
        ));
    }
    for (program, package) in [("ip", "iproute2"), ("curl", "curl")] {
        if !on_path(program) {
            let remedy = format!("install it: apt-get install {package}");
            return Err(Trouble::new(
                format!("'{program}' is not installed"),
                remedy,
            ));
        }
    }
    Ok(ftpwatch)
}

fn is_root() -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(std::fs::metadata("/proc/self")?.uid() == 0)
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}
