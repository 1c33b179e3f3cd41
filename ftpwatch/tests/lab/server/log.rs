//! What a server's own log says that it advertised.

use super::super::client::endpoint_of_227;
use super::Directory;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Where a server's log is.
pub enum Log {
    File(PathBuf),
    /// What it says to syslog, which is a socket of the lab's.
    Syslog(Syslog),
}

impl Log {
    pub fn text(&self) -> String {
        match self {
            // It is made with the first line.
            Log::File(path) => std::fs::read(path)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .unwrap_or_default(),
            Log::Syslog(syslog) => syslog.text.lock().expect("the log").clone(),
        }
    }
}

/// A socket that is to be a server's /dev/log; what is said there is kept.
pub struct Syslog {
    socket: UnixDatagram,
    text: Arc<Mutex<String>>,
}

impl Syslog {
    /// Listens at `path`, which anybody may write to.
    pub fn listen(path: &Path) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let socket = UnixDatagram::bind(path).expect("a socket");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))
            .expect("permissions");
        let text = Arc::new(Mutex::new(String::new()));
        let (reader, kept) = (
            socket.try_clone().expect("a second handle"),
            Arc::clone(&text),
        );
        std::thread::spawn(move || {
            let mut message = [0; 4096];
            while let Ok(length @ 1..) = reader.recv(&mut message) {
                let mut text = kept.lock().expect("the log");
                *text += &String::from_utf8_lossy(&message[..length]);
                text.push('\n');
            }
        });
        Syslog { socket, text }
    }
}

impl Drop for Syslog {
    fn drop(&mut self) {
        // Its thread then reads nothing, and ends.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// The endpoints that a log names, in its order: that of a 227, and the port of a 229 at `control`.
pub fn advertised(log: &str, control: IpAddr) -> Vec<SocketAddr> {
    log.lines()
        .filter_map(|line| {
            if let Some(at) = line.find("227 Entering") {
                let end = line[at..].find(')')?;
                Some(endpoint_of_227(&line[at..at + end]))
            } else {
                // What stands before it is each server's own.
                let (port, _) = line.split_once("(|||")?.1.split_once('|')?;
                Some(SocketAddr::new(control, port.parse().ok()?))
            }
        })
        .collect()
}

/// The file of a log in `files`, which anybody may write to.
pub fn open_file(files: &Directory) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = files.path().join("replies");
    std::fs::write(&path, "").expect("a log");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).expect("permissions");
    path
}
