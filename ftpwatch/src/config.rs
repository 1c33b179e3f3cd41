//! The configuration of `ftpwatch run`: built-in values, then files, then the environment, then flags.
//!
//! The command line is the schema. Each option of `run` that takes a value and is not for one run only is a key of the
//! same name, read by the same parser, with the same default and the same words about it.

pub mod cli;
mod environment;
mod file;
mod key;
mod layers;
mod show;

use std::{collections::BTreeMap, env, ffi::OsString, path::Path, process::ExitCode};

use clap::{ArgMatches, Command as Parser, CommandFactory as _, FromArgMatches as _, Parser as _};

use crate::{
    cli::{Cli, Command, Run},
    error::Error,
    output,
};
use layers::Layers;

pub(crate) use file::text;
pub(crate) use layers::places;

/// What each key came to, as text.
pub type Settings = BTreeMap<String, Vec<String>>;

/// Reads the command line, and for `run` what is configured beside it. Ends the process where the command line is
/// wrong, or asks for help.
///
/// # Errors
///
/// When what is configured is wrong.
pub fn parse() -> Result<Cli, Error> {
    let arguments: Vec<OsString> = env::args_os().collect();
    let cli = Cli::parse_from(&arguments);
    match &cli.command {
        Command::Run(run) => match configured(run.config.as_deref(), &arguments)? {
            Ok(cli) => Ok(cli),
            Err(error) => error.exit(),
        },
        _ => Ok(cli),
    }
}

/// Reads the configuration of a running `run` again.
///
/// # Errors
///
/// When it is wrong.
pub fn reload() -> Result<Run, Error> {
    let arguments: Vec<OsString> = env::args_os().collect();
    // The command line is what it was, and what is configured was looked at value by value. What is left is what does
    // not go together.
    let together = |error: clap::Error| {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let (what, advice) = text.split_once('\n').unwrap_or((text, ""));
        Error::usage(what.trim(), advice.trim())
    };
    let cli = Cli::try_parse_from(&arguments).map_err(together)?;
    let Command::Run(run) = cli.command else {
        unreachable!("nothing else reloads")
    };
    let cli = configured(run.config.as_deref(), &arguments)?.map_err(together)?;
    match cli.command {
        Command::Run(run) => Ok(*run),
        other => unreachable!("{other:?} does not reload"),
    }
}

/// What `run`'s command line comes to with what is configured.
fn configured(
    config: Option<&Path>,
    arguments: &[OsString],
) -> Result<Result<Cli, clap::Error>, Error> {
    let layers = Layers::read(config)?;
    let command = Cli::command().mut_subcommand("run", |run| layers.apply(run));
    Ok(command.try_get_matches_from(arguments).and_then(|matches| {
        let settings = settings(matches.subcommand_matches("run"));
        let mut cli = Cli::from_arg_matches(&matches)?;
        if let Command::Run(run) = &mut cli.command {
            run.settings = settings;
        }
        Ok(cli)
    }))
}

fn settings(run: Option<&ArgMatches>) -> Settings {
    let keys = key::all();
    let value = |key: &key::Key| (key.name().to_owned(), key.raw(run));
    keys.iter().map(value).collect()
}

/// `ftpwatch config`
///
/// # Errors
///
/// When what is configured is wrong.
pub fn run(options: &cli::Config) -> Result<ExitCode, Error> {
    let text = match options {
        cli::Config::Check(check) => self::check(check.config.as_deref())?,
        cli::Config::Show(run) => {
            let layers = Layers::read(run.config.as_deref())?;
            let matches = Cli::command()
                .mut_subcommand("config", |config| {
                    config.mut_subcommand("show", |show| layers.apply(show))
                })
                .get_matches();
            let shown = matches
                .subcommand_matches("config")
                .and_then(|config| config.subcommand_matches("show"));
            show::show(&layers, shown)
        }
        cli::Config::Template => show::template(),
    };
    output::print(&text)
}

fn check(config: Option<&Path>) -> Result<String, Error> {
    Layers::read(config).map(|layers| layers.told())
}

/// The parser of `run`'s options.
fn run_parser() -> Parser {
    let command = Cli::command();
    let run = command.find_subcommand("run").cloned();
    run.expect("`run` is a command of its own")
}

#[cfg(test)]
mod tests;
