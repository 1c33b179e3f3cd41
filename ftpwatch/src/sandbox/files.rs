//! Landlock: which files, and no TCP.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, make_bitflags,
    path_beneath_rules,
};

use super::Files;

/// What is read besides: itself, the processors (for counters that each has one of), and the time zone.
const ALWAYS: [&str; 4] = [
    "/proc/self",
    "/sys/devices/system/cpu",
    "/etc/localtime",
    "/usr/share/zoneinfo",
];

/// The newest that is known here: Linux 6.12, whose sandbox keeps signals in.
const NEWEST: ABI = ABI::V6;

pub fn restrict(files: &Files) -> Result<(), String> {
    match enforce(files).map_err(|error| error.to_string())? {
        RulesetStatus::FullyEnforced => Ok(()),
        RulesetStatus::PartiallyEnforced => {
            Err("in part: this kernel is older than Linux 6.12".to_owned())
        }
        RulesetStatus::NotEnforced => Err("this kernel has none, or does not use it".to_owned()),
    }
}

fn enforce(files: &Files) -> Result<RulesetStatus, RulesetError> {
    let read: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let write: BitFlags<AccessFs> = make_bitflags!(AccessFs::{MakeReg | RemoveFile | WriteFile | Truncate | ReadDir | ReadFile});
    let (directories, others): (Vec<_>, Vec<_>) =
        files.write.iter().partition(|place| place.is_dir());
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::Signal)?
        .create()?
        // What is not there is not needed.
        .add_rules(path_beneath_rules(ALWAYS, read))?
        .add_rules(path_beneath_rules(&files.read, read))?
        .add_rules(path_beneath_rules(directories, write))?
        .add_rules(path_beneath_rules(others, AccessFs::WriteFile))?
        .restrict_self()?;
    Ok(status.ruleset)
}
