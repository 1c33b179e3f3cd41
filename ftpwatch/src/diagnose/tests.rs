//! The advice: what is said of each server, in whole.

mod causes;
mod transfer;

use std::net::IpAddr;

use clap::ValueEnum as _;
use ftpwatch_common::{address::Flow, endpoint::Endpoint, text::Text};

use super::{advice::advice, *};
use crate::tracker::{Outcome, SECOND, Views};

const CLIENT: &str = "198.51.100.7";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn text(line: &str) -> Text {
    let mut text = Text::EMPTY;
    line.bytes().for_each(|byte| text.push(byte));
    text
}

/// A case of the server at `server` that greeted with `greeting` and advertised port 40007 with `reply`.
fn case(server: &str, greeting: &str, code: u16, reply: &str) -> Case {
    let view = Endpoint {
        flow: Flow {
            client: ip(CLIENT).into(),
            server: ip(server).into(),
            client_port: 44174,
            server_port: 21,
        },
        address: ip(server).into(),
        port: 40007,
        code,
        text: text(reply),
        advertised_at: SECOND,
        acked_at: SECOND,
        ..Endpoint::EMPTY
    };
    let views = Views::new(view);
    let mut case = Case {
        facts: views.facts(),
        views,
        outcome: Outcome::NoAnswer,
        decided_at: 11 * SECOND,
        fault: None,
        server: Default::default(),
        control_reply: None,
    };
    case.server.banner = (!greeting.is_empty()).then(|| text(greeting));
    case
}

const VSFTPD: &str = "220 (vsFTPd 3.0.3)";
const PLAIN_227: &str = "227 Entering Passive Mode (203,0,113,10,156,71).";
const BELIEVE: &str = "To confirm, from the client's side: \
     `curl -v --disable-epsv --no-ftp-skip-pasv-ip ftp://203.0.113.10/`";

fn with_range() -> Context {
    Context {
        passive_range: Some(50000..=50100),
        ..without_range()
    }
}

fn without_range() -> Context {
    Context {
        vantage: Vantage::Server,
        inferred: false,
        passive_range: None,
        listening: None,
    }
}

/// The line about the server's own settings.
fn setting(greeting: &str, code: u16, reply: &str, cause: Cause) -> Vec<String> {
    let case = case("203.0.113.10", greeting, code, reply);
    let mut lines = advice(cause, &case, &with_range());
    lines.remove(0);
    lines.retain(|line| !line.starts_with("To confirm") && !line.starts_with("Until then"));
    lines
}

#[test]
fn the_directive_of_the_server_that_it_is() {
    for (greeting, reply, address, range) in [
        (
            VSFTPD,
            PLAIN_227,
            "vsftpd: `pasv_address=203.0.113.10`, in vsftpd.conf (a host name there needs `pasv_addr_resolve=YES`, \
             and is looked up at the start only)",
            "vsftpd: `pasv_min_port=50000` and `pasv_max_port=50100`, in vsftpd.conf",
        ),
        (
            "220 ProFTPD Server (Debian) [203.0.113.10]",
            PLAIN_227,
            "ProFTPD: `MasqueradeAddress 203.0.113.10`, in proftpd.conf (a host name there is looked up from the \
             server's own network)",
            "ProFTPD: `PassivePorts 50000 50100`, in proftpd.conf (when all of them are in use it takes any other port)",
        ),
        (
            "220---------- Welcome to Pure-FTPd [privsep] [TLS] ----------",
            PLAIN_227,
            "Pure-FTPd: `-P 203.0.113.10`, or `ForcePassiveIP 203.0.113.10` in pure-ftpd.conf; on Debian, \
             203.0.113.10 in /etc/pure-ftpd/conf/ForcePassiveIP",
            "Pure-FTPd: `-p 50000:50100`, or `PassivePortRange 50000 50100` in pure-ftpd.conf; on Debian, \
             `50000 50100` in /etc/pure-ftpd/conf/PassivePortRange",
        ),
        (
            "220-FileZilla Server 1.9.4",
            PLAIN_227,
            "FileZilla Server: \"Use the following host\": 203.0.113.10, under Protocol settings, FTP and FTP over \
             TLS, Passive mode",
            "FileZilla Server: \"Use custom port range\": 50000 to 50100, under Protocol settings, FTP and FTP over \
             TLS, Passive mode",
        ),
        (
            "220 Microsoft FTP Service",
            PLAIN_227,
            "IIS: `externalIp4Address=\"203.0.113.10\"`, in firewallSupport of the site's ftpServer; IIS Manager, FTP \
             Firewall Support, External IP Address of Firewall",
            "IIS: `lowDataChannelPort=\"50000\"` and `highDataChannelPort=\"50100\"`, in \
             system.ftpServer/firewallSupport; IIS Manager, FTP Firewall Support, Data Channel Port Range",
        ),
        // Told by the form of the reply.
        (
            "220 Welcome",
            "227 Entering passive mode (203,0,113,10,156,71).",
            "pyftpdlib: `masquerade_address = \"203.0.113.10\"`, of the FTPHandler, or `--nat-address 203.0.113.10`",
            "pyftpdlib: `passive_ports = range(50000, 50100 + 1)`, of the FTPHandler, or `--range 50000-50100`",
        ),
        (
            "",
            "227 PASV ok (203,0,113,10,156,71)",
            "BusyBox ftpd: no setting for the address: it advertises the one that the control connection came to, so \
             clients behind another address have to use EPSV, or another server",
            "BusyBox ftpd: no setting for the range, the kernel chooses: \
             `sysctl net.ipv4.ip_local_port_range=\"50000 50100\"`, which holds for all programs of that host",
        ),
        (
            "220 Serv-U FTP Server v15.1 ready...",
            PLAIN_227,
            "Serv-U: see its manual for the address that is advertised",
            "Serv-U: see its manual for the passive range",
        ),
    ] {
        let lines = setting(greeting, 227, reply, Cause::PrivateAddress);
        assert_eq!(lines, [address], "{greeting}");
        let lines = setting(greeting, 227, reply, Cause::PortOutOfRange);
        assert_eq!(lines, [range], "{greeting}");
    }
}

#[test]
fn the_usual_ones_where_it_is_not_known() {
    assert_eq!(
        setting("220 Welcome", 227, PLAIN_227, Cause::UnusableAddress),
        [
            "vsftpd: `pasv_address=203.0.113.10`",
            "ProFTPD: `MasqueradeAddress 203.0.113.10`",
            "Pure-FTPd: `-P 203.0.113.10`",
        ]
    );
    assert_eq!(
        setting("", 227, PLAIN_227, Cause::PortOutOfRange),
        [
            "vsftpd: `pasv_min_port=50000` and `pasv_max_port=50100`",
            "ProFTPD: `PassivePorts 50000 50100`",
            "Pure-FTPd: `-p 50000:50100`",
        ]
    );
}

#[test]
fn behind_nat_the_public_address_is_not_known() {
    let case = case("10.0.0.5", VSFTPD, 227, PLAIN_227);
    let lines = advice(Cause::PrivateAddress, &case, &without_range());
    assert_eq!(
        lines[0],
        "Make the server advertise its public address; 10.0.0.5 is what NAT makes of it:"
    );
    assert!(
        lines[1].starts_with("vsftpd: `pasv_address=PUBLIC-ADDRESS`"),
        "{lines:#?}"
    );
}

#[test]
fn the_hosts_firewall() {
    let case = case("203.0.113.10", VSFTPD, 227, PLAIN_227);
    assert_eq!(
        advice(Cause::LocalDrop, &case, &with_range()),
        [
            "Open the passive range 50000-50100 in this host's own firewall:",
            "nftables: `tcp dport 50000-50100 accept`, in the input chain",
            "firewalld: `firewall-cmd --permanent --add-port=50000-50100/tcp`, then `firewall-cmd --reload`",
            "ufw: `ufw allow 50000:50100/tcp`",
            "To see the rule that drops: `nft list ruleset`, or `iptables -S`",
            BELIEVE,
        ]
    );
    assert_eq!(
        advice(Cause::LocalDrop, &case, &without_range()),
        [
            "Open port 40007 and the rest of the server's passive range in this host's own firewall:",
            "nftables: `tcp dport 40007 accept`, in the input chain",
            "firewalld: `firewall-cmd --permanent --add-port=40007/tcp`, then `firewall-cmd --reload`",
            "ufw: `ufw allow 40007/tcp`",
            "To see the rule that drops: `nft list ruleset`, or `iptables -S`",
            "To set the range on the server, vsftpd: `pasv_min_port=LO` and `pasv_max_port=HI`, in vsftpd.conf",
            BELIEVE,
        ]
    );
}

#[test]
fn what_is_in_front() {
    let reply = "229 Entering Extended Passive Mode (|||40007|)";
    let case = case("2001:db8::5", "", 229, reply);
    assert_eq!(
        advice(Cause::PathBlocked, &case, &with_range()),
        [
            "Open the passive range 50000-50100 between 198.51.100.7 and 2001:db8::5, wherever it is closed:",
            "security group: an inbound rule for TCP 50000-50100 from 198.51.100.7's network",
            "router with NAT: forward TCP 50000-50100 to the server, each port to the same port",
            "container: publish the ports as they are, `docker run -p 50000-50100:50000-50100`",
            "Linux gateway, nftables: `tcp dport 50000-50100 accept`, in the forward chain",
            "To confirm, from the client's side: `curl -v ftp://[2001:db8::5]/`",
        ]
    );
}

#[test]
fn every_cause_has_advice() {
    let case = case("203.0.113.10", "", 227, PLAIN_227);
    for cause in Cause::value_variants() {
        for vantage in [Vantage::Server, Vantage::Gateway, Vantage::Client] {
            let context = Context {
                vantage,
                ..without_range()
            };
            assert!(!advice(*cause, &case, &context).is_empty(), "{cause:?}");
            let explanation = super::advice::explanation(*cause, &case, &context);
            assert!(explanation.ends_with('.'), "{cause:?}: {explanation}");
        }
    }
}
