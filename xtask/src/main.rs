//! The project's own chores: `cargo xtask --help`.

mod cargo;
mod cli;
mod command;
mod dist;
mod install;
mod toolchain;
mod vm;

use std::process::ExitCode;

use cli::Chore;

fn main() -> ExitCode {
    match cli::parse().and_then(start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(chore: Chore) -> anyhow::Result<()> {
    match chore {
        Chore::Help(text) => {
            print!("{text}");
            Ok(())
        }
        Chore::Setup { tests } => command::setup(tests),
        Chore::Build { cargo_args } => command::build(&cargo_args),
        Chore::Run { ftpwatch_args } => command::run(ftpwatch_args),
        Chore::Test { quick, filters } => command::test(quick, &filters),
        Chore::Bench { names } => command::bench(&names),
        Chore::Demo => command::demo(),
        Chore::Fuzz { seconds } => command::fuzz(seconds),
        Chore::Docs => command::docs(),
        Chore::BenchRead { packets } => command::bench_read(packets),
        Chore::Traffic { file, packets } => command::traffic(&file, packets),
        Chore::Soak { endpoints } => command::soak(endpoints),
        Chore::Verifier => command::verifier(),
        Chore::Vm { versions } => vm::vm(&versions),
        Chore::Dist => dist::dist(),
        Chore::PackageTest => dist::test::package_test(),
        Chore::Deny => command::deny(),
        Chore::Ci => command::ci(),
    }
}
