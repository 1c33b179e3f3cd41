//! Servers that are libraries, and what is made of them.

use super::{Setting, Software, UNKNOWN};

/// All of them.
pub const SERVERS: &[Software] = &[
    PYFTPDLIB, AIOFTP, SFTPGO, FTPSERVER, LIBUNFTP, MINA, FUBARDEV, FTP_SRV,
];

const PYFTPDLIB: Software = Software {
    name: "pyftpdlib",
    product: "pyftpdlib",
    greetings: &["pyftpdlib"],
    replies: &[
        "227 Entering passive mode (",
        "229 Entering extended passive mode (",
    ],
    address: Some(Setting {
        directive: "`masquerade_address = \"{address}\"`",
        place: "of the FTPHandler, or `--nat-address {address}`",
        source: "pyftpdlib, API reference, FTPHandler.masquerade_address; command line, --nat-address",
    }),
    range: Some(Setting {
        directive: "`passive_ports = range({low}, {high} + 1)`",
        place: "of the FTPHandler, or `--range {low}-{high}`",
        source: "pyftpdlib, API reference, FTPHandler.passive_ports; command line, --range",
    }),
    foreign: Some(Setting {
        directive: "`permit_foreign_addresses = True`",
        place: "of the FTPHandler",
        source: "pyftpdlib, API reference, FTPHandler.permit_foreign_addresses",
    }),
    log: Some(Setting {
        directive: "the logger `pyftpdlib`",
        place: "more at level DEBUG, or with `--debug`",
        source: "pyftpdlib, command line, --debug",
    }),
    ..UNKNOWN
};

const AIOFTP: Software = Software {
    name: "aioftp",
    product: "aioftp",
    replies: &[
        "227 listen socket created (",
        "227 listen socket already exists (",
        "229 listen socket created (",
        "229 listen socket already exists (",
    ],
    address: Some(Setting {
        directive: "`ipv4_pasv_forced_response_address=\"{address}\"`",
        place: "of the Server",
        source: "aioftp, API reference, Server",
    }),
    range: Some(Setting {
        directive: "`data_ports=range({low}, {high} + 1)`",
        place: "of the Server",
        source: "aioftp, API reference, Server",
    }),
    ..UNKNOWN
};

const SFTPGO: Software = Software {
    name: "SFTPGo",
    product: "SFTPGo",
    greetings: &["SFTPGo"],
    address: Some(Setting {
        directive: "`\"force_passive_ip\": \"{address}\"`",
        place: "of the binding, under ftpd in sftpgo.json",
        source: "SFTPGo, internal/ftpd/ftpd.go, Binding",
    }),
    range: Some(Setting {
        directive: "`\"passive_port_range\": {\"start\": {low}, \"end\": {high}}`",
        place: "under ftpd in sftpgo.json",
        source: "SFTPGo, internal/ftpd/ftpd.go, Configuration",
    }),
    foreign: Some(Setting {
        directive: "`\"passive_connections_security\": 1`",
        place: "of the binding, under ftpd in sftpgo.json",
        source: "SFTPGo, internal/ftpd/ftpd.go, Binding",
    }),
    ..UNKNOWN
};

/// Tells nothing by itself: its greeting is its operator's.
const FTPSERVER: Software = Software {
    name: "ftpserver (Go)",
    product: "ftpserver",
    address: Some(Setting {
        directive: "`\"public_host\": \"{address}\"`",
        place: "in ftpserver.json",
        source: "fclairamb/ftpserver, config/confpar/confpar.go",
    }),
    range: Some(Setting {
        directive: "`\"passive_transfer_port_range\": {\"start\": {low}, \"end\": {high}}`",
        place: "in ftpserver.json",
        source: "fclairamb/ftpserver, README",
    }),
    ..UNKNOWN
};

const LIBUNFTP: Software = Software {
    name: "unFTP",
    product: "libunftp",
    greetings: &["libunftp"],
    address: Some(Setting {
        directive: "`--passive-host={address}`",
        place: "of unftp, or `passive_host` of libunftp's ServerBuilder",
        source: "unFTP, --help; libunftp, ServerBuilder::passive_host",
    }),
    range: Some(Setting {
        directive: "`--passive-ports={low}-{high}`",
        place: "of unftp, or `passive_ports({low}..={high})` of libunftp's ServerBuilder",
        source: "unFTP, --help; libunftp, ServerBuilder::passive_ports",
    }),
    log: Some(Setting {
        directive: "standard error",
        place: "more with `-v` or `-vv` of unftp",
        source: "unFTP, --help",
    }),
    ..UNKNOWN
};

const MINA: Software = Software {
    name: "Apache FtpServer",
    product: "Apache FtpServer",
    replies: &["229 Entering Passive Mode (|||"],
    address: Some(Setting {
        directive: "`<passive external-address=\"{address}\"/>`",
        place: "in the listener's data-connection",
        source: "Apache FtpServer, Listeners",
    }),
    range: Some(Setting {
        directive: "`<passive ports=\"{low}-{high}\"/>`",
        place: "in the listener's data-connection",
        source: "Apache FtpServer, Configure passive ports",
    }),
    foreign: Some(Setting {
        directive: "`<passive ip-check=\"false\"/>`",
        place: "in the listener's data-connection",
        source: "Apache FtpServer, ftpserver-1.0.xsd",
    }),
    ..UNKNOWN
};

/// Tells nothing by itself: it words greeting and replies as others do.
const FUBARDEV: Software = Software {
    name: "FubarDev FtpServer",
    product: "FubarDev FtpServer",
    address: Some(Setting {
        directive: "`PublicAddress = IPAddress.Parse(\"{address}\")`",
        place: "of SimplePasvOptions",
        source: "FubarDev.FtpServer, SimplePasvOptions",
    }),
    range: Some(Setting {
        directive: "`PasvMinPort = {low}` and `PasvMaxPort = {high}`",
        place: "of SimplePasvOptions",
        source: "FubarDev.FtpServer, SimplePasvOptions",
    }),
    foreign: Some(Setting {
        directive: "`PromiscuousPasv = true`",
        place: "of PasvCommandOptions",
        source: "FubarDev.FtpServer, PasvCommandOptions",
    }),
    ..UNKNOWN
};

const FTP_SRV: Software = Software {
    name: "ftp-srv",
    product: "ftp-srv",
    replies: &["227 PASV OK (", "229 EPSV OK (|||"],
    address: Some(Setting {
        directive: "`pasv_url: '{address}'`",
        place: "of the FtpSrv, or `--pasv_url {address}`",
        source: "ftp-srv, README, pasv_url",
    }),
    range: Some(Setting {
        directive: "`pasv_min: {low}` and `pasv_max: {high}`",
        place: "of the FtpSrv, or `--pasv_min {low} --pasv_max {high}`",
        source: "ftp-srv, README, pasv_min and pasv_max",
    }),
    ..UNKNOWN
};
