//! Programs that are a package each, and rustup's components.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use super::apt::{self, System};
use super::say;
use crate::cargo::{self, cargo};

/// A program, the packages that it comes in on Debian and its descendants, and what it is for.
pub struct Tool {
    program: &'static str,
    packages: &'static [&'static str],
    why: &'static str,
}

/// Without which cargo builds nothing.
pub const FOR_BUILDING: [Tool; 1] = [Tool {
    program: "cc",
    packages: &["gcc", "libc6-dev"],
    why: "Rust links with it",
}];

/// What the demo's story is played with.
pub const FOR_DEMO: [Tool; 2] = [NAMESPACES, CURL];

/// What the tests on real traffic are made of.
pub const FOR_TESTS: [Tool; 14] = [
    NAMESPACES,
    CURL,
    TSHARK,
    FAULTS,
    Tool {
        program: "valgrind",
        packages: &["valgrind"],
        why: "counts the instructions of the decoder, for `cargo xtask bench counts`",
    },
    Tool {
        program: "tcpdump",
        packages: &["tcpdump"],
        why: "shows that the faults are on the wire what they say",
    },
    Tool {
        program: "strace",
        packages: &["strace"],
        why: "shows that the service needs no more than its unit allows",
    },
    Tool {
        program: "faketime",
        packages: &["faketime"],
        why: "its library sets the clock, for ftpwatch alone",
    },
    Tool {
        program: "setpriv",
        packages: &["util-linux"],
        why: "takes from the service what its unit takes from it",
    },
    Tool {
        program: "systemd-analyze",
        packages: &["systemd"],
        why: "reads the service's unit",
    },
    Tool {
        program: "lftp",
        packages: &["lftp"],
        why: "an FTP client of the tests",
    },
    Tool {
        program: "ncftpget",
        packages: &["ncftp"],
        why: "an FTP client of the tests, which asks thrice and then goes on without a data connection",
    },
    Tool {
        program: "tnftp",
        packages: &["tnftp"],
        why: "an FTP client of the tests, which falls back to active mode",
    },
    PYTHON,
];

/// What the benchmark of `ftpwatch read` compares with.
pub const FOR_BENCH_READ: [Tool; 3] = [
    TSHARK,
    Tool {
        program: "tcpdump",
        packages: &["tcpdump"],
        why: "the benchmark compares with it",
    },
    Tool {
        program: "gzip",
        packages: &["gzip"],
        why: "packs the benchmark's capture",
    },
];

/// What boots kernels, and what is put there besides ftpwatch.
pub const FOR_VM: [Tool; 7] = [
    Tool {
        program: "qemu-system-x86_64",
        packages: &["qemu-system-x86"],
        why: "boots other kernels",
    },
    Tool {
        program: "busybox",
        packages: &["busybox-static"],
        why: "the guest's shell",
    },
    Tool {
        program: "depmod",
        packages: &["kmod"],
        why: "finds out which module of a kernel needs which",
    },
    NAMESPACES,
    CURL,
    FAULTS,
    PYTHON,
];

/// What Suricata's system is made with.
pub const FOR_SURICATA: [Tool; 1] = [DEBOOTSTRAP];

/// What packages are made with.
pub const FOR_DIST: [Tool; 3] = [
    Tool {
        program: "dpkg-shlibdeps",
        packages: &["dpkg-dev"],
        why: "finds out which libraries the package depends on",
    },
    Tool {
        program: "strip",
        packages: &["binutils"],
        why: "takes the symbols from what is packed",
    },
    Tool {
        program: "git",
        packages: &["git"],
        why: "tells the time of the commit that is packed",
    },
];

/// What the package is tried with.
pub const FOR_PACKAGE_TEST: [Tool; 4] = [
    DEBOOTSTRAP,
    Tool {
        program: "lintian",
        packages: &["lintian"],
        why: "looks the package over",
    },
    Tool {
        program: "nsenter",
        packages: &["util-linux"],
        why: "goes where the package is installed",
    },
    NAMESPACES,
];

const DEBOOTSTRAP: Tool = Tool {
    program: "debootstrap",
    packages: &["debootstrap"],
    why: "makes a Debian of its own, in the cache",
};

const TSHARK: Tool = Tool {
    program: "tshark",
    packages: &["tshark"],
    why: "a second opinion on what is in captures",
};

/// What fuzz targets are linked with.
pub const FOR_FUZZING: [Tool; 1] = [Tool {
    program: "c++",
    packages: &["g++"],
    why: "builds libFuzzer",
}];

const FAULTS: Tool = Tool {
    program: "nft",
    packages: &["nftables"],
    why: "the faults that tests make: dropped, rejected and translated packets",
};

const PYTHON: Tool = Tool {
    program: "python3",
    packages: &["python3"],
    why: "its ftplib is an FTP client of the tests",
};

const NAMESPACES: Tool = Tool {
    program: "ip",
    packages: &["iproute2"],
    why: "makes the network namespaces that servers and clients live in",
};

const CURL: Tool = Tool {
    program: "curl",
    packages: &["curl"],
    why: "an FTP client that trusts the advertised address",
};

/// Installs those that are missing.
pub fn install(tools: &[Tool]) -> Result<()> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !on_path(tool.program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let system = System::this();
    if !system.has_apt {
        let programs: Vec<&str> = missing.iter().map(|tool| tool.program).collect();
        bail!(
            "cannot install programs on {}\nwhat is missing, to be installed by hand: {}",
            system.name,
            programs.join(", ")
        );
    }
    for tool in &missing {
        say(&tool.packages.join(", "), tool.why);
    }
    let packages: Vec<&str> = missing
        .iter()
        .flat_map(|tool| tool.packages)
        .copied()
        .collect();
    apt::install(&packages)
}

/// Whether there is such a program, for root if not for a user.
pub fn on_path(program: &str) -> bool {
    find(program).is_some()
}

/// Where there is such a program.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian keeps these from a user's PATH; ip and nft live there.
    let roots = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(roots)
        .map(|dir| dir.join(program))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// The formatter and the linter of the compiler that the user half is built with.
pub fn install_components() -> Result<()> {
    for (command, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        let is_there = cargo([command, "--version"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if is_there {
            continue;
        }
        if !on_path("rustup") {
            bail!("there is no `cargo {command}`, and no rustup to install it with");
        }
        say(component, "checks the sources");
        let mut rustup = Command::new("rustup");
        cargo::run(rustup.args(["component", "add", component]))?;
    }
    Ok(())
}
