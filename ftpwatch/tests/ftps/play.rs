//! Playing a row: a server, a client, and ftpwatch on the server's host.

use super::lab::SOON;
use super::lab::client::{Client, Trust};
use super::lab::fault::Fault;
use super::lab::ftps::dialogue::{Config, Secured};
use super::lab::ftps::{Manner, Version};
use super::lab::server::daemons::Kind;
use super::lab::server::tls::{Begins, Tls};
use super::lab::server::{CONTROL_PORT, FILE, Server, Setup};
use super::lab::topology::{Family::V4, Layout, Topology};
use super::lab::wait_until;
use super::lab::watch::{Event, Hook, Report, Watch};
use super::rows::{Play, Row, Who};
use std::net::SocketAddr;
use std::time::Duration;

/// How long a client may take: two attempts, each with the patience that it is given.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with TLS, and the way to it.
pub struct Stage {
    pub topology: Topology,
    pub server: Server,
    pub begins: Begins,
    port: u16,
}

impl Stage {
    pub fn set(kind: Kind, tls: Tls, change: impl FnOnce(&Topology, Setup) -> Setup) -> Self {
        let topology = Topology::new(Layout::Routed);
        let plain = Setup::plain(topology.server_address(V4));
        let setup = Setup {
            tls: Some(tls),
            ..change(&topology, plain)
        };
        let stage = Stage {
            server: kind.start(&topology.server, &setup),
            begins: tls.begins,
            port: setup.port(),
            topology,
        };
        stage.greet();
        stage
    }

    pub fn client(&self) -> Client<'_> {
        Client {
            namespace: &self.topology.client,
            server: SocketAddr::new(self.topology.public_address(V4), self.port),
        }
    }

    pub fn watch(&self, options: &[&str]) -> Watch<'_> {
        let ports = format!("{CONTROL_PORT},{}", super::lab::server::tls::IMPLICIT_PORT);
        let options = [&["-p", &ports], options].concat();
        Watch::start(&self.topology.server, &["s0"], Hook::Tcx, &options)
    }

    /// Logs in, and out again: the way to the server and back is open. The client's port.
    fn greet(&self) -> u16 {
        let config = Config::new(Version::V13, false);
        let session = Secured::open(self.client(), self.begins, config);
        let port = session.local_address().port();
        session.quit();
        port
    }

    /// Waits until everything that happened before was told: the end of a control connection that was opened later, and
    /// an outcome of each endpoint. Ends watching then, and gives what was said of the others.
    pub fn finish(&self, mut watch: Watch) -> Report {
        let last = u64::from(self.greet());
        let is_last = |event: &Event| event.number("/client/port") == Some(last);
        watch.wait_until("end of all that went before", |events| {
            let count = |event_type| events.iter().filter(|event| event.is(event_type)).count();
            events.iter().any(is_last) && count("advertised") == count("outcome")
        });
        let mut report = watch.stop();
        report.events.retain(|event| !is_last(event));
        report
    }
}

/// Plays it; the server, and what was said.
pub fn play(row: &Row, options: &[&str]) -> (Stage, Report) {
    let tls = Tls {
        begins: row.begins,
        reuse_demanded: row.play.demands_reuse(),
    };
    let fault = row.play.fault();
    let stage = Stage::set(row.kind, tls, |topology, _| fault.setup(topology, V4));
    fault.break_path(&stage.topology);
    let watch = stage.watch(options);
    play_client(row, &stage);
    let report = stage.finish(watch);
    (stage, report)
}

fn play_client(row: &Row, stage: &Stage) {
    let client = stage.client();
    let resumes = row.play != Play::NotResumed;
    let manner = Manner {
        begins: row.begins,
        version: row.version,
        resumes,
        trust: match row.play.fault() {
            Fault::PrivateAddress => Trust::Advertised,
            _ => Trust::Control,
        },
    };
    let process = match row.client {
        Who::Curl => client.curl_tls(manner, FILE),
        Who::Lftp => client.lftp_tls(manner, FILE),
        Who::Ftplib => client.ftplib_tls(manner, FILE),
        Who::Ccc => client.ftplib_ccc(manner, FILE),
        Who::Led => {
            let config = Config::new(row.version, resumes);
            let mut session = Secured::open(client, row.begins, config).log_in();
            let endpoint = session.passive();
            let (size, resumed) = session.fetch(endpoint, FILE);
            assert_eq!((size, resumed), (30_000, resumes));
            return session.quit();
        }
    };
    let ended = process.wait(PATIENCE);
    assert_eq!(ended.status.success(), row.play.works(), "{ended}");
    // Whoever logs does so after it replied.
    wait_until("endpoint in the server's log", SOON, || {
        (!stage.server.advertised().is_empty()).then_some(())
    });
}
