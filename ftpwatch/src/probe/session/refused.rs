//! Why nobody got in, and what to do about it.

use std::net::SocketAddr;

use super::Terms;
use crate::{
    error::Error,
    probe::{
        cli::TlsMode,
        connect::{Answer, Attempt},
        control::{Lost, Reply},
    },
};

impl Terms {
    pub(super) fn said(
        &self,
        reply: Result<Reply, Lost>,
        server: SocketAddr,
    ) -> Result<Reply, Error> {
        reply.map_err(|lost| {
            Error::usage(
                format!("{server} {lost}, before anybody was logged in"),
                "Is it an FTP server, and does it like this client? Its own log says more.",
            )
        })
    }

    pub(super) fn no_greeting(&self, lost: &Lost, server: SocketAddr) -> Error {
        let advice = match (lost, self.mode) {
            (Lost::Silent(_, 0), TlsMode::Implicit) => {
                "Is it FTP under TLS that is spoken on this port?"
            }
            (Lost::Silent(_, 0), _) => {
                "If TLS begins with the connection there, as on port 990: --tls implicit. If it only takes its time: \
                 --connect-timeout 1m."
            }
            _ => "Is it an FTP server that listens there?",
        };
        Error::usage(
            format!("{server} does not greet as FTP does: it {lost}"),
            advice,
        )
    }

    pub(super) fn unreachable(&self, attempt: &Attempt) -> Error {
        let to = attempt.to;
        match &attempt.answer {
            Answer::Reset => Error::usage(
                format!("{to} refuses the control connection"),
                "Does the server run, and listen on this port? On it: `ss -ltn`",
            ),
            Answer::Rejected(icmp) => Error::usage(
                format!(
                    "{to} cannot be reached: {} answered with ICMP type {} code {}",
                    icmp.from, icmp.kind, icmp.code
                ),
                "A firewall or router there rejects the control port, or has no way to the server.",
            ),
            Answer::NotSent(error) => Error::usage(
                format!("{to} cannot be reached from here: {error}"),
                "Has this host a route to it? `ip route get ADDRESS` tells.",
            ),
            Answer::Nothing | Answer::Connected(_) => Error::usage(
                format!(
                    "{to} did not answer the control connection in {:?}",
                    self.patience
                ),
                "Is the server up, and is its control port open in the firewalls between?",
            ),
        }
    }
}
