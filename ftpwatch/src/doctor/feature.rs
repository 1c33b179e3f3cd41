//! What this kernel has, found without using it: to use a part that is a module would load it.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;

/// Whether the kernel has something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Built in, or loaded.
    Here,
    /// A module that is not loaded.
    Loadable,
    /// It has none.
    Missing,
    /// Nothing tells.
    Unknown,
}

/// What tells about this kernel.
#[derive(Clone, Debug, Default)]
pub struct Features {
    /// Its release, as `uname -r`.
    pub release: String,
    /// Its configuration, where it can be read.
    config: Option<String>,
    loaded: Option<HashSet<String>>,
    built_in: Option<HashSet<String>>,
    loadable: Option<HashSet<String>>,
}

impl Features {
    /// Those of the running kernel.
    pub fn of_this_host() -> Self {
        Self::under(Path::new("/"))
    }

    /// Those that the files under `root` tell.
    fn under(root: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(root.join(path)).ok();
        let release = read("proc/sys/kernel/osrelease").unwrap_or_default();
        let release = release.trim().to_owned();
        let modules = |name: &str| read(&format!("lib/modules/{release}/{name}"));
        let of_paths = |list: String| list.lines().filter_map(module_of_path).collect();
        Self {
            config: config(root, &release),
            loaded: read("proc/modules").map(|list| {
                let names = list.lines().filter_map(|line| line.split(' ').next());
                names.map(str::to_owned).collect()
            }),
            built_in: modules("modules.builtin").map(of_paths),
            loadable: modules("modules.dep").map(of_paths),
            release,
        }
    }

    /// Whether the kernel has what the option `CONFIG_…` builds into it, or into the module `module`.
    pub fn presence(&self, option: &str, module: &str) -> Presence {
        let lists =
            |list: &Option<HashSet<String>>| list.as_ref().map(|list| list.contains(module));
        let built = self.built(option);
        if lists(&self.loaded) == Some(true)
            || lists(&self.built_in) == Some(true)
            || built == Some('y')
        {
            return Presence::Here;
        }
        match (lists(&self.loaded), lists(&self.loadable), built) {
            (Some(_), Some(true), _) | (Some(_), _, Some('m')) => Presence::Loadable,
            (_, _, Some('n')) => Presence::Missing,
            // Neither a module nor built in.
            (_, Some(false), None) if self.built_in.is_some() => Presence::Missing,
            _ => Presence::Unknown,
        }
    }

    /// `y`, `m`, or `n` for what is not built; `None` where the configuration cannot be read.
    fn built(&self, option: &str) -> Option<char> {
        let config = self.config.as_ref()?;
        let value = config
            .lines()
            .find_map(|line| line.strip_prefix(option)?.strip_prefix('='));
        match value {
            Some("m") => Some('m'),
            Some(_) => Some('y'),
            None => Some('n'),
        }
    }
}

fn config(root: &Path, release: &str) -> Option<String> {
    let inflated = || {
        let mut text = String::new();
        let packed = File::open(root.join("proc/config.gz")).ok()?;
        GzDecoder::new(packed).read_to_string(&mut text).ok()?;
        Some(text)
    };
    let plain = [
        format!("boot/config-{release}"),
        format!("lib/modules/{release}/config"),
    ];
    let mut plain = plain.iter().map(|path| root.join(path));
    inflated().or_else(|| plain.find_map(|path: PathBuf| fs::read_to_string(path).ok()))
}

/// `kernel/net/sched/cls_bpf.ko.xz: …` → `cls_bpf`. Files may have a dash where the module has an underscore.
fn module_of_path(line: &str) -> Option<String> {
    let path = line.split(':').next()?;
    let (name, _) = path.rsplit('/').next()?.split_once(".ko")?;
    Some(name.replace('-', "_"))
}

/// Major and minor number of a release: `6.1.0-38-amd64` → (6, 1).
pub fn version(release: &str) -> io::Result<(u32, u32)> {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => Err(io::Error::other("no version")),
    }
}

#[cfg(test)]
mod tests;
