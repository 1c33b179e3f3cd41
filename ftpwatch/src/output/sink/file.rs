//! A file, which grows to a size and is then followed by another; or which logrotate moves.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::PathBuf,
};

use nix::libc;

use super::Target;

/// Its owner writes, its group reads.
const MODE: u32 = 0o640;

/// A file of results.
pub struct LogFile {
    path: PathBuf,
    /// How large it may grow.
    limit: Option<u64>,
    /// How many full ones are kept.
    keep: u32,
    /// `None` after it could not be opened again.
    file: Option<File>,
}

impl LogFile {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    ///
    /// When that cannot be.
    pub fn open(path: PathBuf, limit: Option<u64>, keep: u32) -> io::Result<Self> {
        let mut log = Self {
            path,
            limit,
            keep,
            file: None,
        };
        log.current()?;
        Ok(log)
    }

    /// The file at the path. Somebody may have moved the one that was there.
    fn current(&mut self) -> io::Result<&File> {
        let there = fs::metadata(&self.path).ok();
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let same = match (&self.file, there) {
            (Some(file), Some(there)) => identity(file.metadata()?) == identity(there),
            _ => false,
        };
        if !same {
            self.file = None;
        }
        match self.file.take() {
            Some(file) => Ok(self.file.insert(file)),
            None => {
                let file = OpenOptions::new()
                    .append(true)
                    .create(true)
                    .mode(MODE)
                    // A pipe without a reader is an error then, and not a wait.
                    .custom_flags(libc::O_NONBLOCK)
                    .open(&self.path)?;
                if !file.metadata()?.is_file() {
                    return Err(io::Error::other("it is no regular file"));
                }
                Ok(self.file.insert(file))
            }
        }
    }

    /// `events.json` becomes `events.json.1`, that becomes `events.json.2`, and so on.
    fn rotate(&self) -> io::Result<()> {
        let numbered = |number: u32| {
            let mut name = OsString::from(&self.path);
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        // A number that is free takes the next file in, and those behind it stay: what failed halfway is not done twice.
        let free = (1..self.keep).find(|number| !numbered(*number).exists());
        for number in (1..free.unwrap_or(self.keep)).rev() {
            fs::rename(numbered(number), numbered(number + 1))?;
        }
        fs::rename(&self.path, numbered(1))
    }
}

impl Target for LogFile {
    fn write(&mut self, message: &[u8]) -> io::Result<()> {
        let size = |file: &File| file.metadata().map(|metadata| metadata.len());
        let mut length = size(self.current()?)?;
        let after = length + message.len() as u64;
        if length > 0 && self.limit.is_some_and(|limit| after > limit) {
            self.rotate()?;
            length = size(self.current()?)?;
        }
        let mut file = self.current()?;
        file.write_all(message).inspect_err(|_| {
            // Half a line is none; where it stays, the error is told all the same.
            let _ = file.set_len(length);
        })
    }

    fn reopen(&mut self) {
        self.file = None;
        // What is wrong is told with the next message.
        let _ = self.current();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that goes with the value.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let name = format!("ftpwatch-file-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&path);
            fs::create_dir(&path).expect("a directory");
            Self(path)
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.0.join(name)).unwrap_or_else(|_| "-".into())
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn it_is_followed_by_another_and_the_oldest_goes() {
        let directory = Directory::new("rotate");
        let mut log = LogFile::open(directory.0.join("e"), Some(8), 2).expect("a file");
        for number in 0..7 {
            log.write(format!("{number}..\n").as_bytes()).expect("room");
        }
        assert_eq!(directory.read("e"), "6..\n");
        assert_eq!(directory.read("e.1"), "4..\n5..\n");
        assert_eq!(directory.read("e.2"), "2..\n3..\n");
        assert_eq!(directory.read("e.3"), "-");
        // What is larger than all that is allowed has a file of its own.
        log.write(b"0123456789\n").expect("room");
        assert_eq!(directory.read("e"), "0123456789\n");
        assert_eq!(directory.read("e.1"), "6..\n");
    }

    #[test]
    fn what_was_there_stays() {
        let directory = Directory::new("append");
        fs::write(directory.0.join("e"), "old\n").expect("a file");
        let mut log = LogFile::open(directory.0.join("e"), None, 1).expect("a file");
        log.write(b"new\n").expect("room");
        assert_eq!(directory.read("e"), "old\nnew\n");
    }

    #[test]
    fn moved_removed_or_emptied_by_another() {
        let directory = Directory::new("moved");
        let path = directory.0.join("e");
        let mut log = LogFile::open(path.clone(), None, 1).expect("a file");
        log.write(b"1\n").expect("room");
        fs::rename(&path, directory.0.join("moved")).expect("it is there");
        log.write(b"2\n").expect("room");
        assert_eq!(directory.read("moved"), "1\n");
        assert_eq!(directory.read("e"), "2\n");
        fs::remove_file(&path).expect("it is there");
        log.write(b"3\n").expect("room");
        assert_eq!(directory.read("e"), "3\n");
        File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_len(0))
            .expect("emptied");
        log.write(b"4\n").expect("room");
        assert_eq!(directory.read("e"), "4\n", "and no hole before it");
    }

    #[test]
    fn let_go_of_when_asked() {
        let directory = Directory::new("reopen");
        let path = directory.0.join("e");
        let mut log = LogFile::open(path.clone(), None, 1).expect("a file");
        fs::rename(&path, directory.0.join("moved")).expect("it is there");
        log.reopen();
        assert_eq!(directory.read("e"), "", "it is there before the first line");
    }

    #[test]
    fn a_directory_that_goes_and_comes_back() {
        let directory = Directory::new("gone");
        let inner = directory.0.join("in");
        fs::create_dir(&inner).expect("a directory");
        let mut log = LogFile::open(inner.join("e"), None, 1).expect("a file");
        fs::remove_dir_all(&inner).expect("it is there");
        log.write(b"1\n").expect_err("there is no directory");
        fs::create_dir(&inner).expect("a directory");
        log.write(b"2\n").expect("it is back");
        assert_eq!(directory.read("in/e"), "2\n");
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let directory = Directory::new("kind");
        let pipe = directory.0.join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        for path in [
            pipe,
            directory.0.clone(),
            directory.0.join("no/e"),
            "/dev/null".into(),
        ] {
            assert!(LogFile::open(path.clone(), None, 1).is_err(), "{path:?}");
        }
    }

    #[test]
    fn others_may_not_read() {
        let directory = Directory::new("mode");
        let path = directory.0.join("e");
        LogFile::open(path.clone(), None, 1).expect("a file");
        let mode = fs::metadata(&path).expect("it is there").mode();
        assert_eq!(mode & 0o7 | mode & 0o111, 0, "{mode:o}");
    }
}
