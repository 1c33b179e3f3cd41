//! Maps and links that outlive the process: pinned, found again, and taken over where they fit.
//!
//! ```text
//! ROOT/lock/                  locked by the one process that works here
//! ROOT/v<layout>/NEWS …       the maps, one file each
//! ROOT/v<layout>/links/       what is attached where: `links.rs`
//! ```

pub mod links;
mod lock;

use std::{
    fs::{self, DirBuilder},
    io, mem,
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::fs::{DirBuilderExt as _, MetadataExt as _},
    },
    path::{Path, PathBuf},
};

use aya::maps::{Array, HashMap, Map, MapData, MapError, MapInfo};
use aya_obj::EbpfSectionKind;
use ftpwatch_common::{
    address::IndexKey,
    ledger::{LAYOUT, Ledger, Told},
};
use nix::{
    fcntl::OFlag,
    sys::statfs::{BPF_FS_MAGIC, statfs},
    unistd::dup3_raw,
};

use super::load::{OBJECT, Room, map_error, root_cause};
use crate::error::Error;
use links::Links;
use lock::Lock;

/// Maps that each process has its own of, besides constants: work space, what `-vv` shows, when it was woken, and what its
/// probes heard.
const OWN: [&str; 7] = [
    "SCRATCH",
    "AYA_LOGS",
    ".bss",
    "TLS_CALLS",
    "TLS_CONVERSATIONS",
    "TLS_DULL",
    "TLS_BLANK",
];

/// The gate's counts. aya fills each map of global variables with what the object says, and one that it found pinned as well:
/// this one would be set to zero while the kernel half counts in it.
const GATE: &str = ".bss.gate";

/// The directory that is locked.
const LOCK: &str = "lock";

/// What is pinned, open to this process alone.
pub struct Pins {
    /// What is attached.
    pub links: Links,
    place: PathBuf,
    maps: Vec<String>,
    found: Found,
    _lock: Lock,
}

/// What was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// Maps that fit: they are in use.
    Fitting,
    /// What does not fit: it was taken off.
    Other,
}

impl Pins {
    /// Opens `root` for this process, and takes off what it cannot go on with.
    ///
    /// # Errors
    ///
    /// When another process works there, or nothing can be pinned there.
    pub fn open(root: &Path, room: Room) -> Result<Self, Error> {
        ensure_bpffs(root)?;
        let pinning = |error: io::Error| cannot_pin(root, &error);
        make_directory(root).map_err(pinning)?;
        make_directory(&root.join(LOCK)).map_err(pinning)?;
        let lock = Lock::take(&root.join(LOCK)).map_err(pinning)?;
        let lock = lock.map_err(|holder| in_use(root, holder))?;
        let place = place(root);
        let maps = definitions(room)?;
        let mut found = Found::Nothing;
        for other in places(root) {
            let fits = other == place && maps.iter().all(|map| map.fits(&other));
            if fits && is_of_this_namespace(&other) {
                found = Found::Fitting;
                continue;
            }
            let attached = Links::at(&other).is_any();
            remove(&other).map_err(pinning)?;
            if attached {
                found = Found::Other;
            }
        }
        make_directory(&place).map_err(pinning)?;
        make_directory(&Links::directory(&place)).map_err(pinning)?;
        Ok(Self {
            links: Links::at(&place),
            maps: maps.into_iter().map(|map| map.name).collect(),
            place,
            found,
            _lock: lock,
        })
    }

    /// What was there.
    #[must_use]
    pub const fn found(&self) -> Found {
        self.found
    }

    /// Each map that the loader is to find or to pin, and where.
    pub fn maps(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        let maps = self.maps.iter().filter(|name| *name != GATE);
        maps.map(|name| (name.as_str(), self.place.join(file(name))))
    }
}

impl Pins {
    /// Puts the gate that is pinned into the place of the one that was just made, or pins that. Programs that are not loaded
    /// yet know it by its descriptor's number.
    #[expect(
        unsafe_code,
        reason = "another map under a descriptor's number, which aya has no way for"
    )]
    pub(super) fn adopt_gate(&self, ebpf: &mut aya::Ebpf) -> Result<(), Error> {
        let path = self.place.join(file(GATE));
        let Some(Map::Array(made)) = ebpf.map_mut(GATE) else {
            return Err(super::load::missing(GATE));
        };
        let Ok(pinned) = MapData::from_pin(&path) else {
            return made
                .pin(&path)
                .map_err(|error| unpinnable("the gate", &error));
        };
        // SAFETY: the number is that of a map's descriptor, whose owner holds and closes what it stands for, whichever
        // map that is; nobody else works with it at this time.
        unsafe { dup3_raw(pinned.fd(), made.fd().as_fd().as_raw_fd(), OFlag::O_CLOEXEC) }
            .map(mem::forget)
            .map_err(|error| unpinnable("the gate", &error))
    }
}

/// A map as the object defines it.
struct Definition {
    name: String,
    /// Kind, key and value sizes, entries, flags.
    shape: [u32; 5],
}

impl Definition {
    fn fits(&self, place: &Path) -> bool {
        let Ok(info) = MapInfo::from_pin(place.join(file(&self.name))) else {
            return false;
        };
        let Ok(kind) = info.map_type() else {
            return false;
        };
        let shape = [
            kind as u32,
            info.key_size(),
            info.value_size(),
            info.max_entries(),
            info.map_flags(),
        ];
        shape == self.shape
    }
}

fn definitions(room: Room) -> Result<Vec<Definition>, Error> {
    let object = aya_obj::Object::parse(OBJECT).map_err(|error| {
        Error::host(
            format!("the kernel half cannot be read: {error}"),
            "This is a fault of this build of ftpwatch: please report it.",
        )
    })?;
    let maps = object.maps.into_iter();
    let shared = maps.filter(|(name, map)| {
        map.section_kind() != EbpfSectionKind::Rodata && !OWN.contains(&name.as_str())
    });
    let sizes = room.maps();
    let entries = |name: &str, map: &aya_obj::Map| {
        let size = sizes.iter().find(|(map, _)| *map == name);
        size.map_or_else(|| map.max_entries(), |(_, entries)| *entries)
    };
    let shape = |name: &str, map: &aya_obj::Map| {
        [
            map.map_type(),
            map.key_size(),
            map.value_size(),
            entries(name, map),
            map.map_flags(),
        ]
    };
    Ok(shared
        .map(|(name, map)| Definition {
            shape: shape(&name, &map),
            name,
        })
        .collect())
}

/// A map's file: the file system for pins does not take dots.
fn file(map: &str) -> String {
    map.replace('.', "_")
}

/// Where this build's maps are.
#[must_use]
pub fn place(root: &Path) -> PathBuf {
    root.join(format!("v{LAYOUT:016x}"))
}

/// Where any build's maps are.
fn places(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let names = entries.filter(|entry| entry.file_name() != LOCK);
    names.map(|entry| entry.path()).collect()
}

/// What is pinned under `root`, by whatever build. Empty where there is nothing.
///
/// # Errors
///
/// When it may not be looked into.
pub fn pinned(root: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(root) {
        Ok(_) => Ok(places(root)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The process that works under `root`.
///
/// # Errors
///
/// When that cannot be found out.
pub fn holder(root: &Path) -> io::Result<Option<i32>> {
    lock::holder(&root.join(LOCK))
}

/// Takes off everything under `root`, and `root` itself. Returns the names of what was attached.
///
/// # Errors
///
/// When a process works there, or something cannot be removed.
pub fn remove_all(root: &Path) -> Result<Vec<String>, Error> {
    let failed = |error: io::Error| cannot_pin(root, &error);
    let Some(_lock) = (match Lock::take(&root.join(LOCK)) {
        Ok(lock) => Some(lock.map_err(|holder| in_use(root, holder))?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    }) else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for place in places(root) {
        names.extend(Links::at(&place).describe());
        remove(&place).map_err(failed)?;
    }
    fs::remove_dir(root.join(LOCK)).map_err(failed)?;
    // It may be a mount point, or a directory that an administrator made for the service's user.
    let _ = fs::remove_dir(root);
    names.sort_unstable();
    Ok(names)
}

/// Links first: maps that nothing uses any more are gone with their files.
fn remove(place: &Path) -> io::Result<()> {
    Links::at(place).remove_all(is_of_this_namespace(place))?;
    fs::remove_dir_all(place)
}

/// Interfaces have their numbers in their network namespace alone. What says nothing of one was never in use.
#[must_use]
pub fn is_of_this_namespace(place: &Path) -> bool {
    ledger(place).is_none_or(|ledger| [0, namespace()].contains(&ledger.namespace))
}

/// This network namespace's number.
#[must_use]
pub fn namespace() -> u64 {
    fs::metadata("/proc/self/ns/net").map_or(0, |metadata| metadata.ino())
}

/// The ledger that is pinned at `place`, if there is one of this build's form.
#[must_use]
pub fn ledger(place: &Path) -> Option<Ledger> {
    let map: Array<MapData, [u8; size_of::<Ledger>()]> = open(place, "LEDGER")?.try_into().ok()?;
    let bytes = map.get(&0, 0).ok()?;
    Some(bytemuck::pod_read_unaligned(&bytes))
}

/// What is pinned at `place`, for those who only look.
pub struct Contents {
    /// See [`super::Maps`].
    pub maps: super::Maps,
    /// What was told of, by id.
    pub told: HashMap<MapData, u64, [u8; size_of::<Told>()]>,
    /// What was counted.
    pub ledger: Ledger,
    /// How many entries they have room for.
    pub room: Room,
    index: HashMap<MapData, [u8; size_of::<IndexKey>()], u64>,
}

impl Contents {
    /// `None` where there is nothing of this build's form.
    #[must_use]
    pub fn of(place: &Path) -> Option<Self> {
        let ledger = ledger(place)?;
        Some(Self {
            ledger,
            told: open(place, "TOLD")?.try_into().ok()?,
            index: open(place, "INDEX")?.try_into().ok()?,
            room: Room::new(entries(place, "CONTROLS")?, entries(place, "ENDPOINTS")?),
            maps: super::Maps {
                controls: open(place, "CONTROLS")?.try_into().ok()?,
                endpoints: open(place, "ENDPOINTS")?.try_into().ok()?,
                tally: open(place, "TALLY")?.try_into().ok()?,
                own: ledger.tests,
            },
        })
    }

    /// How many keys the index has.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index.keys().filter(Result::is_ok).count()
    }
}

/// How many entries the map has room for.
fn entries(place: &Path, map: &str) -> Option<u32> {
    let info = MapInfo::from_pin(place.join(file(map))).ok()?;
    Some(info.max_entries())
}

fn open(place: &Path, map: &str) -> Option<Map> {
    let data = MapData::from_pin(place.join(file(map))).ok()?;
    Map::from_map_data(data).ok()
}

/// What the user half keeps in maps: see `ftpwatch_common::ledger`.
pub struct Memory {
    told: HashMap<MapData, u64, [u8; size_of::<Told>()]>,
    ledger: Array<MapData, [u8; size_of::<Ledger>()]>,
}

impl Memory {
    pub(super) fn take(ebpf: &mut aya::Ebpf) -> Result<Self, Error> {
        let ledger = super::load::take_map(ebpf, "LEDGER")?;
        Ok(Self {
            told: super::load::hash_map(ebpf, "TOLD")?,
            ledger: ledger.try_into().map_err(map_error)?,
        })
    }

    /// All that was told of, by id.
    #[must_use]
    pub fn told(&self) -> Vec<(u64, Told)> {
        let entries = self.told.iter().filter_map(Result::ok);
        let told = entries.map(|(id, bytes)| (id, bytemuck::pod_read_unaligned(&bytes)));
        told.collect()
    }

    /// What was told of `id`.
    #[must_use]
    pub fn told_of(&self, id: u64) -> Option<Told> {
        let bytes = self.told.get(&id, 0).ok()?;
        Some(bytemuck::pod_read_unaligned(&bytes))
    }

    /// Remembers what was told of `id`.
    ///
    /// # Errors
    ///
    /// When there is no room.
    pub fn tell(&mut self, id: u64, told: &Told) -> Result<(), MapError> {
        let mut bytes = [0; size_of::<Told>()];
        bytes.copy_from_slice(bytemuck::bytes_of(told));
        self.told.insert(id, bytes, 0)
    }

    /// Forgets `id`, if it is known.
    pub fn forget(&mut self, id: u64) {
        let _ = self.told.remove(&id);
    }

    /// What was counted.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        let bytes = self.ledger.get(&0, 0);
        bytes.map_or_else(|_| Ledger::default(), |b| bytemuck::pod_read_unaligned(&b))
    }

    /// Writes down what was counted.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn write(&mut self, ledger: &Ledger) -> Result<(), MapError> {
        let mut bytes = [0; size_of::<Ledger>()];
        bytes.copy_from_slice(bytemuck::bytes_of(ledger));
        self.ledger.set(0, bytes, 0)
    }
}

/// A directory that nobody else looks into. One that is there already stays as it is.
fn make_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

fn ensure_bpffs(root: &Path) -> Result<(), Error> {
    let directory = if root.is_dir() {
        Some(root)
    } else {
        root.parent()
    };
    let kind = directory.and_then(|directory| statfs(directory).ok());
    if kind.is_some_and(|kind| kind.filesystem_type() == BPF_FS_MAGIC) {
        return Ok(());
    }
    Err(Error::host(
        format!(
            "{} is not in a BPF file system: nothing can be pinned there",
            root.display()
        ),
        "Mount one: `mount -t bpf bpf /sys/fs/bpf`; or run it without --pin.",
    ))
}

fn cannot_pin(root: &Path, error: &io::Error) -> Error {
    Error::host(
        format!(
            "what is pinned in {} cannot be worked on: {error}",
            root.display()
        ),
        "Run it as root, or as the user whom that directory belongs to.",
    )
}

/// Something that is attached cannot be pinned.
fn unpinnable(what: &str, error: &(dyn std::error::Error + 'static)) -> Error {
    let why = root_cause(error).map_or_else(|| error.to_string(), ToString::to_string);
    Error::host(
        format!("{what} cannot be pinned: {why}"),
        "Run it without --pin, or with another --hook.",
    )
}

fn in_use(root: &Path, holder: i32) -> Error {
    Error::usage(
        format!(
            "what is pinned in {} is in use by process {holder}",
            root.display()
        ),
        format!("End that one first: `kill {holder}`, or `systemctl stop ftpwatch`."),
    )
}
