//! What the kernel made of the gate: nearly every packet of a host goes through it, and a single helper call would cost
//! ten times as much as all of it.

#![expect(unsafe_code, reason = "bpf(2), for what the kernel made of a program")]

use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use aya::programs::Program as Loaded;

use crate::bench::{Bench, Program};

/// BPF instruction codes (`linux/bpf.h`).
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const LOAD_64: u8 = 0x18;
const GO_TO: u8 = 0x05;
const GO_TO_LONG: u8 = 0x06;
/// In a call's source register: it is a function of the program's own.
const OWN: u8 = 1;

/// An instruction, eight bytes of them.
#[derive(Clone, Copy)]
struct Instruction(u64);

impl Instruction {
    fn code(self) -> u8 {
        self.0 as u8
    }

    fn source(self) -> u8 {
        (self.0 >> 12 & 0xf) as u8
    }

    fn offset(self) -> i64 {
        i64::from((self.0 >> 16) as i16)
    }

    fn immediate(self) -> i64 {
        i64::from((self.0 >> 32) as i32)
    }

    /// Where it goes on, from `at`.
    fn next(self, at: i64) -> Vec<i64> {
        match self.code() {
            EXIT => vec![],
            LOAD_64 => vec![at + 2],
            GO_TO => vec![at + 1 + self.offset()],
            GO_TO_LONG => vec![at + 1 + self.immediate()],
            CALL => vec![at + 1],
            // Jumps of 64 and 32 bits.
            code if matches!(code & 7, 5 | 6) => vec![at + 1, at + 1 + self.offset()],
            _ => vec![at + 1],
        }
    }
}

/// The instructions of a loaded program, as the verifier left them: what it put in line is in line.
fn translated(program: BorrowedFd<'_>) -> Vec<Instruction> {
    const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
    /// `struct bpf_prog_info`, as far as the address of the instructions.
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        kind_id_tag: [u32; 4],
        jited_bytes: u32,
        translated_bytes: u32,
        jited: u64,
        translated: u64,
    }
    #[repr(C)]
    struct Attributes {
        program: u32,
        bytes: u32,
        info: u64,
    }
    let mut instructions = vec![0_u64; 1 << 17];
    let mut info = Info {
        translated_bytes: u32::try_from(8 * instructions.len()).expect("it fits"),
        translated: instructions.as_mut_ptr() as u64,
        ..Info::default()
    };
    let attributes = Attributes {
        program: u32::try_from(program.as_raw_fd()).expect("it is open"),
        bytes: u32::try_from(size_of::<Info>()).expect("it fits"),
        info: &raw mut info as u64,
    };
    // SAFETY: both structures are what the command takes, and outlive the call, as do the instructions.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            OBJ_GET_INFO_BY_FD,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    instructions.truncate(info.translated_bytes as usize / 8);
    instructions.into_iter().map(Instruction).collect()
}

/// In the program itself there is one call, to a function of its own: behind the gate. What does not pass the gate
/// ends without it.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn has_no_helper_calls() {
    let mut bench = Bench::new(Program::Ether);
    for name in ["ftpwatch_ether", "ftpwatch_ip", "ftpwatch_xdp"] {
        let program = bench.kernel.ebpf_mut().program(name).expect("it is there");
        let instructions = match program {
            Loaded::SchedClassifier(program) => {
                translated(program.fd().expect("it is loaded").as_fd())
            }
            Loaded::Xdp(program) => translated(program.fd().expect("it is loaded").as_fd()),
            _ => panic!("{name} is of another kind"),
        };
        let mut calls = Vec::new();
        let mut ends = 0;
        let mut seen = BTreeSet::new();
        let mut ahead = vec![0];
        while let Some(at) = ahead.pop() {
            if !seen.insert(at) {
                continue;
            }
            let instruction = instructions[usize::try_from(at).expect("it is in the program")];
            match instruction.code() {
                // What comes after is behind the gate.
                CALL => calls.push(instruction.source()),
                EXIT => ends += 1,
                _ => ahead.extend(instruction.next(at)),
            }
        }
        assert_eq!(calls, [OWN], "{name}");
        assert!(ends > 0, "{name} always calls");
        assert!(
            seen.len() < 250,
            "{name}: {} instructions before the gate",
            seen.len()
        );
    }
}
