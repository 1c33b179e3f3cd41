//! Where what is where in a case, for the sentences.

use std::net::{IpAddr, SocketAddr};

use super::{Context, evidence::endpoint};
use crate::{
    address::{is_private, is_public},
    firewalls::Ports,
    servers::{self, Software, Topic, Values},
    tracker::Case,
};

/// Stands for an address that the server itself does not know.
const PUBLIC_ADDRESS: &str = "PUBLIC-ADDRESS";

/// Where what is where.
pub struct Scene {
    /// The control connection's server.
    pub server: IpAddr,
    server_port: u16,
    /// Its client.
    pub client: IpAddr,
    /// The advertised address.
    pub address: IpAddr,
    /// The advertised port.
    pub port: u16,
    /// Both.
    pub advertised: String,
    /// What has to be open, in words.
    pub range: String,
    /// The same, as far as it is known.
    pub ports: Ports,
    /// The values for the server's settings.
    pub values: Values,
    /// Which server it is.
    pub software: Option<&'static Software>,
    code: u16,
    range_is_known: bool,
}

impl Scene {
    /// That of `case`.
    pub fn of(case: &Case, context: &Context) -> Self {
        let view = case.views.client_side();
        let (server, client) = (view.flow.server.ip(), view.flow.client.ip());
        let (address, port) = (view.address.ip(), view.port);
        let banner = case.server.banner.as_ref();
        let mut values = Values {
            address: server.to_string(),
            ..Values::default()
        };
        if is_private(server) && is_public(client) {
            values.address = PUBLIC_ADDRESS.into();
        }
        let (range, ports) = match &context.passive_range {
            Some(range) => {
                let (low, high) = (range.start(), range.end());
                values.low = low.to_string();
                values.high = high.to_string();
                (
                    format!("the passive range {low}-{high}"),
                    Ports::range(low, high),
                )
            }
            None => (
                format!("port {port} and the rest of the server's passive range"),
                Ports::one(port),
            ),
        };
        Self {
            server,
            server_port: view.flow.server_port,
            client,
            address,
            port,
            advertised: endpoint(address, port),
            range,
            ports,
            values,
            software: servers::recognise(
                banner.map(|text| text.as_bytes()),
                Some(view.text.as_bytes()),
            ),
            code: view.code,
            range_is_known: context.passive_range.is_some(),
        }
    }

    /// What to set for `topic`: on this server where it is known which one it is, otherwise on those that are met
    /// most.
    pub fn settings(&self, topic: Topic) -> Vec<String> {
        let Some(software) = self.software else {
            let usual = servers::usual().iter();
            return usual
                .filter_map(|software| {
                    let setting = software.setting(topic)?;
                    Some(format!("{software}: {}", setting.directive(&self.values)))
                })
                .collect();
        };
        vec![match software.setting(topic) {
            Some(setting) => format!("{software}: {}", setting.line(&self.values)),
            None => format!("{software}: see its manual for {}", topic.title()),
        }]
    }

    /// The server's own setting for the passive range, where the server is known and the range is not: of no use is
    /// a firewall that opens other ports than the server takes.
    pub fn range_to_set(&self) -> Option<String> {
        let setting = self.software?.setting(Topic::Range)?;
        (!self.range_is_known).then(|| {
            let line = setting.line(&self.values);
            format!(
                "To set the range on the server, {}: {line}",
                self.software_name()
            )
        })
    }

    /// Where the server says what it does, where that is known.
    pub fn log(&self) -> Option<String> {
        let setting = self.software?.setting(Topic::Log)?;
        let line = setting.line(&self.values);
        Some(format!(
            "To see what the server says of it, {}: {line}",
            self.software_name()
        ))
    }

    fn software_name(&self) -> &'static str {
        self.software.map_or("the server", |software| software.name)
    }

    /// What a client does, done by hand where the client is.
    pub fn client_command(&self) -> String {
        let Self { address, port, .. } = self;
        // RFC 3986, section 3.2.2: an IPv6 address in a URL is in brackets, as it is before a port.
        let host = match (self.server_port, self.server) {
            (21, IpAddr::V4(server)) => server.to_string(),
            (21, IpAddr::V6(server)) => format!("[{server}]"),
            (port, server) => SocketAddr::new(server, port).to_string(),
        };
        match self.code {
            // curl ignores the advertised address unless told otherwise (curl(1), --ftp-skip-pasv-ip).
            227 => format!(
                "To confirm, from the client's side: `curl -v --disable-epsv --no-ftp-skip-pasv-ip ftp://{host}/`"
            ),
            229 => format!("To confirm, from the client's side: `curl -v ftp://{host}/`"),
            _ => format!(
                "To confirm, from the client's side while the server waits: `nc -vz {address} {port}`"
            ),
        }
    }
}
