//! The findings: what only many endpoints of a server together say.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;

/// What is wrong with a server, or with the ways to it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema, ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// A reply that advertises nothing that can be decoded.
    UndecodableAdvertisement,
    /// Part of the passive range connects, the rest never does.
    PassiveRangePartlyBlocked,
    /// One client network fails, others connect.
    ClientNetworkFails,
    /// One address family fails, the other works.
    AddressFamilyFails,
    /// Only clients that believe the advertised address fail.
    AdvertisedAddressFails,
    /// Data connections of TLS sessions fail.
    TlsDataFails,
    /// The server has no free port left.
    PassivePortsExhausted,
    /// A port outside the range seen so far was advertised.
    PortOutsideRange,
    /// Nearly all endpoints are given up within a second, and none was ever connected.
    GivenUpAtOnce,
    /// The server does not answer PASV or EPSV. Said by `probe`.
    NoReply,
    /// The server refuses every way of asking for an endpoint. Said by `probe`.
    PassiveRefused,
    /// The data connection is made, and the transfer does not end. Said by `probe`.
    TransferStalled,
}

impl Finding {
    /// Its name in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UndecodableAdvertisement => "undecodable_advertisement",
            Self::PassiveRangePartlyBlocked => "passive_range_partly_blocked",
            Self::ClientNetworkFails => "client_network_fails",
            Self::AddressFamilyFails => "address_family_fails",
            Self::AdvertisedAddressFails => "advertised_address_fails",
            Self::TlsDataFails => "tls_data_fails",
            Self::PassivePortsExhausted => "passive_ports_exhausted",
            Self::PortOutsideRange => "port_outside_range",
            Self::GivenUpAtOnce => "given_up_at_once",
            Self::NoReply => "no_reply",
            Self::PassiveRefused => "passive_refused",
            Self::TransferStalled => "transfer_stalled",
        }
    }

    /// What it means, in a few words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        crate::explain::finding(self).meaning
    }
}
