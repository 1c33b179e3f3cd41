//! The options of metrics, spelt as those of Prometheus' own exporters.

use std::{
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use clap::Args;

use super::{Bound, HEALTH, Metrics};
use crate::error::Error;

/// Where metrics are served.
#[derive(Args, Debug)]
pub struct Web {
    /// Serve /metrics, /-/healthy and /-/ready on this address, to everybody who reaches it; 127.0.0.1:PORT is this host
    /// alone. Off unless said
    #[arg(long = "web.listen-address", value_name = "ADDRESS:PORT", value_parser = address)]
    pub listen_address: Option<SocketAddr>,
    /// Where /metrics is to be instead
    #[arg(
        long = "web.telemetry-path",
        value_name = "PATH",
        default_value = "/metrics",
        value_parser = path
    )]
    pub telemetry_path: String,
    /// TLS and passwords for it: a web-config file, as node_exporter and Prometheus have it
    #[arg(long = "web.config.file", value_name = "FILE")]
    pub config_file: Option<PathBuf>,
}

impl Web {
    /// Listens, if that was asked for.
    ///
    /// # Errors
    ///
    /// When nobody can listen there, or the web-config file is wrong.
    pub fn bind(&self, verbose: u8) -> Result<Option<(Metrics, Bound)>, Error> {
        let Some(address) = self.listen_address else {
            // Who wrote it believes that something is served.
            return match self.config_file {
                None => Ok(None),
                Some(_) => Err(Error::usage(
                    "--web.config.file is given, and no --web.listen-address",
                    "Say where metrics are to be served, or leave it out.",
                )),
            };
        };
        let path = self.telemetry_path.clone();
        let (metrics, bound) = Metrics::bind(address, path, self.config_file.clone())?;
        if verbose > 0 {
            let at = bound.address;
            eprintln!("ftpwatch: metrics at {at}, {}", self.telemetry_path);
        }
        Ok(Some((metrics, bound)))
    }
}

/// Reads `127.0.0.1:9100`, `[::1]:9100`, or `:9100` for every address.
fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong =
        || format!("`{text}` is no address with a port; write 127.0.0.1:9100, [::1]:9100 or :9100");
    match text.strip_prefix(':') {
        Some(port) => {
            let port = port.parse().map_err(|_| wrong())?;
            Ok((Ipv6Addr::UNSPECIFIED, port).into())
        }
        None => text.parse().map_err(|_| wrong()),
    }
}

/// Reads `/metrics`, or another path that is not taken.
fn path(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    if !text.starts_with('/') || !text.bytes().all(plain) {
        return Err(format!(
            "`{text}` is no path; it begins with / and has letters, digits and -._~/"
        ));
    }
    if HEALTH.contains(&text) {
        return Err(format!("{text} is taken: it tells how ftpwatch is"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, meant) in [
            ("127.0.0.1:9100", "127.0.0.1:9100"),
            ("[::1]:9100", "[::1]:9100"),
            (":9100", "[::]:9100"),
        ] {
            assert_eq!(address(text), Ok(meant.parse().unwrap()));
        }
        for wrong in [
            "",
            ":",
            "9100",
            "127.0.0.1",
            "::1:x",
            "127.0.0.1:65536",
            "localhost",
        ] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn paths() {
        for right in ["/", "/metrics", "/ftp/metrics_of-1.2~"] {
            assert_eq!(path(right).as_deref(), Ok(right));
        }
        for wrong in ["", "metrics", "/a b", "/\u{e4}", "/?x", "/-/ready"] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
    }
}
