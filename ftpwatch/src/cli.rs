//! The command line.

use std::{net::IpAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand};
use ftpwatch_common::ROOM;
use ipnet::IpNet;

use crate::{
    config, doctor, explain, manual, metrics,
    output::{self, Format, Show, Spec},
    pins, probe, sandbox,
    source::kernel::Hook,
    source::kernel::libraries::{self, Tls},
    vantage,
};

/// The longest time-out that makes sense: servers give up after minutes.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Finds out why an FTP client can log in and yet not transfer.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = STATUS, args_override_self = true)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

const STATUS: &str = "\
Exit status:
  0  nothing failed
  1  at least one endpoint failed (run: only with --count or --for)
  2  bad usage or bad input
  3  this host cannot be watched (privilege, kernel)";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch this host's interfaces (needs root, or CAP_BPF and CAP_NET_ADMIN)
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<Run>),
    /// Analyse captures (pcap or pcapng, gzip'd or not); needs no privilege
    #[command(after_help = READ_EXAMPLES)]
    Read(Read),
    /// What `run --pin` watches, whether or not it runs: interfaces, counts, losses (needs root)
    #[command(after_help = pins::STATUS)]
    Status(pins::Status),
    /// Take off what `run --pin` left in the kernel (needs root)
    #[command(after_help = pins::DETACH)]
    Detach(pins::Detach),
    /// What a code means, how to confirm it, how to fix it
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Explain),
    /// Can this host be watched, and if not, what to do about it; changes nothing
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(Doctor),
    /// Be the client: log in, try the endpoints a server advertises, and say what is wrong
    #[command(after_help = probe::cli::EXAMPLES)]
    Probe(probe::cli::Probe),
    /// The JSON Schema of the events that `--format json` writes
    Schema,
    /// The configuration of `run`: check it, show what holds, write one to begin with
    #[command(subcommand)]
    Config(config::cli::Config),
    /// Completions of this command line, for a shell to read
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(manual::Completions),
    /// The man pages, a file a command, for a package
    Manual(manual::Manual),
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  ftpwatch completions bash >/etc/bash_completion.d/ftpwatch
  ftpwatch completions zsh >/usr/local/share/zsh/site-functions/_ftpwatch
  ftpwatch completions fish >~/.config/fish/completions/ftpwatch.fish";

const RUN_EXAMPLES: &str = "\
Examples:
  ftpwatch run                          every interface, failures as they happen
  ftpwatch run -i eth0 --format json    one interface, every outcome, for a log pipeline
  ftpwatch run --netns blue             the same, and what is in a namespace of `ip netns`
  ftpwatch run -p 21,2121 -t 30s        two control ports, and more patience
  ftpwatch run --for 1m && echo fine    look for a minute; the exit status tells
  ftpwatch run --output file:/var/log/ftpwatch.json,show=all --output syslog
                                        everything into a file, alarms to syslog";

const READ_EXAMPLES: &str = "\
Examples:
  ftpwatch read ftp.pcap                        what failed in it
  ftpwatch read --show outcomes *.pcapng.gz     every endpoint, and every session
  ftpwatch read --vantage client ftp.pcap       captured on the client
  ssh HOST tcpdump -U -w - | ftpwatch read -    another host's packets, as they come";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  ftpwatch explain                                    every code, a line each
  ftpwatch explain no_syn                             one of them
  ftpwatch explain private_address --server vsftpd    what to set on one server";
const DOCTOR_EXAMPLES: &str = "\
Examples:
  ftpwatch doctor                                 everything, as far as it may be seen
  ftpwatch doctor -p 21,2121                      two control ports
  ftpwatch doctor --passive-range 50000-50100     the range, where no configuration tells it
  ftpwatch doctor --format json | jq 'select(.status != \"ok\")'

Exit status:
  0  this host can be watched; there may be warnings
  2  bad usage
  3  it cannot be watched";

/// What the analysis is told.
#[derive(Args, Debug)]
pub struct Analysis {
    /// Control ports, and ranges of them
    #[arg(
        short = 'p',
        long = "control-port",
        value_name = "PORT",
        default_value = "21",
        value_delimiter = ',',
        value_parser = ports
    )]
    control_ports: Vec<RangeInclusive<u16>>,
    /// How long to wait for a data connection
    #[arg(short, long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,
    /// The passive ports that are open, as far as the operator knows
    #[arg(long, value_name = "LO-HI", value_parser = range)]
    pub passive_range: Option<RangeInclusive<u16>>,
    /// Where this is, on the way between client and server
    #[arg(long, value_name = "WHERE", default_value = "auto")]
    pub vantage: vantage::Choice,
    /// How to write what is found
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
    /// What to write: failures for the table, outcomes for JSON, unless said
    #[arg(long, value_name = "WHAT")]
    pub show: Option<Show>,
    /// Leave out clients and servers in this network: monitors, scanners (repeatable)
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    pub ignore: Vec<IpNet>,
}

impl Analysis {
    /// How long to wait for a data connection, in nanoseconds.
    #[must_use]
    pub fn timeout_nanoseconds(&self) -> u64 {
        u64::try_from(self.timeout.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The control ports.
    #[must_use]
    pub fn control_ports(&self) -> Vec<u16> {
        self.control_ports.iter().cloned().flatten().collect()
    }
}

/// `ftpwatch run`
#[derive(Args, Debug)]
pub struct Run {
    /// What the analysis is told
    #[command(flatten)]
    pub analysis: Analysis,
    /// An interface to watch (repeatable). Without: every one that is up, loopback left out, new ones
    /// followed
    #[arg(short, long = "interface", value_name = "NAME")]
    pub interfaces: Vec<String>,
    /// A network namespace to watch as well, besides ftpwatch's own (repeatable): a name of `ip netns`, or a path such as
    /// /proc/PID/ns/net. Its interfaces are shown, and may be chosen by -i, as NAME/eth0; -i eth0 means that of each.
    /// It takes CAP_SYS_ADMIN
    #[arg(long = "netns", value_name = "NAME|PATH")]
    pub netns: Vec<String>,
    /// How to watch it
    #[arg(long, value_name = "HOOK", default_value = "auto")]
    pub hook: Hook,
    /// Where results go, instead of to standard output (repeatable): stdout, file:PATH, journald or syslog, each with
    /// `,format=` and `,show=` of its own, a file with `,max-size=100M` and `,keep=5`
    #[arg(long = "output", value_name = "OUTPUT", value_parser = output::spec)]
    pub outputs: Vec<Spec>,
    /// Read FTPS on the server's own host: auto reads through the TLS libraries of whoever has a control port, a path
    /// through that library (repeatable). Of what clients send, nothing but verbs is taken
    #[arg(long, value_name = "off|auto|PATH", default_value = "off", value_parser = libraries::tls)]
    pub tls: Vec<Tls>,
    /// Stop after N outcomes shown
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Stop after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub for_: Option<Duration>,
    /// Go on in the kernel when this process ends, and take over what an earlier one left: `ftpwatch status` shows it,
    /// `ftpwatch detach` takes it off
    #[arg(long)]
    pub pin: bool,
    /// Where --pin pins maps and links: a directory in a BPF file system, which is made if need be
    #[arg(long, value_name = "DIR", default_value = pins::ROOT)]
    pub pin_path: PathBuf,
    /// For how many control connections at a time there is room
    #[arg(long, value_name = "N", default_value_t = ROOM, value_parser = room())]
    pub max_connections: u32,
    /// For how many endpoints at a time there is room. A client may have a quarter of it, where others need it
    #[arg(long, value_name = "N", default_value_t = ROOM, value_parser = room())]
    pub max_endpoints: u32,
    /// A file to remove at start, and to create once everything is attached
    #[arg(long, value_name = "PATH")]
    pub ready_file: Option<PathBuf>,
    /// What ftpwatch may no longer do once everything is attached
    #[arg(long, value_name = "LEVEL", default_value = "best-effort")]
    pub sandbox: sandbox::Level,
    /// Metrics over HTTP
    #[command(flatten)]
    pub web: metrics::cli::Web,
    /// Another configuration than /etc/ftpwatch/ftpwatch.toml; conf.d/*.toml beside it is read too
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Say more: -v what is attached, -vv what the kernel half logs
    #[arg(short, action = ArgAction::Count)]
    pub verbose: u8,
    /// What each key of the configuration came to
    #[arg(skip)]
    pub settings: config::Settings,
}

/// `ftpwatch read`
#[derive(Args, Debug)]
pub struct Read {
    /// What the analysis is told
    #[command(flatten)]
    pub analysis: Analysis,
    /// The captures; - for standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// `ftpwatch explain`
#[derive(Args, Debug)]
pub struct Explain {
    /// Outcomes, causes, warnings or findings. Without: a list of them all
    #[arg(value_name = "CODE")]
    pub codes: Vec<String>,
    /// Only this server's settings
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// How to write it
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: explain::Format,
}

/// `ftpwatch doctor`
#[derive(Args, Debug)]
pub struct Doctor {
    /// Control ports, and ranges of them
    #[arg(
        short = 'p',
        long = "control-port",
        value_name = "PORT",
        default_value = "21,990",
        value_delimiter = ',',
        value_parser = ports
    )]
    control_ports: Vec<RangeInclusive<u16>>,
    /// The passive ports, where the server's configuration does not tell them
    #[arg(long, value_name = "LO-HI", value_parser = range)]
    pub passive_range: Option<RangeInclusive<u16>>,
    /// How to write what is found
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: doctor::Format,
}

impl Doctor {
    /// The control ports.
    #[must_use]
    pub fn control_ports(&self) -> Vec<u16> {
        self.control_ports.iter().cloned().flatten().collect()
    }
}

/// How much room there may be: of an endpoint the maps take a kilobyte, with its keys.
fn room() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(256..=1 << 20)
}

/// Reads a duration: `10s`, `500ms`, `2m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration; write 10s, 500ms or 2m");
    let duration: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    let duration = Duration::try_from(duration).map_err(|_| wrong())?;
    if duration.is_zero() {
        return Err("it must be longer than nothing; write 10s, 500ms or 2m".into());
    }
    if duration > LONGEST {
        return Err("it must not be longer than a day".into());
    }
    Ok(duration)
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    if text.contains('-') {
        return range(text);
    }
    match text.trim().parse() {
        Ok(port) if port > 0 => Ok(port..=port),
        _ => Err(format!("`{text}` is no port; write 21, or 2100-2199")),
    }
}

/// Reads a range of ports: `50000-50100`.
pub(crate) fn range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let wrong = || format!("`{text}` is no range of ports; write 50000-50100");
    let (low, high) = text.split_once('-').ok_or_else(wrong)?;
    let port = |text: &str| text.trim().parse::<u16>().map_err(|_| wrong());
    let (low, high) = (port(low)?, port(high)?);
    if low == 0 || low > high {
        return Err(wrong());
    }
    Ok(low..=high)
}

/// Reads a network: `192.0.2.0/24`, or one address.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let network = text.parse::<IpNet>().ok();
    network
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
        .map(|network| network.trunc())
        .ok_or_else(|| format!("`{text}` is no network; write 192.0.2.0/24 or 2001:db8::/32"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "10", "0s", "-1s", "ten", "25h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn control_ports() {
        assert_eq!(ports("21"), Ok(21..=21));
        assert_eq!(ports("1-65535"), Ok(1..=65535));
        for wrong in ["", "0", "65536", "ftp", "5-1"] {
            assert!(ports(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranges() {
        assert_eq!(range("50000-50100"), Ok(50000..=50100));
        assert_eq!(range("21-21"), Ok(21..=21));
        for wrong in ["", "50000", "2-1", "0-5", "1-70000", "a-b"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }
    #[test]
    fn networks() {
        for (text, read) in [
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.9/24", "192.0.2.0/24"),
            ("192.0.2.9", "192.0.2.9/32"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            assert_eq!(network(text).map(|n| n.to_string()), Ok(read.into()));
        }
        for wrong in ["", "192.0.2.0/33", "192.0.2", "monitor"] {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }
}
