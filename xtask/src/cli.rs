//! What was asked for.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, bail};
use lexopt::prelude::*;

/// One of the chores, with what it was given.
#[derive(Debug, PartialEq, Eq)]
pub enum Chore {
    /// Print this.
    Help(&'static str),
    /// Install what is missing.
    Setup { tests: bool },
    /// Build ftpwatch.
    Build { cargo_args: Vec<OsString> },
    /// Build ftpwatch and become it.
    Run { ftpwatch_args: Vec<OsString> },
    /// Run the tests.
    Test { quick: bool, filters: Vec<String> },
    /// Measure.
    Bench { names: Vec<String> },
    /// Build the demo and become it.
    Demo,
    /// Run each fuzz target for so long.
    Fuzz { seconds: u64 },
    /// Make the pages in docs/ that are made of the source.
    Docs,
    /// Measure what `ftpwatch read` costs, beside others.
    BenchRead { packets: u64 },
    /// Write a capture to measure with.
    Traffic { file: PathBuf, packets: u64 },
    /// Print what the kernel's verifier makes of the programs.
    Verifier,
    /// Watch so many endpoints, and compare what is said with what they came to.
    Soak { endpoints: u64 },
    /// Boot other kernels, and watch there.
    Vm { versions: Vec<String> },
    /// Make packages.
    Dist,
    /// Install, upgrade and remove the Debian package in a Debian of its own.
    PackageTest,
    /// Look over licences, sources and advisories of what is linked.
    Deny,
    /// What has to hold before a change goes in.
    Ci,
}

const HELP: &str = "\
The project's own chores. Each installs first what it needs and does not find.

Usage: cargo xtask <COMMAND>

Commands:
  run [-- ARGS]            build ftpwatch and run it with ARGS (default: run), as root where it has to be
  demo                     see ftpwatch find a broken FTP server, in network namespaces of its own
  build [CARGO ARGS]       build target/release/ftpwatch
  test [--quick] [FILTER…] run the tests, those that need root too; --quick leaves these out
  bench [NAME…]            measure what ftpwatch costs: a packet, a transfer, the ring buffer; best on a quiet machine
  fuzz [SECONDS]           feed the decoders, the engine and the capture reader what libFuzzer comes up with: each for
                           SECONDS (60), from the captures on
  soak [ENDPOINTS]         watch ENDPOINTS (1000000) of 10,000 control connections at once: none may be left out or be told
                           wrongly, and memory may not grow
  docs                     make docs/EXPLAIN.md and docs/ftpwatch.toml of the source
  bench read [PACKETS]     measure what `ftpwatch read` costs beside tcpdump, tshark and Suricata, on a capture of PACKETS
                           (1000000) that it makes
  traffic FILE [PACKETS]   write that capture to FILE
  verifier                 print how many instructions the kernel verified, program by program
  vm [VERSION…]            boot Debian's kernels in qemu (5.10, 6.1, 6.12 and the newest, unless said), watch faults
                           there, and compare what their verifiers went through with docs/KERNELS.md
  dist                     make a Debian package, a tarball, a bill of materials and checksums, in target/dist
  package-test             install that package in a Debian of its own, upgrade it while it watches, remove and purge
                           it: docs/PACKAGES.md
  deny                     look over licences, sources and advisories of what ftpwatch is linked with
  ci                       formatting, clippy, licences and all tests: what has to hold before a change goes in
  setup [--tests]          install what building needs, and with --tests what only the tests need

Nothing is asked and nothing is printed where nothing is missing. What is slow to build is kept in
${XDG_CACHE_HOME:-~/.cache}/ftpwatch, for the next clone to find.
";

/// Reads the command line.
pub fn parse() -> Result<Chore> {
    parse_from(lexopt::Parser::from_env())
}

fn parse_from(mut parser: lexopt::Parser) -> Result<Chore> {
    let Some(first) = parser.next()? else {
        return Ok(Chore::Help(HELP));
    };
    let name = match first {
        Short('h') | Long("help") => return Ok(Chore::Help(HELP)),
        Value(name) => name.string()?,
        other => return Err(other.unexpected().into()),
    };
    let chore = match name.as_str() {
        "help" => Chore::Help(HELP),
        "build" => Chore::Build {
            cargo_args: rest(&mut parser)?,
        },
        "run" => match rest(&mut parser)? {
            // Of `xtask run`; that of ftpwatch is behind `--`.
            args if args
                .first()
                .is_some_and(|arg| arg == "--help" || arg == "-h") =>
            {
                Chore::Help(HELP)
            }
            args => Chore::Run {
                ftpwatch_args: without_separator(args),
            },
        },
        "setup" => setup(&mut parser)?,
        "test" => test(&mut parser)?,
        "bench" => bench(&mut parser)?,
        "fuzz" => fuzz(&mut parser)?,
        "traffic" => traffic(&mut parser)?,
        "soak" => soak(&mut parser)?,
        "vm" => vm(&mut parser)?,
        "demo" => alone(&mut parser, Chore::Demo)?,
        "docs" => alone(&mut parser, Chore::Docs)?,
        "verifier" => alone(&mut parser, Chore::Verifier)?,
        "dist" => alone(&mut parser, Chore::Dist)?,
        "package-test" => alone(&mut parser, Chore::PackageTest)?,
        "deny" => alone(&mut parser, Chore::Deny)?,
        "ci" => alone(&mut parser, Chore::Ci)?,
        other => bail!("no such command: {other}\nsee: cargo xtask --help"),
    };
    Ok(chore)
}

fn setup(parser: &mut lexopt::Parser) -> Result<Chore> {
    let mut tests = false;
    while let Some(arg) = parser.next()? {
        match arg {
            Long("tests") => tests = true,
            Short('h') | Long("help") => return Ok(Chore::Help(HELP)),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Chore::Setup { tests })
}

fn test(parser: &mut lexopt::Parser) -> Result<Chore> {
    let mut quick = false;
    let mut filters = Vec::new();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("quick") => quick = true,
            Short('h') | Long("help") => return Ok(Chore::Help(HELP)),
            Value(filter) => filters.push(filter.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Chore::Test { quick, filters })
}

/// For how long each target is fuzzed where nobody says.
const FUZZED_FOR: u64 = 60;

fn fuzz(parser: &mut lexopt::Parser) -> Result<Chore> {
    let seconds = match parser.next()? {
        None => FUZZED_FOR,
        Some(Short('h') | Long("help")) => return Ok(Chore::Help(HELP)),
        Some(Value(seconds)) => seconds.parse()?,
        Some(other) => return Err(other.unexpected().into()),
    };
    // For libFuzzer, zero is no limit.
    if seconds == 0 {
        bail!("targets are fuzzed for a second at least");
    }
    alone(parser, Chore::Fuzz { seconds })
}

/// How many endpoints are watched where nobody says.
const ENDPOINTS: u64 = 1_000_000;

fn soak(parser: &mut lexopt::Parser) -> Result<Chore> {
    let endpoints = match parser.next()? {
        None => ENDPOINTS,
        Some(Short('h') | Long("help")) => return Ok(Chore::Help(HELP)),
        Some(Value(endpoints)) => endpoints.parse()?,
        Some(other) => return Err(other.unexpected().into()),
    };
    alone(parser, Chore::Soak { endpoints })
}

/// How many packets are measured with where nobody says.
const PACKETS: u64 = 1_000_000;

fn bench(parser: &mut lexopt::Parser) -> Result<Chore> {
    let mut names = Vec::new();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Chore::Help(HELP)),
            // The one that needs no privilege, and has others to compare with.
            Value(name) if names.is_empty() && name == "read" => {
                return packets(parser, |packets| Chore::BenchRead { packets });
            }
            Value(name) => names.push(name.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Chore::Bench { names })
}

fn vm(parser: &mut lexopt::Parser) -> Result<Chore> {
    let mut versions = Vec::new();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Chore::Help(HELP)),
            Value(version) => versions.push(version.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Chore::Vm { versions })
}

fn traffic(parser: &mut lexopt::Parser) -> Result<Chore> {
    match parser.next()? {
        Some(Value(file)) => {
            let file = PathBuf::from(file);
            packets(parser, |packets| Chore::Traffic { file, packets })
        }
        Some(Short('h') | Long("help")) => Ok(Chore::Help(HELP)),
        Some(other) => Err(other.unexpected().into()),
        None => bail!("into which file?"),
    }
}

/// What is left is a number of packets, or nothing.
fn packets(parser: &mut lexopt::Parser, chore: impl FnOnce(u64) -> Chore) -> Result<Chore> {
    let packets = match parser.next()? {
        None => PACKETS,
        Some(Short('h') | Long("help")) => return Ok(Chore::Help(HELP)),
        Some(Value(packets)) => packets.parse()?,
        Some(other) => return Err(other.unexpected().into()),
    };
    alone(parser, chore(packets))
}

/// A command that takes nothing.
fn alone(parser: &mut lexopt::Parser, chore: Chore) -> Result<Chore> {
    match parser.next()? {
        None => Ok(chore),
        Some(Short('h') | Long("help")) => Ok(Chore::Help(HELP)),
        Some(other) => Err(other.unexpected().into()),
    }
}

fn rest(parser: &mut lexopt::Parser) -> Result<Vec<OsString>> {
    Ok(parser.raw_args()?.collect())
}

fn without_separator(mut args: Vec<OsString>) -> Vec<OsString> {
    if args.first().is_some_and(|arg| arg == "--") {
        args.remove(0);
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Chore> {
        parse_from(lexopt::Parser::from_args(line.split_whitespace()))
    }

    fn run(args: &[&str]) -> Chore {
        Chore::Run {
            ftpwatch_args: args.iter().map(OsString::from).collect(),
        }
    }

    #[test]
    fn run_hands_on_what_follows() {
        assert_eq!(parsed("run").unwrap(), run(&[]));
        assert_eq!(parsed("run -- -i lo").unwrap(), run(&["-i", "lo"]));
        assert_eq!(parsed("run -i lo").unwrap(), run(&["-i", "lo"]));
        assert_eq!(parsed("run -- --help").unwrap(), run(&["--help"]));
        assert_eq!(
            parsed("run -- read -- -").unwrap(),
            run(&["read", "--", "-"])
        );
    }

    #[test]
    fn test_takes_filters_and_quick_in_any_order() {
        let chore = Chore::Test {
            quick: true,
            filters: vec!["tcx".to_owned(), "v6".to_owned()],
        };
        assert_eq!(parsed("test tcx --quick v6").unwrap(), chore);
    }

    #[test]
    fn fuzz_takes_seconds() {
        assert_eq!(parsed("fuzz").unwrap(), Chore::Fuzz { seconds: 60 });
        assert_eq!(parsed("fuzz 5").unwrap(), Chore::Fuzz { seconds: 5 });
        for line in ["fuzz 0", "fuzz -1", "fuzz soon", "fuzz 1 2"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }

    #[test]
    fn what_is_measured_with_is_counted_in_packets() {
        let read = |packets| Chore::BenchRead { packets };
        assert_eq!(parsed("bench read").unwrap(), read(1_000_000));
        assert_eq!(parsed("bench read 5").unwrap(), read(5));
        let traffic = Chore::Traffic {
            file: "a.pcap".into(),
            packets: 7,
        };
        assert_eq!(parsed("traffic a.pcap 7").unwrap(), traffic);
        for line in ["bench read many", "traffic", "traffic a 1 2"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }

    #[test]
    fn bench_takes_names() {
        let chore = |names: &[&str]| Chore::Bench {
            names: names.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(parsed("bench").unwrap(), chore(&[]));
        assert_eq!(parsed("bench live ring").unwrap(), chore(&["live", "ring"]));
        assert!(parsed("bench --all").is_err());
    }

    #[test]
    fn soak_takes_endpoints() {
        let soak = |endpoints| Chore::Soak { endpoints };
        assert_eq!(parsed("soak").unwrap(), soak(1_000_000));
        assert_eq!(parsed("soak 20000").unwrap(), soak(20_000));
        for line in ["soak all", "soak 1 2"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }

    #[test]
    fn vm_takes_versions() {
        let chore = |versions: &[&str]| Chore::Vm {
            versions: versions.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(parsed("vm").unwrap(), chore(&[]));
        assert_eq!(parsed("vm 6.1 newest").unwrap(), chore(&["6.1", "newest"]));
        assert!(parsed("vm --all").is_err());
    }

    #[test]
    fn help_is_given_everywhere() {
        for line in ["", "help", "--help", "run -h", "test --help", "ci --help"] {
            assert_eq!(parsed(line).unwrap(), Chore::Help(HELP), "{line}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for line in ["frobnicate", "--tests", "setup --test", "ci tcx", "demo 1"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
