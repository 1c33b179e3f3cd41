//! What a watcher may leave behind on an interface: nothing.

use super::netns::Namespace;
use super::process::run;
use aya::programs::tc::{SchedClassifier, TcAttachType};

/// Panics when a BPF program is attached to an interface: as a tcx program, a tc filter or an XDP program. A clsact
/// qdisc alone does nothing and may be somebody else's.
#[track_caller]
pub fn assert_none(namespace: &Namespace, interface: &str) {
    let found = programs(namespace, interface);
    assert!(found.is_empty(), "left on {interface}: {found:?}");
}

/// The BPF programs on an interface, but for those that count beside them for a moment now and then.
pub fn lasting(namespace: &Namespace, interface: &str) -> Vec<String> {
    let mut found = programs(namespace, interface);
    let counts = |name: &String| {
        ["ftpwatch_in", "ftpwatch_out"]
            .iter()
            .any(|one| name.contains(one))
    };
    found.retain(|name| !counts(name));
    found
}

/// The BPF programs on an interface.
pub fn programs(namespace: &Namespace, interface: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (attach_type, direction) in [
        (TcAttachType::Ingress, "ingress"),
        (TcAttachType::Egress, "egress"),
    ] {
        let query = namespace.enter(|| SchedClassifier::query_tcx(interface, attach_type));
        // A kernel without tcx has none there.
        if let Ok((_, programs)) = query {
            found.extend(programs.iter().map(|program| {
                format!(
                    "tcx {direction} {}",
                    String::from_utf8_lossy(program.name())
                )
            }));
        }
        let filters = run(
            namespace
                .command("tc")
                .args(["filter", "show", "dev", interface, direction]),
            "",
        );
        found.extend(
            filters
                .lines()
                .filter(|line| line.contains("bpf"))
                .map(|line| format!("{direction} {line}")),
        );
    }
    let link = run(
        namespace
            .command("ip")
            .args(["-details", "link", "show", "dev", interface]),
        "",
    );
    found.extend(
        link.lines()
            .filter(|line| line.contains("prog/xdp"))
            .map(str::to_owned),
    );
    found
}
