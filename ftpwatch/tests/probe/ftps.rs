//! TLS with a real vsftpd, which demands that data connections resume the control connection's session.

use super::lab::process::{Ended, Process};
use super::lab::server::{CONTROL_PORT, PASSIVE_PORTS, Package, fill};
use super::lab::topology::{
    Family::{V4, V6},
    Layout, Topology,
};
use super::lab::watch::FTPWATCH;
use super::lab::{Directory, SOON, wait_until};
use super::{FAILURES, events, told};
use std::process::Command;

/// A name for the server, which [`Stage::probe_by_name`] can resolve.
const NAME: &str = "ftp.lab";

/// How TLS begins, for vsftpd and for ftpwatch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    Explicit,
    Implicit,
}

/// vsftpd with TLS, and the client's namespace.
struct Stage {
    topology: Topology,
    certificate: String,
    files: Directory,
    begin: Begin,
    _secure_chroot: Directory,
    _server: Process,
}

impl Stage {
    fn set(begin: Begin, settings: &str) -> Self {
        let topology = Topology::new(Layout::Routed);
        let files = Directory::new("files");
        let secure_chroot = Directory::new("chroot");
        let home = files.path().join("pub");
        fill(&home);
        let listen = topology.server_address(V4);
        let made = rcgen::generate_simple_self_signed(vec![listen.to_string(), NAME.into()])
            .expect("a certificate");
        let pem = format!("{}{}", made.signing_key.serialize_pem(), made.cert.pem());
        std::fs::write(files.path().join("server.pem"), pem).expect("a file");
        let certificate = made.cert.pem();
        std::fs::write(files.path().join("roots.pem"), &certificate).expect("a file");
        let configuration = files.path().join("vsftpd.conf");
        let text = format!(
            "background=NO\n\
             listen=YES\n\
             listen_address={listen}\n\
             listen_port={CONTROL_PORT}\n\
             anonymous_enable=YES\n\
             ftp_username=daemon\n\
             nopriv_user=nobody\n\
             local_enable=NO\n\
             connect_from_port_20=NO\n\
             pasv_min_port={}\n\
             pasv_max_port={}\n\
             xferlog_enable=NO\n\
             anon_root={}\n\
             secure_chroot_dir={}\n\
             ssl_enable=YES\n\
             allow_anon_ssl=YES\n\
             force_anon_logins_ssl=YES\n\
             force_anon_data_ssl=YES\n\
             require_ssl_reuse=YES\n\
             ssl_ciphers=HIGH\n\
             rsa_cert_file={}\n\
             implicit_ssl={}\n\
             {settings}",
            PASSIVE_PORTS.start(),
            PASSIVE_PORTS.end(),
            home.display(),
            secure_chroot.path().display(),
            files.path().join("server.pem").display(),
            if begin == Begin::Implicit {
                "YES"
            } else {
                "NO"
            },
        );
        std::fs::write(&configuration, text).expect("vsftpd.conf");
        let package = Package::find("vsftpd", "vsftpd");
        let mut command = topology.server.command(&package.program);
        package.set_library_path(&mut command);
        let mut server = Process::start(command.arg(&configuration));
        wait_until("vsftpd listens", SOON, || {
            assert!(!server.has_ended(), "vsftpd ended: {server}");
            topology.server.listens(&server, CONTROL_PORT).then_some(())
        });
        Self {
            topology,
            certificate,
            files,
            begin,
            _secure_chroot: secure_chroot,
            _server: server,
        }
    }

    /// Probes it, with its certificate for the only one that is trusted.
    fn probe(&self, words: &[&str]) -> Ended {
        let mut command = self.topology.client.command(FTPWATCH);
        command.arg("probe").args(words);
        command.arg(format!(
            "{}:{CONTROL_PORT}",
            self.topology.public_address(V4)
        ));
        self.run(&mut command)
    }

    /// Probes it by its name, which has addresses of both versions of IP. Who runs in a network namespace has mounts of
    /// its own, and so a file of names of its own.
    fn probe_by_name(&self, words: &[&str]) -> Ended {
        let hosts = self.files.path().join("hosts");
        let addresses = [V4, V6].map(|family| self.topology.public_address(family));
        let lines = addresses.map(|address| format!("{address} {NAME}\n"));
        std::fs::write(&hosts, lines.concat()).expect("a file");
        let mut command = self.topology.client.command("sh");
        command
            .args(["-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""])
            .arg(&hosts)
            .args([FTPWATCH, "probe", NAME])
            .args(words);
        self.run(&mut command)
    }

    fn run(&self, command: &mut Command) -> Ended {
        let begin = match self.begin {
            Begin::Explicit => "explicit",
            Begin::Implicit => "implicit",
        };
        let times = ["-t", "3s", "--connect-timeout", "3s"];
        if !command.get_args().any(|word| word == "--tls") {
            command.args(["--tls", begin]);
        }
        command
            .args(times)
            .args(["--format", "json"])
            .env("SSL_CERT_FILE", self.files.path().join("roots.pem"));
        Process::start(command).wait(SOON)
    }
}

#[track_caller]
fn assert_works(ended: Ended) {
    let ended = ended.ok();
    let events = events(&ended);
    for code in [229, 227] {
        assert_eq!(told(&events, code).0, "connected", "{ended}");
    }
    assert_eq!(ended.stderr.matches("works: ").count(), 2, "{ended}");
    assert_eq!(
        ended
            .stderr
            .matches("resumed the control connection's session")
            .count(),
        2,
        "{ended}"
    );
    assert!(!ended.stderr.contains("certificate"), "{ended}");
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn session_reuse_demanded() {
    assert_works(Stage::set(Begin::Explicit, "").probe(&[]));
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn session_reuse_demanded_implicit() {
    assert_works(Stage::set(Begin::Implicit, "").probe(&[]));
}

/// Not trusted, and gone on with: said all the same.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn insecure() {
    let stage = Stage::set(Begin::Explicit, "");
    std::fs::write(stage.files.path().join("roots.pem"), "").expect("a file");
    let ended = stage.probe(&["--insecure"]).ok();
    assert!(
        ended.stderr.contains("certificate is not trusted"),
        "{ended}"
    );
    assert!(stage.certificate.contains("BEGIN"), "{ended}");
}

/// Without TLS this server lets nobody in, and the advice is to try with it.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn tls_demanded() {
    let stage = Stage::set(Begin::Explicit, "");
    let ended = stage.probe(&["--tls", "off"]);
    assert_eq!(ended.status.code(), Some(super::BAD_INPUT), "{ended}");
    assert!(ended.stderr.contains("--tls explicit"), "{ended}");
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn data_ports_are_blocked() {
    let stage = Stage::set(Begin::Explicit, "");
    stage.topology.router().nft(&format!(
        "table inet lab {{
           chain fault {{
             type filter hook forward priority filter
             iifname r0 tcp dport {}-{} counter drop
           }}
         }}",
        PASSIVE_PORTS.start(),
        PASSIVE_PORTS.end()
    ));
    let ended = stage.probe(&["--mode", "epsv"]);
    assert_eq!(ended.status.code(), Some(FAILURES), "{ended}");
    let wanted = (
        "no_answer".to_owned(),
        Some("dropped_beyond".to_owned()),
        vec![],
    );
    assert_eq!(told(&events(&ended), 229), wanted, "{ended}");
}

/// Listens on both versions of IP.
const BOTH: &str = "listen=NO\nlisten_ipv6=YES\n";

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_name_with_both_versions_of_ip() {
    let stage = Stage::set(Begin::Explicit, BOTH);
    let ended = stage.probe_by_name(&[]).ok();
    let ways = [
        "EPSV over IPv4: works",
        "PASV over IPv4: works",
        "EPSV over IPv6: works",
    ];
    for way in ways {
        assert!(ended.stderr.contains(way), "no {way}: {ended}");
    }
    assert!(ended.stderr.contains("not asked for over IPv6"), "{ended}");
    assert_eq!(events(&ended).len(), 3, "{ended}");
    let ended = stage.probe_by_name(&["-6"]).ok();
    assert_eq!(events(&ended).len(), 1, "{ended}");
}

/// One version of IP cannot be reached: the other is probed, and it is said.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn one_version_of_ip_is_not_to_be_reached() {
    let stage = Stage::set(Begin::Explicit, BOTH);
    stage.topology.server.nft(
        "table ip6 lab {
           chain fault {
             type filter hook input priority filter
             tcp dport 21 counter drop
           }
         }",
    );
    let ended = stage.probe_by_name(&[]).ok();
    assert_eq!(events(&ended).len(), 2, "{ended}");
    assert!(
        ended
            .stderr
            .contains("Over IPv6: [2001:db8:5::10]:21 did not answer"),
        "{ended}"
    );
}
