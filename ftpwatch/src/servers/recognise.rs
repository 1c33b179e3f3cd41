//! Which server it is, from what it says. A name that is wrong is worse than none.

use super::{Software, all};
use crate::escape::printable;

/// What may be between a server's name and its version.
const BETWEEN: [char; 5] = [' ', 'v', '-', '/', '_'];

/// The server that greeted with `greeting`, or else the one that alone words a reply as `reply`.
#[must_use]
pub fn recognise(greeting: Option<&[u8]>, reply: Option<&[u8]>) -> Option<&'static Software> {
    let greeted = greeting.and_then(|greeting| by_greeting(&printable(greeting)));
    greeted.map_or_else(|| by_reply(reply?), |(software, _)| Some(software))
}

/// What to call the server: its name, and its version where the greeting tells one: `vsFTPd 3.0.3`.
#[must_use]
pub fn describe(greeting: Option<&[u8]>, reply: Option<&[u8]>) -> Option<String> {
    let text = printable(greeting.unwrap_or_default());
    let Some((software, end)) = by_greeting(&text) else {
        return Some(by_reply(reply?)?.product.to_owned());
    };
    let product = software.product;
    Some(version(&text[end..]).map_or_else(
        || product.to_owned(),
        |version| format!("{product} {version}"),
    ))
}

/// The server whose name comes first in the greeting, and where the name ends: a host may be called after another.
fn by_greeting(text: &str) -> Option<(&'static Software, usize)> {
    let text = text.to_ascii_lowercase();
    all()
        .flat_map(|software| software.greetings.iter().map(move |name| (software, *name)))
        .filter_map(|(software, name)| {
            let at = text.find(&name.to_ascii_lowercase())?;
            Some((at, software, at + name.len()))
        })
        .min_by_key(|(at, _, _)| *at)
        .map(|(_, software, end)| (software, end))
}

fn by_reply(reply: &[u8]) -> Option<&'static Software> {
    all().find(|software| {
        let mut forms = software.replies.iter();
        forms.any(|form| reply.starts_with(form.as_bytes()))
    })
}

/// The version behind a name, as in ` 3.0.3)`, `_2.6.6`, ` (2.15)`, ` FTP Server v15.1` or ` version 0.9.41`.
fn version(rest: &str) -> Option<&str> {
    let start = rest.trim_start_matches(BETWEEN);
    let start = start.strip_prefix('(').unwrap_or(start);
    digits(start).or_else(|| {
        let mut start = rest.trim_start();
        for word in ["FTP ", "Server ", "version "] {
            start = start.strip_prefix(word).unwrap_or(start);
        }
        digits(start.trim_start_matches(BETWEEN))
    })
}

/// The version that `text` starts with.
fn digits(text: &str) -> Option<&str> {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c))
        .unwrap_or(text.len());
    let version = text[..end].trim_end_matches(['.', '-', '_']);
    version
        .starts_with(|c: char| c.is_ascii_digit())
        .then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings() {
        for (greeting, expected) in [
            ("220 (vsFTPd 3.0.3)", Some("vsFTPd 3.0.3")),
            (
                "220 ProFTPD Server (Debian) [::ffff:10.0.0.1]",
                Some("ProFTPD"),
            ),
            (
                "220 ProFTPD Server (10.0.0.1) [::ffff:10.0.0.1]",
                Some("ProFTPD"),
            ),
            ("220 ProFTPD 1.3.8 Server", Some("ProFTPD 1.3.8")),
            (
                "220 ProFTPD Server (not vsftpd) [10.0.0.1]",
                Some("ProFTPD"),
            ),
            (
                "220---------- Welcome to Pure-FTPd [privsep] [TLS] ----------",
                Some("Pure-FTPd"),
            ),
            ("220-FileZilla Server 1.9.4", Some("FileZilla Server 1.9.4")),
            (
                "220-FileZilla Server version 0.9.41 beta",
                Some("FileZilla Server 0.9.41"),
            ),
            (
                "220-FileZilla Pro Enterprise Server 1.6.6",
                Some("FileZilla Server 1.6.6"),
            ),
            ("220 Microsoft FTP Service", Some("Microsoft FTP Service")),
            ("220 pyftpdlib 1.5.9 ready.", Some("pyftpdlib 1.5.9")),
            ("220 Serv-U FTP Server v15.1 ready...", Some("Serv-U 15.1")),
            ("220 SFTPGo_2.6.6", Some("SFTPGo 2.6.6")),
            ("220 Welcome to the libunftp FTP server", Some("libunftp")),
            ("220 uftpd (2.15) ready.", Some("uFTPd 2.15")),
            ("220 LightFTP server ready", Some("LightFTP")),
            (
                "220 host FTP server (Version wu-2.6.2(1) Mon) ready.",
                Some("wu-ftpd 2.6.2"),
            ),
            (
                "220 host FTP server (GNU inetutils 2.4) ready.",
                Some("GNU inetutils ftpd 2.4"),
            ),
            (
                "220 host FTP server (NetBSD-ftpd 20110904) ready.",
                Some("NetBSD-ftpd 20110904"),
            ),
            (
                "220 Titan FTP Server 19.00 Ready.",
                Some("Titan FTP Server 19.00"),
            ),
            ("220 Welcome", None),
            ("220 welcome", None),
            ("220 FTP server ready", None),
            ("220 Service ready for new user.", None),
            ("", None),
        ] {
            let told = describe(Some(greeting.as_bytes()), None);
            assert_eq!(told.as_deref(), expected, "{greeting}");
            let software = recognise(Some(greeting.as_bytes()), None);
            assert_eq!(software.is_some(), expected.is_some(), "{greeting}");
        }
    }

    #[test]
    fn replies_that_one_server_alone_words_so() {
        for (reply, expected) in [
            ("229 Extended Passive mode OK (|||50000|)", "Pure-FTPd"),
            ("227 PASV ok (10,0,0,1,195,80)", "BusyBox ftpd"),
            ("229 EPSV ok (|||50000|)", "BusyBox ftpd"),
            ("227 PASV OK (10,0,0,1,195,80)", "ftp-srv"),
            ("229 EPSV OK (|||50000|)", "ftp-srv"),
            ("227 Entering passive mode (10,0,0,1,195,80).", "pyftpdlib"),
            (
                "229 Entering extended passive mode (|||50000|).",
                "pyftpdlib",
            ),
            ("227 listen socket created (10,0,0,1,195,80)", "aioftp"),
            (
                "227 listen socket already exists (10,0,0,1,195,80)",
                "aioftp",
            ),
            ("229 listen socket created (|||50000|)", "aioftp"),
            ("229 Entering Passive Mode (|||50000|)", "Apache FtpServer"),
        ] {
            for greeting in [None, Some(&b"220 Welcome"[..])] {
                let told = describe(greeting, Some(reply.as_bytes()));
                assert_eq!(told.as_deref(), Some(expected), "{reply}");
            }
        }
    }

    #[test]
    fn replies_that_several_word_alike_tell_nothing() {
        for reply in [
            "227 Entering Passive Mode (10,0,0,1,195,80).",
            "227 Entering Passive Mode (10,0,0,1,195,80)",
            "229 Entering Extended Passive Mode (|||50000|)",
            "229 Entering Extended Passive Mode (|||50000|).",
            "227 Entering passive mode. 127,0,0,1,4,51",
            "227 Data transfer will passively listen to 127,0,0,1,4,51",
            "227 (127,0,0,1,154,21)",
            "227 192,168,178,39,184,244",
            "228 Entering Long Passive Mode (4,4,10,0,0,1,2,195,80)",
            "229 Entering Extended Passive Mode (!!!9447!).",
            "",
        ] {
            assert_eq!(describe(None, Some(reply.as_bytes())), None, "{reply}");
        }
    }

    #[test]
    fn the_greeting_goes_first() {
        let reply = b"229 Extended Passive mode OK (|||50000|)";
        let told = describe(Some(b"220 (vsFTPd 3.0.3)"), Some(reply));
        assert_eq!(told.as_deref(), Some("vsFTPd 3.0.3"));
    }

    #[test]
    fn what_is_hostile_is_harmless() {
        let told = describe(Some(b"220 vsftpd \x1b[31m3.0"), None);
        assert_eq!(told.as_deref(), Some("vsFTPd"));
        // Letters that change their length with their case.
        let greeting = "220 \u{130}\u{130}\u{130} vsftpd 3.0.3".as_bytes();
        assert_eq!(
            describe(Some(greeting), None).as_deref(),
            Some("vsFTPd 3.0.3")
        );
    }
}
