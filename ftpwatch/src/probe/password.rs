//! The password: from a file, the environment or the terminal, and never from the command line, which every user of
//! this host can read.

use std::{env, fs, io, path::Path};

use super::cli::Probe;
use crate::{error::Error, escape::printable};

/// The environment variable that may hold it.
const VARIABLE: &str = "FTPWATCH_PASSWORD";

/// What anonymous users give for a password (RFC 1635): something that looks like an address, and names nobody.
const ANONYMOUS: &str = "ftpwatch@";

/// Who logs in. It has no `Debug`: it is never shown.
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl Login {
    /// Who logs in, as `options` say.
    ///
    /// # Errors
    ///
    /// When the password cannot be had, or cannot be one.
    pub fn of(options: &Probe) -> Result<Self, Error> {
        let Some(user) = &options.user else {
            return Ok(Self {
                user: "anonymous".into(),
                password: ANONYMOUS.into(),
            });
        };
        let password = match (&options.password_file, env::var_os(VARIABLE)) {
            (Some(path), _) => from_file(path)?,
            (None, Some(password)) => password.into_string().map_err(|_| unusable(VARIABLE))?,
            (None, None) => ask()?,
        };
        if password.contains(['\r', '\n', '\0']) {
            return Err(unusable("the password"));
        }
        Ok(Self {
            user: user.clone(),
            password,
        })
    }
}

/// The first line of the file.
fn from_file(path: &Path) -> Result<String, Error> {
    let name = printable(path.as_os_str().as_encoded_bytes());
    let text = fs::read(path).map_err(|error| {
        Error::usage(
            format!("the password file {name} cannot be read: {error}"),
            "Name a file whose first line is the password, and that this user may read.",
        )
    })?;
    let text = String::from_utf8(text).map_err(|_| unusable(&name))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Error::usage(
            format!("the password file {name} begins with an empty line"),
            "Write the password in its first line.",
        ));
    }
    Ok(line.to_owned())
}

fn ask() -> Result<String, Error> {
    rpassword::prompt_password("Password: ").map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::UnexpectedEof => "nothing was entered".to_owned(),
            _ => error.to_string(),
        };
        Error::usage(
            format!("the password cannot be asked for: {why}"),
            format!(
                "Without a terminal, use --password-file, or the environment variable {VARIABLE}."
            ),
        )
    })
}

fn unusable(what: &str) -> Error {
    Error::usage(
        format!("{what} holds no password that FTP can carry"),
        "A password is a line of UTF-8 text (RFC 959, section 5.3; RFC 2640).",
    )
}
