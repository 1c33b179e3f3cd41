//! BPF programs by hand, for what is measured beside ftpwatch's: one that does nothing, and one that makes the next packet
//! of the last one and hands it on.

#![expect(unsafe_code, reason = "bpf(2), of programs that no compiler makes")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use libc::{SYS_bpf, c_long, syscall};

const BPF_MAP_CREATE: c_long = 0;
const BPF_MAP_UPDATE_ELEM: c_long = 2;
const BPF_PROG_LOAD: c_long = 5;
const BPF_PROG_TEST_RUN: c_long = 10;
const BPF_LINK_CREATE: c_long = 28;
/// `BPF_TCX_INGRESS`, `BPF_TCX_EGRESS`.
pub const TCX: [u32; 2] = [46, 47];

const PROG_ARRAY: u32 = 3;

/// Kinds of programs (`enum bpf_prog_type`), and what lets a packet pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// tc.
    Tc = 3,
    /// XDP.
    Xdp = 6,
}

impl Kind {
    /// `TC_ACT_UNSPEC`, `XDP_PASS`.
    pub const fn pass(self) -> i32 {
        match self {
            Self::Tc => -1,
            Self::Xdp => 2,
        }
    }

    /// Where the context has the packet's first byte, and its end.
    const fn data(self) -> (i16, i16) {
        match self {
            Self::Tc => (76, 80),
            Self::Xdp => (0, 4),
        }
    }
}

/// What is changed about each packet before it is handed on. Offsets are from the packet's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds to a 32-bit number, such as a sequence number.
    Add { at: u16, amount: i32 },
    /// Decimal digits by chance.
    Digits { at: [u16; 4] },
    /// A 32-bit number by chance, such as an IPv4 address.
    Chance { at: u16 },
}

pub fn instruction(code: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> u64 {
    u64::from(code)
        | u64::from(source << 4 | destination) << 8
        | u64::from(offset as u16) << 16
        | u64::from(immediate as u32) << 32
}

pub const MOV: u8 = 0xbf;
pub const MOV_IMMEDIATE: u8 = 0xb7;
pub const ADD_IMMEDIATE: u8 = 0x07;
const DIV_IMMEDIATE: u8 = 0x37;
const MOD_IMMEDIATE: u8 = 0x97;
pub const AND_IMMEDIATE_32: u8 = 0x54;
const LOAD_32: u8 = 0x61;
pub const STORE_32: u8 = 0x63;
const STORE_8: u8 = 0x73;
const TO_BIG_ENDIAN: u8 = 0xdc;
const IF_GREATER: u8 = 0x2d;
pub const CALL: u8 = 0x85;
pub const EXIT: u8 = 0x95;
pub const LOAD_MAP: u8 = 0x18;
const TAIL_CALL: i32 = 12;
/// The helper that gives a number by chance.
pub const RANDOM: i32 = 7;

/// A program that lets every packet pass.
pub fn nothing(kind: Kind) -> io::Result<OwnedFd> {
    load(
        kind,
        &[
            instruction(MOV_IMMEDIATE, 0, 0, 0, kind.pass()),
            instruction(EXIT, 0, 0, 0, 0),
        ],
    )
}

/// A program that changes the packet and hands it to `next`. The packet has at least `length` bytes.
pub fn changing(kind: Kind, length: u16, changes: &[Change], next: RawFd) -> io::Result<OwnedFd> {
    let table = create(PROG_ARRAY, 4, 4, 1)?;
    update(table.as_raw_fd(), &0_u32.to_ne_bytes(), &next.to_ne_bytes())?;
    let mut program = vec![instruction(MOV, 6, 1, 0, 0)];
    for change in changes {
        if !matches!(change, Change::Add { .. }) {
            program.push(instruction(CALL, 0, 0, 0, RANDOM));
            program.push(instruction(MOV, 7, 0, 0, 0));
        }
        let (data, end) = kind.data();
        program.push(instruction(LOAD_32, 2, 6, data, 0));
        program.push(instruction(LOAD_32, 3, 6, end, 0));
        program.push(instruction(MOV, 4, 2, 0, 0));
        program.push(instruction(ADD_IMMEDIATE, 4, 0, 0, length.into()));
        let body = match *change {
            Change::Add { at, amount } => vec![
                instruction(LOAD_32, 5, 2, at as i16, 0),
                instruction(TO_BIG_ENDIAN, 5, 0, 0, 32),
                instruction(ADD_IMMEDIATE, 5, 0, 0, amount),
                instruction(TO_BIG_ENDIAN, 5, 0, 0, 32),
                instruction(STORE_32, 2, 5, at as i16, 0),
            ],
            Change::Digits { at } => at
                .iter()
                .flat_map(|at| {
                    [
                        instruction(MOV, 5, 7, 0, 0),
                        instruction(MOD_IMMEDIATE, 5, 0, 0, 10),
                        instruction(ADD_IMMEDIATE, 5, 0, 0, b'0'.into()),
                        instruction(STORE_8, 2, 5, *at as i16, 0),
                        instruction(DIV_IMMEDIATE, 7, 0, 0, 10),
                    ]
                })
                .collect(),
            Change::Chance { at } => vec![
                // A number that is no multicast address, nor the one of nobody, wherever its bytes stand.
                instruction(AND_IMMEDIATE_32, 7, 0, 0, 0x7f7f_7f7f),
                instruction(STORE_32, 2, 7, at as i16, 0),
            ],
        };
        program.push(instruction(IF_GREATER, 4, 3, body.len() as i16, 0));
        program.extend(body);
    }
    program.extend([
        instruction(MOV, 1, 6, 0, 0),
        instruction(LOAD_MAP, 2, 1, 0, table.as_raw_fd()),
        0,
        instruction(MOV_IMMEDIATE, 3, 0, 0, 0),
        instruction(CALL, 0, 0, 0, TAIL_CALL),
        instruction(MOV_IMMEDIATE, 0, 0, 0, kind.pass()),
        instruction(EXIT, 0, 0, 0, 0),
    ]);
    let program = load(kind, &program)?;
    // A table of programs is emptied once nobody but programs holds it.
    std::mem::forget(table);
    Ok(program)
}

/// What the system call takes for each command, as far as it is used here (`union bpf_attr`).
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log: [u32; 2],
    log_buffer: u64,
    version: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct Create {
    kind: u32,
    key: u32,
    value: u32,
    entries: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct Update {
    map: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct Link {
    program: u32,
    interface: u32,
    kind: u32,
    flags: u32,
    more: [u64; 2],
}

/// A run of a program.
#[repr(C)]
#[derive(Default)]
pub struct Run {
    program: u32,
    result: u32,
    input_bytes: u32,
    output_bytes: u32,
    input: u64,
    output: u64,
    repeat: u32,
    duration: u32,
    context_bytes: [u32; 2],
    context: [u64; 2],
    flags: u32,
    cpu: u32,
    batch: u32,
    pad: u32,
}

/// `BPF_F_TEST_XDP_LIVE_FRAMES`: frames go on into the network stack.
pub const LIVE_FRAMES: u32 = 1 << 1;

/// Loads a program.
pub fn load(kind: Kind, program: &[u64]) -> io::Result<OwnedFd> {
    let license = c"GPL";
    let load = Load {
        kind: kind as u32,
        count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: license.as_ptr() as u64,
        ..Load::default()
    };
    call(BPF_PROG_LOAD, &load).map(owned)
}

/// Makes a map.
pub fn create(kind: u32, key: u32, value: u32, entries: u32) -> io::Result<OwnedFd> {
    let create = Create {
        kind,
        key,
        value,
        entries,
        flags: 0,
    };
    call(BPF_MAP_CREATE, &create).map(owned)
}

/// Sets a key's value.
pub fn update(map: RawFd, key: &[u8], value: &[u8]) -> io::Result<()> {
    let update = Update {
        map: map as u32,
        key: key.as_ptr() as u64,
        value: value.as_ptr() as u64,
        ..Update::default()
    };
    call(BPF_MAP_UPDATE_ELEM, &update).map(drop)
}

/// Attaches `program` to both directions of an interface of this thread's namespace, until what is returned is dropped.
pub fn attach(program: &OwnedFd, interface: &str) -> io::Result<[OwnedFd; 2]> {
    let attach = |kind| attach_to(program, interface, kind, 0);
    Ok([attach(TCX[0])?, attach(TCX[1])?])
}

/// Attaches `program` to an interface of this thread's namespace, for a kind (`enum bpf_attach_type`).
pub fn attach_to(program: &OwnedFd, interface: &str, kind: u32, flags: u32) -> io::Result<OwnedFd> {
    let link = Link {
        program: program.as_raw_fd() as u32,
        interface: nix::net::if_::if_nametoindex(interface)?,
        kind,
        flags,
        ..Link::default()
    };
    call(BPF_LINK_CREATE, &link).map(owned)
}

/// Runs `program` so many times on the packet, with `flags`, in one system call.
pub fn run(program: RawFd, packet: &[u8], repeat: u32, flags: u32) -> io::Result<()> {
    let run = Run {
        program: program as u32,
        input_bytes: packet.len() as u32,
        input: packet.as_ptr() as u64,
        repeat,
        flags,
        batch: if flags == 0 { 0 } else { 64 },
        ..Run::default()
    };
    call(BPF_PROG_TEST_RUN, &run).map(drop)
}

fn owned(descriptor: c_long) -> OwnedFd {
    // SAFETY: the kernel just made it, for nobody else.
    unsafe { OwnedFd::from_raw_fd(descriptor as RawFd) }
}

fn call<T>(command: c_long, attributes: &T) -> io::Result<c_long> {
    // SAFETY: the attributes are the command's, and what they point to outlives the call.
    let result = unsafe { syscall(SYS_bpf, command, attributes, size_of::<T>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
