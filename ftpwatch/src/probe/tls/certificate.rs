//! Checks the server's certificate, and says in words what is wrong with it.

use std::sync::{Arc, Mutex, PoisonError};

use rustls_native_certs::load_native_certs;
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error as TlsError, OtherError, RootCertStore,
    SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::escape::printable;

/// What a certificate lacks, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub advice: String,
}

/// Checks certificates as the standard verifier does, and keeps what it says.
#[derive(Debug)]
pub struct Verifier {
    /// None where this system trusts nobody.
    standard: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    insecure: bool,
    problem: Mutex<Option<Problem>>,
}

impl Verifier {
    /// With the roots that this system trusts; `insecure` goes on without.
    pub fn new(provider: &Arc<CryptoProvider>, insecure: bool) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(load_native_certs().certs);
        let standard =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        Self {
            standard: standard.build().ok(),
            provider: Arc::clone(provider),
            insecure,
            problem: Mutex::new(None),
        }
    }
}

impl Verifier {
    /// What is wrong with the last certificate that was.
    pub fn problem(&self) -> Option<Problem> {
        let problem = self.problem.lock();
        problem.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let (problem, error) = match &self.standard {
            Some(standard) => {
                match standard.verify_server_cert(certificate, intermediates, name, ocsp, now) {
                    Ok(verified) => return Ok(verified),
                    Err(error) => (problem(&error, name), error),
                }
            }
            None => (nobody_trusted(), CertificateError::UnknownIssuer.into()),
        };
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
        if self.insecure {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(error)
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

fn nobody_trusted() -> Problem {
    Problem {
        what: "it cannot be checked: this system trusts no certificate authority".into(),
        advice:
            "Install the system's certificates (Debian: ca-certificates), or go on with --insecure."
                .into(),
    }
}

fn problem(error: &TlsError, name: &ServerName<'_>) -> Problem {
    let name = name.to_str();
    let (what, advice) = match error {
        TlsError::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer => (
                "it is self-signed, or of an authority that this system does not trust".to_owned(),
                "Give the server a certificate of an authority that its clients trust; to trust one here, name its \
                 file in SSL_CERT_FILE. --insecure goes on all the same.",
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                (
                    format!("it is not for {name}"),
                    "Probe the name that is in the certificate, or give the server one for this name. --insecure goes on \
                 all the same.",
                )
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
                "it has expired".to_owned(),
                "Renew it, and restart the server. --insecure goes on all the same.",
            ),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
                "it is not valid yet".to_owned(),
                "Are the clocks of server and client right? --insecure goes on all the same.",
            ),
            CertificateError::Other(OtherError(error)) => (
                format!(
                    "it is not as it should be: {}",
                    printable(error.to_string().as_bytes())
                ),
                "A server's own certificate must not be a certificate authority's (RFC 5280, section 4.2.1.9). \
                 --insecure goes on all the same.",
            ),
            error => (
                format!(
                    "it is not as it should be: {}",
                    printable(error.to_string().as_bytes())
                ),
                "Give the server another certificate. --insecure goes on all the same.",
            ),
        },
        error => (
            printable(error.to_string().as_bytes()),
            "Give the server another certificate. --insecure goes on all the same.",
        ),
    };
    Problem {
        what,
        advice: advice.into(),
    }
}
