//! What servers say when a transfer failed, and what they mean by it.

/// What the server complains of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complaint {
    /// The data connection came from another address than the control connection.
    ForeignAddress,
    /// It did not resume the control connection's TLS session.
    SessionReuse,
    /// It has to be encrypted.
    Protection,
    /// Its TLS handshake failed.
    Handshake,
    /// There is no port left.
    Exhausted,
    /// Nothing came in time.
    TimedOut,
    /// There is no data connection.
    NotEstablished,
    /// It broke off.
    Aborted,
    /// The control connection ends.
    Closing,
}

/// The words of servers, in lower case: what is said in a reply of any of these codes.
///
/// Sources: vsftpd, postlogin.c; pyftpdlib, handlers/ftp/dispatchers.py; wu-ftpd, src/ftpd.c; FubarDev.FtpServer,
/// PromiscuousPasvDataConnectionValidator; FileZilla Server, src/filezilla/ftp/session.cpp; Pure-FTPd,
/// src/messages_en.h; aioftp, server.py; ProFTPD, contrib/mod_tls.c.
const WORDS: [(&str, Complaint); 13] = [
    ("bad ip connecting", Complaint::ForeignAddress),
    ("foreign address", Complaint::ForeignAddress),
    ("port theft", Complaint::ForeignAddress),
    ("data connection rejected", Complaint::ForeignAddress),
    ("session reuse", Complaint::SessionReuse),
    ("not resumed", Complaint::SessionReuse),
    ("ports are busy", Complaint::Exhausted),
    ("no free port", Complaint::Exhausted),
    ("must be encrypted", Complaint::Protection),
    ("ssl/tls required", Complaint::Protection),
    ("handshake", Complaint::Handshake),
    ("timeout", Complaint::TimedOut),
    ("timed out", Complaint::TimedOut),
];

/// What the reply `code` with `text` complains of.
pub fn complaint(code: u16, text: &str) -> Complaint {
    let text = text.to_lowercase();
    let said = WORDS.iter().find(|(words, _)| text.contains(words));
    match (said, code) {
        (Some((_, complaint)), _) => *complaint,
        (None, 522) => Complaint::Handshake,
        (None, 421) => Complaint::Closing,
        (None, 426) => Complaint::Aborted,
        // RFC 959, section 4.2: 425 is "Can't open data connection".
        (None, _) => Complaint::NotEstablished,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_complain_of() {
        for (code, text, expected) in [
            (
                425,
                "425 Security: Bad IP connecting.",
                Complaint::ForeignAddress,
            ),
            (
                425,
                "425 Rejected data connection from foreign address 10.0.0.9:40000.",
                Complaint::ForeignAddress,
            ),
            (
                425,
                "425 Possible PASV port theft, cannot open data connection.",
                Complaint::ForeignAddress,
            ),
            (
                522,
                "522 SSL connection failed; session reuse required: see require_ssl_reuse option in vsftpd.conf man page",
                Complaint::SessionReuse,
            ),
            (
                425,
                "425 Unable to build data connection: TLS session of data connection not resumed.",
                Complaint::SessionReuse,
            ),
            (
                522,
                "522 Data connections must be encrypted.",
                Complaint::Protection,
            ),
            (
                522,
                "522 SSL/TLS required on the data channel",
                Complaint::Protection,
            ),
            (522, "522 SSL handshake failed.", Complaint::Handshake),
            (522, "522 SSL connection failed", Complaint::Handshake),
            (
                425,
                "425 All reserved TCP ports are busy",
                Complaint::Exhausted,
            ),
            (421, "421 no free ports", Complaint::Exhausted),
            (
                421,
                "421 Passive data channel timed out.",
                Complaint::TimedOut,
            ),
            (
                421,
                "421 No transfer timeout (300 seconds): closing control connection",
                Complaint::TimedOut,
            ),
            (421, "421 Service not available", Complaint::Closing),
            (
                425,
                "425 Failed to establish connection.",
                Complaint::NotEstablished,
            ),
            (
                425,
                "425 Can't open data connection",
                Complaint::NotEstablished,
            ),
            (426, "", Complaint::Aborted),
            (425, "", Complaint::NotEstablished),
        ] {
            assert_eq!(complaint(code, text), expected, "{text}");
        }
    }
}
