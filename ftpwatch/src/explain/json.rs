//! One object a line.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::Serialize;

use super::command::Question;

/// The version of the format.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Object<'a> {
    schema: u32,
    code: &'a str,
    kind: &'a str,
    meaning: &'a str,
    detail: &'a str,
    confirm: &'a [&'a str],
    fix: &'a [&'a str],
    firewall: Vec<String>,
    servers: BTreeMap<&'a str, Vec<String>>,
}

/// Writes what is asked for.
pub fn write(out: &mut impl Write, question: &Question) -> io::Result<()> {
    for entry in &question.entries {
        let servers = question.servers.iter();
        let object = Object {
            schema: SCHEMA,
            code: entry.code,
            kind: entry.kind.name(),
            meaning: entry.text.meaning,
            detail: entry.text.detail,
            confirm: entry.text.confirm,
            fix: entry.text.fix,
            firewall: entry.firewall(),
            servers: servers
                .map(|software| (software.name, entry.settings(software)))
                .filter(|(_, settings)| !settings.is_empty())
                .collect(),
        };
        serde_json::to_writer(&mut *out, &object)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
