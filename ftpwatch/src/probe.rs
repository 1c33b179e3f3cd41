//! `ftpwatch probe`: be the client. Log in, ask for an endpoint in every way that makes sense, try it, list a directory
//! over it, and say what works from here.

pub mod cli;
mod connect;
mod control;
mod endpoint;
mod offer;
mod password;
mod ports;
mod seen;
mod session;
mod target;
mod tell;
mod tls;
mod told;
mod transfer;
mod verdict;

use std::{
    collections::HashSet,
    io::{self, Write as _},
    net::SocketAddr,
    process::ExitCode,
};

use crate::{
    clock::Clock,
    error::Error,
    output::Output,
    report::{Body, Reporter},
    vantage::Choice,
    watch::host_name,
};
use cli::{Mode, Probe as Options, TlsMode};
use endpoint::{Ask, Came, ask};
use password::Login;
use ports::Survey;
use session::Terms;
use target::Family;
use tell::refusal;
use tls::Tls;
use verdict::Verdict;

/// Control ports: RFC 959, section 8; RFC 4217, section 2 has 990 for TLS from the start.
const PORT: u16 = 21;
const TLS_PORT: u16 = 990;

/// Probes a server.
///
/// # Errors
///
/// When there is no logging in, or the command line asks for what cannot be.
pub fn run(options: &Options) -> Result<ExitCode, Error> {
    // May ask for the password: before anything else runs.
    let login = Login::of(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Error::host(
                format!("cannot start: {error}"),
                "Are the limits of processes or open files too low? See `ulimit -a`.",
            )
        })?;
    let done = runtime.block_on(Probe::new(options, login)?.run());
    // A resolver that does not answer is not waited for.
    runtime.shutdown_background();
    match done {
        Ok(status) => Ok(status),
        Err(Stop::Said(error)) => Err(error),
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(ExitCode::SUCCESS)
        }
        Err(Stop::Output(error)) => Err(Error::usage(
            format!("cannot write the results: {error}"),
            "Is the disk full? Results go to standard output.",
        )),
    }
}

/// Why probing ended before its time.
enum Stop {
    /// For a reason that the user is told.
    Said(Error),
    /// The results cannot be written.
    Output(io::Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Said(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

struct Probe<'a> {
    options: &'a Options,
    terms: Terms,
    reporter: Reporter,
    output: Output,
    verdict: Verdict,
    failed: bool,
}

impl<'a> Probe<'a> {
    fn new(options: &'a Options, login: Login) -> Result<Self, Error> {
        let tls = match options.tls {
            TlsMode::Off => None,
            _ => Some(Tls::new(&options.target.host, options.insecure)?),
        };
        Ok(Self {
            options,
            terms: Terms {
                name: options.target.name(),
                login,
                tls,
                mode: options.tls,
                patience: options.connect_timeout,
            },
            reporter: Reporter {
                clock: Clock::monotonic(),
                vantage: Choice::Client,
                local: HashSet::new(),
                passive_range: options.passive_range.clone().or(options.ports.clone()),
                host: host_name(),
                file: None,
                interfaces: Vec::new(),
                listening: None,
                hook: "probe".into(),
            },
            output: Output::new(options.format, Some(options.show)),
            verdict: Verdict::default(),
            failed: false,
        })
    }

    async fn run(mut self) -> Result<ExitCode, Stop> {
        let families = self.resolve().await?;
        let mut survey = None;
        let mut unreachable = None;
        for (family, addresses) in families {
            match self.family(family, &addresses).await {
                Ok(found) => survey = survey.or(found),
                Err(Stop::Said(error)) => {
                    unreachable.get_or_insert((family, error));
                }
                Err(stop) => return Err(stop),
            }
        }
        if let Some((family, error)) = unreachable {
            if self.verdict.is_empty() {
                return Err(Stop::Said(error));
            }
            self.verdict
                .note(format!("Over {}: {}.", family.name(), error.what()));
        }
        if let (Some(range), Some((server, ask))) = (&self.options.ports, survey) {
            self.survey(range.clone(), server, ask).await?;
        }
        // A closed standard error is no reason to fail.
        let _ = io::stderr().write_all(self.verdict.text().as_bytes());
        Ok(ExitCode::from(u8::from(self.failed)))
    }

    async fn resolve(&self) -> Result<Vec<(Family, Vec<SocketAddr>)>, Error> {
        let options = self.options;
        let usual = match options.tls {
            TlsMode::Implicit => TLS_PORT,
            _ => PORT,
        };
        let only = match (options.ipv4, options.ipv6) {
            (true, _) => Some(Family::V4),
            (_, true) => Some(Family::V6),
            _ => None,
        };
        let port = options.target.port.unwrap_or(usual);
        options
            .target
            .resolve(port, only, options.connect_timeout)
            .await
    }

    /// Asks in every way over this family, each in a session of its own: what one leaves behind must not trouble the
    /// next. Returns how to ask for more endpoints.
    async fn family(
        &mut self,
        family: Family,
        addresses: &[SocketAddr],
    ) -> Result<Option<(SocketAddr, Ask)>, Stop> {
        let mut found = None;
        let mut refused = Vec::new();
        for way in self.ways(family) {
            let mut session = self.terms.open(addresses).await?;
            self.note_session(&session);
            let came = ask(&mut session, way, self.options.timeout).await;
            let usable = match &came {
                Came::Endpoint(tried) => Some(tried.transfer.is_some()),
                _ => None,
            };
            if let Came::Refused(reply) = &came {
                refused.push((way, *reply, session.control.flow()));
            }
            self.tell(family, way, &session, came)?;
            // One that connects is better than one that does not.
            if let Some(connects) = usable
                && (found.is_none() || matches!(found, Some((_, _, false)) if connects))
            {
                found = Some((session.server, way, connects));
            }
            session.control.quit().await;
        }
        // That a server has one of the two only is no failure, unless no way is left.
        if found.is_none() {
            for (way, reply, flow) in refused {
                self.failed = true;
                let report = refusal(&self.reporter, way, flow, &reply);
                self.output.write(&report)?;
            }
        }
        Ok(found.map(|(server, ask, _)| (server, ask)))
    }

    /// How to ask over `family`.
    fn ways(&mut self, family: Family) -> Vec<Ask> {
        match (self.options.mode, family) {
            (Mode::Epsv, _) => vec![Ask::Epsv],
            (Mode::Pasv, _) => vec![Ask::Pasv],
            (Mode::Both, Family::V4) => vec![Ask::Epsv, Ask::Pasv],
            (Mode::Both, Family::V6) => {
                self.verdict.note(
                    "PASV cannot name an IPv6 address, so that it was not asked for over IPv6; --mode pasv does.".into(),
                );
                vec![Ask::Epsv]
            }
        }
    }

    async fn survey(
        &mut self,
        range: std::ops::RangeInclusive<u16>,
        server: SocketAddr,
        ask: Ask,
    ) -> Result<(), Stop> {
        let options = self.options;
        let survey = Survey::new(range, options.samples, ask, options.timeout, options.for_);
        let drawn = survey.run(&self.terms, server).await;
        if let Some(error) = drawn.error {
            return Err(Stop::Said(error));
        }
        self.failed |= drawn.report.connected < drawn.report.tried;
        self.verdict.ports(&drawn.report);
        let report = told::note(&self.reporter, Body::Ports(drawn.report));
        self.output.write(&report)?;
        Ok(())
    }
}
