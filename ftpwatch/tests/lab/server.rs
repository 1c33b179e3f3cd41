//! FTP servers: real vsftpd, and one that says what it is told to. More real ones are in server/daemons.rs.

pub mod daemons;
pub mod log;
pub mod tls;

use super::netns::{Namespace, stay_in};
use super::process::Process;
use super::{Directory, SOON, open_to_all, wait_until};
use log::Log;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tls::{Begins, IMPLICIT_PORT, Tls};

pub const CONTROL_PORT: u16 = 21;

/// The ports that servers of the lab advertise: few, so that each is advertised again soon, and enough for some clients
/// at once.
pub const PASSIVE_PORTS: RangeInclusive<u16> = 40_000..=40_015;

/// The file that every server has.
pub const FILE: &str = "file.bin";

/// A file that takes some seconds where [`Setup::rate`] says so.
pub const BIG: &str = "big.bin";

/// The directory with many small files, and how many there are.
pub const MANY: &str = "many";
pub const MANY_COUNT: usize = 250;

/// Whom anonymous users are to the system: somebody without rights, and with a home that exists, as vsftpd wants it.
const ANONYMOUS: &str = "daemon";

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The addresses that it listens on.
    pub listen: Vec<IpAddr>,
    /// The address that it advertises on PASV. Without one that is the address that the control connection came to.
    pub advertise: Option<Ipv4Addr>,
    /// How many kilobytes it sends in a second, at most.
    pub rate: Option<u32>,
    /// It takes data connections from others than the control connection's client.
    pub promiscuous: bool,
    /// How long it waits for a data connection once it was told what to transfer.
    pub patience: Option<Duration>,
    /// With a certificate that nobody knows.
    pub tls: Option<Tls>,
    /// What it advertises is one of these.
    pub passive_ports: RangeInclusive<u16>,
}

impl Setup {
    /// As servers come, listening on `listen`.
    pub fn plain(listen: IpAddr) -> Self {
        Setup {
            listen: vec![listen],
            advertise: None,
            rate: None,
            promiscuous: false,
            patience: None,
            tls: None,
            passive_ports: PASSIVE_PORTS,
        }
    }

    /// The same, on another address as well.
    pub fn and_on(mut self, address: IpAddr) -> Self {
        self.listen.push(address);
        self
    }

    /// The same, advertising `address`.
    pub fn advertising(self, address: Ipv4Addr) -> Self {
        Setup {
            advertise: Some(address),
            ..self
        }
    }

    /// The port of its control connections.
    pub fn port(&self) -> u16 {
        match self.tls {
            Some(tls) if tls.begins == Begins::Implicit => IMPLICIT_PORT,
            _ => CONTROL_PORT,
        }
    }
}

/// A server; it ends with the value.
pub enum Server {
    Vsftpd(Vsftpd),
    Daemon(daemons::Daemon),
    Scripted(Scripted),
}

impl Server {
    /// The endpoints that it advertised so far, by its own log.
    pub fn advertised(&self) -> Vec<SocketAddr> {
        match self {
            Server::Vsftpd(server) => server.advertised(),
            Server::Daemon(server) => server.advertised(),
            Server::Scripted(_) => unreachable!("it keeps no log"),
        }
    }
}

pub struct Vsftpd {
    _process: Process,
    _secure_chroot: Directory,
    files: Directory,
    log: Log,
    address: IpAddr,
}

impl Vsftpd {
    /// Starts vsftpd for anonymous users and waits until it listens.
    pub fn start(namespace: &Namespace, setup: &Setup) -> Self {
        let files = Directory::new("files");
        let secure_chroot = Directory::new("chroot");
        let home = files.path().join("pub");
        fill(&home);
        let log = files.path().join("log");
        let mut settings = format!(
            "background=NO\n\
             anonymous_enable=YES\n\
             ftp_username={ANONYMOUS}\n\
             nopriv_user=nobody\n\
             local_enable=NO\n\
             write_enable=NO\n\
             max_clients=0\n\
             max_per_ip=0\n\
             listen_port={}\n\
             connect_from_port_20=NO\n\
             pasv_min_port={}\n\
             pasv_max_port={}\n\
             xferlog_enable=NO\n\
             log_ftp_protocol=YES\n\
             dual_log_enable=YES\n\
             anon_root={}\n\
             secure_chroot_dir={}\n\
             vsftpd_log_file={}\n",
            setup.port(),
            setup.passive_ports.start(),
            setup.passive_ports.end(),
            home.display(),
            secure_chroot.path().display(),
            log.display(),
        );
        settings += &match setup.listen.as_slice() {
            [IpAddr::V4(address)] => format!("listen=YES\nlisten_address={address}\n"),
            [IpAddr::V6(address)] => {
                format!("listen=NO\nlisten_ipv6=YES\nlisten_address6={address}\n")
            }
            // Its socket of IPv6 takes IPv4 as well.
            _ => "listen=NO\nlisten_ipv6=YES\n".to_owned(),
        };
        let mut set = |line: String| writeln!(settings, "{line}").expect("a string takes it");
        if let Some(address) = setup.advertise {
            set(format!("pasv_address={address}"));
        }
        if let Some(rate) = setup.rate {
            set(format!("anon_max_rate={}", rate * 1000));
        }
        if let Some(patience) = setup.patience {
            set(format!("accept_timeout={}", patience.as_secs()));
        }
        if setup.promiscuous {
            set("pasv_promiscuous=YES".to_owned());
        }
        if let Some(tls) = setup.tls {
            let yes = |wanted| if wanted { "YES" } else { "NO" };
            set("ssl_enable=YES\nallow_anon_ssl=YES\nssl_ciphers=HIGH".to_owned());
            set("force_anon_logins_ssl=NO\nforce_anon_data_ssl=NO".to_owned());
            set(format!("require_ssl_reuse={}", yes(tls.reuse_demanded)));
            set(format!(
                "implicit_ssl={}",
                yes(tls.begins == Begins::Implicit)
            ));
            set(format!(
                "rsa_cert_file={}",
                tls::write_certificate(&files).display()
            ));
        }
        let configuration = files.path().join("vsftpd.conf");
        std::fs::write(&configuration, settings).expect("vsftpd.conf");

        let package = Package::find("vsftpd", "vsftpd");
        let mut command = namespace.command(&package.program);
        package.set_library_path(&mut command);
        let mut process = Process::start(command.arg(&configuration));
        wait_until("vsftpd listens", SOON, || {
            assert!(!process.has_ended(), "vsftpd ended: {process}");
            namespace.listens(&process, setup.port()).then_some(())
        });
        Vsftpd {
            _process: process,
            _secure_chroot: secure_chroot,
            files,
            log: Log::File(log),
            address: setup.listen[0],
        }
    }

    /// What anonymous users see.
    pub fn home(&self) -> PathBuf {
        self.files.path().join("pub")
    }

    /// The endpoints that it advertised so far, by its own log.
    pub fn advertised(&self) -> Vec<SocketAddr> {
        log::advertised(&self.log.text(), self.address)
    }
}

/// Makes the files that clients fetch. vsftpd refuses a root that the user may write to.
pub fn fill(home: &Path) {
    std::fs::create_dir(home).expect("the server's root");
    let write = |path: PathBuf, size: usize| {
        let content: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, content).expect("a file to fetch");
    };
    write(home.join(FILE), 30_000);
    write(home.join(BIG), 2_000_000);
    let many = home.join(MANY);
    std::fs::create_dir(&many).expect("a directory");
    for i in 0..MANY_COUNT {
        write(many.join(format!("{i:03}")), i * 67);
    }
    open_to_all(home);
    open_to_all(&many);
}

/// A Debian package, installed or unpacked somewhere.
pub struct Package {
    pub program: PathBuf,
    libraries: Vec<PathBuf>,
}

impl Package {
    /// Looks in the directory `FTPWATCH_SERVERS`, where each package is unpacked in a directory of its own name, and
    /// then on the PATH.
    #[track_caller]
    pub fn find(package: &str, name: &str) -> Package {
        let unpacked =
            std::env::var_os("FTPWATCH_SERVERS").map(|servers| Path::new(&servers).join(package));
        if let Some(root) = unpacked {
            let folders = ["usr/sbin", "usr/bin"].map(|folder| root.join(folder));
            let mut programs = folders.iter().map(|folder| folder.join(name));
            if let Some(program) = programs.find(|program| program.is_file()) {
                let libraries = std::fs::read_dir(root.join("usr/lib"))
                    .into_iter()
                    .flatten()
                    .flatten();
                return Package {
                    program,
                    libraries: libraries.map(|entry| entry.path()).collect(),
                };
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = std::env::split_paths(&path)
            .chain([PathBuf::from("/usr/sbin")])
            .map(|folder| folder.join(name))
            .find(|program| program.is_file());
        let Some(program) = program else {
            panic!("no {name} here; these tests need it: cargo xtask setup --tests");
        };
        Package {
            program,
            libraries: Vec::new(),
        }
    }

    /// A file of a package that was unpacked.
    pub fn find_file(package: &str, path: &str) -> Option<PathBuf> {
        let servers = std::env::var_os("FTPWATCH_SERVERS")?;
        let file = Path::new(&servers).join(package).join(path);
        file.is_file().then_some(file)
    }

    /// The folder of this name among the libraries that were unpacked with it.
    pub fn folder(&self, name: &str) -> Option<PathBuf> {
        let folders = self.libraries.iter().map(|folder| folder.join(name));
        folders.into_iter().find(|folder| folder.is_dir())
    }

    /// Lets the program find libraries that were unpacked with it.
    pub fn set_library_path(&self, command: &mut Command) {
        if !self.libraries.is_empty() {
            let path = std::env::join_paths(&self.libraries).expect("no colons in it");
            command.env("LD_LIBRARY_PATH", path);
        }
    }
}

/// A server that answers PASV and EPSV with a text of the test's, or fails at every transfer.
pub struct Scripted {
    _listener: TcpListener,
}

/// What it does about PASV and EPSV.
#[derive(Clone)]
pub enum Passive {
    /// It says this, and never opens a data connection.
    Says(String),
    /// It advertises this, and does not listen there.
    Closed(SocketAddr),
    /// It listens, takes the data connection, and answers 425 to the transfer.
    TakesAndFails,
}

impl Scripted {
    pub fn start(namespace: &Namespace, listen: IpAddr, passive: Passive) -> Self {
        let listener = namespace.listen(SocketAddr::new(listen, CONTROL_PORT));
        let accepting = listener.try_clone().expect("a second handle");
        // Ends with the namespace, whose interfaces take the connections with them, or with the process.
        let inside = namespace.handle();
        std::thread::spawn(move || {
            stay_in(&inside);
            for stream in accepting.incoming().flatten() {
                let passive = passive.clone();
                std::thread::spawn(move || serve(stream, &passive));
            }
        });
        Scripted {
            _listener: listener,
        }
    }
}

fn serve(stream: std::net::TcpStream, passive: &Passive) -> Option<()> {
    let mut data = None;
    let mut commands = BufReader::new(stream.try_clone().ok()?).lines();
    let answer = |text: &str| (&stream).write_all(format!("{text}\r\n").as_bytes()).ok();
    answer("220 Scripted")?;
    while let Some(Ok(line)) = commands.next() {
        match line
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase()
            .as_str()
        {
            "USER" => answer("331 Any password")?,
            "PASS" => answer("230 Welcome")?,
            command @ ("PASV" | "EPSV") => match passive {
                Passive::Says(reply) => answer(reply)?,
                Passive::Closed(endpoint) => answer(&endpoint_reply(command, *endpoint))?,
                Passive::TakesAndFails => {
                    let listener = TcpListener::bind((stream.local_addr().ok()?.ip(), 0)).ok()?;
                    answer(&endpoint_reply(command, listener.local_addr().ok()?))?;
                    data = Some(listener);
                }
            },
            "RETR" | "LIST" | "NLST" if data.is_some() => {
                let connection = data.take()?.accept().ok()?;
                answer("425 Unable to build data connection")?;
                drop(connection);
            }
            "PWD" => answer("257 \"/\"")?,
            "TYPE" | "CWD" | "OPTS" | "NOOP" => answer("200 Yes")?,
            "QUIT" => return answer("221 Bye"),
            _ => answer("502 No")?,
        }
    }
    Some(())
}

/// What a server says to PASV or EPSV that advertises `endpoint`.
pub fn endpoint_reply(command: &str, endpoint: SocketAddr) -> String {
    let port = endpoint.port();
    match endpoint {
        SocketAddr::V4(endpoint) if command == "PASV" => {
            let [a, b, c, d] = endpoint.ip().octets();
            let [p, q] = port.to_be_bytes();
            format!("227 Entering Passive Mode ({a},{b},{c},{d},{p},{q}).")
        }
        _ => format!("229 Entering Extended Passive Mode (|||{port}|)"),
    }
}
