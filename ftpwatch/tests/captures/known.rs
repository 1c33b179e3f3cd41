//! Captures of real traffic, in a folder that `FTPWATCH_CAPTURES` names: what is in each is known.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use crate::reading::{Reading, json, text};

/// What is in a capture.
struct Known {
    /// How its name ends; the folder it is in goes before.
    name: &'static str,
    /// Control connections on which a server spoke.
    sessions: usize,
    /// Endpoints, by outcome.
    outcomes: &'static [(&'static str, usize)],
    /// Causes, by name.
    causes: &'static [(&'static str, usize)],
    /// Transfers that failed afterwards.
    transfers: usize,
}

const fn fine(
    name: &'static str,
    sessions: usize,
    outcomes: &'static [(&'static str, usize)],
) -> Known {
    Known {
        name,
        sessions,
        outcomes,
        causes: &[],
        transfers: 0,
    }
}

/// Nothing fails in any of the public ones. Where they have no SYN, the transfer ran (226) or was refused (550).
const KNOWN: [Known; 37] = [
    fine("lab/ok.pcap", 11, &[("connected", 11)]),
    Known {
        name: "lab/drop.pcap",
        sessions: 12,
        outcomes: &[("no_answer", 15)],
        causes: &[("local_drop", 15)],
        transfers: 0,
    },
    Known {
        name: "lab/rst.pcap",
        sessions: 12,
        outcomes: &[("refused", 15)],
        causes: &[("not_listening", 15)],
        transfers: 0,
    },
    Known {
        name: "lab/badip.pcap",
        sessions: 12,
        outcomes: &[("connected", 6), ("no_answer", 7), ("no_syn", 1)],
        causes: &[("address_mismatch", 7), ("client_refused", 1)],
        transfers: 0,
    },
    Known {
        name: "lab/benign.pcap",
        sessions: 12,
        outcomes: &[("connected", 4), ("no_syn", 1), ("unused", 9)],
        causes: &[("path_blocked", 1)],
        transfers: 1,
    },
    fine("bug-3519__input.pcap", 1, &[]),
    fine("bug-4877__input.pcap", 1, &[]),
    fine("bug-8489-01.pcap", 1, &[]),
    fine("bug-8489-02.pcap", 1, &[]),
    fine("bug-8489-03.pcap", 1, &[]),
    fine("ftp-active-dynamic_port.pcap", 1, &[]),
    fine("ftp-mode-02__input.pcap", 1, &[]),
    // 550, and the file ends.
    fine("ftp-passive-dynamic_port.pcap", 1, &[("unused", 1)]),
    fine("ftp-active-mode.pcap", 1, &[]),
    fine("ftp-passive-mode.pcap", 1, &[("connected", 1)]),
    fine("filestore-v2.7-stream-depth__input.pcap", 1, &[]),
    fine(
        "ruletype-firewall-116-ftp-all-data-ipv4__input.pcap",
        2,
        &[("connected", 7)],
    ),
    fine(
        "ruletype-firewall-117-ftp-all-data-ipv6__input.pcap",
        2,
        &[("connected", 7)],
    ),
    fine(
        "ruletype-firewall-118-ftp-stou-no-filename-active__input.pcap",
        1,
        &[],
    ),
    fine("ftp-epsv__input.pcap", 1, &[("unobserved", 4)]),
    fine("ftp-port-memcap__input.pcap", 1, &[]),
    // The server closes without a word: not seen to speak FTP.
    fine("ftp-quit__input.pcap", 0, &[]),
    fine("ftp-retr-bypass-baseline__input.pcap", 1, &[]),
    fine("ftp-retr-bypass-realserver__input.pcap", 1, &[]),
    fine("ftp-bounce__test.pcap", 2, &[]),
    fine("ftp-download-active__input.pcap", 1, &[]),
    fine("ftp-download-passive__input.pcap", 1, &[("connected", 3)]),
    fine("ftp-ippair-leak-5204__input.pcap", 10, &[]),
    fine(
        "ftp-too-long-command-buffered__ftp-too-long-command.pcap",
        1,
        &[("unused", 1)],
    ),
    fine(
        "ftp-too-long-command-first__ftp-too-long-command.pcap",
        1,
        &[("unused", 1)],
    ),
    fine(
        "ftp-too-long-command-higher-limit__ftp-too-long-command.pcap",
        1,
        &[("unused", 1)],
    ),
    fine(
        "ftp-too-long-command__ftp-too-long-command.pcap",
        1,
        &[("unused", 1)],
    ),
    // Its 227 has no number in 100 kB.
    fine("ftp-too-long-response.pcap", 1, &[]),
    fine("ftp-upload-active__input.pcap", 1, &[]),
    fine("ftp-upload-passive__input.pcap", 1, &[("connected", 3)]),
    fine("output-eve-ftp-data__input.pcap", 1, &[]),
    // 550 before the handshake was complete.
    fine("sip-method__sip.pcap", 1, &[("unused", 1)]),
];

#[test]
fn what_is_in_them_is_found() {
    let Some(folder) = env::var_os("FTPWATCH_CAPTURES") else {
        println!("skipped: FTPWATCH_CAPTURES is not set");
        return;
    };
    let files = captures(Path::new(&folder));
    assert!(!files.is_empty(), "no capture in {}", folder.display());
    let mut wrong = Vec::new();
    for file in &files {
        let name = file.to_string_lossy();
        let reading = json(file, &[]);
        match KNOWN.iter().find(|known| name.ends_with(known.name)) {
            Some(known) => wrong.extend(compare(known, &reading)),
            // Another folder's: it can be read, at least.
            None if reading.status == Some(2) => wrong.push(format!("{name}: {}", reading.stderr)),
            None => println!("{name} is not known here: {}", reading.stderr),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn captures(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    let captures = files.into_iter().filter(|path| {
        let name = path.to_string_lossy();
        [".pcap", ".pcapng", ".cap", ".gz"]
            .iter()
            .any(|end| name.ends_with(end))
    });
    captures
        .chain(folders.iter().flat_map(|folder| self::captures(folder)))
        .collect()
}

fn compare(known: &Known, reading: &Reading) -> Vec<String> {
    let count = |of: &str| -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for event in reading
            .events_of("outcome")
            .iter()
            .filter(|event| !event[of].is_null())
        {
            *counts.entry(text(&event[of])).or_default() += 1;
        }
        counts
    };
    let expected = |counts: &[(&str, usize)]| -> BTreeMap<String, usize> {
        counts
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect()
    };
    let failed = !known.causes.is_empty();
    let checks = [
        ("outcomes", count("outcome") == expected(known.outcomes)),
        ("causes", count("cause") == expected(known.causes)),
        (
            "sessions",
            reading.events_of("session").len() == known.sessions,
        ),
        (
            "transfers",
            reading.events_of("transfer").len() == known.transfers,
        ),
        ("late", reading.events_of("late").is_empty()),
        ("losses", reading.stderr.ends_with("nothing was lost\n")),
        ("status", reading.status == Some(i32::from(failed))),
    ];
    let wrong = checks.iter().filter(|(_, right)| !right);
    wrong
        .map(|(what, _)| format!("{}: {what}: {reading:#?}", known.name))
        .collect()
}
