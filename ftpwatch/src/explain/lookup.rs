//! Codes and servers by the names that people write.

use super::{Entry, entries};
use crate::{
    error::Error,
    escape::printable,
    servers::{self, Software},
};

/// How alike two names have to be for one to be meant by the other (Jaro-Winkler).
const ALIKE: f64 = 0.8;

/// The entries that `code` names: a cause and a warning may share a name.
///
/// # Errors
///
/// Nothing is called so.
pub fn find(code: &str) -> Result<Vec<Entry>, Error> {
    let wanted = code.trim().to_lowercase().replace(['-', ' '], "_");
    let all = entries();
    let found: Vec<Entry> = all
        .iter()
        .copied()
        .filter(|entry| entry.code == wanted)
        .collect();
    if found.is_empty() {
        let nearest = nearest(&wanted, all.iter().map(|entry| entry.code));
        return Err(unknown(
            "code",
            code,
            &nearest,
            "`ftpwatch explain` lists all codes.",
        ));
    }
    Ok(found)
}

/// The server that people call `name`.
///
/// # Errors
///
/// None is called so.
pub fn server(name: &str) -> Result<&'static Software, Error> {
    servers::named(name).ok_or_else(|| {
        let names: Vec<&'static str> = servers::all().map(|software| software.name).collect();
        let nearest = nearest(name, names.iter().copied());
        let all = format!("Known are {}.", names.join(", "));
        unknown("server", name, &nearest, &all)
    })
}

/// The names that are most like `wanted`, three at most.
fn nearest(wanted: &str, names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let wanted = wanted.to_lowercase();
    let mut alike: Vec<(f64, &str)> = names
        .map(|name| (strsim::jaro_winkler(&wanted, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .collect();
    alike.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    alike.dedup_by_key(|(_, name)| *name);
    alike.into_iter().map(|(_, name)| name).take(3).collect()
}

fn unknown(what: &str, name: &str, nearest: &[&str], otherwise: &str) -> Error {
    let advice = if nearest.is_empty() {
        otherwise.to_owned()
    } else {
        format!("Did you mean {}?", nearest.join(", or "))
    };
    Error::usage(
        format!("no such {what}: {}", printable(name.as_bytes())),
        advice,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(name: &str) -> Vec<&'static str> {
        find(name).unwrap().iter().map(|entry| entry.code).collect()
    }

    #[test]
    fn case_and_hyphens_are_forgiven() {
        for name in ["no_syn", "no-syn", "NO_SYN", "No-Syn", "no syn", " no_syn "] {
            assert_eq!(codes(name), ["no_syn"], "{name}");
        }
    }

    #[test]
    fn a_name_may_mean_two() {
        assert_eq!(
            codes("address_mismatch"),
            ["address_mismatch", "address_mismatch"]
        );
    }

    #[test]
    fn the_nearest_names_are_given() {
        let error = find("no_sin").unwrap_err().to_string();
        assert!(error.contains("Did you mean no_syn"), "{error}");
        let error = find("\x1b[31m").unwrap_err().to_string();
        assert!(!error.contains('\x1b'), "{error}");
        assert!(!error.contains("Did you mean"), "{error}");
        let error = server("vsftp").unwrap_err().to_string();
        assert!(error.contains("Did you mean vsftpd"), "{error}");
    }
}
