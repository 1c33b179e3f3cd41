//! The kernel half of ftpwatch: hooks, and the store that they share.
//!
//! What a packet means is said in `ftpwatch_common::engine`. Here is only what the kernel and its
//! verifier need: where bytes come from ([`skb`], [`xdp`]), where state is kept ([`maps`], [`store`]),
//! and the programs.
//!
//! Every program watches and lets pass: it never drops, changes or delays a packet, and leaves the
//! decision to whoever comes after it in the chain.

#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(
    target_arch = "bpf",
    expect(
        unsafe_code,
        reason = "the kernel's helpers, and its names for programs"
    )
)]
// The atomic exchange that guards an entry exists as an instruction only (see `lock`).
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

#[cfg(target_arch = "bpf")]
mod kernel {
    mod gate;
    mod lock;
    mod maps;
    mod news;
    mod outline;
    mod overhear;
    mod packet;
    mod probes;
    mod programs;
    mod scan;
    mod skb;
    mod store;
    mod trace;
    mod xdp;

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        // A panic that can be reached is an endless loop to the verifier, and refused at load.
        loop {}
    }

    #[unsafe(link_section = "license")]
    #[unsafe(no_mangle)]
    static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
}

#[cfg(not(target_arch = "bpf"))]
fn main() {
    eprintln!("ftpwatch-ebpf runs in the kernel; ftpwatch loads it");
}
