//! What the guest says on its serial line.

use std::collections::BTreeMap;

/// What a line of the report begins with; others are for people.
const MARK: &str = "ftpwatch-vm ";

/// What came of one kernel.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Names of the checks that held.
    pub held: Vec<String>,
    /// Those that did not, and why.
    pub failed: Vec<String>,
    /// Instructions verified, by program.
    pub verified: BTreeMap<String, u64>,
    /// The guest came to its end.
    pub ended: bool,
}

impl Report {
    /// Takes a line in.
    pub fn take(&mut self, line: &str) {
        // The firmware's last words and the first line share one.
        let line = line.trim_end();
        if let Some((_, said)) = line.split_once(MARK) {
            match said.split_once(' ') {
                Some(("ok", name)) => self.held.push(name.to_owned()),
                Some(("failed", why)) => self.failed.push(why.to_owned()),
                _ => self.ended |= said == "end",
            }
        } else if let Some((program, instructions)) = verified(line) {
            // The first table is of what runs; the second, of what logs.
            self.verified.entry(program).or_insert(instructions);
        }
    }
}

/// A row of what the test `verifier_cost` prints: program, instructions, and two sizes.
fn verified(line: &str) -> Option<(String, u64)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [program, instructions, _, _] = words[..] else {
        return None;
    };
    let instructions = instructions.parse().ok()?;
    program
        .starts_with("ftpwatch_")
        .then(|| (program.to_owned(), instructions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_guest_says() {
        let said = "SeaBIOS\r\nftpwatch-vm ok doctor\r\n\
                    ftpwatch_ether   145501   111384   69222\r\nwith -vv   verified\r\n\
                    ftpwatch_ether   168367   120968   75599\r\n\
                    ftpwatch-vm failed a::xdp: status 101, not 0\r\nftpwatch-vm end\r\n";
        let mut report = Report::default();
        said.lines().for_each(|line| report.take(line));
        let wanted = Report {
            held: vec!["doctor".into()],
            failed: vec!["a::xdp: status 101, not 0".into()],
            verified: [("ftpwatch_ether".into(), 145_501)].into(),
            ended: true,
        };
        assert_eq!(report, wanted);
    }

    #[test]
    fn other_lines_are_none_of_it() {
        let mut report = Report::default();
        for line in ["", "ftpwatch_ether", "ftpwatch_x 1 2", "the end", "a 1 2 3"] {
            report.take(line);
        }
        assert_eq!(report, Report::default());
    }
}
