//! Which libraries are probed, and what is said of them.

use super::lab::client::Trust;
use super::lab::ftps::dialogue::{Config, Secured};
use super::lab::ftps::{Manner, Version};
use super::lab::netns::Namespace;
use super::lab::process::{Ended, Process};
use super::lab::server::daemons::Kind;
use super::lab::server::tls::{Begins, Tls};
use super::lab::server::{FILE, Setup};
use super::lab::topology::{Family::V4, Layout, Topology};
use super::lab::watch::{FTPWATCH, Hook, Watch, run_command};
use super::lab::{SOON, wait_until};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

const TLS: Tls = Tls {
    begins: Begins::Explicit,
    reuse_demanded: false,
};

/// The library that `program` is linked with, of this name.
fn library(program: &str, name: &str) -> PathBuf {
    let output = Command::new("ldd").arg(program).output().expect("ldd runs");
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = listed.lines().find(|line| line.contains(name));
    let line = line.unwrap_or_else(|| panic!("{program} has {name}: {listed}"));
    let path = line.split_whitespace().find(|word| word.starts_with('/'));
    path.expect("a path").into()
}

fn watch(namespace: &Namespace, library: &Path) -> Ended {
    let library = library.to_str().expect("it is text");
    let options = ["--tls", library, "-v", "--for", "100ms"];
    Process::start(&mut run_command(namespace, &["lo"], &options)).wait(SOON)
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn a_library_is_named() {
    let namespace = Namespace::new("named");
    namespace.ip("link set lo up");
    for path in [
        library("/usr/bin/curl", "libssl"),
        library("/usr/bin/lftp", "libgnutls"),
    ] {
        let ended = watch(&namespace, &path);
        assert_eq!(ended.status.code(), Some(0), "{ended}");
        let said = format!("--tls: reading through {}\n", path.display());
        assert!(ended.stderr.contains(&said), "{ended}");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn what_is_no_library_is_refused() {
    let namespace = Namespace::new("named");
    namespace.ip("link set lo up");
    let ended = watch(&namespace, Path::new("/usr/lib/no-such-library.so"));
    assert_eq!(ended.status.code(), Some(2), "{ended}");
    assert!(
        ended.stderr.contains("--tls /usr/lib/no-such-library.so"),
        "{ended}"
    );

    let ended = watch(&namespace, Path::new("/bin/true"));
    assert_eq!(ended.status.code(), Some(0), "the rest goes on: {ended}");
    assert!(
        ended.stderr.contains("/bin/true cannot be probed"),
        "{ended}"
    );
}

/// As nobody, with no more than watching takes.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn without_privilege_the_rest_goes_on() {
    let namespace = Namespace::new("nobody");
    namespace.ip("link set lo up");
    let library = library("/usr/bin/curl", "libssl");
    let library = library.to_str().expect("it is text");
    let capabilities = "-all,+bpf,+net_admin,+perfmon";
    for (tls, said) in [
        (
            "auto",
            "servers' libraries cannot be looked for: it takes root, or CAP_SYS_ADMIN",
        ),
        (
            library,
            "cannot be probed: not permitted: it takes CAP_SYS_ADMIN",
        ),
    ] {
        let mut command = namespace.command("setpriv");
        command
            .args(["--no-new-privs", "--clear-groups"])
            .args(["--reuid", "65534", "--regid", "65534"])
            .args(["--inh-caps", capabilities, "--ambient-caps", capabilities])
            .args(["--bounding-set", capabilities])
            .args([
                FTPWATCH, "run", "-v", "-i", "lo", "--for", "100ms", "--tls", tls,
            ]);
        let ended = Process::start(&mut command).wait(SOON);
        assert_eq!(ended.status.code(), Some(0), "{ended}");
        assert!(ended.stderr.contains(said), "{ended}");
        assert!(ended.stderr.contains("watching lo"), "{ended}");
    }
}

/// The server comes after ftpwatch, and is read all the same; and the next one.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn servers_come_and_go() {
    let topology = Topology::new(Layout::Routed);
    let setup = Setup {
        tls: Some(TLS),
        ..Setup::plain(topology.server_address(V4))
    };
    let mut watch = Watch::start(
        &topology.server,
        &["s0"],
        Hook::Tcx,
        &["--tls", "auto", "-v"],
    );
    for (number, kind) in [(1, Kind::Proftpd), (2, Kind::Vsftpd)] {
        let server = kind.start(&topology.server, &setup);
        let client = super::lab::client::Client {
            namespace: &topology.client,
            server: SocketAddr::new(topology.public_address(V4), setup.port()),
        };
        // Whether it is found is seen by what comes of a session: there is no packet before that would tell.
        wait_until("a session that is read", SOON, || {
            let session = Secured::open(client, Begins::Explicit, Config::new(Version::V13, false));
            let port = session.local_address().port();
            session.log_in().quit();
            let session = watch.wait_for("the session", |event| {
                event.is("session") && event.number("/client/port") == Some(port.into())
            });
            (session.text("/visibility") == "tls-read").then_some(())
        });
        let manner = Manner {
            begins: Begins::Explicit,
            version: Version::V13,
            resumes: true,
            trust: Trust::Control,
        };
        client.curl_tls(manner, FILE).wait(SOON).ok();
        watch.wait_until("its outcome", |events| {
            let connected = events
                .iter()
                .filter(|event| event.is("outcome") && event.text("/outcome") == "connected");
            connected.count() == number
        });
        drop(server);
    }
    watch.stop();
}
