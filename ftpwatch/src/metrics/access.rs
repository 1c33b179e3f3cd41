//! Who is let in, and through what: TLS and passwords of the web-config file, which is read anew when it or what it names
//! has changed, as certificates do every few weeks.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    hash::{BuildHasher as _, RandomState},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::header::{AUTHORIZATION, HeaderMap};
use tokio::{sync::Mutex as Turn, task::spawn_blocking};
use tokio_rustls::TlsAcceptor;

use super::web_config::WebConfig;
use crate::error::Error;

/// The hash of a password that nobody has: who gives a wrong name waits as long as who gives a wrong password. Its cost is
/// the usual one.
const NOBODY: &str = "$2b$10$cdacbeefaccffecccccbaOfKX3bwd7fG4jJOlZE3J2AXScFCh7.du";

/// Of so many that were let in it is remembered.
const REMEMBERED: usize = 64;

/// What holds at a time.
pub struct Access {
    tls: Option<TlsAcceptor>,
    users: BTreeMap<String, String>,
    /// Hashes of what was found right before: a password that is asked for every few seconds is not to cost a tenth of a
    /// second each time. Their key is this process's, and random.
    known: Mutex<HashSet<u64>>,
    hasher: RandomState,
    /// One at a time, however many guess.
    turn: Turn<()>,
}

impl Access {
    /// Everybody, in the clear.
    fn open() -> Self {
        Self::new(None, BTreeMap::new())
    }

    fn new(tls: Option<TlsAcceptor>, users: BTreeMap<String, String>) -> Self {
        Self {
            tls,
            users,
            known: Mutex::default(),
            hasher: RandomState::new(),
            turn: Turn::default(),
        }
    }

    /// What does the handshake, where there is TLS.
    pub fn tls(&self) -> Option<&TlsAcceptor> {
        self.tls.as_ref()
    }

    /// Whether who sends this may have an answer.
    pub async fn admits(&self, headers: &HeaderMap) -> bool {
        if self.users.is_empty() {
            return true;
        }
        let Some(given) = headers.get(AUTHORIZATION).map(|value| value.as_bytes()) else {
            return false;
        };
        let hash = self.hasher.hash_one(given);
        if self.known().contains(&hash) {
            return true;
        }
        let Some((name, password)) = credentials(given) else {
            return false;
        };
        let (wanted, is_known) = match self.users.get(&name) {
            Some(hash) => (hash.clone(), true),
            None => (NOBODY.to_owned(), false),
        };
        let _turn = self.turn.lock().await;
        let verified = spawn_blocking(move || bcrypt::verify(password, &wanted)).await;
        let admitted = is_known && matches!(verified, Ok(Ok(true)));
        if admitted {
            let mut known = self.known();
            // There are many ways to write one password.
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(hash);
        }
        admitted
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<u64>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Name and password, of `Basic …`.
fn credentials(header: &[u8]) -> Option<(String, Vec<u8>)> {
    let (scheme, encoded) = header.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim_ascii()).ok()?;
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    let (name, password) = decoded.split_at(colon);
    Some((
        String::from_utf8(name.to_vec()).ok()?,
        password[1..].to_vec(),
    ))
}

/// What tells that a file is another.
type Stamp = Option<(SystemTime, u64)>;

/// The file, and what it came to.
pub struct Guard {
    path: Option<PathBuf>,
    held: Mutex<Held>,
}

struct Held {
    access: Arc<Access>,
    stamps: Vec<(PathBuf, Stamp)>,
}

impl Guard {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    ///
    /// What is wrong with it, or with what it names.
    pub fn new(path: Option<PathBuf>) -> Result<Self, Error> {
        let held = match &path {
            None => Held {
                access: Arc::new(Access::open()),
                stamps: Vec::new(),
            },
            Some(path) => load(path)?,
        };
        Ok(Self {
            path,
            held: Mutex::new(held),
        })
    }

    /// The files that are read again when they change.
    pub fn files(&self) -> Vec<PathBuf> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.stamps.iter().map(|(path, _)| path.clone()).collect()
    }

    /// What holds now. What is wrong with a file is said once, and changes nothing.
    pub fn access(&self) -> Arc<Access> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = &self.path else {
            return Arc::clone(&held.access);
        };
        let changed = held
            .stamps
            .iter()
            .any(|(path, before)| stamp(path) != *before);
        if changed {
            // Before it is read: what changes meanwhile is read again.
            for (path, before) in &mut held.stamps {
                *before = stamp(path);
            }
            match load(path) {
                Ok(loaded) => *held = loaded,
                Err(error) => eprintln!("{error}\n  Until then, what was before holds."),
            }
        }
        Arc::clone(&held.access)
    }
}

fn load(path: &Path) -> Result<Held, Error> {
    let before = stamp(path);
    let config = WebConfig::read(path)?;
    let mut stamps: Vec<_> = config
        .files()
        .map(|file| (file.to_owned(), stamp(file)))
        .collect();
    stamps.push((path.to_owned(), before));
    let tls = config.tls()?.map(TlsAcceptor::from);
    Ok(Held {
        access: Arc::new(Access::new(tls, config.into_users())),
        stamps,
    })
}

fn stamp(path: &Path) -> Stamp {
    let data = fs::metadata(path).ok()?;
    Some((data.modified().ok()?, data.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_as_they_are_sent() {
        let read = |text: &str| credentials(text.as_bytes());
        let some = |name: &str, password: &str| Some((name.to_owned(), password.into()));
        assert_eq!(read("Basic YTpi"), some("a", "b"));
        assert_eq!(read("bASIC  YTpiOmM="), some("a", "b:c"));
        assert_eq!(read("Basic Og=="), some("", ""));
        for wrong in [
            "",
            "Basic",
            "Basic ",
            "Basic YQ==",
            "Basic *",
            "Bearer YTpi",
            "Basic /zpi",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
