//! Keys: the options of `run` that take a value.

use clap::{
    Arg, ArgAction, ArgMatches,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::run_parser;

/// Options that are about one run.
const ONCE: [&str; 3] = ["config", "count", "for"];

/// A key.
pub struct Key(Arg);

/// Every key, in the order of the options.
pub fn all() -> Vec<Key> {
    let run = run_parser();
    let keys = run.get_arguments().filter(|option| {
        let named = option.get_long().is_some_and(|name| !ONCE.contains(&name));
        named && option.get_action().takes_values()
    });
    keys.cloned().map(Key).collect()
}

impl Key {
    /// Its name.
    pub fn name(&self) -> &str {
        self.0.get_long().unwrap_or_default()
    }

    /// What clap calls it.
    pub fn id(&self) -> &str {
        self.0.get_id().as_str()
    }

    /// Whether it takes several values.
    pub fn is_list(&self) -> bool {
        matches!(self.0.get_action(), ArgAction::Append)
    }

    /// What it is for.
    pub fn about(&self) -> String {
        self.0
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    /// Its value where nobody says one.
    pub fn defaults(&self) -> Vec<String> {
        let values = self.0.get_default_values().iter();
        values
            .map(|value| value.to_string_lossy().into_owned())
            .collect()
    }

    /// The form of its values.
    pub fn form(&self) -> String {
        let names = self.0.get_value_names().unwrap_or_default();
        names.first().map(ToString::to_string).unwrap_or_default()
    }

    /// The values it may have, where they are few.
    pub fn choices(&self) -> Vec<String> {
        let choices = self.0.get_possible_values();
        choices
            .iter()
            .map(|choice| choice.get_name().to_owned())
            .collect()
    }

    /// What is between its values in the environment: the values of outputs have commas themselves.
    pub fn separator(&self) -> char {
        if self.name() == "output" { ';' } else { ',' }
    }

    /// The variable of the environment that sets it.
    pub fn variable(&self) -> String {
        let name = self.name().to_uppercase().replace(['-', '.'], "_");
        format!("FTPWATCH_{name}")
    }

    /// Its values, as they were written.
    pub fn raw(&self, run: Option<&ArgMatches>) -> Vec<String> {
        let values = run.and_then(|run| run.get_raw(self.id()));
        let values = values.into_iter().flatten();
        values
            .map(|value| value.to_string_lossy().into_owned())
            .collect()
    }

    /// Reads `value` as the command line would.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and the nearest that would not be.
    pub fn check(&self, value: &str) -> Result<(), Wrong> {
        let option = format!("--{}={value}", self.name());
        let words = ["run".to_owned(), option];
        let Err(error) = run_parser().try_get_matches_from(words) else {
            return Ok(());
        };
        let reason = match (error.kind(), std::error::Error::source(&error)) {
            (ErrorKind::ValueValidation, Some(source)) => source.to_string(),
            _ if value.is_empty() => "it must not be empty".to_owned(),
            _ => format!("`{value}` is no value of it"),
        };
        let choices = match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(choices)) => choices.clone(),
            _ => Vec::new(),
        };
        Err(Wrong {
            reason,
            advice: nearest(value, &choices),
        })
    }
}

/// What is wrong with a value.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Why it is.
    pub reason: String,
    /// What to write instead.
    pub advice: Option<String>,
}

/// Which of `names` was meant, or else which there are.
pub fn nearest(name: &str, names: &[String]) -> Option<String> {
    let distance = |known: &String| strsim::damerau_levenshtein(name, known);
    let near = names.iter().min_by_key(|known| distance(known))?;
    // Half of it wrong is another word.
    if distance(near) * 2 < near.len().max(3) {
        return Some(format!("Did you mean `{near}`?"));
    }
    Some(format!("There are: {}.", names.join(", ")))
}
