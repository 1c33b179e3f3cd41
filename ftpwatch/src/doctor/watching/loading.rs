//! Whether the kernel takes the programs, and has hooks for them.

use aya::{
    Ebpf,
    programs::{Program, ProgramError, SchedClassifier, TcAttachType},
};
use nix::errno::Errno;

use super::{GROUP, explain_refusal};
use crate::{
    doctor::{
        capability::Rights,
        check::{Check, Group},
        feature::{Features, Presence},
    },
    error::Error,
    source::kernel::{Hook, Room, Settings, load_object, root_cause},
};

/// Loads the programs, looks, and lets go: they and their maps live as long as somebody holds them.
pub fn programs(control_ports: &[u16], rights: Rights) -> Vec<Check> {
    const NAME: &str = "programs";
    let load = |hook| {
        let settings = Settings {
            control_ports: control_ports.to_vec(),
            hook,
            log: false,
            room: Room::default(),
            tls: false,
        };
        load_object(&settings)
    };
    // Everything at once; where that fails, what is always needed.
    let (loaded, xdp) = match load(Hook::Xdp) {
        Ok(ebpf) => (Ok(ebpf), xdp_is_taken()),
        Err(error) => (load(Hook::Auto), xdp_is_refused(&error)),
    };
    let ebpf = match loaded {
        Ok(ebpf) => ebpf,
        Err(error) => {
            let check = refused(NAME, &error, Check::failed);
            // Else it is the verifier, or memory: rights are no help.
            let rights_are_at_fault = check.found.starts_with("not permitted");
            return vec![if rights_are_at_fault {
                explain_refusal(check, rights)
            } else {
                check
            }];
        }
    };
    let verified = ebpf.programs().filter_map(|(_, program)| {
        let info = program.info().ok()?;
        info.verified_instruction_count()
    });
    let most = verified.max();
    let most = most.map_or_else(String::new, |most| {
        format!(" (at most {most} instructions)")
    });
    let found = format!("the kernel takes them{most}; unloaded again");
    vec![Check::ok(GROUP, NAME, found), jit(&ebpf), xdp]
}

fn xdp_is_taken() -> Check {
    let found = "the kernel takes it; only `--hook xdp` uses it";
    Check::ok(GROUP, "xdp", found)
}

fn xdp_is_refused(error: &Error) -> Check {
    refused("xdp", error, Check::warning).advise("Nothing, unless you want `--hook xdp`.")
}

fn refused(
    name: &'static str,
    error: &Error,
    make: fn(Group, &'static str, String) -> Check,
) -> Check {
    make(GROUP, name, error.what().to_owned()).advise(error.advice())
}

/// The program itself tells: the setting in /proc is only there in the first network namespace.
fn jit(ebpf: &Ebpf) -> Check {
    const NAME: &str = "jit";
    let sizes = ebpf.programs().filter_map(|(_, program)| match program {
        Program::SchedClassifier(_) => Some(program.info().ok()?.size_jitted()),
        _ => None,
    });
    match sizes.max() {
        Some(0) => Check::warning(
            GROUP,
            NAME,
            "programs are interpreted, several times slower",
        )
        .advise("Switch the compiler on: `sysctl net.core.bpf_jit_enable=1`."),
        Some(_) => Check::ok(GROUP, NAME, "programs are compiled to machine code"),
        None => Check::unknown(GROUP, NAME, "the kernel does not tell"),
    }
}

/// The hooks of tc. tcx is asked who is there; that of clsact would make it, so its parts are looked for instead.
pub fn tc(features: &Features) -> Check {
    const NAME: &str = "tc";
    let clsact = clsact(features);
    match SchedClassifier::query_tcx("lo", TcAttachType::Ingress) {
        Ok(_) => Check::ok(GROUP, NAME, "tcx"),
        // Whoever may ask, and is told that there is no such thing.
        Err(error) if os_error(&error) == Some(Errno::EINVAL) => match clsact {
            Presence::Here => Check::ok(GROUP, NAME, "no tcx (Linux 6.6 has it), but clsact"),
            Presence::Loadable => Check::ok(
                GROUP,
                NAME,
                "no tcx (Linux 6.6 has it), but clsact: the kernel loads its modules when `run` needs them",
            ),
            Presence::Unknown => Check::unknown(
                GROUP,
                NAME,
                "no tcx (Linux 6.6 has it); whether there is clsact cannot be seen without making one",
            )
            .advise("Try: `ftpwatch run --for 1s`."),
            Presence::Missing => Check::failed(GROUP, NAME, "neither tcx nor clsact")
                .advise("Use a kernel with CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF."),
        },
        Err(error) => {
            let why = os_error(&error).map_or("not permitted", Errno::desc);
            Check::unknown(GROUP, NAME, format!("tcx cannot be asked for: {why}"))
                .advise("Run it as root.")
        }
    }
}

/// Both parts are needed.
fn clsact(features: &Features) -> Presence {
    let parts = [
        features.presence("CONFIG_NET_SCH_INGRESS", "sch_ingress"),
        features.presence("CONFIG_NET_CLS_BPF", "cls_bpf"),
    ];
    let any = |presence| parts.contains(&presence);
    if any(Presence::Missing) {
        Presence::Missing
    } else if any(Presence::Unknown) {
        Presence::Unknown
    } else if any(Presence::Loadable) {
        Presence::Loadable
    } else {
        Presence::Here
    }
}

fn os_error(error: &ProgramError) -> Option<Errno> {
    root_cause(error)?.raw_os_error().map(Errno::from_raw)
}
