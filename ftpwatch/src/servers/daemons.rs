//! Daemons of Unix.

use super::{Setting, Software, UNKNOWN};

/// Those that are met most.
pub const COMMON: &[Software] = &[VSFTPD, PROFTPD, PURE_FTPD];

/// The others.
pub const OTHERS: &[Software] = &[WU_FTPD, NETBSD_FTPD, INETUTILS, BUSYBOX, UFTPD, LIGHTFTP];

const VSFTPD: Software = Software {
    name: "vsftpd",
    product: "vsFTPd",
    greetings: &["vsFTPd"],
    address: Some(Setting {
        directive: "`pasv_address={address}`",
        place: "in vsftpd.conf (a host name there needs `pasv_addr_resolve=YES`, and is looked up at the start only)",
        source: "vsftpd.conf(5), pasv_address and pasv_addr_resolve",
    }),
    range: Some(Setting {
        directive: "`pasv_min_port={low}` and `pasv_max_port={high}`",
        place: "in vsftpd.conf",
        source: "vsftpd.conf(5), pasv_min_port and pasv_max_port",
    }),
    foreign: Some(Setting {
        directive: "`pasv_promiscuous=YES`",
        place: "in vsftpd.conf (it gives up a protection against stolen data connections)",
        source: "vsftpd.conf(5), pasv_promiscuous",
    }),
    reuse: Some(Setting {
        directive: "`require_ssl_reuse=NO`",
        place: "in vsftpd.conf",
        source: "vsftpd.conf(5), require_ssl_reuse",
    }),
    log: Some(Setting {
        directive: "/var/log/vsftpd.log",
        place: "with `xferlog_enable=YES`, `log_ftp_protocol=YES` and `xferlog_std_format=NO`",
        source: "vsftpd.conf(5), xferlog_enable and log_ftp_protocol",
    }),
    ..UNKNOWN
};

const PROFTPD: Software = Software {
    name: "ProFTPD",
    product: "ProFTPD",
    greetings: &["ProFTPD"],
    address: Some(Setting {
        directive: "`MasqueradeAddress {address}`",
        place: "in proftpd.conf (a host name there is looked up from the server's own network)",
        source: "ProFTPD, mod_core, MasqueradeAddress; howto NAT",
    }),
    range: Some(Setting {
        directive: "`PassivePorts {low} {high}`",
        place: "in proftpd.conf (when all of them are in use it takes any other port)",
        source: "ProFTPD, mod_core, PassivePorts",
    }),
    foreign: Some(Setting {
        directive: "`AllowForeignAddress on`",
        place: "in proftpd.conf (or the name of a class of clients instead of `on`)",
        source: "ProFTPD, mod_core, AllowForeignAddress",
    }),
    reuse: Some(Setting {
        directive: "`TLSOptions NoSessionReuseRequired`",
        place: "in proftpd.conf",
        source: "ProFTPD, mod_tls, TLSOptions",
    }),
    log: Some(Setting {
        directive: "syslog, or the file of `SystemLog`",
        place: "more with `DebugLevel 10`; look for \"Check your PassivePorts and MasqueradeAddress settings\" and \
                \"SECURITY VIOLATION\"",
        source: "ProFTPD, mod_core, DebugLevel; modules/mod_xfer.c, src/inet.c",
    }),
    ..UNKNOWN
};

const PURE_FTPD: Software = Software {
    name: "Pure-FTPd",
    product: "Pure-FTPd",
    greetings: &["Pure-FTPd"],
    replies: &["229 Extended Passive mode OK ("],
    address: Some(Setting {
        directive: "`-P {address}`",
        place: "or `ForcePassiveIP {address}` in pure-ftpd.conf; on Debian, {address} in \
                /etc/pure-ftpd/conf/ForcePassiveIP",
        source: "pure-ftpd(8), -P; pure-ftpd-wrapper(8)",
    }),
    range: Some(Setting {
        directive: "`-p {low}:{high}`",
        place: "or `PassivePortRange {low} {high}` in pure-ftpd.conf; on Debian, `{low} {high}` in \
                /etc/pure-ftpd/conf/PassivePortRange",
        source: "pure-ftpd(8), -p; pure-ftpd-wrapper(8)",
    }),
    foreign: Some(Setting {
        directive: "`-w`",
        place: "or `AllowUserFXP yes` in pure-ftpd.conf (without, it closes such a connection and says nothing)",
        source: "pure-ftpd(8), -w; src/ftpd.c, opendata",
    }),
    log: Some(Setting {
        directive: "syslog, facility ftp",
        place: "more with `-d -d`, or `VerboseLog yes` twice in pure-ftpd.conf",
        source: "pure-ftpd(8), -d and -f; pure-ftpd.conf, VerboseLog",
    }),
    ..UNKNOWN
};

const WU_FTPD: Software = Software {
    name: "wu-ftpd",
    product: "wu-ftpd",
    greetings: &["(Version wu-"],
    address: Some(Setting {
        directive: "`passive address {address} 0.0.0.0/0`",
        place: "in ftpaccess",
        source: "ftpaccess(5), passive address",
    }),
    range: Some(Setting {
        directive: "`passive ports 0.0.0.0/0 {low} {high}`",
        place: "in ftpaccess",
        source: "ftpaccess(5), passive ports",
    }),
    foreign: Some(Setting {
        directive: "`pasv-allow all ADDRESSES`",
        place: "in ftpaccess, ADDRESSES being those that data connections come from",
        source: "ftpaccess(5), pasv-allow",
    }),
    ..UNKNOWN
};

const NETBSD_FTPD: Software = Software {
    name: "tnftpd",
    product: "NetBSD-ftpd",
    greetings: &["NetBSD-ftpd", "tnftpd"],
    address: Some(Setting {
        directive: "`advertize all {address}`",
        place: "in ftpd.conf",
        source: "ftpd.conf(5) of NetBSD, advertize",
    }),
    range: Some(Setting {
        directive: "`portrange all {low} {high}`",
        place: "in ftpd.conf",
        source: "ftpd.conf(5) of NetBSD, portrange",
    }),
    ..UNKNOWN
};

/// Servers that let the kernel choose the port take it from its own range.
const KERNEL_RANGE: Setting = Setting {
    directive: "no setting for the range, the kernel chooses: `sysctl net.ipv4.ip_local_port_range=\"{low} {high}\"`",
    place: "which holds for all programs of that host",
    source: "Linux, Documentation/networking/ip-sysctl.rst, ip_local_port_range",
};

const INETUTILS: Software = Software {
    name: "inetutils ftpd",
    product: "GNU inetutils ftpd",
    greetings: &["(GNU inetutils"],
    address: Some(Setting {
        directive: "no setting for the address: it advertises the one that the control connection came to",
        place: "so clients behind another address have to use EPSV, or another server",
        source: "ftpd(8) of GNU inetutils, which has no such option",
    }),
    range: Some(KERNEL_RANGE),
    ..UNKNOWN
};

const BUSYBOX: Software = Software {
    name: "BusyBox ftpd",
    product: "BusyBox ftpd",
    replies: &["227 PASV ok (", "229 EPSV ok ("],
    address: Some(Setting {
        directive: "no setting for the address: it advertises the one that the control connection came to",
        place: "so clients behind another address have to use EPSV, or another server",
        source: "BusyBox, networking/ftpd.c, bind_for_passive_mode",
    }),
    range: Some(KERNEL_RANGE),
    ..UNKNOWN
};

const UFTPD: Software = Software {
    name: "uftpd",
    product: "uFTPd",
    greetings: &["uFTPd"],
    address: Some(Setting {
        directive: "`-o pasv_addr={address}`",
        place: "",
        source: "uftpd(8), -o",
    }),
    range: Some(KERNEL_RANGE),
    ..UNKNOWN
};

const LIGHTFTP: Software = Software {
    name: "LightFTP",
    product: "LightFTP",
    greetings: &["LightFTP"],
    address: Some(Setting {
        directive: "`external_ip={address}`",
        place: "in fftp.conf",
        source: "LightFTP, README, external_ip",
    }),
    range: Some(Setting {
        directive: "`minport={low}` and `maxport={high}`",
        place: "in fftp.conf",
        source: "LightFTP, README, minport and maxport",
    }),
    log: Some(Setting {
        directive: "the file of `logfilepath`",
        place: "in fftp.conf",
        source: "LightFTP, README, logfilepath",
    }),
    ..UNKNOWN
};
