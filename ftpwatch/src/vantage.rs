//! Where ftpwatch looks from.

use std::{collections::HashSet, net::IpAddr};

use clap::ValueEnum;
use ftpwatch_common::address::Flow;
use schemars::JsonSchema;
use serde::Serialize;

/// Where the watched interfaces are, on the way between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Vantage {
    /// On the FTP server.
    Server,
    /// Between them.
    Gateway,
    /// On the client.
    Client,
}

/// What the user says about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// Live, told from whose address is this host's own; in captures, from TTLs
    #[default]
    Auto,
    /// On the FTP server
    Server,
    /// On a gateway between client and server
    Gateway,
    /// On the client
    Client,
}

impl Choice {
    /// The vantage point of a control connection, seen as `flows`, on a host with the addresses `local`.
    ///
    /// A gateway that translates addresses has the one that clients or servers see for its own: there, the
    /// connection is seen a second time with an address that is not.
    #[must_use]
    pub fn of(self, flows: impl IntoIterator<Item = Flow>, local: &HashSet<IpAddr>) -> Vantage {
        match self {
            Self::Server => Vantage::Server,
            Self::Gateway => Vantage::Gateway,
            Self::Client => Vantage::Client,
            Self::Auto => {
                let (mut server, mut client) = (true, true);
                for flow in flows {
                    server &= local.contains(&flow.server.ip());
                    client &= local.contains(&flow.client.ip());
                }
                match (server, client) {
                    (true, _) => Vantage::Server,
                    (_, true) => Vantage::Client,
                    _ => Vantage::Gateway,
                }
            }
        }
    }
}
