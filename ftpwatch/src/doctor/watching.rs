//! Can this host be watched: kernel, rights, programs, hooks, memory.

mod ftps;
mod loading;

use std::{fs, io};

use super::{
    capability::{Capability, Rights, in_user_namespace},
    check::{Check, Group},
    feature::{Features, version},
    memory,
};
use crate::escape::printable;

/// The oldest kernel of kernel.org's with everything that the programs use.
const OLDEST: (u32, u32) = (5, 18);

const GROUP: Group = Group::Watching;

/// All of them.
pub fn checks(control_ports: &[u16], features: &Features) -> Vec<Check> {
    let rights = Rights::own();
    let mut checks = vec![kernel(features), capabilities(rights)];
    checks.extend(loading::programs(control_ports, rights));
    checks.push(loading::tc(features));
    checks.extend(lockdown());
    checks.push(memory::check());
    checks.push(btf());
    checks.push(bpffs());
    checks.extend(ftps::check(control_ports, rights));
    checks
}

fn kernel(features: &Features) -> Check {
    const NAME: &str = "kernel";
    let release = printable(features.release.as_bytes());
    match version(&features.release) {
        Ok(found) if found >= OLDEST => Check::ok(GROUP, NAME, format!("Linux {release}")),
        // Distributions put new BPF into old kernels: what counts is whether it takes the programs.
        Ok(_) => Check::warning(
            GROUP,
            NAME,
            format!("Linux {release}; it takes 5.18, or what a distribution made of an older one"),
        )
        .advise("If it does not take the programs: a newer kernel, or `ftpwatch read` on captures of this host."),
        Err(_) => Check::unknown(GROUP, NAME, format!("\"{release}\" tells no version")),
    }
}

fn capabilities(rights: Rights) -> Check {
    const NAME: &str = "capabilities";
    let all = rights.has(Capability::SysAdmin);
    let lacks = |capability| !rights.has(capability);
    let mut missing = Vec::new();
    if lacks(Capability::Bpf) && !all {
        missing.push(Capability::Bpf.name());
    }
    if lacks(Capability::NetAdmin) {
        missing.push(Capability::NetAdmin.name());
    }
    if !missing.is_empty() {
        let check = Check::failed(GROUP, NAME, format!("missing: {}", missing.join(", ")))
            .advise("Run it as root, or with CAP_BPF and CAP_NET_ADMIN.");
        return explain_refusal(check, rights);
    }
    let mut later = Vec::new();
    if lacks(Capability::Perfmon) && !all {
        later.push("CAP_PERFMON (FTPS on its own server cannot be read)");
    }
    if lacks(Capability::SysPtrace) {
        later.push("CAP_SYS_PTRACE (who owns a socket cannot be seen)");
    }
    if in_user_namespace() {
        return Check::warning(
            GROUP,
            NAME,
            "they are those of a user namespace, which do not count for BPF",
        )
        .advise("Run it outside: rootless containers cannot load BPF programs.");
    }
    if later.is_empty() {
        return Check::ok(GROUP, NAME, "CAP_BPF and CAP_NET_ADMIN");
    }
    Check::ok(
        GROUP,
        NAME,
        format!("CAP_BPF and CAP_NET_ADMIN, without {}", later.join(" and ")),
    )
}

/// What may stand behind a refusal, where root is no help.
fn explain_refusal(mut check: Check, rights: Rights) -> Check {
    if in_user_namespace() {
        check = check.advise(
            "This is a user namespace: root and capabilities in it do not count. Run it outside.",
        );
    } else if rights.seccomp {
        check = check.advise(
            "System calls are filtered (seccomp), perhaps bpf(2) too: in a container, allow it by its seccomp profile.",
        );
    }
    if rights.has(Capability::Bpf) || rights.has(Capability::SysAdmin) {
        return check.advise(
            "A security module (SELinux, AppArmor) may refuse it: `journalctl -k | grep -i denied`.",
        );
    }
    check.advise(
        "kernel.unprivileged_bpf_disabled=0 is no way around: what it allows is not enough.",
    )
}

/// `none [integrity] confidentiality`. Only kernels with the LSM have the file, and only root sees it on some.
fn lockdown() -> Option<Check> {
    const NAME: &str = "lockdown";
    let text = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    let (_, rest) = text.split_once('[')?;
    let (mode, _) = rest.split_once(']')?;
    Some(match mode {
        "none" => Check::ok(GROUP, NAME, "off"),
        // Programs that read kernel memory are refused (LOCKDOWN_BPF_READ_KERNEL); ftpwatch's read packets alone.
        _ => Check::ok(
            GROUP,
            NAME,
            format!(
                "{}: programs that only read packets are allowed",
                printable(mode.as_bytes())
            ),
        ),
    })
}

fn btf() -> Check {
    let found = match fs::metadata("/sys/kernel/btf/vmlinux") {
        Ok(_) => "the kernel has it; `run` does not need it",
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            "the kernel has none; `run` does not need it"
        }
        Err(_) => "cannot be seen; `run` does not need it",
    };
    Check::ok(GROUP, "btf", found)
}

fn bpffs() -> Check {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounted = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let place = fields.next()?;
        (fields.next() == Some("bpf")).then_some(place)
    });
    let found = match mounted {
        Some(place) => format!("mounted at {}", printable(place.as_bytes())),
        None => "not mounted; only what is to outlive the process (`--pin`) needs it: `mount -t bpf bpf /sys/fs/bpf`".to_owned(),
    };
    Check::ok(GROUP, "bpffs", found)
}
