//! Servers of Windows, and those with a console to configure them.

use super::{Setting, Software, UNKNOWN};

/// All of them.
pub const SERVERS: &[Software] = &[FILEZILLA, IIS, SERV_U, TITAN, GENE6];

const FILEZILLA: Software = Software {
    name: "FileZilla Server",
    product: "FileZilla Server",
    greetings: &["FileZilla Server", "FileZilla Pro Enterprise Server"],
    address: Some(Setting {
        directive: "\"Use the following host\": {address}",
        place: "under Protocol settings, FTP and FTP over TLS, Passive mode",
        source: "FileZilla Server, manual, Passive Mode",
    }),
    range: Some(Setting {
        directive: "\"Use custom port range\": {low} to {high}",
        place: "under Protocol settings, FTP and FTP over TLS, Passive mode",
        source: "FileZilla Server, manual, Passive Mode",
    }),
    reuse: Some(Setting {
        directive: "no setting since 1.0, the client has to resume the session",
        place: "(up to 0.9, \"Require TLS session resumption on data connection when using PROT P\")",
        source: "FileZilla Server, src/filezilla/securable_socket.cpp",
    }),
    ..UNKNOWN
};

const IIS: Software = Software {
    name: "IIS",
    product: "Microsoft FTP Service",
    greetings: &["Microsoft FTP Service"],
    address: Some(Setting {
        directive: "`externalIp4Address=\"{address}\"`",
        place: "in firewallSupport of the site's ftpServer; IIS Manager, FTP Firewall Support, External IP Address of \
                Firewall",
        source: "IIS configuration reference, site/ftpServer/firewallSupport",
    }),
    range: Some(Setting {
        directive: "`lowDataChannelPort=\"{low}\"` and `highDataChannelPort=\"{high}\"`",
        place: "in system.ftpServer/firewallSupport; IIS Manager, FTP Firewall Support, Data Channel Port Range",
        source: "IIS configuration reference, system.ftpServer/firewallSupport",
    }),
    foreign: Some(Setting {
        directive: "`matchClientAddressForPasv=\"false\"`",
        place: "in dataChannelSecurity of the site's ftpServer/security",
        source: "IIS configuration reference, site/ftpServer/security/dataChannelSecurity",
    }),
    ..UNKNOWN
};

const SERV_U: Software = Software {
    name: "Serv-U",
    product: "Serv-U",
    greetings: &["Serv-U"],
    ..UNKNOWN
};

const TITAN: Software = Software {
    name: "Titan FTP Server",
    product: "Titan FTP Server",
    greetings: &["Titan FTP Server"],
    ..UNKNOWN
};

const GENE6: Software = Software {
    name: "Gene6 FTP Server",
    product: "Gene6 FTP Server",
    greetings: &["Gene6 FTP Server"],
    ..UNKNOWN
};
