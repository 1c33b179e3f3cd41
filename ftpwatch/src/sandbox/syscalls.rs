//! seccomp: which system calls.

use std::{collections::BTreeMap, env::consts::ARCH, process};

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What the watcher calls with whatever arguments.
const ALLOWED: [i64; 78] = [
    // Memory. `mmap` and `mprotect` are further below.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // Files that are open, and those that Landlock lets be opened.
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_faccessat,
    libc::SYS_fcntl,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_lseek,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_statx,
    libc::SYS_unlinkat,
    libc::SYS_write,
    libc::SYS_writev,
    // Waiting.
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_restart_syscall,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_wait4,
    // Sockets that there are, and those of the families further below.
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    // Threads, signals, and who this is.
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_membarrier,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_uname,
];

/// The same, by names that only the older architecture has.
#[cfg(target_arch = "x86_64")]
const ALLOWED_TOO: [i64; 9] = [
    libc::SYS_access,
    libc::SYS_epoll_wait,
    libc::SYS_lstat,
    libc::SYS_open,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_stat,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_TOO: [i64; 0] = [];

/// What the attacher has no business with. `setns` is further below.
const REFUSED: [i64; 30] = [
    libc::SYS_chroot,
    libc::SYS_delete_module,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_umount2,
    libc::SYS_unshare,
];

/// Commands of `bpf` (`enum bpf_cmd` in `linux/bpf.h`): what is done with maps and programs that there are. Nothing is
/// loaded, made, attached, or found by its number.
const BPF: [u64; 6] = [
    1,  // BPF_MAP_LOOKUP_ELEM
    2,  // BPF_MAP_UPDATE_ELEM
    3,  // BPF_MAP_DELETE_ELEM
    4,  // BPF_MAP_GET_NEXT_KEY
    10, // BPF_PROG_TEST_RUN
    15, // BPF_OBJ_GET_INFO_BY_FD
];

/// Whatever the watcher is not known to need is refused, with EPERM.
pub fn allow_the_watchers() -> Result<(), String> {
    let install = || -> Result<(), seccompiler::Error> {
        // The first one: it is the older of two that the newer must not refuse. Libraries then take `clone`, whose
        // flags a filter can see.
        let clone3 = Rules::from([(libc::SYS_clone3, Vec::new())]);
        let absent = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
        let absent = compile(clone3, SeccompAction::Allow, absent)?;
        let refused = SeccompAction::Errno(libc::EPERM.cast_unsigned());
        let allowed = compile(watchers()?, refused, SeccompAction::Allow)?;
        apply_filter(&absent)?;
        apply_filter(&allowed)
    };
    install().map_err(|error| error.to_string())
}

/// What nobody may want of the attacher is refused, with EPERM.
pub fn refuse_the_attachers(other_namespaces: bool) -> Result<(), String> {
    let refused = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    attachers(other_namespaces)
        .and_then(|rules| compile(rules, SeccompAction::Allow, refused))
        .map_err(seccompiler::Error::from)
        .and_then(|filter| apply_filter(&filter))
        .map_err(|error| error.to_string())
}

fn compile(
    rules: Rules,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    let target = TargetArch::try_from(ARCH)?;
    SeccompFilter::new(rules, otherwise, matched, target)?.try_into()
}

fn attachers(other_namespaces: bool) -> Result<Rules, BackendError> {
    let mut rules: Rules = REFUSED.iter().map(|&call| (call, Vec::new())).collect();
    let network = u64::from(libc::CLONE_NEWNET.cast_unsigned());
    // Other namespaces than those of networks.
    let others = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, network)?;
    let refused = if other_namespaces {
        vec![SeccompRule::new(vec![others])?]
    } else {
        Vec::new()
    };
    rules.insert(libc::SYS_setns, refused);
    Ok(rules)
}

fn watchers() -> Result<Rules, BackendError> {
    let mut rules: Rules = ALLOWED
        .iter()
        .chain(&ALLOWED_TOO)
        .map(|&call| (call, Vec::new()))
        .collect();
    let mut only = |call: i64, ways: Vec<Vec<SeccompCondition>>| -> Result<(), BackendError> {
        let ways = ways.into_iter().map(SeccompRule::new);
        rules.insert(call, ways.collect::<Result<_, _>>()?);
        Ok(())
    };
    let any_of = |argument: u8, values: &[u64]| -> Result<Vec<_>, BackendError> {
        let values = values.iter();
        values
            .map(|&value| Ok(vec![is(argument, value)?]))
            .collect()
    };
    only(libc::SYS_bpf, any_of(0, &BPF)?)?;
    // Nothing becomes code.
    let no_code = || has(2, libc::PROT_EXEC, 0);
    only(libc::SYS_mmap, vec![vec![no_code()?]])?;
    only(libc::SYS_mprotect, vec![vec![no_code()?]])?;
    let thread = libc::CLONE_THREAD;
    only(
        libc::SYS_clone,
        vec![vec![has(0, thread, u64::from(thread.cast_unsigned()))?]],
    )?;
    let unix = is(0, number(libc::AF_UNIX))?;
    only(
        libc::SYS_socket,
        vec![
            vec![unix.clone()],
            vec![
                is(0, number(libc::AF_NETLINK))?,
                is(2, number(libc::NETLINK_ROUTE))?,
            ],
        ],
    )?;
    only(libc::SYS_socketpair, vec![vec![unix]])?;
    let requests = [libc::TCGETS, libc::TIOCGWINSZ, libc::FIONBIO, libc::FIOCLEX];
    only(libc::SYS_ioctl, any_of(1, &requests)?)?;
    let names = [number(libc::PR_SET_NAME), number(libc::PR_SET_VMA)];
    only(libc::SYS_prctl, any_of(0, &names)?)?;
    // Limits are read.
    let read = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    only(libc::SYS_prlimit64, vec![vec![read]])?;
    // A panic's end.
    only(libc::SYS_tgkill, any_of(0, &[u64::from(process::id())])?)?;
    Ok(rules)
}

fn number(constant: libc::c_int) -> u64 {
    u64::from(constant.cast_unsigned())
}

fn is(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

/// Of the bits in `mask`, the argument has those in `value` and no other.
fn has(argument: u8, mask: libc::c_int, value: u64) -> Result<SeccompCondition, BackendError> {
    let mask = SeccompCmpOp::MaskedEq(number(mask));
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, mask, value)
}
