//! TLS of the real servers: how it begins, what is demanded, and the certificate. Which version it is is the client's
//! choice: not each of the servers can be told.

use super::{Directory, open_to_all};
use std::path::PathBuf;
use std::sync::OnceLock;

/// A name that the certificate is of, as are the addresses of servers in the lab.
pub const NAME: &str = "ftp.lab";

/// The control port of FTPS that begins in TLS.
pub const IMPLICIT_PORT: u16 = 990;

/// How TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// After AUTH, which a client may leave out.
    Explicit,
    /// With the connection, on [`IMPLICIT_PORT`]. Pure-FTPd does not know it.
    Implicit,
}

/// A server's TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tls {
    pub begins: Begins,
    /// Data connections have to resume the control connection's session. vsftpd and ProFTPD alone.
    pub reuse_demanded: bool,
}

/// The one certificate of all servers, and its key.
pub struct Certificate {
    /// PEM: the key first, as Pure-FTPd wants it.
    pub pem: String,
    pub der: Vec<u8>,
}

pub fn certificate() -> &'static Certificate {
    static MADE: OnceLock<Certificate> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed([
            NAME.to_owned(),
            "203.0.113.10".to_owned(),
            "2001:db8:5::10".to_owned(),
        ])
        .expect("a certificate");
        Certificate {
            pem: format!("{}{}", made.signing_key.serialize_pem(), made.cert.pem()),
            der: made.cert.der().to_vec(),
        }
    })
}

/// Where a server finds both. ProFTPD takes no key that others may read.
pub fn write_certificate(files: &Directory) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = files.path().join("server.pem");
    std::fs::write(&path, &certificate().pem).expect("a certificate");
    let owner_alone = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, owner_alone).expect("permissions");
    open_to_all(files.path());
    path
}
