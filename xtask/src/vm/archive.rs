//! A root file system for the guest, as the kernel unpacks it: cpio, "newc".

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context, Result};

const DIRECTORY: u32 = 0o040_755;
const LINK: u32 = 0o120_777;
const FILE: u32 = 0o100_000;

/// Files, links and directories, one after the other.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    /// What is in it, without the slash at the front.
    paths: BTreeSet<String>,
}

impl Archive {
    /// An empty directory, with those above it.
    pub fn directory(&mut self, path: &str) {
        let path = path.trim_matches('/');
        if path.is_empty() || !self.paths.insert(path.to_owned()) {
            return;
        }
        self.above(path);
        self.entry(path, DIRECTORY, 0, &[]);
    }

    /// A link to `target`.
    pub fn link(&mut self, path: &str, target: &str) {
        self.put(path, LINK, 0, target.as_bytes());
    }

    /// A file with this content, and permissions as in `0o755`.
    pub fn file(&mut self, path: &str, permissions: u32, content: &[u8]) {
        self.put(path, FILE | permissions, 0, content);
    }

    /// A file of this machine, at the same place.
    pub fn copy(&mut self, path: &Path) -> Result<()> {
        self.copy_to(path, &path.to_string_lossy())
    }

    /// A file of this machine, at another place. Its time is kept, as Python compares it with that of its bytecode.
    pub fn copy_to(&mut self, from: &Path, to: &str) -> Result<()> {
        let context = || format!("cannot read {}", from.display());
        let about = from.metadata().with_context(context)?;
        let content = fs::read(from).with_context(context)?;
        let time = u32::try_from(about.mtime()).unwrap_or(0);
        self.put(to, FILE | (about.mode() & 0o777), time, &content);
        Ok(())
    }

    /// What the kernel unpacks.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, 0, &[]);
        self.bytes
    }

    fn put(&mut self, path: &str, mode: u32, time: u32, content: &[u8]) {
        let path = path.trim_matches('/');
        if self.paths.insert(path.to_owned()) {
            self.above(path);
            self.entry(path, mode, time, content);
        }
    }

    fn above(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
    }

    fn entry(&mut self, path: &str, mode: u32, time: u32, content: &[u8]) {
        // Those with more than one link are told apart by their number: each has one.
        let fields = [0, mode, 0, 0, 1, time, length(content), 0, 0, 0, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        let name = [path.as_bytes(), b"\0"].concat();
        self.bytes
            .extend(format!("{:08x}{:08x}", length(&name), 0).bytes());
        for part in [&name, content] {
            self.bytes.extend(part);
            self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        }
    }
}

/// No field holds more than 4 GiB, and no file of a guest with one gibibyte is larger.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_first_and_once() {
        let mut archive = Archive::default();
        archive.file("/a/b/one", 0o644, b"1");
        archive.link("/a/two", "b/one");
        archive.file("a/b/one", 0o644, b"another");
        let bytes = archive.finish();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let at = |name: &str| text.find(name).unwrap();
        assert!(at("a\0") < at("a/b\0") && at("a/b\0") < at("a/b/one\0"));
        assert_eq!(text.matches("070701").count(), 5);
        assert_eq!(bytes.len() % 4, 0);
        assert!(!text.contains("another"));
    }

    #[test]
    fn an_entry_is_as_the_format_has_it() {
        let mut archive = Archive::default();
        archive.file("ab", 0o755, b"12345");
        let bytes = archive.finish();
        // 110 bytes of header and three of the name, filled up to 116; then five, filled up to eight.
        let wanted = [
            "070701", "00000000", "000081ed", "00000000", "00000000", "00000001", "00000000",
            "00000005", "00000000", "00000000", "00000000", "00000000", "00000003", "00000000",
            "ab\0", "\0\0\0", "12345", "\0\0\0",
        ]
        .concat();
        assert!(bytes.starts_with(wanted.as_bytes()));
    }
}
