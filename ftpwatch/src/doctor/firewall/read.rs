//! Listing the rules, with nft, iptables-save and ip6tables-save. None of them changes a rule.

use std::{
    collections::HashSet,
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use super::nft;
use crate::{
    doctor::feature::{Features, Presence},
    escape::printable,
};

/// What the tools print.
#[derive(Debug, Default)]
pub struct Listed {
    /// `nft -j list ruleset`; none where nothing is in use.
    pub nft: Option<String>,
    /// `iptables-save`.
    pub iptables: String,
    /// `ip6tables-save`.
    pub ip6tables: String,
    /// The tables of nftables that iptables keeps there, and printed itself.
    pub of_iptables: HashSet<String>,
    /// What could not be listed, and what to do about it.
    pub unseen: Vec<(String, &'static str)>,
}

impl Listed {
    /// Lists what this host has.
    pub fn of_this_host(features: &Features) -> Self {
        let mut listed = Self::default();
        match features.presence("CONFIG_NF_TABLES", "nf_tables") {
            Presence::Here => match list("nft", &["-j", "list", "ruleset"]) {
                Ok(text) => listed.nft = Some(text),
                Err(why) => listed.unseen.push((
                    format!("nftables' rules cannot be listed: {why}"),
                    "Run it as root, with nft installed.",
                )),
            },
            Presence::Loadable | Presence::Missing => {}
            Presence::Unknown => listed.unseen.push((
                "whether nftables is in use cannot be seen without loading it".into(),
                "See yourself: `nft list ruleset`.",
            )),
        }
        listed.legacy("iptables", "/proc/net/ip_tables_names");
        listed.legacy("ip6tables", "/proc/net/ip6_tables_names");
        let text = listed.nft.take();
        if let Some(text) = &text {
            listed.iptables_in_nft(text);
        }
        listed.nft = text;
        listed
    }

    /// iptables of old, with tables of its own. The file is there once its part of the kernel is.
    fn legacy(&mut self, program: &str, names: &str) {
        let why = match fs::read_to_string(names) {
            Ok(names) if names.trim().is_empty() => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => error.to_string(),
            Ok(_) => {
                let legacy = list(&format!("{program}-legacy-save"), &[]);
                match legacy.or_else(|_| list(&format!("{program}-save"), &[])) {
                    Ok(text) if !of_nft(&text) => {
                        self.text(program).push_str(&text);
                        return;
                    }
                    Ok(_) => format!("{program}-save lists nftables' alone"),
                    Err(why) => why,
                }
            }
        };
        self.unseen.push((
            format!("{program}' rules cannot be listed: {why}"),
            "Run it as root, with iptables installed.",
        ));
    }

    /// iptables of today, whose tables are nftables'. It alone can print all of their rules; where it is not
    /// installed, nft's view is kept, with what nft does not understand in it.
    fn iptables_in_nft(&mut self, nft: &str) {
        for table in nft::tables_of_iptables(nft) {
            let (program, family) = if table.starts_with("ip6 ") {
                ("ip6tables", "ip6 ")
            } else {
                ("iptables", "ip ")
            };
            let table_name = table.trim_start_matches(family).to_owned();
            let save = ["-nft-save", "-save"].iter().find_map(|end| {
                let text = list(&format!("{program}{end}"), &["-t", &table_name]).ok()?;
                of_nft(&text).then_some(text)
            });
            if let Some(text) = save {
                self.text(program).push_str(&text);
                self.of_iptables.insert(table);
            }
        }
    }

    fn text(&mut self, program: &str) -> &mut String {
        if program == "ip6tables" {
            &mut self.ip6tables
        } else {
            &mut self.iptables
        }
    }

    /// Whether one of `words` stands somewhere in it.
    pub fn mentions(&self, words: &[&str]) -> bool {
        let nft = self.nft.as_deref().unwrap_or_default();
        let texts = [nft, &self.iptables, &self.ip6tables];
        words
            .iter()
            .any(|word| texts.iter().any(|text| text.contains(word)))
    }
}

/// Who prints it, says so in its first line.
fn of_nft(text: &str) -> bool {
    text.lines()
        .next()
        .is_some_and(|line| line.contains("nf_tables"))
}

/// What a program prints; else why it does not.
fn list(program: &str, words: &[&str]) -> Result<String, String> {
    let path = find(program).ok_or_else(|| format!("{program} is not installed"))?;
    let output = Command::new(path)
        .args(words)
        .env("LC_ALL", "C")
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().next().unwrap_or("it failed");
    Err(format!("{program}: {}", printable(first.as_bytes())))
}

/// On the PATH, or where such programs are when that is a user's.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .filter(|folder| folder.is_absolute())
        .map(|folder: PathBuf| folder.join(program))
        .find(|path: &PathBuf| Path::is_file(path))
}
