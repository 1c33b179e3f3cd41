//! What this process may do.

use std::fs;

/// The capabilities that matter here (`linux/capability.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Capability {
    /// Attaching programs, reading the firewall.
    NetAdmin = 12,
    /// Seeing the open files of other users' processes.
    SysPtrace = 19,
    /// Everything BPF before it was divided up (Linux 5.8).
    SysAdmin = 21,
    /// Reading FTPS on its own server.
    Perfmon = 38,
    /// Loading programs and maps.
    Bpf = 39,
}

impl Capability {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::SysPtrace => "CAP_SYS_PTRACE",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::Perfmon => "CAP_PERFMON",
            Self::Bpf => "CAP_BPF",
        }
    }
}

/// What /proc/self/status says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    effective: u64,
    /// System calls are filtered.
    pub seccomp: bool,
}

impl Rights {
    /// This process's.
    pub fn own() -> Self {
        Self::parse(&fs::read_to_string("/proc/self/status").unwrap_or_default())
    }

    fn parse(status: &str) -> Self {
        let field = |name: &str| {
            let mut lines = status.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
        };
        Self {
            effective: field("CapEff")
                .and_then(|bits| u64::from_str_radix(bits, 16).ok())
                .unwrap_or_default(),
            seccomp: field("Seccomp").is_some_and(|mode| mode == "2"),
        }
    }

    /// Whether `capability` is in effect.
    pub const fn has(self, capability: Capability) -> bool {
        self.effective & (1 << capability as u8) != 0
    }
}

/// Whether this is a user namespace of its own: what is root in it is nobody outside, where BPF asks.
pub fn in_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let whole = |line: &str| line.split_whitespace().eq(["0", "0", "4294967295"]);
    !map.is_empty() && !map.lines().any(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_of_a_status() {
        let status = "Name:\tftpwatch\nCapInh:\t0000000000000000\nCapEff:\t0000008000001000\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        let rights = Rights::parse(status);
        assert!(rights.has(Capability::NetAdmin) && rights.has(Capability::Bpf));
        assert!(!rights.has(Capability::SysAdmin) && !rights.has(Capability::Perfmon));
        assert!(rights.seccomp);
        assert_eq!(Rights::parse(""), Rights::default());
    }
}
