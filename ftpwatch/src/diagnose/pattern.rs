//! What a pattern in a server's endpoints means, and what to do about it.

use std::net::SocketAddr;

use ftpwatch_common::address::Flow;

use super::{Confidence, Finding};
use crate::{
    escape::printable,
    history::{Pattern, Run},
};

/// What can be said about a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternDiagnosis {
    /// What it is.
    pub finding: Finding,
    /// How sure its explanation is.
    pub confidence: Confidence,
    /// What it means: a sentence.
    pub explanation: String,
    /// What was counted.
    pub evidence: Vec<String>,
    /// What to do.
    pub advice: Vec<String>,
}

impl Pattern {
    /// The finding that it is reported as.
    #[must_use]
    pub const fn finding(&self) -> Finding {
        match self {
            Self::RangePartlyBlocked { .. } => Finding::PassiveRangePartlyBlocked,
            Self::ClientNetwork { .. } => Finding::ClientNetworkFails,
            Self::AddressFamily { .. } => Finding::AddressFamilyFails,
            Self::AdvertisedAddress { .. } => Finding::AdvertisedAddressFails,
            Self::TlsData { .. } => Finding::TlsDataFails,
            Self::PortsExhausted(_) => Finding::PassivePortsExhausted,
            Self::PortOutside { .. } => Finding::PortOutsideRange,
            Self::GivenUpAtOnce { .. } => Finding::GivenUpAtOnce,
        }
    }
}

/// Explains a pattern that the control connection `flow` was the last to show.
#[must_use]
pub fn diagnose_pattern(pattern: &Pattern, flow: &Flow) -> PatternDiagnosis {
    let server = flow.server.ip();
    let (confidence, explanation, evidence, advice) = match pattern {
        Pattern::RangePartlyBlocked {
            open,
            shut,
            connected,
            failed,
            in_turns,
        } => (
            if *in_turns { Confidence::High } else { Confidence::Low },
            format!(
                "Passive ports {} of {server} connect, {} never do: the firewall is open for a part of the server's range{}.",
                runs(open),
                runs(shut),
                if *in_turns { "" } else { ", or it was changed meanwhile, as all failures came together" },
            ),
            vec![
                format!("{} connected {connected} times", runs(open)),
                format!("{} failed {failed} of {failed} times", runs(shut)),
            ],
            vec![
                format!("Open TCP ports {} as well, or keep the server to {}.", runs(shut), runs(open)),
            ],
        ),
        Pattern::ClientNetwork {
            network,
            failed,
            connected,
        } => (
            Confidence::High,
            format!("Clients in {network} cannot open data connections to {server}, and others can: the trouble is on their way."),
            vec![
                format!("of clients in {network}, {failed} of {failed} endpoints failed"),
                format!("of other clients, {connected} connected"),
            ],
            vec![format!(
                "Look at the firewalls and NAT between {network} and {server}: its outgoing rules for high ports, and FTP helpers."
            )],
        ),
        Pattern::AddressFamily {
            failing,
            failed,
            working,
            connected,
        } => {
            let version = |v4: bool| if v4 { "IPv4" } else { "IPv6" };
            let v4 = failing.ip().is_ipv4();
            (
                Confidence::Medium,
                format!(
                    "Data connections over {} fail, over {} they work: a firewall is open for one of them only.",
                    version(v4),
                    version(!v4)
                ),
                vec![
                    format!("{}: {failed} of {failed} endpoints failed", failing.ip()),
                    format!("{}: {connected} connected", working.ip()),
                ],
                vec![format!(
                    "Open the passive range for {} too (`ip6tables` and `iptables` are two rulesets; nftables' `inet` tables hold for both).",
                    version(v4)
                )],
            )
        }
        Pattern::AdvertisedAddress {
            address,
            failed,
            connected,
        } => (
            Confidence::High,
            format!(
                "Only clients that believe the advertised address {} fail; those that use {server} instead connect.",
                address.ip()
            ),
            vec![
                format!("{failed} endpoints failed whose clients believed {}", address.ip()),
                format!("{connected} connected to the control connection's address"),
            ],
            vec![
                format!("Make the server advertise {server}, or the public address that its clients reach it at."),
                "Which clients these are: `ftpwatch explain advertised_address_fails`".into(),
            ],
        ),
        Pattern::TlsData {
            unanswered,
            refused,
            ports,
            clients,
            clear,
        } => {
            let mut evidence = vec![format!(
                "{} connections of {clients} {} with an encrypted session, to ports {} of {server}: {unanswered} not answered, {refused} refused, none completed",
                unanswered + refused,
                if *clients == 1 { "client" } else { "clients" },
                run(ports)
            )];
            if *clear > 0 {
                evidence.push(format!("{clear} endpoints of sessions in clear text connected"));
            }
            (
                Confidence::Medium,
                format!(
                    "Data connections of encrypted sessions to {server} do not come about: a firewall that opens ports by \
                     reading replies (an FTP helper or ALG) cannot read these, or the passive range is closed."
                ),
                evidence,
                vec![
                    "Give the server a fixed passive range, and open that range for good: no helper can read FTPS.".into(),
                    "Behind NAT, make the server advertise its public address itself: nothing can rewrite an encrypted reply.".into(),
                ],
            )
        }
        Pattern::PortsExhausted(line) => (
            Confidence::Medium,
            format!("{server} has no passive port left: its range is too small for its clients, or data connections stay open."),
            vec![format!("PASV or EPSV was answered: {}", printable(line.text.as_bytes()))],
            vec![
                "Make the server's passive range larger than the number of transfers at a time, and open it in the firewalls.".into(),
                "See what holds the ports, on the server: `ss -tan`".into(),
            ],
        ),
        Pattern::PortOutside { port, before, seen } => (
            Confidence::Medium,
            format!(
                "{server} advertised port {port}, far from the range {} that it used before: it takes any port when its range \
                 is used up (as ProFTPD does), or something rewrites its replies.",
                run(before)
            ),
            vec![format!("{seen} endpoints before were on ports {}", run(before))],
            vec![
                format!("Make the server's passive range larger; a firewall that is open for {} keeps {port} out.", run(before)),
            ],
        ),
        Pattern::GivenUpAtOnce {
            given_up,
            endpoints,
        } => (
            Confidence::Low,
            format!(
                "Clients of {server} give up nearly every endpoint within a second, and none was ever connected: where it \
                 cannot be seen, something refuses their data connections at once (NAT, a container whose passive ports are \
                 not published); or these clients never transfer anything (a monitor)."
            ),
            vec![format!("{given_up} of {endpoints} endpoints were given up within a second, none was connected")],
            vec![
                "See that the passive range is forwarded and published, not the control port alone (`docker run -p 21:21 -p LO-HI:LO-HI`).".into(),
                format!("To confirm, from the client's side: `ftpwatch probe {}`", SocketAddr::new(server, flow.server_port)),
            ],
        ),
    };
    PatternDiagnosis {
        finding: pattern.finding(),
        confidence,
        explanation,
        evidence,
        advice,
    }
}

fn run(run: &Run) -> String {
    if run.low == run.high {
        run.low.to_string()
    } else {
        format!("{}-{}", run.low, run.high)
    }
}

fn runs(all: &[Run]) -> String {
    let all: Vec<String> = all.iter().map(run).collect();
    all.join(" and ")
}
