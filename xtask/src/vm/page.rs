//! docs/KERNELS.md: what ran on which kernel, and what its verifier went through.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Result, bail};

/// A kernel's row: its release, the hooks that were tried, and instructions by program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub release: String,
    pub hooks: String,
    pub verified: BTreeMap<String, u64>,
}

/// Rows by what they are asked for with: `6.1`, `newest`.
pub type Rows = BTreeMap<String, Row>;

const HEAD: &str = "\
# Kernels

    cargo xtask vm                                 # boots each of these, and runs the real binary there
    FTPWATCH_REPLACE_DOCS=1 cargo xtask vm 6.1     # makes a row anew

Debian's kernels for virtual machines, booted in qemu. On each, `doctor` finds the host fit, and vsftpd with real clients
is watched through each hook: transfers that work, over IPv4 and IPv6, ports that are dropped on the server and in front
of it, and a private address. Each has to be told as what it is, and nothing may be left on the interface.

The numbers are instructions that the verifier went through, program by program. One that grows by more than a tenth
fails. Another compiler makes other instructions.

";

/// The page.
pub fn write(rows: &Rows) -> String {
    let mut page = HEAD.to_owned();
    let programs: Vec<&String> = match rows.values().next() {
        Some(row) => row.verified.keys().collect(),
        None => Vec::new(),
    };
    let mut line = |cells: Vec<String>| {
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    };
    let names = ["kernel", "release", "hooks"].map(str::to_owned);
    line(
        names
            .iter()
            .chain(programs.iter().copied())
            .cloned()
            .collect(),
    );
    line(vec!["---".to_owned(); names.len() + programs.len()]);
    for (kernel, row) in rows {
        let mut cells = vec![kernel.clone(), row.release.clone(), row.hooks.clone()];
        let verified = programs.iter().map(|program| row.verified.get(*program));
        cells.extend(verified.map(|count| count.map_or_else(String::new, u64::to_string)));
        line(cells);
    }
    page
}

/// The rows of the page.
pub fn read(page: &str) -> Rows {
    let mut lines = page.lines().filter_map(cells);
    let head = lines.next().unwrap_or_default();
    lines
        .filter_map(|cells| {
            let [kernel, release, hooks, counts @ ..] = &cells[..] else {
                return None;
            };
            let programs = head.iter().skip(3).map(|name| (*name).to_owned());
            let counts = counts.iter().map(|count| count.parse::<u64>().ok());
            let verified = programs
                .zip(counts)
                .filter_map(|(program, count)| Some((program, count?)))
                .collect();
            let row = Row {
                release: (*release).to_owned(),
                hooks: (*hooks).to_owned(),
                verified,
            };
            (*kernel != "---").then(|| ((*kernel).to_owned(), row))
        })
        .collect()
}

fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
    Some(inner.split('|').map(str::trim).collect())
}

/// Fails where a program grew by more than a tenth, or nobody wrote down what it was.
pub fn compare(kernel: &str, before: Option<&Row>, now: &Row) -> Result<()> {
    for (program, &now) in &now.verified {
        let Some(&before) = before.and_then(|row| row.verified.get(program)) else {
            bail!("{program} on {kernel}: {now} instructions, and nothing to compare them with");
        };
        if now * 10 > before * 11 {
            bail!("{program} on {kernel}: {now} instructions verified, and {before} before");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(count: u64) -> Row {
        Row {
            release: "6.1.0-50".into(),
            hooks: "clsact xdp".into(),
            verified: [("ftpwatch_ether".into(), count), ("ftpwatch_ip".into(), 7)].into(),
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let rows = Rows::from([("6.1".into(), row(1_000)), ("newest".into(), row(2_000))]);
        assert_eq!(read(&write(&rows)), rows);
        assert_eq!(read("no table"), Rows::new());
    }

    #[test]
    fn a_tenth_more_may_be() {
        let before = row(1_000);
        assert!(compare("6.1", Some(&before), &row(1_100)).is_ok());
        assert!(compare("6.1", Some(&before), &row(1_101)).is_err());
        assert!(compare("6.1", Some(&before), &row(10)).is_ok());
        assert!(compare("6.1", None, &row(10)).is_err());
    }
}
