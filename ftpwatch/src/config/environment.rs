//! What the environment says. Variables that are no key's are somebody else's.

use std::{env, ffi::OsString};

use super::{
    key::Key,
    layers::{Origin, Setting},
};
use crate::{error::Error, escape::printable};

/// What the environment says of `key`.
///
/// # Errors
///
/// When that is wrong.
pub fn read(key: &Key) -> Result<Option<Setting>, Error> {
    env::var_os(key.variable())
        .map(|value| setting(key, value))
        .transpose()
}

fn setting(key: &Key, value: OsString) -> Result<Setting, Error> {
    let variable = key.variable();
    let wrong = |reason: &str, advice: Option<String>| {
        let advice =
            advice.unwrap_or_else(|| format!("Set {variable} to something else, or unset it."));
        let reason = printable(reason.as_bytes());
        Error::usage(format!("the environment's {variable}: {reason}"), advice)
    };
    let value = value
        .into_string()
        .map_err(|_| wrong("it is not UTF-8", None))?;
    let values: Vec<String> = if key.is_list() {
        value
            .split(key.separator())
            .map(|part| part.trim().to_owned())
            .collect()
    } else {
        vec![value]
    };
    for value in &values {
        key.check(value)
            .map_err(|error| wrong(&error.reason, error.advice))?;
    }
    Ok(Setting {
        values,
        origin: Origin::Environment(variable),
    })
}
