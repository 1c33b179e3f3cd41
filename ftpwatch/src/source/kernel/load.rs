//! Loading the object: its settings, its programs, and what a user is told when that fails.

use std::{io, process};

use aya::{
    Ebpf, EbpfError, EbpfLoader, Pod,
    maps::{HashMap, Map, MapData, MapError},
    programs::{Program, ProgramError},
};

use ftpwatch_common::{KEYS, ROOM};

use super::{Hook, feature, libraries, pin::Pins};
use crate::{error::Error, escape::printable};

/// The kernel half, built from source by the build script.
pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ftpwatch-ebpf"));

/// The program for XDP, which is loaded where it is wanted.
const XDP: &str = "ftpwatch_xdp";

/// The kernel half's variable `CONTROL_PORTS`: a bit for each port, in the network's order, which says whether it is one.
type ControlPorts = [u32; (1 << 16) / 32];

/// What the programs are loaded with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The control ports.
    pub control_ports: Vec<u16>,
    /// How interfaces are to be watched.
    pub hook: Hook,
    /// The kernel half logs.
    pub log: bool,
    /// How much the maps hold.
    pub room: Room,
    /// What servers say in TLS is heard.
    pub tls: bool,
}

/// How many entries the maps have room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Control connections.
    pub connections: u32,
    /// Endpoints.
    pub endpoints: u32,
    /// How many of those a client may have.
    pub share: u32,
}

impl Default for Room {
    fn default() -> Self {
        Self::new(ROOM, ROOM)
    }
}

impl Room {
    /// For so many of each. A client may have a quarter of the endpoints.
    #[must_use]
    pub const fn new(connections: u32, endpoints: u32) -> Self {
        Self {
            connections,
            endpoints,
            share: endpoints / 4,
        }
    }

    /// How many keys the index has room for.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.endpoints.saturating_mul(KEYS)
    }

    /// Each map whose size follows from this, and that size.
    pub(super) const fn maps(self) -> [(&'static str, u32); 6] {
        let Self {
            connections,
            endpoints,
            ..
        } = self;
        [
            ("CONTROLS", connections),
            ("BLIND", connections),
            ("SHARES", connections),
            ("ENDPOINTS", endpoints),
            ("INDEX", self.index()),
            ("TOLD", connections.saturating_add(endpoints)),
        ]
    }
}

/// Loads maps and programs. They are gone with what is returned.
///
/// # Errors
///
/// When this host cannot be watched: privilege, or what the kernel lacks.
pub fn load(settings: &Settings) -> Result<Ebpf, Error> {
    load_onto(settings, None)
}

/// [`load_onto`]; without the probes on TLS libraries, and with the reason for that, where they are not to be had.
pub(super) fn load_hearing(
    settings: &Settings,
    pins: Option<&Pins>,
) -> Result<(Ebpf, Option<Error>), Error> {
    match load_onto(settings, pins) {
        Err(error) if settings.tls => {
            let deaf = Settings {
                tls: false,
                ..settings.clone()
            };
            load_onto(&deaf, pins).map(|ebpf| (ebpf, Some(error)))
        }
        loaded => loaded.map(|ebpf| (ebpf, None)),
    }
}

/// [`load`], onto the maps that are pinned, and with those pinned that are not yet.
pub(super) fn load_onto(settings: &Settings, pins: Option<&Pins>) -> Result<Ebpf, Error> {
    let level = if settings.log {
        aya_log::Level::Debug as u8
    } else {
        0
    };
    let control_ports = bits(&settings.control_ports);
    let mut loader = EbpfLoader::new();
    for (map, entries) in settings.room.maps() {
        loader.map_max_entries(map, entries);
    }
    if !settings.tls {
        for map in ["TLS_CALLS", "TLS_CONVERSATIONS", "TLS_DULL"] {
            loader.map_max_entries(map, 1);
        }
    }
    // What an earlier process's probes left is not taken for ours.
    let run = if settings.tls { process::id() } else { 0 };
    for (name, path) in pins.into_iter().flat_map(Pins::maps) {
        loader.map_pin_path(name, path);
    }
    let mut ebpf = loader
        // With the level at zero the verifier takes the log calls out: they cost nothing.
        .override_global(aya_log::LEVEL, &level, false)
        .override_global("CONTROL_PORTS", &control_ports, true)
        .override_global("ENDPOINT_SHARE", &settings.room.share, true)
        .override_global("TLS_RUN", &run, true)
        .load(OBJECT)
        .map_err(|error| load_error(&error))?;
    if let Some(pins) = pins {
        pins.adopt_gate(&mut ebpf)?;
    }
    let wanted = |name: &str| {
        (name != XDP || settings.hook == Hook::Xdp)
            && (settings.tls || !libraries::PROGRAMS.contains(&name))
    };
    for (name, program) in ebpf.programs_mut() {
        if !wanted(name) {
            continue;
        }
        match program {
            Program::SchedClassifier(program) => program.load(),
            Program::Xdp(program) => program.load(),
            Program::UProbe(program) => program.load(),
            _ => continue,
        }
        .map_err(|error| program_error(name, &error))?;
    }
    Ok(ebpf)
}

fn bits(ports: &[u16]) -> ControlPorts {
    let mut bits = [0; _];
    for port in ports.iter().map(|port| port.to_be()) {
        bits[usize::from(port / 32)] |= 1 << (port % 32);
    }
    bits
}

/// The map `name`, to keep.
pub fn take_map(ebpf: &mut Ebpf, name: &str) -> Result<Map, Error> {
    ebpf.take_map(name).ok_or_else(|| missing(name))
}

/// The hash map `name`, to keep.
pub fn hash_map<K: Pod, V: Pod>(
    ebpf: &mut Ebpf,
    name: &str,
) -> Result<HashMap<MapData, K, V>, Error> {
    take_map(ebpf, name)?.try_into().map_err(map_error)
}

pub(super) fn missing(name: &str) -> Error {
    Error::host(
        format!("the kernel half has no map {name}"),
        "This is a fault of this build of ftpwatch: please report it.",
    )
}

/// Something is wrong with a map.
pub fn map_error(error: MapError) -> Error {
    Error::host(
        format!("a BPF map cannot be used: {error}"),
        "This is a fault of this build of ftpwatch: please report it.",
    )
}

/// Something is wrong with waiting.
pub fn poll_error(error: &io::Error) -> Error {
    Error::host(
        format!("the ring buffer cannot be waited for: {error}"),
        "Is the limit of open files too low? See `ulimit -n`.",
    )
}

fn load_error(error: &EbpfError) -> Error {
    match root_cause(error) {
        Some(cause) if cause.kind() == io::ErrorKind::PermissionDenied => not_permitted(),
        Some(_) if let Some(error) = lacking(false) => error,
        Some(cause) => Error::host(
            format!("the kernel does not take ftpwatch's BPF maps: {cause}"),
            "ftpwatch needs Linux 5.18 or newer with CONFIG_BPF_SYSCALL, and some memory for its maps.",
        ),
        None => Error::host(
            format!("the kernel half cannot be loaded: {error}"),
            "ftpwatch needs Linux 5.18 or newer.",
        ),
    }
}

fn program_error(name: &str, error: &ProgramError) -> Error {
    if let ProgramError::LoadError {
        io_error,
        verifier_log,
    } = error
    {
        if io_error.raw_os_error() == Some(nix::errno::Errno::EPERM as i32) {
            return not_permitted();
        }
        // What the verifier stumbled over on an old kernel is seldom what is missing.
        if let Some(error) = lacking(name == XDP) {
            return error;
        }
        // The whole log has thousands of lines. The reason stands before the closing statistics.
        let log = verifier_log.to_string();
        let reason = log.lines().rfind(|line| {
            !line.starts_with("processed ")
                && !line.starts_with("verification time")
                && !line.starts_with("stack depth")
        });
        let reason = reason.map_or_else(|| io_error.to_string(), |line| printable(line.as_bytes()));
        return Error::host(
            format!("this kernel does not take the program {name}: {reason}"),
            "ftpwatch needs Linux 5.18 or newer; `uname -r` tells yours.",
        );
    }
    Error::host(
        format!("the program {name} cannot be loaded: {error}"),
        "ftpwatch needs Linux 5.18 or newer; `uname -r` tells yours.",
    )
}

/// Where a feature is missing, that is what went wrong.
fn lacking(xdp: bool) -> Option<Error> {
    let missing = feature::missing(xdp);
    (!missing.is_empty()).then(|| {
        Error::host(
            format!("this kernel lacks {}", missing.join(" and ")),
            "Use a newer kernel, or `ftpwatch read` on captures of this host.",
        )
    })
}

fn not_permitted() -> Error {
    Error::host(
        "not permitted to load BPF programs",
        "Run it as root, or with CAP_BPF and CAP_NET_ADMIN.",
    )
}

/// The system's own error behind `error`.
pub fn root_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a io::Error> {
    let mut error = Some(error);
    while let Some(cause) = error {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return Some(io);
        }
        error = cause.source();
    }
    None
}
