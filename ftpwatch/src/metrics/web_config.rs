//! The web-config file of Prometheus' exporters: TLS, and who may ask.

use std::{
    collections::BTreeMap,
    fmt::Display,
    path::{Path, PathBuf},
    sync::Arc,
};

use bcrypt::HashParts;
use serde::Deserialize;
use tokio_rustls::rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};

use crate::{config, error::Error, escape::printable};

/// What the file says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebConfig {
    #[serde(default)]
    tls_server_config: Option<Tls>,
    /// Names, and bcrypt hashes of passwords.
    #[serde(default)]
    basic_auth_users: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    cert_file: PathBuf,
    key_file: PathBuf,
    #[serde(default)]
    min_version: Option<Version>,
    #[serde(default)]
    max_version: Option<Version>,
    /// Whether clients have to show a certificate of an authority in `client_ca_file`.
    #[serde(default)]
    client_auth_type: ClientAuth,
    #[serde(default)]
    client_ca_file: Option<PathBuf>,
}

/// Those that verify: a certificate that anybody could have made lets nobody in.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
enum ClientAuth {
    #[default]
    NoClientCert,
    VerifyClientCertIfGiven,
    RequireAndVerifyClientCert,
}

/// Those that are offered: older ones are not secure.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    #[serde(rename = "TLS12")]
    Tls12,
    #[serde(rename = "TLS13")]
    Tls13,
}

impl WebConfig {
    /// Reads the file, and checks what can be checked without another.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut config = Self::parse(path, &config::text(path)?)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        if let Some(tls) = &mut config.tls_server_config {
            for file in [&mut tls.cert_file, &mut tls.key_file]
                .into_iter()
                .chain(&mut tls.client_ca_file)
            {
                *file = directory.join(&*file);
            }
        }
        Ok(config)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let name = printable(path.as_os_str().as_encoded_bytes());
        let config: Self = serde_saphyr::from_str(text).map_err(|error| {
            let place = error
                .location()
                .map(|at| format!(":{}:{}", at.line(), at.column()))
                .unwrap_or_default();
            Error::usage(
                format!("{name}{place}: {}", reason(&error)),
                "It has `tls_server_config`, with certificates and versions, and `basic_auth_users`, with bcrypt hashes.",
            )
        })?;
        for (user, hash) in &config.basic_auth_users {
            // What it was is not repeated: somebody may have written the password itself.
            if hash.parse::<HashParts>().is_err() {
                return Err(Error::usage(
                    format!(
                        "{name}: the password of `{}` is no bcrypt hash",
                        printable(user.as_bytes())
                    ),
                    "`htpasswd -nBC 10 NAME` asks for the password and writes one.",
                ));
            }
        }
        match &config.tls_server_config {
            Some(tls) if tls.versions().is_empty() => Err(Error::usage(
                format!("{name}: min_version is above max_version"),
                "Leave out one of them.",
            )),
            Some(tls)
                if (tls.client_auth_type == ClientAuth::NoClientCert)
                    == tls.client_ca_file.is_some() =>
            {
                Err(Error::usage(
                    format!("{name}: client_auth_type and client_ca_file go together"),
                    "With RequireAndVerifyClientCert only who has a certificate of these authorities is let in.",
                ))
            }
            _ => Ok(config),
        }
    }

    /// The files that it names.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let tls = self.tls_server_config.iter();
        tls.flat_map(|tls| {
            let own = [tls.cert_file.as_path(), tls.key_file.as_path()];
            own.into_iter().chain(tls.client_ca_file.as_deref())
        })
    }

    /// Who may ask; nobody in it is everybody.
    pub fn into_users(self) -> BTreeMap<String, String> {
        self.basic_auth_users
    }

    /// The server's side of TLS, if there is to be TLS.
    ///
    /// # Errors
    ///
    /// When certificate or key cannot be had, or do not go together.
    pub fn tls(&self) -> Result<Option<Arc<ServerConfig>>, Error> {
        self.tls_server_config.as_ref().map(Tls::build).transpose()
    }
}

/// The first line, without the excerpt: a hash may be in it.
fn reason(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let line = text.lines().next().unwrap_or_default();
    // Its place is said before it.
    let reason = line
        .rsplit_once(" at line ")
        .map_or(line, |(reason, _)| reason);
    printable(reason.as_bytes())
}

impl Tls {
    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let lowest = self.min_version.unwrap_or(Version::Tls12);
        let highest = self.max_version.unwrap_or(Version::Tls13);
        [(Version::Tls12, &TLS12), (Version::Tls13, &TLS13)]
            .into_iter()
            .filter(|(version, _)| (lowest..=highest).contains(version))
            .map(|(_, version)| version)
            .collect()
    }

    fn build(&self) -> Result<Arc<ServerConfig>, Error> {
        let own = certificates(&self.cert_file)?;
        let key = PrivateKeyDer::from_pem_file(&self.key_file)
            .map_err(|error| unreadable("key", &self.key_file, &error))?;
        let clients = self.clients()?;
        ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&self.versions())
            .and_then(|config| {
                config
                    .with_client_cert_verifier(clients)
                    .with_single_cert(own, key)
            })
            .map(Arc::new)
            .map_err(|error| {
                Error::usage(
                    format!(
                        "TLS cannot be served with {} and {}: {error}",
                        shown(&self.cert_file),
                        shown(&self.key_file)
                    ),
                    "The key has to be that of the certificate, which comes first in its file.",
                )
            })
    }
}

impl Tls {
    /// Who looks at the certificates of clients.
    fn clients(&self) -> Result<Arc<dyn ClientCertVerifier>, Error> {
        let Some(file) = &self.client_ca_file else {
            return Ok(WebPkiClientVerifier::no_client_auth());
        };
        let wrong = |error: &dyn Display| {
            Error::usage(
                format!("{} has no authority to trust: {error}", shown(file)),
                "It is a file of certificates in PEM.",
            )
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(file)? {
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider());
        let clients = match self.client_auth_type {
            ClientAuth::RequireAndVerifyClientCert => clients,
            _ => clients.allow_unauthenticated(),
        };
        clients.build().map_err(|error| wrong(&error))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// All that are in it, and one at least.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .and_then(|certificates| match certificates.as_slice() {
            [] => Err(pem::Error::NoItemsFound),
            _ => Ok(certificates),
        })
        .map_err(|error| unreadable("certificate", path, &error))
}

fn unreadable(what: &str, path: &Path, error: &pem::Error) -> Error {
    let why = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => format!("there is no {what} in it"),
        _ => "it is not in PEM".to_owned(),
    };
    Error::usage(
        format!("the {what} {} cannot be read: {why}", shown(path)),
        "It is a file in PEM, which the user that ftpwatch runs as may read.",
    )
}

fn shown(path: &Path) -> String {
    printable(path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        match WebConfig::parse(Path::new("web.yml"), text) {
            Ok(config) => format!(
                "{} files, {:?}",
                config.files().count(),
                config.into_users()
            ),
            Err(error) => error.what().to_owned(),
        }
    }

    const HASH: &str = "$2b$10$cdacbeefaccffecccccbaOfKX3bwd7fG4jJOlZE3J2AXScFCh7.du";

    #[test]
    fn what_exporters_take_is_taken() {
        let text = format!(
            "tls_server_config:\n  cert_file: a.crt\n  key_file: a.key\n  min_version: TLS13\n\
             basic_auth_users:\n  \"x\": {HASH}\n"
        );
        assert_eq!(told(&text), format!("2 files, {{\"x\": \"{HASH}\"}}"));
        assert_eq!(told("{}"), "0 files, {}");
        assert_eq!(told(""), "0 files, {}");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, what) in [
            (
                "tls_server_confg: {}",
                "web.yml:1:1: unknown field `tls_server_confg`",
            ),
            (
                "tls_server_config:\n  cert_file: a\n  key_file: b\n  client_allowed_sans: [c]\n",
                "web.yml:4:3: unknown field `client_allowed_sans`",
            ),
            ("tls_server_config:\n  cert_file: a\n", "web.yml:"),
            (
                "tls_server_config: {cert_file: a, key_file: b, min_version: TLS10}",
                "web.yml:1:",
            ),
            (
                "tls_server_config: {cert_file: a, key_file: b, min_version: TLS13, max_version: TLS12}",
                "web.yml: min_version is above max_version",
            ),
            (
                "tls_server_config: {cert_file: a, key_file: b, client_ca_file: c}",
                "web.yml: client_auth_type and client_ca_file go together",
            ),
            (
                "tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAnyClientCert}",
                "web.yml:1:",
            ),
            (
                "basic_auth_users: {x: secret}",
                "web.yml: the password of `x` is no bcrypt hash",
            ),
            ("basic_auth_users: [", "web.yml:"),
            ("\"\\e[2J\": 1", "web.yml:1:1: unknown field `\\u{1b}[2J`"),
        ] {
            let told = told(text);
            assert!(told.starts_with(what), "{text}: {told}");
            assert!(!told.contains("secret") && !told.contains('\n'), "{told}");
            assert!(!told.contains(" at line "), "{told}");
        }
    }
}
