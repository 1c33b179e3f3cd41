//! A small internet on this machine: network namespaces with a client, a server and what lies between them, real FTP
//! servers and clients in them, faults to order, and ftpwatch and tcpdump to look on.
//!
//! What belongs here: whatever more than one test file needs to set the stage. What is expected of ftpwatch belongs in
//! the test files. Nothing here sleeps for a fixed time to let something happen; it waits for a sign that it did.
//! Everything that is started ends with the value that stands for it, also when a test panics, and what a killed run
//! left behind is removed by the next one.

#![allow(dead_code, reason = "each test file uses a part of the lab")]

pub mod bpffs;
pub mod client;
#[path = "../event/mod.rs"]
pub mod event;
pub mod fault;
pub mod frames;
pub mod ftps;
pub mod leftovers;
pub mod netns;
pub mod process;
pub mod server;
pub mod stage;
pub mod topology;
pub mod watch;
pub mod wire;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// What every name that the lab gives to things outside its own process begins with.
pub const PREFIX: &str = "ftpwatch-lab";

/// How long anything may take that is only a matter of the machine getting round to it.
pub const SOON: Duration = Duration::from_secs(30);

/// Whether this test runs as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Looks every few milliseconds whether something has come about; panics when it has not in `within`.
#[track_caller]
pub fn wait_until<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {within:?} in vain: {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A name that no other thing of this or another run has: `ftpwatch-lab-<pid>-<number>-<role>`.
pub fn unique_name(role: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}-{}-{count}-{role}", std::process::id())
}

/// Whether `name` was made by [`unique_name`] in a process that is no more.
pub fn is_orphan(name: &str) -> bool {
    name.strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.split('-').next())
        .and_then(|pid| pid.parse::<u32>().ok())
        .is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

/// A directory that is removed with the value. Servers that give up root can enter it.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new(role: &str) -> Self {
        reap_directories();
        let path = std::env::temp_dir().join(unique_name(role));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).expect("a directory for the lab");
        open_to_all(&path);
        Directory(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Lets everybody read, and nobody but the owner write.
pub fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
}

fn reap_directories() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let entries = std::fs::read_dir(std::env::temp_dir()).expect("the temporary directory");
        for entry in entries
            .flatten()
            .filter(|entry| is_orphan(&entry.file_name().to_string_lossy()))
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    });
}

/// The right to have namespaces up. Tests mostly wait, so there may be more of them than cores, but not any number:
/// each has half a dozen processes, and their clocks must not suffer.
pub struct Permit(());

static FREE: Mutex<Option<usize>> = Mutex::new(None);
static FREED: Condvar = Condvar::new();

/// How many there are to a core.
const PERMITS: usize = 4;

impl Permit {
    /// Makes it so many to a core, before the first is asked for: for stages on which hardly anything happens.
    pub fn allow(to_a_core: usize) {
        let mut free = FREE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        free.get_or_insert(to_a_core * cores());
    }

    pub fn wait() -> Self {
        let mut free = FREE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        loop {
            let count = free.get_or_insert_with(|| PERMITS * cores());
            if *count > 0 {
                *count -= 1;
                return Permit(());
            }
            free = FREED
                .wait(free)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, |n| n.get())
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut free = FREE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(count) = free.as_mut() {
            *count += 1;
        }
        FREED.notify_one();
    }
}
