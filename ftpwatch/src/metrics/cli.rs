//! The options of metrics, spelt as those of Prometheus' own exporters.

use std::{
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use clap::Args;

use super::Metrics;
use crate::error::Error;

/// Where metrics are served.
#[derive(Args, Debug)]
pub struct Web {
    /// Serve /metrics, /-/healthy and /-/ready on this address, to everybody who reaches it; 127.0.0.1:PORT is this host
    /// alone. Off unless said
    #[arg(long = "web.listen-address", value_name = "ADDRESS:PORT", value_parser = address)]
    pub listen_address: Option<SocketAddr>,
    /// TLS and passwords for it: a web-config file, as node_exporter and Prometheus have it
    #[arg(long = "web.config.file", value_name = "FILE")]
    pub config_file: Option<PathBuf>,
}

impl Web {
    /// Begins to serve, if that was asked for.
    ///
    /// # Errors
    ///
    /// When nobody can listen there, or the web-config file is wrong.
    pub fn serve(&self, verbose: u8) -> Result<Option<Metrics>, Error> {
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
        let (metrics, bound) = Metrics::serve(address, self.config_file.clone())?;
        if verbose > 0 {
            eprintln!("ftpwatch: metrics at {bound}, /metrics");
        }
        Ok(Some(metrics))
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
}
