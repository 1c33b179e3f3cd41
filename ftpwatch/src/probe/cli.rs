//! The command line of `ftpwatch probe`.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::target::{Target, target};
use crate::{
    cli::{duration, range},
    output::{Format, Show},
};

/// What `ftpwatch probe --help` ends with.
pub const EXAMPLES: &str = "\
Examples:
  ftpwatch probe ftp.example.com                           anonymous, EPSV and PASV, IPv4 and IPv6
  ftpwatch probe --user ann ftp.example.com:2121           asks for the password
  ftpwatch probe --tls explicit --insecure 203.0.113.10    TLS, whatever the certificate
  ftpwatch probe --ports 50000-50100 ftp.example.com       which ports of the passive range connect

The password is read from --password-file, else from the environment variable FTPWATCH_PASSWORD, else asked for on the
terminal. A directory is listed and its bytes are counted; nothing is fetched, changed or kept.

Exit status: 1 when an endpoint cannot be connected to as it is advertised, or a transfer fails; 2 when there is no
logging in.";

/// `ftpwatch probe`
#[derive(Args, Debug)]
pub struct Probe {
    /// The server's name or address, and its control port unless that is 21 (990 with --tls implicit)
    #[arg(value_name = "HOST[:PORT]", value_parser = target)]
    pub target: Target,
    /// Who logs in
    #[arg(long, value_name = "NAME", value_parser = user)]
    pub user: Option<String>,
    /// A file whose first line is the password
    #[arg(long, value_name = "PATH", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// TLS: AUTH TLS on the control connection, or from the start
    #[arg(long, value_name = "HOW", default_value = "off")]
    pub tls: TlsMode,
    /// Go on where the certificate cannot be trusted; it is still said
    #[arg(long)]
    pub insecure: bool,
    /// How to ask for endpoints. PASV is asked for over IPv6 only when named here
    #[arg(long, value_name = "COMMAND", default_value = "both")]
    pub mode: Mode,
    /// IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// IPv6 only
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// How long to wait for a data connection, and for data on it
    #[arg(short, long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,
    /// How long to wait for the control connection, and for each reply
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub connect_timeout: Duration,
    /// The passive ports that are open, as far as the operator knows
    #[arg(long, value_name = "LO-HI", value_parser = range)]
    pub passive_range: Option<RangeInclusive<u16>>,
    /// Go on until each of these passive ports was advertised and tried, and draw which connect
    #[arg(long, value_name = "LO-HI", value_parser = range)]
    pub ports: Option<RangeInclusive<u16>>,
    /// With --ports: try no more than N of them
    #[arg(
        long,
        value_name = "N",
        default_value = "200",
        requires = "ports",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub samples: u16,
    /// With --ports: stop trying after this time
    #[arg(
        long = "for",
        value_name = "DURATION",
        default_value = "5m",
        requires = "ports",
        value_parser = duration
    )]
    pub for_: Duration,
    /// How to write what is found
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
    /// What to write
    #[arg(long, value_name = "WHAT", default_value = "outcomes")]
    pub show: Show,
}

/// Where TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TlsMode {
    /// Nowhere
    Off,
    /// After AUTH TLS (RFC 4217)
    Explicit,
    /// With the connection, on port 990 unless said
    Implicit,
}

/// Which commands ask for endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// PASV
    Pasv,
    /// EPSV
    Epsv,
    /// EPSV, and PASV where that makes sense
    Both,
}

/// A user's name goes into a command line of FTP's, which ends at the first line end.
fn user(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(char::is_control) {
        return Err("a user's name has at least one character, and no control characters".into());
    }
    Ok(text.to_owned())
}
