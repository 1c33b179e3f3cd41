//! The real servers that can stand in for each other: each serves the same files to anonymous users, from the same
//! passive ports. A server more is a name more in [`Kind`], and how it is told.

use super::{
    ANONYMOUS, Directory, Namespace, Package, Process, SOON, Server, Setup, Vsftpd, fill,
    log::{self, Log, Syslog},
    open_to_all,
    tls::{Begins, Tls, write_certificate},
    wait_until,
};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
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

    /// Starts it and waits until it listens.
    #[track_caller]
    pub fn start(self, namespace: &Namespace, setup: &Setup) -> Server {
        if self == Kind::Vsftpd {
            return Server::Vsftpd(Vsftpd::start(namespace, setup));
        }
        let files = Directory::new("files");
        let home = files.path().join("pub");
        fill(&home);
        let (mut command, log) = match self {
            Kind::Proftpd => proftpd(namespace, setup, &files, &home),
            Kind::PureFtpd => pure_ftpd(namespace, setup, &files, &home),
            Kind::Pyftpdlib => pyftpdlib(namespace, setup, &files, &home),
            Kind::Vsftpd => unreachable!("started above"),
        };
        let mut process = Process::start(&mut command);
        wait_until("the server listens", SOON, || {
            assert!(!process.has_ended(), "the server ended: {process}");
            namespace.listens(&process, setup.port()).then_some(())
        });
        Server::Daemon(Daemon {
            _process: process,
            _files: files,
            log,
            address: setup.listen[0],
        })
    }
}

/// One of them, running; it ends with the value.
pub struct Daemon {
    _process: Process,
    _files: Directory,
    log: Log,
    address: IpAddr,
}

impl Daemon {
    /// The endpoints that it advertised so far, by its own log.
    pub fn advertised(&self) -> Vec<SocketAddr> {
        log::advertised(&self.log.text(), self.address)
    }
}

fn proftpd(namespace: &Namespace, setup: &Setup, files: &Directory, home: &Path) -> (Command, Log) {
    let log = log::open_file(files);
    let work = files.path().join("proftpd");
    std::fs::create_dir(&work).expect("a directory");
    open_to_all(&work);
    let listen: Vec<String> = setup.listen.iter().map(ToString::to_string).collect();
    // No names are looked up: there is nobody to ask.
    let mut settings = format!(
        "ServerName lab\n\
         ServerType standalone\n\
         DefaultAddress {}\n\
         Port {}\n\
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
         LogFormat replies \"%s %S\"\n\
         ExtendedLog {log} ALL replies\n\
         PassivePorts {} {}\n\
         <Anonymous {}>\n\
           User {ANONYMOUS}\n\
           Group {ANONYMOUS}\n\
           UserAlias anonymous {ANONYMOUS}\n\
         </Anonymous>\n",
        listen.join(" "),
        setup.port(),
        setup.passive_ports.start(),
        setup.passive_ports.end(),
        home.display(),
        work = work.display(),
        log = log.display(),
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
    if let Some(tls) = setup.tls {
        let module = Package::find_file("proftpd-mod-crypto", "usr/lib/proftpd/mod_tls.so");
        if let Some(folder) = module.as_deref().and_then(Path::parent) {
            set(format!("ModulePath {}", folder.display()));
        }
        let certificate = write_certificate(files);
        set("LoadModule mod_tls.c\nTLSEngine on\nTLSRequired off".to_owned());
        set(format!("TLSECCertificateFile {}", certificate.display()));
        set(format!("TLSECCertificateKeyFile {}", certificate.display()));
        if tls.begins == Begins::Implicit {
            set("TLSOptions UseImplicitSSL".to_owned());
        }
        if !tls.reuse_demanded {
            set("TLSOptions NoSessionReuseRequired".to_owned());
        }
    }
    let etc = files.path().join("etc");
    let configuration = "proftpd/proftpd.conf";
    write(&etc.join(configuration), &settings);
    let package = Package::find("proftpd-core", "proftpd");
    let mut command = command_with_etc(namespace, &package, &etc, "true");
    command.args(["--nodaemon", "--config"]);
    command.arg(Path::new("/etc").join(configuration));
    (command, Log::File(log))
}

/// A command that runs `package` with the files in `etc` over those in /etc, for itself alone: what runs in a network
/// namespace has mounts of its own. So its configuration is where it is on other machines.
/// `first` is what a shell does besides, where `$0` is that folder.
fn command_with_etc(namespace: &Namespace, package: &Package, etc: &Path, first: &str) -> Command {
    let script = format!(
        "{first} && cp --archive --no-clobber /etc/. \"$0\" && mount --bind \"$0\" /etc && exec \"$@\""
    );
    open_to_all(etc);
    let mut command = namespace.command("sh");
    package.set_library_path(&mut command);
    command.args(["-c", &script]).arg(etc).arg(&package.program);
    command
}

fn write(path: &Path, text: &str) {
    let folder = path.parent().expect("a folder");
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(path, text).expect("a file");
    open_to_all(folder);
    open_to_all(path);
}

/// Pure-FTPd's anonymous users are the system's user `ftp`. It is given one, for itself alone; and a syslog, which is
/// the one place where it says what it replied.
fn pure_ftpd(
    namespace: &Namespace,
    setup: &Setup,
    files: &Directory,
    home: &Path,
) -> (Command, Log) {
    let users = std::fs::read_to_string("/etc/passwd").expect("users");
    let mut users: Vec<&str> = users
        .lines()
        .filter(|user| !user.starts_with("ftp:"))
        .collect();
    let user = format!("ftp:x:1:1::{}:/usr/sbin/nologin", home.display());
    users.push(&user);
    let etc = files.path().join("etc");
    write(&etc.join("passwd"), &(users.join("\n") + "\n"));
    // Debian's wrapper makes the options of these files.
    let range = format!(
        "{} {}\n",
        setup.passive_ports.start(),
        setup.passive_ports.end()
    );
    write(&etc.join("pure-ftpd/conf/PassivePortRange"), &range);

    // A /dev of its own, where /dev/log is a socket of the lab's.
    const DEV: &str = "dev=\"$0/../dev\" && mount -t tmpfs -o mode=755 dev \"$dev\" \
        && cp --archive /dev/null /dev/zero /dev/random /dev/urandom \"$dev\" \
        && ln -s \"$0/../syslog\" \"$dev/log\" && mount --bind \"$dev\" /dev";
    std::fs::create_dir(files.path().join("dev")).expect("a directory");
    let syslog = Syslog::listen(&files.path().join("syslog"));
    let package = Package::find("pure-ftpd", "pure-ftpd");
    let mut command = command_with_etc(namespace, &package, &etc, DEV);
    command
        .args([
            "--anonymousonly",
            "--dontresolve",
            "--maxclientsnumber=1000",
            "--verboselog",
            "--verboselog",
        ])
        .arg(format!(
            "--passiveportrange={}:{}",
            setup.passive_ports.start(),
            setup.passive_ports.end()
        ))
        .arg("--pidfile")
        .arg(files.path().join("pid"));
    let port = setup.port();
    match setup.listen.as_slice() {
        [IpAddr::V4(address)] => command
            .arg("--ipv4only")
            .arg(format!("--bind={address},{port}")),
        [IpAddr::V6(address)] => command
            .arg("--ipv6only")
            .arg(format!("--bind={address},{port}")),
        _ => command.arg(format!("--bind={port}")),
    };
    if let Some(address) = setup.advertise {
        command.arg(format!("--forcepassiveip={address}"));
    }
    if let Some(rate) = setup.rate {
        command.arg(format!("--anonymousbandwidth={rate}"));
    }
    match setup.tls {
        Some(_) => command
            .arg("--tls=1")
            .arg(format!("--certfile={}", write_certificate(files).display())),
        None => command.arg("--tls=0"),
    };
    let cannot = |tls: Tls| tls.begins == Begins::Implicit || tls.reuse_demanded;
    assert!(
        setup.patience.is_none() && !setup.promiscuous && !setup.tls.is_some_and(cannot),
        "Pure-FTPd has no such options"
    );
    (command, Log::Syslog(syslog))
}

fn pyftpdlib(
    namespace: &Namespace,
    setup: &Setup,
    files: &Directory,
    home: &Path,
) -> (Command, Log) {
    const SCRIPT: &str = r#"
import logging, sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

host, port, first, last, home, log, advertise, tls, certificate = sys.argv[1:]
# At this level it logs its replies.
logging.basicConfig(filename=log, level=logging.DEBUG)
handler = FTPHandler
if tls != "None":
    from pyftpdlib.handlers import TLS_FTPHandler as handler
    handler.certfile = certificate
if tls == "Implicit":
    class handler(handler):
        def handle(self):
            self.secure_connection(self.ssl_context)

        def handle_ssl_established(self):
            super().handle()
handler.authorizer = DummyAuthorizer()
handler.authorizer.add_anonymous(home)
handler.passive_ports = range(int(first), int(last) + 1)
handler.masquerade_address = advertise or None
FTPServer((host, int(port)), handler).serve_forever()
"#;
    assert!(
        setup.tls.is_none_or(|tls| !tls.reuse_demanded),
        "pyftpdlib has no such option"
    );
    let log = log::open_file(files);
    let certificate = write_certificate(files);
    let module = "usr/lib/python3/dist-packages/pyftpdlib/__init__.py";
    let folder = Package::find_file("python3-pyftpdlib", module);
    let folder = folder.as_deref().and_then(|file| file.parent()?.parent());
    // What is packed is for the system's own interpreter.
    let mut command = namespace.command(folder.map_or("python3", |_| "/usr/bin/python3"));
    if let Some(folder) = folder {
        command.env("PYTHONPATH", folder);
    }
    command.args(["-c", SCRIPT, &setup.listen[0].to_string()]);
    command.args(
        [
            setup.port(),
            *setup.passive_ports.start(),
            *setup.passive_ports.end(),
        ]
        .map(|n| n.to_string()),
    );
    let advertise = setup.advertise.map_or(String::new(), |a| a.to_string());
    let tls = match setup.tls {
        None => "None",
        Some(tls) if tls.begins == Begins::Implicit => "Implicit",
        Some(_) => "Explicit",
    };
    command.arg(home).arg(&log).args([&advertise, tls]);
    command.arg(certificate);
    (command, Log::File(log))
}
