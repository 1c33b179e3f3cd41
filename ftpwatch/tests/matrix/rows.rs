//! The rows, as matrix.txt has them.

use super::lab::server::daemons::Kind;
use super::lab::stage::{Behaviour, Fault};
use super::lab::topology::Family::{self, V4, V6};
use super::verdict::Expected;
use std::collections::BTreeSet;

/// The file, where it is looked for by whoever extends it.
const FILE: &str = include_str!("matrix.txt");

/// What matrix.txt calls a fault, and what makes it.
const FAULTS: [(&str, Fault); 24] = [
    ("works", Fault::Nothing),
    ("private_address", Fault::PrivateAddress),
    ("wrong_address", Fault::WrongAddress),
    ("zero_address", Fault::ZeroAddress),
    ("dropped_in_front", Fault::DroppedInFront),
    ("half_dropped", Fault::HalfDropped),
    ("dropped_on_host", Fault::DroppedOnServer),
    ("reset_on_host", Fault::ResetOnServer),
    ("rejected_on_host", Fault::RejectedOnServer),
    ("rejected_by_router", Fault::RejectedByRouter),
    ("answer_dropped", Fault::AnswerDropped),
    ("nat_right", Fault::NatRight),
    ("nat_wrong", Fault::NatWrong),
    ("ipv6_dropped", Fault::Ipv6Dropped),
    ("other_client", Fault::OtherClient),
    ("other_client_allowed", Fault::OtherClientAllowed),
    ("gives_up", Fault::Nothing),
    ("slow", Fault::Nothing),
    ("server_times_out", Fault::ServerTimesOut),
    ("answers_425", Fault::Answers425),
    ("nobody_listens", Fault::NobodyListens),
    ("reply_split", Fault::ReplySplit),
    ("odd_reply", Fault::OddReply),
    ("port_rewritten", Fault::PortRewritten),
];

/// The fault that needs a place of its own to be looked at from.
const ELSEWHERE: (&str, Fault) = ("data_elsewhere", Fault::DataElsewhere);

/// What matrix.txt calls a client, and what it does.
const CLIENTS: [(&str, Behaviour); 16] = [
    ("curl", Behaviour::Curl),
    ("curl_pasv", Behaviour::CurlPasv),
    ("curl_trusting", Behaviour::TrustingCurl),
    ("lftp", Behaviour::CarefulLftp),
    ("lftp_trusting", Behaviour::Lftp),
    ("ncftp", Behaviour::Ncftp),
    ("tnftp", Behaviour::Tnftp),
    ("ftplib", Behaviour::Ftplib),
    ("ftplib_trusting", Behaviour::TrustingFtplib),
    ("quits", Behaviour::QuitsAtOnce),
    ("closes", Behaviour::ClosesAtOnce),
    ("refuses", Behaviour::Refuses),
    ("slow", Behaviour::Slow),
    ("slow_trusting", Behaviour::TrustingSlow),
    ("command_first", Behaviour::CommandFirst),
    ("stays", Behaviour::Stays),
];

/// How many of [`CLIENTS`] are real programs as they come, which every fault of the way has to meet.
const REAL_CLIENTS: usize = 9;

const SERVERS: [Kind; 3] = [Kind::Vsftpd, Kind::Proftpd, Kind::PureFtpd];

/// The faults that are made of one client's ways, or of one server's.
const PARTIAL: [&str; 4] = ["ipv6_dropped", "gives_up", "slow", "server_times_out"];

/// A fault, and how the file puts it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Named {
    pub name: &'static str,
    pub meaning: &'static str,
    pub fault: Fault,
}

/// One row.
pub struct Row {
    pub fault: Named,
    /// As the file names it; without a kind it is scripted.
    pub server: &'static str,
    pub kind: Option<Kind>,
    pub client: &'static str,
    pub behaviour: Behaviour,
    pub family: Family,
    pub at_server: Expected,
    pub at_router: Expected,
}

/// Reads the file.
pub fn all() -> Vec<Row> {
    let mut fault = None;
    let mut rows = Vec::new();
    for (number, line) in FILE.lines().enumerate() {
        let place = format!("matrix.txt, line {}", number + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.strip_prefix('[') {
            Some(heading) => fault = Some(read_heading(heading, &place)),
            None => {
                let fault = fault.unwrap_or_else(|| panic!("{place}: a row of which fault?"));
                rows.push(read_row(line, fault, &place));
            }
        }
    }
    rows
}

fn read_heading(heading: &'static str, place: &str) -> Named {
    let (name, meaning) = heading
        .split_once("] ")
        .unwrap_or_else(|| panic!("{place}: not `[fault] what it is`"));
    let fault = FAULTS
        .into_iter()
        .chain([ELSEWHERE])
        .find(|(known, _)| *known == name)
        .unwrap_or_else(|| panic!("{place}: there is no fault {name}"))
        .1;
    Named {
        name,
        meaning,
        fault,
    }
}

fn read_row(line: &'static str, fault: Named, place: &str) -> Row {
    let columns: Vec<&str> = line.split('|').map(str::trim).collect();
    let &[server, client, version, at_server, at_router] = columns.as_slice() else {
        panic!("{place}: not five columns");
    };
    let kind = SERVERS.into_iter().find(|kind| kind.name() == server);
    assert!(
        if fault.fault.is_scripted() {
            server == "scripted"
        } else {
            kind.is_some()
        },
        "{place}: {server} is no server for {}",
        fault.name
    );
    let (_, behaviour) = CLIENTS
        .into_iter()
        .find(|(name, _)| *name == client)
        .unwrap_or_else(|| panic!("{place}: there is no client {client}"));
    Row {
        fault,
        server,
        kind,
        client,
        behaviour,
        family: match version {
            "4" => V4,
            "6" => V6,
            _ => panic!("{place}: there is no IP version {version}"),
        },
        at_server: Expected::read(at_server, place),
        at_router: Expected::read(at_router, place),
    }
}

/// Panics unless every fault was brought together with every server and with every client that there is a sense in,
/// and no row is there twice.
pub fn assert_complete(rows: &[Row]) {
    let mut seen = BTreeSet::new();
    for row in rows {
        let (fault, server, client) = (row.fault.name, row.server, row.client);
        let v6 = row.family == V6;
        assert!(
            seen.insert((fault, server, client, v6)),
            "{fault}, {server}, {client} is there twice"
        );
    }
    for (fault, kind) in FAULTS.into_iter().chain([ELSEWHERE]) {
        let of_it = || rows.iter().filter(move |row| row.fault.name == fault);
        assert!(of_it().count() > 0, "no row of {fault}");
        for server in SERVERS {
            let lacks_it = match fault {
                // Pure-FTPd has no settings for these.
                "other_client_allowed" | "server_times_out" => server == Kind::PureFtpd,
                // ProFTPD takes them from anybody.
                "other_client" => server == Kind::Proftpd,
                _ => kind.is_scripted(),
            };
            assert!(
                lacks_it || of_it().any(|row| row.kind == Some(server)),
                "{fault} never met {}",
                server.name()
            );
        }
        for (client, _) in &CLIENTS[..REAL_CLIENTS] {
            assert!(
                PARTIAL.contains(&fault) || of_it().any(|row| row.client == *client),
                "{fault} never met {client}"
            );
        }
    }
}
