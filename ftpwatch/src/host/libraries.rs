//! The TLS libraries that this host's FTP servers have mapped.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{owners, sockets};

/// A file that may be a TLS library, or have one in it.
#[derive(Debug)]
pub struct Library {
    /// The file, open: who has it mapped may end at any time, and the way to it with it.
    pub opened: File,
    /// What its user calls it.
    pub name: PathBuf,
    /// Device and inode.
    pub file: (u64, u64),
    /// Who has it mapped: the first one found.
    pub process: owners::Process,
}

impl Library {
    /// Whether it has the name of a TLS library: else it is an executable, which may have one in it.
    #[must_use]
    pub fn is_named_like_one(&self) -> bool {
        let name = self.name.file_name().and_then(|name| name.to_str());
        name.is_some_and(is_library)
    }
}

fn is_library(name: &str) -> bool {
    NAMES.iter().any(|word| name.starts_with(word))
}

/// Words in the names of files that are TLS libraries.
const NAMES: [&str; 2] = ["libssl", "libgnutls"];

/// The libraries of the processes that have a socket with one of `ports`, in whatever network namespace; and these
/// processes' own executables, as some have a library in them.
#[must_use]
pub fn of_servers(ports: &[u16]) -> Vec<Library> {
    let mut inodes = HashSet::new();
    for process in one_of_each_network() {
        let of_control = |socket: &sockets::Socket| ports.contains(&socket.local.port());
        let found = sockets::select_of(&process, of_control).unwrap_or_default();
        inodes.extend(found.iter().map(|socket| socket.inode));
    }
    inodes.remove(&0);
    let mut libraries = BTreeMap::new();
    for holder in owners::of(&inodes) {
        for library in mapped_by(&holder.process) {
            libraries.entry(library.file).or_insert(library);
        }
    }
    libraries.into_values().collect()
}

/// A process in each network namespace that there is, as far as they may be seen.
fn one_of_each_network() -> Vec<String> {
    let mut seen = HashSet::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let others = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        name.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then_some(name)
    });
    std::iter::once("self".to_owned())
        .chain(others)
        .filter(|process| {
            let network = fs::read_link(format!("/proc/{process}/ns/net"));
            network.is_ok_and(|network| seen.insert(network))
        })
        .collect()
}

/// What the process has mapped to be run, and is a TLS library by its name, and its own executable.
fn mapped_by(process: &owners::Process) -> Vec<Library> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", process.pid)).unwrap_or_default();
    let mut seen = HashSet::new();
    maps.lines()
        .filter_map(|line| {
            let mapping = mapping(line)?;
            let own = process.executable.as_deref() == Some(mapping.name);
            let name = mapping.name.file_name()?.to_str()?;
            if !(own || is_library(name)) || !seen.insert(mapping.inode) {
                return None;
            }
            find(process, &mapping)
        })
        .collect()
}

/// A line of /proc/PID/maps that is about code in a file.
struct Mapping<'a> {
    inode: u64,
    name: &'a Path,
}

fn mapping(line: &str) -> Option<Mapping<'_>> {
    // Address, rights, offset, device, inode, name; the name may have blanks.
    let mut fields = line.splitn(6, ' ');
    let rights = fields.nth(1)?;
    let inode = fields.nth(2)?.parse().ok()?;
    let name = fields.next()?.trim_start();
    (rights.contains('x') && inode != 0 && name.starts_with('/')).then(|| Mapping {
        inode,
        name: Path::new(name),
    })
}

/// Opens the way to the file: in the process's own root (a container's), or in ours, where a process that shut itself in
/// has mapped it before.
fn find(process: &owners::Process, mapping: &Mapping<'_>) -> Option<Library> {
    let inside = mapping.name.strip_prefix("/").ok()?;
    let root = PathBuf::from(format!("/proc/{}/root", process.pid)).join(inside);
    [root, mapping.name.to_owned()]
        .into_iter()
        .find_map(|path| {
            // A pipe that takes its place would be waited for.
            let is_file = fs::metadata(&path).is_ok_and(|there| there.is_file());
            let opened = is_file.then(|| File::open(&path))?.ok()?;
            let there = opened.metadata().ok()?;
            (there.ino() == mapping.inode).then(|| Library {
                file: (there.dev(), there.ino()),
                opened,
                name: mapping.name.to_owned(),
                process: process.clone(),
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_maps() {
        let line =
            "7f1 r-xp 00028000 fe:00 1234                       /usr/lib/my libs/libssl.so.3";
        let code = "7f1c2a400000-7f1c2a428000".to_owned() + &line[3..];
        let found = mapping(&code).unwrap();
        assert_eq!(found.inode, 1234);
        assert_eq!(found.name, Path::new("/usr/lib/my libs/libssl.so.3"));
        for other in [
            "7f1c2a400000-7f1c2a428000 r--p 00000000 fe:00 1234 /usr/lib/libssl.so.3",
            "7ffd1a5f9000-7ffd1a61a000 rw-p 00000000 00:00 0 [stack]",
            "7ffd1a5f9000-7ffd1a61a000 r-xp 00000000 00:00 0 [vdso]",
            "7ffd1a5f9000-7ffd1a61a000 r-xp 00000000 00:00 0",
            "",
        ] {
            assert!(mapping(other).is_none(), "{other:?}");
        }
    }

    /// This test listens, and so it is a server.
    #[test]
    fn what_a_server_has_mapped() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = std::env::current_exe().unwrap();
        let found = of_servers(&[port]);
        assert!(found.iter().any(|library| library.name == own), "{found:?}");
    }
}
