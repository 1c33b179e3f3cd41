//! From the server's address to a user who is logged in: connect, greeting, TLS, USER and PASS.

mod refused;

use std::{net::SocketAddr, time::Duration};

use ftpwatch_common::{
    address::{Address, Flow},
    text::Text,
};

use super::{
    cli::TlsMode,
    connect::{Answer, connect},
    control::{Control, Stream},
    password::Login,
    tls::Tls,
};
use crate::{error::Error, escape::printable};

/// What every session with a server needs.
pub struct Terms {
    /// The server's name, made harmless.
    pub name: String,
    /// Who logs in.
    pub login: Login,
    /// TLS, unless it is off.
    pub tls: Option<Tls>,
    /// Where TLS begins.
    pub mode: TlsMode,
    /// How long to wait for the control connection and each reply.
    pub patience: Duration,
}

/// A user who is logged in.
pub struct Session {
    /// The control connection.
    pub control: Control,
    /// Whose it is.
    pub server: SocketAddr,
    /// The greeting.
    pub banner: Text,
    /// TLS for data connections (RFC 4217, section 9).
    pub tls: Option<Tls>,
}

impl Terms {
    /// Logs in at the first of `addresses` that answers.
    ///
    /// # Errors
    ///
    /// When none does, or the server lets nobody in.
    pub async fn open(&self, addresses: &[SocketAddr]) -> Result<Session, Error> {
        let mut failed = None;
        for &address in addresses {
            let attempt = connect(address, self.patience).await;
            match attempt.answer {
                Answer::Connected(stream) => {
                    let flow = Flow {
                        client: attempt
                            .from
                            .map_or(Address::ANY, |from| from.ip().to_canonical().into()),
                        client_port: attempt.from.map_or(0, |from| from.port()),
                        server: address.ip().to_canonical().into(),
                        server_port: address.port(),
                    };
                    return self.log_in(address, Box::new(stream), flow).await;
                }
                _ => failed.get_or_insert(attempt),
            };
        }
        Err(failed.map_or_else(
            || {
                Error::usage(
                    format!("{} has no address", self.name),
                    "Name another server.",
                )
            },
            |attempt| self.unreachable(&attempt),
        ))
    }

    async fn log_in(
        &self,
        server: SocketAddr,
        stream: Stream,
        flow: Flow,
    ) -> Result<Session, Error> {
        let tls = self.tls.as_ref().map(Tls::afresh);
        let stream = match &tls {
            Some(tls) if self.mode == TlsMode::Implicit => {
                self.encrypt(tls, stream, server).await?
            }
            _ => stream,
        };
        let mut control = Control::new(stream, flow, self.patience);
        let banner = self.greeting(&mut control, server).await?;
        if let Some(tls) = &tls
            && self.mode == TlsMode::Explicit
        {
            control = self.auth(tls, control, server).await?;
        }
        self.introduce(&mut control, server).await?;
        let tls = match tls {
            Some(tls) => self.protect(&mut control, server).await?.then_some(tls),
            None => None,
        };
        Ok(Session {
            control,
            server,
            banner,
            tls,
        })
    }

    /// 220, perhaps after 120 (RFC 959, section 5.4).
    async fn greeting(&self, control: &mut Control, server: SocketAddr) -> Result<Text, Error> {
        loop {
            let reply = control
                .reply()
                .await
                .map_err(|lost| self.no_greeting(&lost, server))?;
            match reply.code {
                120 => {}
                220 => return Ok(reply.text),
                _ => {
                    return Err(Error::usage(
                        format!("{server} lets nobody in: {}", reply.shown()),
                        "421 says that it is too busy, or that this client is not wanted: try again later, or ask whoever \
                         runs it.",
                    ));
                }
            }
        }
    }

    /// AUTH TLS, and what is said from then on under TLS.
    async fn auth(
        &self,
        tls: &Tls,
        mut control: Control,
        server: SocketAddr,
    ) -> Result<Control, Error> {
        let reply = self.said(control.command("AUTH TLS").await, server)?;
        if reply.code != 234 {
            return Err(Error::usage(
                format!(
                    "{server} does no TLS here: it answered AUTH TLS with {}",
                    reply.code
                ),
                "Switch TLS on in the server (vsftpd: ssl_enable=YES), or probe it with --tls off.",
            ));
        }
        let (flow, patience) = (control.flow(), control.patience());
        let Some(stream) = control.into_stream() else {
            return Err(Error::usage(
                format!("{server} said more after AUTH TLS, in the clear"),
                "Something between may be putting words into the connection (RFC 4217, section 15.1). Do not log in here.",
            ));
        };
        let stream = self.encrypt(tls, stream, server).await?;
        Ok(Control::new(stream, flow, patience))
    }

    async fn encrypt(
        &self,
        tls: &Tls,
        stream: Stream,
        server: SocketAddr,
    ) -> Result<Stream, Error> {
        let shaken = tokio::time::timeout(self.patience, tls.handshake(stream)).await;
        let error = match shaken {
            Ok(Ok(stream)) => return Ok(Box::new(stream)),
            Ok(Err(error)) => error,
            Err(_) => {
                return Err(Error::usage(
                    format!(
                        "the TLS handshake with {server} did not end in {:?}",
                        self.patience
                    ),
                    "Does the server speak TLS on this port? --tls explicit is usual on 21, --tls implicit on 990.",
                ));
            }
        };
        Err(match tls.problem() {
            Some(problem) => Error::usage(
                format!(
                    "the certificate of {} is not trusted: {}",
                    self.name, problem.what
                ),
                problem.advice,
            ),
            None => Error::usage(
                format!(
                    "the TLS handshake with {server} failed: {}",
                    printable(error.to_string().as_bytes())
                ),
                "Does the server speak TLS on this port, in version 1.2 or 1.3? --tls explicit is usual on 21, --tls \
                 implicit on 990.",
            ),
        })
    }

    /// USER and PASS. Some servers want no password.
    async fn introduce(&self, control: &mut Control, server: SocketAddr) -> Result<(), Error> {
        let user = format!("USER {}", self.login.user);
        let mut reply = self.said(control.command(&user).await, server)?;
        if reply.code == 331 {
            let password = format!("PASS {}", self.login.password);
            reply = self.said(control.command(&password).await, server)?;
        }
        match reply.code {
            230 | 202 | 232 => Ok(()),
            332 => Err(Error::usage(
                format!("{server} wants an account (332)"),
                "ftpwatch has none to give: probe it as another user.",
            )),
            _ => Err(Error::usage(
                format!("{server} does not let this user log in: {}", reply.shown()),
                match self.mode {
                    TlsMode::Off => {
                        "Name another with --user; and where the server asks for TLS, --tls explicit."
                    }
                    _ => "Name another with --user, and see that the password is right.",
                },
            )),
        }
    }

    /// PBSZ 0 and PROT P (RFC 4217, section 9). `false` where the server leaves data connections in the clear.
    async fn protect(&self, control: &mut Control, server: SocketAddr) -> Result<bool, Error> {
        self.said(control.command("PBSZ 0").await, server)?;
        let reply = self.said(control.command("PROT P").await, server)?;
        Ok((200..300).contains(&reply.code))
    }
}
