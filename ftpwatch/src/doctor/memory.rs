//! Whether the maps find room: they are charged to the control group that loads them (since Linux 5.11; before,
//! RLIMIT_MEMLOCK counted).

use std::{
    fs,
    path::{Path, PathBuf},
};

use ftpwatch_common::{
    KEYS, ROOM,
    address::{Flow, IndexKey},
    control::Control,
    endpoint::Endpoint,
    record::RING_BYTES,
};

use super::check::{Check, Group};

/// What the maps take when they are full, in bytes: connections and endpoints, the index, one array of 65,536 ports, the
/// ring buffer (the table in ARCHITECTURE.md).
const MAPS: u64 = ROOM as u64 * (entry::<Flow, Control>() + entry::<u64, Endpoint>())
    + (KEYS * ROOM) as u64 * entry::<IndexKey, u64>()
    + 65_536 * 16
    + RING_BYTES as u64;

/// Bytes of a key and its value.
const fn entry<K, V>() -> u64 {
    (size_of::<K>() + size_of::<V>()) as u64
}

/// The room there is.
pub fn check() -> Check {
    const NAME: &str = "memory";
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let need = format!("the maps take up to {} MiB", MAPS >> 20);
    match room(Path::new("/sys/fs/cgroup"), &groups) {
        None => Check::ok(
            Group::Watching,
            NAME,
            format!("no control group limits it; {need}"),
        ),
        Some(room) if room > MAPS => Check::ok(
            Group::Watching,
            NAME,
            format!("its control group has {} MiB left; {need}", room >> 20),
        ),
        Some(room) => Check::warning(
            Group::Watching,
            NAME,
            format!("its control group has {} MiB left, and {need}", room >> 20),
        )
        .advise("Raise the limit: memory.max, `MemoryMax=` of the unit, `docker run --memory`."),
    }
}

/// The least that is left in this process's control group and those above. `None` where nothing limits it.
fn room(mount: &Path, groups: &str) -> Option<u64> {
    let of = |controller: &str| {
        let mut lines = groups.lines();
        lines.find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let controllers = fields.next()?;
            let found = controllers.split(',').any(|name| name == controller);
            found.then(|| fields.next().map(str::to_owned)).flatten()
        })
    };
    // Version 1 has a hierarchy for memory; version 2 one for everything, with no name.
    if let Some(path) = of("memory") {
        let names = ["memory.limit_in_bytes", "memory.usage_in_bytes"];
        return least(&mount.join("memory"), &path, names);
    }
    least(mount, &of("")?, ["memory.max", "memory.current"])
}

fn least(mount: &Path, path: &str, [limit, usage]: [&str; 2]) -> Option<u64> {
    let folder = mount.join(path.trim_start_matches('/'));
    let above: Vec<PathBuf> = folder
        .ancestors()
        .take_while(|folder| folder.starts_with(mount))
        .map(Path::to_path_buf)
        .collect();
    let number = |folder: &Path, name: &str| {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        text.trim().parse::<u64>().ok()
    };
    // A limit beyond all memory is version 1's way to say that there is none.
    let left = above.iter().filter_map(|folder| {
        let limit = number(folder, limit).filter(|&limit| limit < 1 << 62)?;
        Some(limit.saturating_sub(number(folder, usage)?))
    });
    left.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_on_the_way_up_counts() {
        let mount = std::env::temp_dir().join(format!("ftpwatch-cgroup-{}", std::process::id()));
        let folder = mount.join("system.slice/ftpwatch.service");
        fs::create_dir_all(&folder).unwrap();
        let write = |folder: &Path, limit: &str, usage: &str| {
            fs::write(folder.join("memory.max"), limit).unwrap();
            fs::write(folder.join("memory.current"), usage).unwrap();
        };
        write(&folder, "max\n", "5000\n");
        let groups = "0::/system.slice/ftpwatch.service\n";
        assert_eq!(room(&mount, groups), None);
        write(folder.parent().unwrap(), "100000\n", "40000\n");
        assert_eq!(room(&mount, groups), Some(60_000));
        write(&folder, "7000\n", "5000\n");
        assert_eq!(room(&mount, groups), Some(2_000));
        assert_eq!(room(&mount, ""), None);
        fs::remove_dir_all(&mount).unwrap();
    }
}
