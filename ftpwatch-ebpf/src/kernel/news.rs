//! When the user half is woken for news.
//!
//! Waking it costs more than all else that a record costs: the processor interrupts itself, microseconds where there is
//! a hypervisor. So it is woken for the first record after a pause, and reads on by itself for a while: see
//! `Kernel::wait`.

use core::cell::UnsafeCell;

use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use ftpwatch_common::record::{PROMPT, RING_BYTES};

use super::maps::NEWS;

/// When the ring is half full, the user half is woken more often than otherwise, and no more often than this.
const OFTEN: u64 = PROMPT / 16;

/// When the user half was last woken.
struct Woken(UnsafeCell<u64>);

// SAFETY: it is read and written as one word. Of two processors that wake at a time, either may be the last.
unsafe impl Sync for Woken {}

static WOKEN: Woken = Woken(UnsafeCell::new(0));

/// The flags for a record that is written `now`.
#[inline(always)]
pub fn flags(now: u64) -> u64 {
    let woken = WOKEN.0.get();
    // SAFETY: the pointer is valid, and the word is never read half written.
    let since = now.wrapping_sub(unsafe { woken.read_volatile() });
    // An older packet may come after a newer one's time was written, on another processor.
    if since > PROMPT && since < 1 << 63 {
        // SAFETY: as above.
        unsafe { woken.write_volatile(now) };
        // Unless it is reading already.
        return 0;
    }
    if since > OFTEN
        && since < 1 << 63
        && NEWS.query(BPF_RB_AVAIL_DATA.into()) > RING_BYTES as u64 / 2
    {
        // SAFETY: as above.
        unsafe { woken.write_volatile(now) };
        return BPF_RB_FORCE_WAKEUP.into();
    }
    BPF_RB_NO_WAKEUP.into()
}
