//! The real servers that can stand in for each other: each serves the same files to anonymous users, from the same
//! passive ports. A server more is a name more in [`Kind`], and how it is told.

use super::{
    ANONYMOUS, CONTROL_PORT, Directory, Namespace, PASSIVE_PORTS, Package, Process, SOON, Server,
    Setup, Vsftpd, fill, open_to_all, wait_until,
};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

/// Which server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Vsftpd,
    Proftpd,
    PureFtpd,
    Pyftpdlib,
}

impl Kind {
    /// Its name in lower case, as files are named.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Vsftpd => "vsftpd",
            Kind::Proftpd => "proftpd",
            Kind::PureFtpd => "pure-ftpd",
            Kind::Pyftpdlib => "pyftpdlib",
        }
    }

    /// How it calls itself in its greeting; a version follows where there is a blank.
    pub fn greets_as(self) -> &'static str {
        match self {
            Kind::Vsftpd => "vsFTPd ",
            Kind::Proftpd => "ProFTPD",
            Kind::PureFtpd => "Pure-FTPd",
            Kind::Pyftpdlib => "pyftpdlib ",
        }
    }

    /// Whether it can be started. The others are installed by `cargo xtask setup --tests`; pyftpdlib is not of Debian.
    pub fn is_here(self) -> bool {
        self != Kind::Pyftpdlib
            || Command::new("python3")
                .args(["-c", "import pyftpdlib"])
                .output()
                .is_ok_and(|output| output.status.success())
    }

    /// Starts it and waits until it listens.
    #[track_caller]
    pub fn start(self, namespace: &Namespace, setup: &Setup) -> Server {
        if self == Kind::Vsftpd {
            return Server::Vsftpd(Vsftpd::start(namespace, setup));
        }
        let files = Directory::new("files");
        let home = files.path().join("pub");
        fill(&home);
        let mut command = match self {
            Kind::Proftpd => proftpd(namespace, setup, files.path(), &home),
            Kind::PureFtpd => pure_ftpd(namespace, setup, files.path(), &home),
            Kind::Pyftpdlib => pyftpdlib(namespace, setup, &home),
            Kind::Vsftpd => unreachable!("started above"),
        };
        let mut process = Process::start(&mut command);
        wait_until("the server listens", SOON, || {
            assert!(!process.has_ended(), "the server ended: {process}");
            namespace.listens(&process, CONTROL_PORT).then_some(())
        });
        Server::Daemon(Daemon {
            _process: process,
            _files: files,
        })
    }
}

/// One of them, running; it ends with the value.
pub struct Daemon {
    _process: Process,
    _files: Directory,
}

fn proftpd(namespace: &Namespace, setup: &Setup, files: &Path, home: &Path) -> Command {
    let work = files.join("proftpd");
    std::fs::create_dir(&work).expect("a directory");
    open_to_all(&work);
    let listen: Vec<String> = setup.listen.iter().map(ToString::to_string).collect();
    // No names are looked up: there is nobody to ask.
    let mut settings = format!(
        "ServerName lab\n\
         ServerType standalone\n\
         DefaultAddress {}\n\
         Port {CONTROL_PORT}\n\
         UseIPv6 on\n\
         UseReverseDNS off\n\
         User nobody\n\
         Group nogroup\n\
         AuthOrder mod_auth_unix.c\n\
         RequireValidShell off\n\
         WtmpLog off\n\
         TransferLog none\n\
         SystemLog {work}/log\n\
         PidFile {work}/pid\n\
         ScoreboardFile {work}/scoreboard\n\
         DelayEngine off\n\
         ControlsEngine off\n\
         PassivePorts {} {}\n\
         <Anonymous {}>\n\
           User {ANONYMOUS}\n\
           Group {ANONYMOUS}\n\
           UserAlias anonymous {ANONYMOUS}\n\
         </Anonymous>\n",
        listen.join(" "),
        PASSIVE_PORTS.start(),
        PASSIVE_PORTS.end(),
        home.display(),
        work = work.display(),
    );
    let mut set = |line: String| writeln!(settings, "{line}").expect("a string takes it");
    if let Some(address) = setup.advertise {
        set(format!("MasqueradeAddress {address}"));
    }
    if let Some(rate) = setup.rate {
        set(format!("TransferRate RETR {rate}"));
    }
    if let Some(patience) = setup.patience {
        set(format!("TimeoutNoTransfer {}", patience.as_secs()));
    }
    let etc = files.join("etc");
    let configuration = "proftpd/proftpd.conf";
    write(&etc.join(configuration), &settings);
    let package = Package::find("proftpd-core", "proftpd");
    let mut command = command_with_etc(namespace, &package, &etc);
    command.args(["--nodaemon", "--config"]);
    command.arg(Path::new("/etc").join(configuration));
    command
}

/// A command that runs `package` with the files in `etc` over those in /etc, for itself alone: what runs in a network
/// namespace has mounts of its own. So its configuration is where it is on other machines.
fn command_with_etc(namespace: &Namespace, package: &Package, etc: &Path) -> Command {
    const SCRIPT: &str =
        "cp --archive --no-clobber /etc/. \"$0\" && mount --bind \"$0\" /etc && exec \"$@\"";
    open_to_all(etc);
    let mut command = namespace.command("sh");
    package.set_library_path(&mut command);
    command.args(["-c", SCRIPT]).arg(etc).arg(&package.program);
    command
}

fn write(path: &Path, text: &str) {
    let folder = path.parent().expect("a folder");
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(path, text).expect("a file");
    open_to_all(folder);
    open_to_all(path);
}

/// Pure-FTPd's anonymous users are the system's user `ftp`. It is given one, for itself alone.
fn pure_ftpd(namespace: &Namespace, setup: &Setup, files: &Path, home: &Path) -> Command {
    let users = std::fs::read_to_string("/etc/passwd").expect("users");
    let mut users: Vec<&str> = users
        .lines()
        .filter(|user| !user.starts_with("ftp:"))
        .collect();
    let user = format!("ftp:x:1:1::{}:/usr/sbin/nologin", home.display());
    users.push(&user);
    let etc = files.join("etc");
    write(&etc.join("passwd"), &(users.join("\n") + "\n"));
    // Debian's wrapper makes the options of these files.
    let range = format!("{} {}\n", PASSIVE_PORTS.start(), PASSIVE_PORTS.end());
    write(&etc.join("pure-ftpd/conf/PassivePortRange"), &range);

    let package = Package::find("pure-ftpd", "pure-ftpd");
    let mut command = command_with_etc(namespace, &package, &etc);
    command
        .args(["--anonymousonly", "--dontresolve", "--tls=0"])
        .arg(format!(
            "--passiveportrange={}:{}",
            PASSIVE_PORTS.start(),
            PASSIVE_PORTS.end()
        ))
        .arg("--pidfile")
        .arg(files.join("pid"));
    match setup.listen.as_slice() {
        [IpAddr::V4(address)] => command
            .arg("--ipv4only")
            .arg(format!("--bind={address},{CONTROL_PORT}")),
        [IpAddr::V6(address)] => command
            .arg("--ipv6only")
            .arg(format!("--bind={address},{CONTROL_PORT}")),
        _ => command.arg(format!("--bind={CONTROL_PORT}")),
    };
    if let Some(address) = setup.advertise {
        command.arg(format!("--forcepassiveip={address}"));
    }
    if let Some(rate) = setup.rate {
        command.arg(format!("--anonymousbandwidth={rate}"));
    }
    assert!(
        setup.patience.is_none() && !setup.promiscuous,
        "Pure-FTPd has no such options"
    );
    command
}

fn pyftpdlib(namespace: &Namespace, setup: &Setup, home: &Path) -> Command {
    const SCRIPT: &str = r"
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

host, port, first, last, home = sys.argv[1:]
FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.authorizer.add_anonymous(home)
FTPHandler.passive_ports = range(int(first), int(last) + 1)
FTPServer((host, int(port)), FTPHandler).serve_forever()
";
    let mut command = namespace.command("python3");
    command.args(["-c", SCRIPT, &setup.listen[0].to_string()]);
    command
        .args([CONTROL_PORT, *PASSIVE_PORTS.start(), *PASSIVE_PORTS.end()].map(|n| n.to_string()));
    command.arg(home);
    command
}
