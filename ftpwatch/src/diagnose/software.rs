//! Which server it is, from its greeting.

use crate::escape::printable;

/// Names that servers greet with, as they write them.
const NAMES: [&str; 12] = [
    "vsFTPd",
    "ProFTPD",
    "Pure-FTPd",
    "FileZilla Server",
    "Microsoft FTP Service",
    "pyftpdlib",
    "Serv-U",
    "SFTPGo",
    "libunftp",
    "uFTPd",
    "wu-",
    "Gene6 FTP Server",
];

/// The server's name, and its version where it tells one: `vsFTPd 3.0.3`. `None` when the greeting does
/// not say.
#[must_use]
pub fn software(banner: &[u8]) -> Option<String> {
    let text = printable(banner);
    let (name, at) = NAMES.iter().find_map(|name| {
        let lower = text.to_ascii_lowercase();
        Some((*name, lower.find(&name.to_ascii_lowercase())?))
    })?;
    let rest = &text[at + name.len()..];
    let version: String = rest
        .trim_start_matches([' ', 'v', '-', '/'])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "._-".contains(*c))
        .collect();
    let version = version.trim_end_matches(['.', '-']);
    if version.starts_with(|c: char| c.is_ascii_digit()) {
        Some(format!("{name} {version}"))
    } else {
        Some(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings() {
        for (banner, expected) in [
            ("220 (vsFTPd 3.0.3)", Some("vsFTPd 3.0.3")),
            (
                "220 ProFTPD Server (Debian) [::ffff:10.0.0.1]",
                Some("ProFTPD"),
            ),
            ("220 ProFTPD 1.3.8 Server", Some("ProFTPD 1.3.8")),
            (
                "220---------- Welcome to Pure-FTPd [privsep] [TLS] ----------",
                Some("Pure-FTPd"),
            ),
            ("220-FileZilla Server 1.9.4", Some("FileZilla Server 1.9.4")),
            (
                "220-FileZilla Server version 0.9.41 beta",
                Some("FileZilla Server"),
            ),
            ("220 pyftpdlib 1.5.9 ready.", Some("pyftpdlib 1.5.9")),
            ("220 Welcome", None),
        ] {
            assert_eq!(software(banner.as_bytes()).as_deref(), expected, "{banner}");
        }
    }
}
