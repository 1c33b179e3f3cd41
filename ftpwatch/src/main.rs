//! ftpwatch: command line in, exit status out.

use std::process::ExitCode;

use clap::Parser as _;
use ftpwatch::{
    cli::{Cli, Command},
    doctor, explain, probe, read, watch,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Run(options) => watch::run(&options),
        Command::Read(options) => read::run(&options),
        Command::Explain(options) => explain::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Probe(options) => probe::run(&options),
    };
    match done {
        Ok(status) => status,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.status())
        }
    }
}
