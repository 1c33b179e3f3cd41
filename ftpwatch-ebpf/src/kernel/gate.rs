//! What is asked about every packet.
//!
//! Global variables, which the kernel keeps in array maps of one entry. Their address stands in the instruction, so that
//! asking is a load: no call, and for the compiler nothing that it has to save registers for.

use core::{arch::asm, cell::UnsafeCell, hint::assert_unchecked};

use ftpwatch_common::{
    address::WirePort,
    engine::{Blindness, Ports},
};

use super::store::Maps;

/// How many ports there are.
const PORTS: usize = 1 << 16;

/// A number that several processors share.
#[repr(transparent)]
struct Count(UnsafeCell<u32>);

// SAFETY: it is read as one word, and changed by an atomic instruction.
unsafe impl Sync for Count {}

impl Count {
    const ZERO: Self = Self(UnsafeCell::new(0));

    #[inline(always)]
    fn get(&self) -> u32 {
        // SAFETY: the pointer is valid, and the word is never read half written.
        unsafe { self.0.get().read_volatile() }
    }

    #[inline(always)]
    fn add(&self, delta: i32) {
        // SAFETY: the pointer is valid. (`core` has no 32-bit atomics for BPF.)
        unsafe {
            asm!("lock *(u32 *)({cell} + 0) += {delta}", cell = in(reg) self.0.get(), delta = in(reg) i64::from(delta));
        }
    }
}

/// The control ports, a bit each, in the order of ports as the network has them. Apart from the counts, and small: of
/// everybody else's packets this alone is looked at for both ports. The loader sets it.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.ports")]
static CONTROL_PORTS: [Count; PORTS / 32] = [Count::ZERO; PORTS / 32];

/// What changes. By port means by port as the network has it: most packets are read, looked up and let go, and no port
/// is turned around.
#[repr(C)]
struct Gate {
    /// By port, how many handshakes have a SYN-ACK and lack the last ACK.
    half_open: [Count; PORTS],
    /// By port, how many endpoints are being watched.
    pending: [Count; PORTS],
    /// How many control connections are encrypted.
    blind: Count,
    /// How many guesses are being followed.
    guesses: Count,
}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss.gate")]
static GATE: Gate = Gate {
    half_open: [Count::ZERO; PORTS],
    pending: [Count::ZERO; PORTS],
    blind: Count::ZERO,
    guesses: Count::ZERO,
};

/// The count of `port`, or of the group of ports that it is in.
#[inline(always)]
fn of<const N: usize>(counts: &[Count; N], port: WirePort) -> &Count {
    let group = PORTS / N;
    let mut place = (port.index() / group * size_of::<Count>()) & !(size_of::<Count>() - 1);
    // SAFETY: there is a count for each of all ports, or for each group of as many. (The compiler would add to a copy of
    // the address, and run out of registers.)
    unsafe {
        asm!("{0} += {1}", inout(reg) place, in(reg) counts.as_ptr(), options(pure, nomem, nostack));
        &*(place as *const Count)
    }
}

/// `port`, for the kernel to see that it is one: it forgets a number's bounds where its bytes are swapped. The compiler
/// knows them, and would leave a plain mask out.
#[inline(always)]
fn bounded(port: WirePort) -> WirePort {
    let mut index = port.index();
    // SAFETY: the instruction changes nothing but its register, which is a port's afterwards.
    unsafe {
        asm!("{0} &= 65535", inout(reg) index, options(pure, nomem, nostack));
        assert_unchecked(index <= 0xffff);
    }
    WirePort(index as u16)
}

impl Ports for Maps {
    #[inline(always)]
    fn is_control(&self, port: WirePort) -> bool {
        of(&CONTROL_PORTS, bounded(port)).get() >> (port.0 % 32) & 1 != 0
    }

    #[inline(always)]
    fn is_pending(&self, port: WirePort) -> bool {
        of(&GATE.pending, bounded(port)).get() != 0
    }

    #[inline(always)]
    fn is_half_open(&self, port: WirePort) -> bool {
        of(&GATE.half_open, bounded(port)).get() != 0
    }

    #[inline(always)]
    fn blindness(&self) -> Blindness {
        Blindness {
            sessions: GATE.blind.get().into(),
            guesses: GATE.guesses.get().into(),
        }
    }
}

/// The ports of a packet in passing, as they stand in it.
pub struct Passing;

impl Ports for Passing {
    /// Or near one, as the network has them: a client's ports are not near a well-known one.
    #[inline(always)]
    fn is_control(&self, port: WirePort) -> bool {
        of(&CONTROL_PORTS, port).get() != 0
    }

    #[inline(always)]
    fn is_pending(&self, port: WirePort) -> bool {
        of(&GATE.pending, port).get() != 0
    }

    #[inline(always)]
    fn is_half_open(&self, port: WirePort) -> bool {
        of(&GATE.half_open, port).get() != 0
    }

    #[inline(always)]
    fn blindness(&self) -> Blindness {
        Maps.blindness()
    }
}

/// Changes both counts of `port`.
#[inline(always)]
pub fn adjust(port: u16, pending: i32, half_open: i32) {
    let port = bounded(WirePort::new(port));
    if pending != 0 {
        of(&GATE.pending, port).add(pending);
    }
    if half_open != 0 {
        of(&GATE.half_open, port).add(half_open);
    }
}

/// Changes how many control connections are encrypted.
#[inline(always)]
pub fn adjust_blind(delta: i32) {
    GATE.blind.add(delta);
}

/// Changes how many guesses are being followed.
#[inline(always)]
pub fn adjust_guesses(delta: i32) {
    GATE.guesses.add(delta);
}
