//! ftpwatch: command line in, exit status out.

use std::process::ExitCode;

use ftpwatch::{
    cli::{Cli, Command},
    config, doctor,
    error::Error,
    explain, manual, output, pins, probe, read, watch,
};

fn main() -> ExitCode {
    let done = config::parse().and_then(act);
    match done {
        Ok(status) => status,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.status())
        }
    }
}

fn act(cli: Cli) -> Result<ExitCode, Error> {
    match cli.command {
        Command::Run(options) => watch::run(&options),
        Command::Read(options) => read::run(&options),
        Command::Status(options) => pins::status(&options),
        Command::Detach(options) => pins::detach(&options),
        Command::Explain(options) => explain::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Probe(options) => probe::run(&options),
        Command::Schema => output::print_schema(),
        Command::Config(options) => config::run(&options),
        Command::Completions(options) => manual::completions(&options),
        Command::Manual(options) => manual::manual(&options),
    }
}
