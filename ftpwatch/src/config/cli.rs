//! `ftpwatch config`, as it is written.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::Run;

/// `ftpwatch config`
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Read everything, and say what is wrong with it
    Check(Check),
    /// The values that hold, and where each is from; takes the options of `run`
    Show(Box<Run>),
    /// A configuration with every key, its default and what it is for
    Template,
}

/// `ftpwatch config check`
#[derive(Args, Debug)]
pub struct Check {
    /// Another file than /etc/ftpwatch/ftpwatch.toml; conf.d/*.toml beside it is read too
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}
