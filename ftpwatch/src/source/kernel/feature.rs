//! What the kernel half needs of the kernel, each asked for by itself: once the whole was refused, to say what is
//! missing. Never by version, as distributions put new BPF into old kernels.

use aya::{
    maps::MapType,
    programs::ProgramType,
    sys::{BpfHelper, is_helper_supported, is_map_supported},
};

/// What is missing, and the first Linux that has it; with `xdp`, of what the program for XDP needs too.
pub fn missing(xdp: bool) -> Vec<String> {
    use ProgramType::{SchedClassifier, Xdp};

    let helpers = [
        (
            "bpf_loop",
            "5.17",
            SchedClassifier,
            BpfHelper::BPF_FUNC_loop,
        ),
        (
            "bpf_xdp_load_bytes",
            "5.18",
            Xdp,
            BpfHelper::BPF_FUNC_xdp_load_bytes,
        ),
    ];
    let ring = (
        "the BPF ring buffer",
        "5.8",
        is_map_supported(MapType::RingBuf).ok(),
    );
    let helpers = helpers
        .into_iter()
        .filter(|(_, _, kind, _)| xdp || *kind != Xdp)
        .map(|(name, since, kind, helper)| (name, since, is_helper_supported(kind, helper).ok()));
    std::iter::once(ring)
        .chain(helpers)
        // Where asking fails it is not said to be missing: there is another reason, which is told instead.
        .filter(|(_, _, supported)| *supported == Some(false))
        .map(|(name, since, _)| format!("{name} (Linux {since})"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With privilege as without: what cannot be asked for is not said to be missing.
    #[test]
    fn nothing_is_missing_here() {
        assert_eq!(missing(true), [""; 0]);
    }
}
