//! Probes on TLS libraries.

use std::{
    collections::BTreeMap,
    fs, io,
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use aya::{
    Ebpf,
    maps::HashMap,
    programs::{
        ProgramError, UProbe,
        uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeError, UProbeLink, UProbeScope},
    },
};
use ftpwatch_common::tls::{Conversation, Object};
use serde::{Deserialize, Serialize};

use super::load::root_cause;
use crate::{error::Error, escape::printable, host::libraries};

const WRITE: &str = "ftpwatch_tls_write";
const READ: &str = "ftpwatch_tls_read";
const RETURN: &str = "ftpwatch_tls_return";
const FREE: &str = "ftpwatch_tls_free";

/// The programs that are probes.
pub const PROGRAMS: [&str; 4] = [WRITE, READ, RETURN, FREE];

/// A function of a library: a program at its beginning, with a cookie, and whether one at its return is needed too.
struct Function {
    symbol: &'static str,
    program: &'static str,
    /// The fourth argument says where the length goes.
    counted: bool,
    returns: bool,
    /// A library without it is another one.
    required: bool,
}

const fn function(symbol: &'static str, program: &'static str) -> Function {
    Function {
        symbol,
        program,
        counted: false,
        returns: true,
        required: true,
    }
}

/// OpenSSL, and those that have its interface.
const OPENSSL: [Function; 5] = [
    function("SSL_write", WRITE),
    function("SSL_read", READ),
    Function {
        required: false,
        ..function("SSL_write_ex", WRITE)
    },
    Function {
        counted: true,
        required: false,
        ..function("SSL_read_ex", READ)
    },
    Function {
        returns: false,
        ..function("SSL_free", FREE)
    },
];

/// GnuTLS.
const GNUTLS: [Function; 4] = [
    function("gnutls_record_send", WRITE),
    function("gnutls_record_recv", READ),
    Function {
        required: false,
        ..function("gnutls_record_send2", WRITE)
    },
    Function {
        returns: false,
        ..function("gnutls_deinit", FREE)
    },
];

/// What `--tls` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The libraries of whoever has sockets with control ports.
    pub auto: bool,
    /// These, whoever has them.
    pub named: Vec<PathBuf>,
}

impl Wanted {
    /// Whether anything is.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        self.auto || !self.named.is_empty()
    }
}

/// A value of `--tls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Nothing is heard.
    Off,
    /// The libraries of whoever has sockets with control ports.
    Auto,
    /// This library.
    Library(PathBuf),
}

/// Reads a value of `--tls`.
///
/// # Errors
///
/// What it is to be.
pub fn tls(text: &str) -> Result<Tls, String> {
    match text {
        "off" => Ok(Tls::Off),
        "auto" => Ok(Tls::Auto),
        path if path.contains('/') => Ok(Tls::Library(path.into())),
        _ => Err(format!(
            "`{text}` is none of off, auto and the path of a TLS library"
        )),
    }
}

impl Wanted {
    /// What these values ask for: of `off` and anything else, the last one.
    #[must_use]
    pub fn of(values: &[Tls]) -> Self {
        let mut wanted = Self::default();
        for value in values {
            match value {
                Tls::Off => wanted = Self::default(),
                Tls::Auto => wanted.auto = true,
                Tls::Library(path) => wanted.named.push(path.clone()),
            }
        }
        wanted
    }
}

/// What came of a look around.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// Libraries that are new.
    pub heard: Vec<String>,
    /// Those that cannot be probed, and why.
    pub refused: Vec<String>,
}

/// The first PID namespace (`PROC_PID_INIT_INO` in `linux/proc_ns.h`).
const FIRST_PIDS: &str = "pid:[4026531836]";

type ObjectBytes = [u8; size_of::<Object>()];
type ConversationBytes = [u8; size_of::<Conversation>()];

/// How long a library is probed that nobody has mapped: a server that is started for each session has it mapped then only.
const UNUSED: Duration = Duration::from_secs(600);

/// The libraries that are probed, and those that were found to be none, by device and inode.
#[derive(Default)]
pub struct Libraries {
    known: BTreeMap<(u64, u64), Known>,
}

struct Known {
    _links: Vec<UProbeLink>,
    seen: Instant,
    /// It is a library, and could not be probed: that was said, and is tried again.
    refused: bool,
}

impl Libraries {
    /// Looks for libraries, and probes those that are new. What nobody has mapped any more is let go.
    pub fn follow(&mut self, ebpf: &mut Ebpf, wanted: &Wanted, ports: &[u16]) -> News {
        let mut news = News::default();
        for path in &wanted.named {
            // One that is gone may come again: a package is being installed.
            if let Ok(there) = fs::metadata(path) {
                let file = (there.dev(), there.ino());
                let name = printable(path.as_os_str().as_encoded_bytes());
                self.probe(ebpf, file, path, &name, true, &mut news);
            }
        }
        let found = if wanted.auto {
            libraries::of_servers(ports)
        } else {
            Vec::new()
        };
        for library in found {
            let name = format!(
                "{} of {} ({})",
                printable(library.name.as_os_str().as_encoded_bytes()),
                library.process.name,
                library.process.pid
            );
            let path = format!("/proc/self/fd/{}", library.opened.as_raw_fd());
            self.probe(ebpf, library.file, path.as_ref(), &name, false, &mut news);
        }
        self.known.retain(|_, known| known.seen.elapsed() < UNUSED);
        forget_the_dead(ebpf);
        news
    }

    fn probe(
        &mut self,
        ebpf: &mut Ebpf,
        file: (u64, u64),
        path: &Path,
        name: &str,
        named: bool,
        news: &mut News,
    ) {
        let mut known_refused = false;
        if let Some(known) = self.known.get_mut(&file) {
            known.seen = Instant::now();
            known_refused = known.refused;
            if !known_refused {
                return;
            }
        }
        let mut refused = false;
        let links = attach(ebpf, path).unwrap_or_else(|refusal| {
            let why = match refusal {
                // An executable that has no library in it is nothing to speak of.
                Refusal::NotOne if !named => return Vec::new(),
                Refusal::NotOne => {
                    "it has no SSL_write, SSL_read and SSL_free, and no gnutls_record_send, \
                                    gnutls_record_recv and gnutls_deinit"
                        .to_owned()
                }
                Refusal::Other(why) => {
                    refused = true;
                    why
                }
            };
            if !known_refused {
                news.refused.push(format!("{name} cannot be probed: {why}"));
            }
            Vec::new()
        });
        if !links.is_empty() {
            news.heard.push(name.to_owned());
        }
        self.known.insert(
            file,
            Known {
                _links: links,
                seen: Instant::now(),
                refused,
            },
        );
    }
}

/// Forgets what was said through objects of processes that are no more: not all servers are done with an object before they
/// end.
fn forget_the_dead(ebpf: &mut Ebpf) {
    // In another namespace processes have other numbers than the probes see.
    let own = fs::read_link("/proc/self/ns/pid");
    if !own.is_ok_and(|own| own == Path::new(FIRST_PIDS)) {
        return;
    }
    let map = ebpf.map_mut("TLS_CONVERSATIONS");
    let Some(Ok(mut conversations)) =
        map.map(HashMap::<_, ObjectBytes, ConversationBytes>::try_from)
    else {
        return;
    };
    let is_dead = |object: &ObjectBytes| {
        let Object { process, .. } = bytemuck::pod_read_unaligned(object);
        !Path::new(&format!("/proc/{}", process & u64::from(u32::MAX))).exists()
    };
    let mut dead: Vec<ObjectBytes> = conversations.keys().filter_map(Result::ok).collect();
    dead.retain(is_dead);
    for object in dead {
        // Failing means that it is gone already.
        let _ = conversations.remove(&object);
    }
}

enum Refusal {
    /// The file is no TLS library.
    NotOne,
    Other(String),
}

fn attach(ebpf: &mut Ebpf, path: &Path) -> Result<Vec<UProbeLink>, Refusal> {
    match attach_all(ebpf, path, &OPENSSL) {
        Err(Refusal::NotOne) => attach_all(ebpf, path, &GNUTLS),
        done => done,
    }
}

fn attach_all(
    ebpf: &mut Ebpf,
    path: &Path,
    functions: &[Function],
) -> Result<Vec<UProbeLink>, Refusal> {
    let mut links = Vec::new();
    for function in functions {
        // The return first: a call that is known is one whose return is seen.
        let returns = function.returns.then_some(RETURN);
        for program in returns.into_iter().chain([function.program]) {
            match attach_one(ebpf, path, function, program) {
                Ok(link) => links.push(link),
                Err(Refusal::NotOne) if !function.required => break,
                Err(refusal) => return Err(refusal),
            }
        }
    }
    Ok(links)
}

fn attach_one(
    ebpf: &mut Ebpf,
    path: &Path,
    function: &Function,
    program: &str,
) -> Result<UProbeLink, Refusal> {
    let program: &mut UProbe = ebpf
        .program_mut(program)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| Refusal::Other("the program is missing".into()))?;
    let point = UProbeAttachPoint {
        location: UProbeAttachLocation::Symbol(function.symbol),
        cookie: Some(u64::from(function.counted)),
    };
    let attached = program
        .attach(point, path, UProbeScope::AllProcesses)
        .and_then(|id| program.take_link(id));
    attached.map_err(|error| match &error {
        ProgramError::UProbeError(UProbeError::SymbolError { .. })
            if root_cause(&error).is_none() =>
        {
            Refusal::NotOne
        }
        error => Refusal::Other(reason(error)),
    })
}

fn reason(error: &ProgramError) -> String {
    match root_cause(error) {
        Some(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
            "not permitted: it takes CAP_SYS_ADMIN".into()
        }
        Some(cause) => cause.to_string(),
        None => error.to_string(),
    }
}

/// That a library that was named is not there.
///
/// # Errors
///
/// When that is so.
pub fn ensure_present(wanted: &Wanted) -> Result<(), Error> {
    for path in &wanted.named {
        fs::metadata(path).map_err(|error| {
            Error::usage(
                format!("--tls {}: {error}", path.display()),
                "Name the TLS library that the server has mapped (`grep libssl /proc/PID/maps`), or auto, or off.",
            )
        })?;
    }
    Ok(())
}
