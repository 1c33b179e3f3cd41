//! Pure-FTPd: options on the command line (pure-ftpd(8)), a file of `Name value` lines (pure-ftpd.conf), or Debian's
//! folder with a file for each (pure-ftpd-wrapper(8)). It writes over its command line once it runs.

use super::{Passive, Words, files::Files, usual};
use crate::host::owners::Process;

pub const WORDS: Words = Words {
    name: "Pure-FTPd",
    range: "`-p 50000:50100` (PassivePortRange)",
    address: "-P (ForcePassiveIP)",
    set_address: "`-P` (ForcePassiveIP) and the address that clients reach it at",
};

const FOLDER: &str = "/etc/pure-ftpd/conf";

const PLACES: [&str; 2] = ["/etc/pure-ftpd/pure-ftpd.conf", "/etc/pure-ftpd.conf"];

/// Its settings, where they can be read.
pub fn read(files: &Files, _process: &Process) -> Option<Passive> {
    let words = files.words.get(1..).unwrap_or_default();
    if words.iter().any(|word| word.starts_with('-')) {
        return Some(of_options(words));
    }
    // One word that is no option names a file.
    let named = words.first().filter(|word| word.starts_with('/'));
    if let Some(path) = named {
        return Some(of_lines(path, &files.read(path)?));
    }
    if files.is_folder(FOLDER) {
        let value = |name: &str| files.read(&format!("{FOLDER}/{name}"));
        let mut passive = empty(&usual(FOLDER));
        passive.range = value("PassivePortRange").and_then(|text| range(&text));
        passive.address = value("ForcePassiveIP").and_then(|text| word(&text));
        return Some(passive);
    }
    PLACES
        .iter()
        .find_map(|place| Some(of_lines(&usual(place), &files.read(place)?)))
}

fn empty(source: &str) -> Passive {
    Passive {
        source: source.to_owned(),
        takes_names: true,
        ..Passive::default()
    }
}

fn of_options(words: &[String]) -> Passive {
    let value = |short: &str, long: &str| {
        words.iter().enumerate().find_map(|(at, word)| {
            let next = || words.get(at + 1).cloned();
            if word == short || word == long {
                return next();
            }
            let of_long = word
                .strip_prefix(long)
                .and_then(|rest| rest.strip_prefix('='));
            let of_short = word.strip_prefix(short).filter(|_| !word.starts_with("--"));
            of_long.or(of_short).map(str::to_owned)
        })
    };
    let mut passive = empty("its command line");
    passive.range = value("-p", "--passiveportrange").and_then(|text| range(&text));
    passive.address = value("-P", "--forcepassiveip");
    passive
}

fn of_lines(path: &str, text: &str) -> Passive {
    let mut passive = empty(path);
    for line in text.lines().map(str::trim) {
        let Some((name, value)) = line.split_once(char::is_whitespace) else {
            continue;
        };
        match name {
            "PassivePortRange" => passive.range = range(value),
            "ForcePassiveIP" => passive.address = word(value),
            _ => {}
        }
    }
    passive
}

/// `50000:50100` or `50000 50100`.
fn range(text: &str) -> Option<(u16, u16)> {
    let (low, high) = text.trim().split_once([':', ' ', '\t'])?;
    Some((low.parse().ok()?, high.trim().parse().ok()?))
}

fn word(text: &str) -> Option<String> {
    text.split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::*;

    fn options(words: &[&str]) -> Passive {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        of_options(&words)
    }

    #[test]
    fn options_of_every_form() {
        for words in [
            &["-4", "-p", "50000:50100", "-P", "203.0.113.10"] as &[&str],
            &["-p50000:50100", "-P203.0.113.10"],
            &[
                "--passiveportrange=50000:50100",
                "--forcepassiveip=203.0.113.10",
            ],
            &[
                "--passiveportrange",
                "50000:50100",
                "--forcepassiveip",
                "203.0.113.10",
            ],
        ] {
            let passive = options(words);
            assert_eq!(passive.range, Some((50_000, 50_100)), "{words:?}");
            assert_eq!(
                passive.address.as_deref(),
                Some("203.0.113.10"),
                "{words:?}"
            );
        }
        let none = options(&["--pidfile", "/run/pure-ftpd.pid"]);
        assert_eq!((none.range, none.address), (None, None));
    }

    #[test]
    fn lines_of_a_file() {
        let text = "# PassivePortRange 1 2\nChrootEveryone yes\nPassivePortRange          30000 50000\nForcePassiveIP                192.168.0.1\n";
        let passive = of_lines("pure-ftpd.conf", text);
        assert_eq!(passive.range, Some((30_000, 50_000)));
        assert_eq!(passive.address.as_deref(), Some("192.168.0.1"));
    }

    #[test]
    fn the_folder_of_debian() {
        let root = env::temp_dir().join(format!("ftpwatch-pure-ftpd-{}", std::process::id()));
        let folder = root.join("etc/pure-ftpd/conf");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("PassivePortRange"), "40000 40100\n").unwrap();
        fs::write(folder.join("ForcePassiveIP"), "ftp.example.org\n").unwrap();
        let process = Process {
            pid: 1,
            parent: 0,
            name: "pure-ftpd".into(),
            executable: None,
        };
        let passive = read(&Files::under(&root, &["pure-ftpd (SERVER)"]), &process).unwrap();
        assert_eq!(passive.range, Some((40_000, 40_100)));
        assert_eq!(passive.address.as_deref(), Some("ftp.example.org"));
        assert_eq!(passive.source, usual(FOLDER));
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(
            read(&Files::under(&root, &["pure-ftpd (SERVER)"]), &process),
            None
        );
    }
}
