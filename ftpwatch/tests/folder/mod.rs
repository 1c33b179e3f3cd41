//! The captures there are: the project's own, and those of the folder that `FTPWATCH_CAPTURES` names.
//!
//! What belongs here: finding them. What is in each belongs in captures/known.rs.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// How their names end.
const ENDS: [&str; 4] = [".pcap", ".pcapng", ".cap", ".gz"];

/// All captures, in order. Says so where there is no folder.
pub fn captures() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut captures = Vec::new();
    add(&own, &mut captures);
    match env::var_os("FTPWATCH_CAPTURES") {
        Some(folder) => {
            let before = captures.len();
            add(Path::new(&folder), &mut captures);
            assert!(captures.len() > before, "no capture in {folder:?}");
        }
        None => println!("FTPWATCH_CAPTURES is not set: the project's own captures alone"),
    }
    captures
}

/// A capture's name, without the folders it is in.
pub fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn add(folder: &Path, captures: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            add(&path, captures);
        } else if ENDS.iter().any(|end| name(&path).ends_with(end)) {
            captures.push(path);
        }
    }
}
