//! Files as a server sees them: it may have mounts and a root of its own, as in a container.

use std::{fs, path::PathBuf};

/// The largest configuration file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// The file system of a process.
#[derive(Clone, Debug)]
pub struct Files {
    root: PathBuf,
    /// The words of its command line; what it wrote over them, where it did.
    pub words: Vec<String>,
}

impl Files {
    /// That of the process `pid`; this process's, where the other's may not be seen.
    pub fn of(pid: u32) -> Self {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let words = fs::read(folder.join("cmdline")).unwrap_or_default();
        let words = words.split(|&byte| byte == 0);
        let root = folder.join("root");
        let seen = fs::read_dir(&root).is_ok();
        Self {
            root: if seen { root } else { PathBuf::from("/") },
            words: words
                .map(|word| String::from_utf8_lossy(word).trim().to_owned())
                .filter(|word| !word.is_empty())
                .collect(),
        }
    }

    /// Files under `root`, and a command line.
    #[cfg(test)]
    pub fn under(root: &std::path::Path, words: &[&str]) -> Self {
        Self {
            root: root.to_path_buf(),
            words: words.iter().map(|&word| word.to_owned()).collect(),
        }
    }

    /// The file at `path`; what is no UTF-8 in it is replaced.
    pub fn read(&self, path: &str) -> Option<String> {
        let path = self.path(path);
        let length = fs::metadata(&path).ok().filter(|m| m.is_file())?.len();
        if length > LARGEST {
            return None;
        }
        let bytes = fs::read(path).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The names in the folder at `path`, in order.
    pub fn list(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(path))
            .into_iter()
            .flatten()
            .flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// Whether there is a folder at `path`.
    pub fn is_folder(&self, path: &str) -> bool {
        self.path(path).is_dir()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}
