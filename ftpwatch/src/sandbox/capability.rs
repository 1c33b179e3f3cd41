//! Capabilities of this thread.

use rustix::{
    io::{Errno, Result},
    thread::{
        CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities,
        capability_is_in_bounding_set, clear_ambient_capability_set,
        remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits,
    },
};

/// Of those that there are, only `kept` are in effect from now on. It can be taken back.
pub fn keep_only(kept: CapabilitySet) -> Result<()> {
    let now = capabilities(None)?;
    let effective = now.permitted & kept;
    set_capabilities(None, CapabilitySets { effective, ..now })
}

/// Forgets all but `kept`, for good.
pub fn forget_the_others(kept: CapabilitySet) -> Result<()> {
    let now = capabilities(None)?;
    if now.permitted.contains(CapabilitySet::SETPCAP) {
        let effective = now.effective | CapabilitySet::SETPCAP;
        set_capabilities(None, CapabilitySets { effective, ..now })?;
        bound(kept)?;
    }
    clear_ambient_capability_set()?;
    let permitted = now.permitted & kept;
    set_capabilities(
        None,
        CapabilitySets {
            effective: permitted,
            permitted,
            inheritable: CapabilitySet::empty(),
        },
    )
}

/// No program that is ever run from here has more, and root is nobody special.
fn bound(kept: CapabilitySet) -> Result<()> {
    for number in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(one) {
            Ok(true) if !kept.contains(one) => remove_capability_from_bounding_set(one)?,
            Ok(_) => {}
            // The kernel has no more of them.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error),
        }
    }
    set_capabilities_secure_bits(
        CapabilitiesSecureBits::NO_ROOT
            | CapabilitiesSecureBits::NO_ROOT_LOCKED
            | CapabilitiesSecureBits::NO_SETUID_FIXUP
            | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED,
    )
}
