//! Debian's kernels, of several releases: fetched and checked by apt, from the mirror that this system uses, and kept.
//! What this system installs from stays as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo;
use crate::install;

/// Releases of Debian, which have a kernel each.
const RELEASES: [&str; 4] = ["bullseye", "bookworm", "trixie", "sid"];

/// The package that depends on a release's kernel.
const LATEST: &str = "linux-image-cloud-amd64";

/// What the newest of all is asked for with.
pub const NEWEST: &str = "newest";

/// A kernel, and what belongs to it.
pub struct Kernel {
    /// As `uname -r` says.
    pub release: String,
    /// What is booted.
    pub image: PathBuf,
    /// Its modules: what will be `/lib/modules/RELEASE`.
    pub modules: PathBuf,
}

/// apt, with lists of its own.
pub struct Kernels {
    dir: PathBuf,
    releases: Vec<String>,
}

impl Kernels {
    /// Looks for what there is.
    pub fn look() -> Result<Self> {
        let dir = install::cache("kernels")?;
        for part in ["lists/partial", "cache/archives/partial"] {
            let part = dir.join("apt").join(part);
            fs::create_dir_all(&part).with_context(|| format!("cannot make {}", part.display()))?;
        }
        let mut kernels = Self {
            dir,
            releases: Vec::new(),
        };
        kernels.configure()?;
        cargo::run(&mut kernels.apt("apt-get", &["-qq", "update"]))?;
        kernels.releases = releases(&kernels.show(LATEST)?);
        Ok(kernels)
    }

    /// One of them: `6.1`, or the newest.
    pub fn get(&self, version: &str) -> Result<Kernel> {
        let of_version = |release: &&String| {
            version == NEWEST
                || release
                    .strip_prefix(version)
                    .is_some_and(|rest| rest.starts_with('.'))
        };
        let release = self
            .releases
            .iter()
            .filter(of_version)
            .max_by_key(|release| numbers(release))
            .with_context(|| {
                format!(
                    "Debian has no {version}; it has {}",
                    self.releases.join(", ")
                )
            })?;
        let root = self.dir.join(release);
        if !root.exists() {
            self.fetch(release, &root)?;
        }
        let modules = root.join("lib/modules").join(release);
        let places = [
            root.join(format!("boot/vmlinuz-{release}")),
            modules.join("vmlinuz"),
        ];
        let image = places.into_iter().find(|place| place.exists());
        Ok(Kernel {
            release: release.clone(),
            image: image.with_context(|| format!("no kernel in {}", root.display()))?,
            modules,
        })
    }

    fn fetch(&self, release: &str, root: &Path) -> Result<()> {
        let package = format!("linux-image-{release}");
        install::say(
            &format!("Linux {release}, into {}", root.display()),
            "it is booted in qemu",
        );
        // Made beside, and then moved: an interrupted one is not taken for done.
        let work = root.with_extension(std::process::id().to_string());
        let made = self.unpack(&package, release, &work).and_then(|()| {
            fs::rename(&work, root).with_context(|| format!("cannot make {}", root.display()))
        });
        if made.is_err() {
            // That it stays is not what went wrong.
            let _ = fs::remove_dir_all(&work);
        }
        made
    }

    fn unpack(&self, package: &str, release: &str, work: &Path) -> Result<()> {
        fs::create_dir_all(work).with_context(|| format!("cannot make {}", work.display()))?;
        let mut packages = vec![package.to_owned()];
        packages.extend(parts(&self.show(package)?));
        let mut download = self.apt("apt-get", &["-qq", "download"]);
        cargo::run(download.args(&packages).current_dir(work))?;
        for entry in fs::read_dir(work)?.flatten() {
            let deb = entry.path();
            if deb.extension().is_some_and(|extension| extension == "deb") {
                cargo::run(Command::new("dpkg-deb").arg("--extract").args([&deb, work]))?;
                fs::remove_file(&deb)?;
            }
        }
        // Newer ones have it all below /usr.
        if !work.join("lib").exists() {
            std::os::unix::fs::symlink("usr/lib", work.join("lib"))?;
        }
        // Which module needs which is found out when a kernel is installed; that some lists are missing is not ours.
        let depmod = install::find_program("depmod").context("no depmod")?;
        let output = Command::new(depmod)
            .arg("--basedir")
            .args([work, Path::new(release)])
            .output()?;
        if !output.status.success() {
            bail!("depmod: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// The settings that keep this apart from the system's own apt.
    fn configure(&self) -> Result<()> {
        let (mirror, _) = install::mirror()?;
        let apt = self.dir.join("apt");
        let sources: String = RELEASES
            .map(|release| format!("deb {mirror} {release} main\n"))
            .concat();
        let settings = format!(
            "Dir::State::lists \"{apt}/lists\";\n\
             Dir::Cache \"{apt}/cache\";\n\
             Dir::Etc::sourcelist \"{apt}/sources.list\";\n\
             Dir::Etc::sourceparts \"-\";\n\
             Acquire::Languages \"none\";\n\
             Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
             APT::Sandbox::User \"\";\n\
             APT::Architecture \"amd64\";\n\
             APT::Architectures \"amd64\";\n",
            apt = apt.display()
        );
        fs::write(apt.join("sources.list"), sources)?;
        fs::write(apt.join("apt.conf"), settings)?;
        Ok(())
    }

    fn apt(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .env("APT_CONFIG", self.dir.join("apt/apt.conf"))
            .env("LC_ALL", "C");
        command
    }

    fn show(&self, package: &str) -> Result<String> {
        let output = self.apt("apt-cache", &["show", package]).output()?;
        if !output.status.success() {
            bail!("apt knows of no {package}");
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// What all of them depend on, of what `apt-cache show` prints.
fn dependencies(shown: &str) -> impl Iterator<Item = &str> {
    shown
        .lines()
        .filter_map(|line| line.strip_prefix("Depends: "))
        .flat_map(|packages| packages.split(','))
        .filter_map(|package| package.trim().split(' ').next())
}

/// The kernels that the package without a number stands for.
fn releases(shown: &str) -> Vec<String> {
    dependencies(shown)
        .filter_map(|package| package.strip_prefix("linux-image-"))
        .map(str::to_owned)
        .collect()
}

/// The packages that a kernel is made of besides its own: newer ones are in three.
fn parts(shown: &str) -> Vec<String> {
    dependencies(shown)
        .filter(|package| {
            package.starts_with("linux-binary-") || package.starts_with("linux-modules-")
        })
        .map(str::to_owned)
        .collect()
}

/// By which releases are ordered.
fn numbers(release: &str) -> Vec<u32> {
    release
        .split(['.', '-', '+'])
        .map_while(|number| number.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_kernels_and_their_parts() {
        let latest = "Package: linux-image-cloud-amd64\nVersion: 7.2.13-1\n\
                      Depends: linux-base-cloud-amd64 (= 7.2.13-1), linux-image-7.2.13+deb14-cloud-amd64 (= 7.2.13-1)\n\n\
                      Package: linux-image-cloud-amd64\nDepends: linux-image-6.1.0-50-cloud-amd64 (= 6.1.176-1)\n";
        assert_eq!(
            releases(latest),
            ["7.2.13+deb14-cloud-amd64", "6.1.0-50-cloud-amd64"]
        );
        let one = "Depends: dracut | initramfs-tools (>= 0.120), linux-binary-7.2 (= 1), linux-modules-7.2 (= 1)\n\
                   Pre-Depends: linux-base (>= 4.17~)\n";
        assert_eq!(parts(one), ["linux-binary-7.2", "linux-modules-7.2"]);
    }

    #[test]
    fn orders_them_by_number() {
        assert!(numbers("6.12.117+deb13-cloud-amd64") > numbers("6.1.0-50-cloud-amd64"));
        assert!(numbers("10.0.1") > numbers("9.9.9"));
    }
}
