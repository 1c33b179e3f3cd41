//! A BPF file system of a test's own, to pin in.

use super::process::run;
use super::{Directory, open_to_all};
use std::path::PathBuf;
use std::process::Command;

pub struct Bpffs(Directory);

impl Bpffs {
    pub fn mount() -> Self {
        let directory = Directory::new("bpffs");
        let mut mount = Command::new("mount");
        mount.args(["-t", "bpf", "bpf"]).arg(directory.path());
        run(&mut mount, "");
        open_to_all(directory.path());
        Self(directory)
    }

    /// What is `/sys/fs/bpf/ftpwatch` elsewhere.
    pub fn root(&self) -> PathBuf {
        self.0.path().join("ftpwatch")
    }

    /// Where the maps are that are pinned: the one place there is.
    #[track_caller]
    pub fn place(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.root()).expect("something is pinned");
        let paths = entries.flatten().map(|entry| entry.path());
        let mut places: Vec<PathBuf> = paths.filter(|path| !path.ends_with("lock")).collect();
        assert_eq!(places.len(), 1, "{places:?}");
        places.remove(0)
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        // Lazily: with the last process that has it open goes what is pinned there.
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.0.path())
            .output();
    }
}
