//! TLS, with the roots that this system trusts. What is wrong with a certificate is kept to be told, and with
//! `--insecure` it does not end the probe.

mod certificate;

use std::sync::Arc;

use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, HandshakeKind,
        client::{Resumption, danger::ServerCertVerifier},
        crypto::ring,
        pki_types::ServerName,
    },
};

use super::control::Stream;
use crate::{error::Error, escape::printable};
use certificate::{Problem, Verifier};

/// How many sessions can be resumed: those of one control connection.
const SESSIONS: usize = 8;

/// TLS to one server.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    verifier: Arc<Verifier>,
}

impl Tls {
    /// TLS to `host`, whose certificate may be anything where `insecure`.
    ///
    /// # Errors
    ///
    /// When no certificate can be for `host`.
    pub fn new(host: &str, insecure: bool) -> Result<Self, Error> {
        let name = host.split('%').next().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(|_| {
            Error::usage(
                format!("no certificate can be for {}", printable(host.as_bytes())),
                "Give the server's name as it is in its certificate, or its address.",
            )
        })?;
        let provider = Arc::new(ring::default_provider());
        let verifier = Arc::new(Verifier::new(&provider, insecure));
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                Error::usage(format!("TLS cannot be used: {error}"), "Leave out --tls.")
            })?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        Ok(Self {
            config: Arc::new(config),
            name,
            verifier,
        })
    }

    /// For another control connection, whose sessions are its own. Servers that demand that data connections resume the
    /// control connection's session (vsftpd.conf(5), `require_ssl_reuse`) mean that one.
    #[must_use]
    pub fn afresh(&self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Self {
            config: Arc::new(config),
            ..self.clone()
        }
    }

    /// Does the handshake.
    ///
    /// # Errors
    ///
    /// When it fails; [`Self::problem`] tells whether it was for the certificate.
    pub async fn handshake(&self, stream: Stream) -> std::io::Result<TlsStream<Stream>> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(self.name.clone(), stream).await
    }

    /// What is wrong with the server's certificate.
    #[must_use]
    pub fn problem(&self) -> Option<Problem> {
        self.verifier.problem()
    }
}

/// Whether the handshake resumed an earlier session.
#[must_use]
pub fn is_resumed(stream: &TlsStream<Stream>) -> bool {
    stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
}
