//! Debian's packages, and those of its descendants.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::tools::on_path;
use super::{by_hand, privilege};
use crate::cargo;

/// What system this is, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
pub struct System {
    /// What a person calls it.
    pub name: String,
    /// Debian itself or made of it: what is a package there is one here.
    pub has_apt: bool,
    /// Ubuntu or made of it, which leaves some of Debian's packages out.
    pub is_ubuntu: bool,
}

impl System {
    /// This one.
    pub fn this() -> Self {
        let about = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let mut system = Self::read(&about);
        system.has_apt &= on_path("apt-get");
        system
    }

    /// Reads an os-release.
    fn read(about: &str) -> Self {
        let fields: HashMap<&str, &str> = about
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name, value.trim_matches(['"', '\''])))
            .collect();
        let field = |name| fields.get(name).copied().unwrap_or_default();
        let is = |id| field("ID") == id || field("ID_LIKE").split(' ').any(|like| like == id);
        let name = match field("PRETTY_NAME") {
            "" => "this system",
            name => name,
        };
        Self {
            name: name.to_owned(),
            has_apt: is("debian") || is("ubuntu"),
            is_ubuntu: is("ubuntu"),
        }
    }
}

/// The version that would be installed, if apt knows of one.
pub fn candidate(package: &str) -> Option<String> {
    let output = Command::new("apt-cache")
        .args(["policy", package])
        .env("LC_ALL", "C")
        .output()
        .ok()?;
    candidate_in(&String::from_utf8_lossy(&output.stdout))
}

fn candidate_in(policy: &str) -> Option<String> {
    policy
        .lines()
        .find_map(|line| line.trim().strip_prefix("Candidate: "))
        .filter(|version| *version != "(none)")
        .map(str::to_owned)
}

/// Whether these could be installed, all together and with nothing removed for it.
pub fn is_installable(packages: &[&str]) -> bool {
    Command::new("apt-get")
        .args(["install", "--simulate", "--no-remove"])
        .args(packages)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether this is installed.
pub fn is_installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|output| output.stdout == b"installed")
}

/// Fetches the lists of what there is.
pub fn update() -> Result<()> {
    as_root(&["update"])
}

/// Installs these, with what they depend on and nothing that they merely recommend.
pub fn install(packages: &[&str]) -> Result<()> {
    // On a fresh system, or in a container, the lists may never have been fetched.
    if packages.iter().any(|package| candidate(package).is_none()) {
        update()?;
    }
    // What is in the way is there for a reason: rather fail than take it away.
    let options = ["install", "--yes", "--no-install-recommends", "--no-remove"];
    as_root(&[&options, packages].concat())
}

/// Runs apt-get, which asks nothing.
fn as_root(args: &[&str]) -> Result<()> {
    let environment = [(OsStr::new("DEBIAN_FRONTEND"), OsStr::new("noninteractive"))];
    privilege::as_root(Path::new("apt-get"), &environment)
        .and_then(|mut apt_get| {
            apt_get
                .arg("-qq")
                // Another apt may run, most of all soon after a system started.
                .args(["-o", "DPkg::Lock::Timeout=300"])
                .args(args)
                .stdin(Stdio::null())
                // Package by package is more than the line that was promised; errors go elsewhere.
                .stdout(Stdio::null());
            cargo::run(&mut apt_get)
        })
        .map_err(|error| by_hand(error, &[&format!("apt-get {}", args.join(" "))]))
}

/// Unpacks a package into a directory, and gives what it depends on. Does not install it: no
/// daemon is started, and packages that conflict can lie side by side.
pub fn unpack(package: &str, into: &Path) -> Result<Vec<String>> {
    if candidate(package).is_none() {
        update()?;
    }
    let parent = into
        .parent()
        .with_context(|| format!("no room for {package} at {}", into.display()))?;
    // Made here, and then moved to where it is looked for: an interrupted one is not taken for done.
    let work = parent.join(format!(".{package}.{}", std::process::id()));
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let unpacked = unpack_in(package, &work, into);
    let removed = fs::remove_dir_all(&work);
    let depends = unpacked?;
    removed.with_context(|| format!("cannot remove {}", work.display()))?;
    Ok(depends)
}

fn unpack_in(package: &str, work: &Path, into: &Path) -> Result<Vec<String>> {
    cargo::run(
        Command::new("apt-get")
            .args(["download", "-qq", package])
            // It warns that it downloads as root, and not as a user who could not write here.
            .args(["-o", "APT::Sandbox::User=root"])
            .current_dir(work),
    )?;
    let deb = fs::read_dir(work)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension() == Some(OsStr::new("deb")))
        .with_context(|| format!("apt-get download left no package of {package}"))?;
    let fields = Command::new("dpkg-deb")
        .arg("--field")
        .arg(&deb)
        .args(["Depends", "Pre-Depends"])
        .output()
        .context("cannot run dpkg-deb")?;
    let files = work.join("files");
    cargo::run(
        Command::new("dpkg-deb")
            .arg("--extract")
            .args([&deb, &files]),
    )?;
    match fs::rename(&files, into) {
        Ok(()) => {}
        // Another xtask was quicker.
        Err(_) if into.exists() => {}
        Err(error) => return Err(error).with_context(|| format!("cannot make {}", into.display())),
    }
    Ok(libraries_in(&String::from_utf8_lossy(&fields.stdout)))
}

/// The libraries in a package's `Depends`; of alternatives the first. What else it depends on
/// (adduser, debconf) is for installing it, and what a browser is served (libjs-) is not linked with.
fn libraries_in(fields: &str) -> Vec<String> {
    fields
        .lines()
        .filter_map(|line| line.split_once(": "))
        .flat_map(|(_, packages)| packages.split(','))
        .filter_map(|package| package.trim().split([' ', ':', '|']).next())
        .filter(|package| package.starts_with("lib") && !package.starts_with("libjs-"))
        .map(str::to_owned)
        .collect()
}

/// From where this system gets Debian, and which release.
pub fn mirror() -> Result<(String, String)> {
    let targets = Command::new("apt-get")
        .arg("indextargets")
        .arg("--format=$(ORIGIN) $(LABEL) $(REPO_URI) $(CODENAME) $(COMPONENT)")
        .arg("Created-By: Packages")
        .output()
        .context("this system has no apt")?;
    mirror_in(&String::from_utf8_lossy(&targets.stdout))
        .context("apt does not say where it gets Debian from")
}

fn mirror_in(targets: &str) -> Option<(String, String)> {
    targets.lines().find_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["Debian", "Debian", mirror, release, "main"] if !release.contains('-') => {
                Some((mirror.to_owned(), release.to_owned()))
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_debian_ubuntu_and_others_apart() {
        let debian = System::read("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n");
        assert_eq!(debian.name, "Debian GNU/Linux 12 (bookworm)");
        assert!(debian.has_apt && !debian.is_ubuntu);

        let ubuntu = System::read("ID=ubuntu\nID_LIKE=debian\n");
        assert!(ubuntu.has_apt && ubuntu.is_ubuntu);

        let mint = System::read("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n");
        assert!(mint.has_apt && mint.is_ubuntu);

        let fedora = System::read("NAME=\"Fedora Linux\"\nID=fedora\n");
        assert!(!fedora.has_apt && !fedora.is_ubuntu);
        assert!(!System::read("").has_apt);
    }

    #[test]
    fn reads_a_policy() {
        let known = "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n";
        assert_eq!(candidate_in(known).unwrap(), "1.96.0+dfsg1-1~deb12u2");
        let installed_by_hand = "x:\n  Installed: (none)\n  Candidate: (none)\n";
        assert_eq!(candidate_in(installed_by_hand), None);
        assert_eq!(candidate_in(""), None);
    }

    #[test]
    fn picks_the_libraries_of_what_a_package_depends_on() {
        let fields = "Depends: debconf (>= 0.5) | debconf-2.0, libc6 (>= 2.34), libcap2 (>= 1:2.10), \
                      libssl3t64:any (>= 3.0.0), libjs-jquery, netbase, libwrap0 | libwrap1\nPre-Depends: libpam0g, adduser\n";
        assert_eq!(
            libraries_in(fields),
            ["libc6", "libcap2", "libssl3t64", "libwrap0", "libpam0g"]
        );
    }

    #[test]
    fn finds_the_mirror() {
        let targets = "Debian Debian-Security http://a/debian-security/ bookworm-security main\n\
                       Debian Debian http://a/debian/ bookworm-updates main\n\
                       Other Other http://b/ bookworm main\n\
                       Debian Debian http://a/debian/ bookworm main\n";
        let found = mirror_in(targets).unwrap();
        assert_eq!(
            found,
            ("http://a/debian/".to_owned(), "bookworm".to_owned())
        );
        assert_eq!(mirror_in(""), None);
    }
}
