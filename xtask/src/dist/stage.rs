//! Files, put where they will be, below a directory.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Release;
use crate::cargo::{run, workspace};

/// The directory, and the release it is filled from.
pub struct Stage<'a> {
    pub root: PathBuf,
    release: &'a Release,
}

impl<'a> Stage<'a> {
    /// An empty one.
    pub fn new(release: &'a Release, root: PathBuf) -> Result<Self> {
        if root.exists() {
            fs::remove_dir_all(&root)
                .with_context(|| format!("cannot empty {}", root.display()))?;
        }
        let stage = Self { root, release };
        stage.directory(Path::new(""))?;
        Ok(stage)
    }

    /// A file of the checkout's.
    pub fn copy(&self, from: &str, to: &str) -> Result<()> {
        let bytes = fs::read(workspace().join(from)).with_context(|| format!("no {from}"))?;
        self.write(to, &bytes)
    }

    /// A file with these bytes, which everybody may read.
    pub fn write(&self, to: &str, bytes: &[u8]) -> Result<()> {
        self.write_as(to, bytes, 0o644)
    }

    /// A file with these bytes, which everybody may run.
    pub fn write_program(&self, to: &str, bytes: &[u8]) -> Result<()> {
        self.write_as(to, bytes, 0o755)
    }

    /// As small as it gets, under its name and `.gz`, with neither name nor time in it.
    pub fn compress(&self, path: &str) -> Result<()> {
        let mut gzip = self.release.command("gzip");
        run(gzip.args(["--best", "--no-name"]).arg(self.root.join(path)))
    }

    fn write_as(&self, to: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let to = Path::new(to);
        self.directory(to.parent().unwrap_or(to))?;
        let path = self.root.join(to);
        fs::write(&path, bytes)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(mode)))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Whatever the user's umask is, everybody may enter.
    fn directory(&self, path: &Path) -> Result<()> {
        let mut whole = self.root.clone();
        for part in [Path::new("")]
            .into_iter()
            .chain(path.iter().map(Path::new))
        {
            whole.push(part);
            fs::create_dir_all(&whole)
                .and_then(|()| fs::set_permissions(&whole, Permissions::from_mode(0o755)))
                .with_context(|| format!("cannot make {}", whole.display()))?;
        }
        Ok(())
    }
}
