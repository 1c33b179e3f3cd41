//! vsftpd: `option=value`, the last one counts (vsftpd.conf(5)); files and `-oname=value` on its command line
//! (vsftpd(8)).

use super::{Passive, Words, files::Files, usual};
use crate::host::owners::Process;

pub const WORDS: Words = Words {
    name: "vsftpd",
    range: "`pasv_min_port=50000` and `pasv_max_port=50100`",
    address: "pasv_address",
    set_address: "`pasv_address=` and the address that clients reach it at",
};

/// Debian's place, which is vsftpd's own, and that of RHEL and Fedora.
const PLACES: [&str; 2] = ["/etc/vsftpd.conf", "/etc/vsftpd/vsftpd.conf"];

/// Its settings, where a file can be read.
pub fn read(files: &Files, _process: &Process) -> Option<Passive> {
    let words = files.words.iter().skip(1);
    let named: Vec<&String> = words.clone().filter(|w| !w.starts_with('-')).collect();
    let options: Vec<&str> = words.filter_map(|word| word.strip_prefix("-o")).collect();
    let (source, text) = if named.is_empty() {
        let found = PLACES
            .iter()
            .find_map(|place| Some((place, files.read(place)?)));
        let (place, text) = found?;
        (usual(place), text)
    } else {
        let texts: Option<Vec<String>> = named.iter().map(|path| files.read(path)).collect();
        let names: Vec<&str> = named.iter().map(|name| name.as_str()).collect();
        (names.join(", "), texts?.join("\n"))
    };
    let lines = text.lines().chain(options);
    Some(parse(source, lines))
}

fn parse<'a>(source: String, lines: impl Iterator<Item = &'a str>) -> Passive {
    let mut passive = Passive {
        source,
        ..Passive::default()
    };
    let (mut low, mut high) = (0, 0);
    for line in lines.filter(|line| !line.starts_with('#')) {
        let Some((option, value)) = line.split_once('=') else {
            continue;
        };
        // Blanks at the end are forgiven, blanks around the sign are not: vsftpd does not start with them.
        let value = value.trim_end();
        let yes = ["YES", "TRUE", "1"]
            .iter()
            .any(|yes| value.eq_ignore_ascii_case(yes));
        match option.trim_start() {
            "pasv_enable" => passive.disabled = !yes,
            "pasv_addr_resolve" => passive.takes_names = yes,
            "pasv_min_port" => low = value.parse().unwrap_or(0),
            "pasv_max_port" => high = value.parse().unwrap_or(0),
            "pasv_address" => passive.address = Some(value.to_owned()).filter(|v| !v.is_empty()),
            _ => {}
        }
    }
    passive.range = match (low, high) {
        (0, 0) => None,
        // "0 (use any port)": one of them alone bounds one side.
        (low, 0) => Some((low, u16::MAX)),
        (0, high) => Some((1024, high)),
        (low, high) => Some((low, high)),
    };
    passive
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Passive {
        parse("vsftpd.conf".into(), text.lines())
    }

    #[test]
    fn what_it_is_told() {
        let passive = parsed(
            "# a comment=YES\nlisten=YES\npasv_min_port=50000\npasv_max_port=50100 \npasv_address=203.0.113.10\npasv_addr_resolve=YES\n",
        );
        assert_eq!(passive.range, Some((50_000, 50_100)));
        assert_eq!(passive.address.as_deref(), Some("203.0.113.10"));
        assert!(passive.takes_names && !passive.disabled);
    }

    #[test]
    fn the_last_one_counts() {
        let passive =
            parsed("pasv_enable=NO\npasv_min_port=1\npasv_enable=yes\npasv_min_port=50000\n");
        assert!(!passive.disabled);
        assert_eq!(passive.range, Some((50_000, u16::MAX)));
        assert!(parsed("pasv_enable=NO").disabled);
    }

    #[test]
    fn nothing_is_any_port() {
        assert_eq!(parsed("").range, None);
        assert_eq!(parsed("#pasv_min_port=50000").range, None);
        assert_eq!(parsed("pasv_max_port=50100").range, Some((1024, 50_100)));
    }

    #[test]
    fn quotes_are_part_of_the_value() {
        let passive = parsed("pasv_address=\"203.0.113.10\"");
        assert_eq!(passive.address.as_deref(), Some("\"203.0.113.10\""));
    }

    #[test]
    fn files_and_options_of_the_command_line() {
        let folder = std::env::temp_dir().join(format!("ftpwatch-vsftpd-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("etc/vsftpd")).unwrap();
        let write = |path: &str, text: &str| std::fs::write(folder.join(path), text).unwrap();
        write(
            "etc/vsftpd/vsftpd.conf",
            "pasv_min_port=50000\npasv_max_port=50100\n",
        );
        write("other.conf", "pasv_min_port=60000\npasv_max_port=60100\n");
        let process = Process {
            pid: 1,
            parent: 0,
            name: "vsftpd".into(),
            executable: None,
        };
        let read = |words: &[&str]| read(&Files::under(&folder, words), &process);
        let passive = read(&["vsftpd"]).unwrap();
        assert_eq!(passive.range, Some((50_000, 50_100)));
        assert_eq!(passive.source, usual("/etc/vsftpd/vsftpd.conf"));
        let passive = read(&["vsftpd", "/other.conf", "-opasv_max_port=60005"]).unwrap();
        assert_eq!(passive.range, Some((60_000, 60_005)));
        assert_eq!(read(&["vsftpd", "/nosuch.conf"]), None);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
