//! What is run: ftpwatch, and what others have for the same question, or for less.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::cargo;
use crate::install::{privilege, suricata};

/// A program and its arguments.
pub struct Rival {
    /// How a person would have it.
    pub line: String,
    /// Exit statuses that are fine.
    pub exits: &'static [i32],
    /// It takes long.
    pub slow: bool,
    /// Which of all this is compared with: ftpwatch on the same file.
    pub beside: usize,
    program: PathBuf,
    args: Vec<String>,
}

impl Rival {
    fn new(program: impl Into<PathBuf>, args: &[&str]) -> Self {
        let program = program.into();
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        // Of a path, the name.
        let words = args
            .iter()
            .map(|word| word.rsplit('/').next().unwrap_or(word));
        Self {
            line: [name.as_ref()]
                .into_iter()
                .chain(words)
                .collect::<Vec<_>>()
                .join(" "),
            exits: &[0],
            slow: false,
            beside: 0,
            program: program.clone(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
        }
    }

    /// To be run. What it says is not looked at.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

/// The same packets in several forms.
pub struct Captures {
    /// A pcap.
    pub pcap: PathBuf,
    /// A pcapng.
    pub pcapng: PathBuf,
    /// A pcap with the beginnings of packets.
    pub headers: PathBuf,
}

impl Captures {
    /// What they are called in `dir`.
    pub fn within(dir: &Path) -> Self {
        Self {
            pcap: dir.join("made.pcap"),
            pcapng: dir.join("made.pcapng"),
            headers: dir.join("headers.pcap"),
        }
    }
}

/// All but Suricata.
pub fn all(captures: &Captures) -> Vec<Rival> {
    let Captures {
        pcap,
        pcapng,
        headers,
    } = captures;
    let [pcap, pcapng, headers] = [pcap, pcapng, headers].map(|file| file.to_string_lossy());
    let packed = format!("{pcap}.gz");
    let mut all: Vec<Rival> = Vec::new();
    // ftpwatch first, and then what it is compared with on the same file.
    let mut on = |file: &str, options: &[&str], others: &[(&str, &[&str])]| {
        let beside = all.len();
        all.push(Rival {
            // Something failed in it.
            exits: &[1],
            beside,
            ..Rival::new(
                cargo::release("ftpwatch"),
                &[&["read"], options, &[file]].concat(),
            )
        });
        all.extend(others.iter().map(|(program, args)| Rival {
            slow: *program == "tshark",
            beside,
            ..Rival::new(program, args)
        }));
    };
    // tcpdump writes to where /dev/null is, but not by that name: it changes the owner of what it makes.
    on(
        &pcap,
        &[],
        &[
            ("cat", &[&pcap]),
            ("tcpdump", &["-r", &pcap, "-w", "-"]),
            ("tcpdump", &["-r", &pcap, "-w", "-", "tcp port 21"]),
            ("tshark", &["-n", "-r", &pcap, "-Y", "ftp.response.code"]),
        ],
    );
    on(&pcap, &["--format", "json"], &[]);
    on(&pcapng, &[], &[("tcpdump", &["-r", &pcapng, "-w", "-"])]);
    on(
        &headers,
        &[],
        &[
            ("cat", &[&headers]),
            ("tcpdump", &["-r", &headers, "-w", "-"]),
        ],
    );
    on(&packed, &[], &[("gzip", &["-dc", &packed])]);
    all
}

/// What Suricata is told: to log what it knows of FTP, and nothing else.
const CONFIGURATION: &str = "\
%YAML 1.1
---
stats:
  enabled: no
outputs:
  - eve-log:
      enabled: yes
      filetype: regular
      filename: eve.json
      types: [ftp]
app-layer:
  protocols:
    ftp:
      enabled: yes
";

/// Suricata in the system `root`, on the capture in `dir`, which is in there.
pub fn suricata(root: &Path, dir: &Path) -> Result<Rival> {
    let (file, within) = (
        dir.join("ftp.yaml"),
        Path::new("/").join(dir.strip_prefix(root)?),
    );
    fs::write(&file, CONFIGURATION).with_context(|| format!("cannot write {}", file.display()))?;
    let path = |name: &str| within.join(name).to_string_lossy().into_owned();
    let (configuration, pcap, logs) = (path("ftp.yaml"), path("made.pcap"), path(""));
    let root = root.to_string_lossy();
    let args = [
        &root,
        suricata::PROGRAM,
        "-c",
        &configuration,
        "-S",
        "/dev/null",
        "-r",
        &pcap,
        "-l",
        &logs,
        "--runmode",
        "single",
        "-k",
        "none",
    ];
    let words = if privilege::is_root()? {
        Vec::new()
    } else {
        privilege::sudo(&[])?
    };
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["chroot"]).collect();
    Ok(Rival {
        line: "suricata -c ftp.yaml -S /dev/null -r made.pcap --runmode single -k none".into(),
        ..Rival::new(words[0], &[&words[1..], &args].concat())
    })
}
