//! What the kernel takes for its part: each of its services that the program uses, alone in a program by hand. No program
//! that uses them costs less. "Of many" is where entries are not in the processor's cache.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use anyhow::{Result, ensure};
use aya::maps::{Map, MapData, RingBuf};
use ftpwatch_common::{
    address::{Flow, IndexKey},
    control::Control,
    endpoint::Endpoint,
};

use crate::assembly::{
    self, ADD_IMMEDIATE, AND_IMMEDIATE_32, CALL, EXIT, Kind, LOAD_MAP, MOV, MOV_IMMEDIATE, RANDOM,
    STORE_32, instruction,
};
use crate::packets::{Conversation, Family};
use crate::rig::Repeated;
use crate::series::{Chance, Table};

const ROUNDS: usize = 31;
const TIMES: u32 = 20_000;

// Kinds of maps (`enum bpf_map_type`).
const HASH: u32 = 1;
const ARRAY: u32 = 2;
const RING: u32 = 27;
/// Room for the records of a round.
const RING_BYTES: u32 = 16 << 20;
/// Room in a hash map, and the keys by chance for it.
const ENTRIES: u32 = 32_768;
const KEYS: i32 = 16_384;

// Helpers (`enum bpf_func_id`).
const LOOK_UP: i32 = 1;
const UPDATE: i32 = 2;
const DELETE: i32 = 3;
const TIME: i32 = 5;
const LOAD_BYTES: i32 = 26;
const OUTPUT: i32 = 130;
/// `BPF_RB_NO_WAKEUP`.
const NO_WAKEUP: i32 = 1;

const IF_ZERO: u8 = 0x15;
const FRAME: u8 = 10;
/// Where the programs below keep the context, and the address of their work space.
const CONTEXT: u8 = 6;
const SPACE: u8 = 7;

/// A program's instructions, and the maps that they use.
type Part<'a> = (&'a str, Vec<u64>);

/// Runs it, and prints the table.
pub fn run() -> Result<()> {
    let flow = size_of::<Flow>() as u32;
    let key = size_of::<IndexKey>() as u32;
    let endpoint = size_of::<Endpoint>() as u32;
    let space = assembly::create(ARRAY, 4, endpoint, 1)?;
    let controls = assembly::create(HASH, flow, size_of::<Control>() as u32, ENTRIES)?;
    let control = vec![0; size_of::<Control>()];
    assembly::update(controls.as_raw_fd(), &vec![0; flow as usize], &control)?;
    let index = assembly::create(HASH, key, 8, ENTRIES)?;
    let endpoints = assembly::create(HASH, 8, endpoint, ENTRIES)?;
    let ring = assembly::create(RING, 0, 0, RING_BYTES)?;
    let mut records = RingBuf::try_from(Map::RingBuf(MapData::from_fd(ring.try_clone()?)?))?;

    let parts: [Part<'_>; 8] = [
        ("the time", vec![instruction(CALL, 0, 0, 0, TIME)]),
        ("71 bytes copied out of the packet", load_bytes(71)),
        ("a control connection found", look_up(&controls)),
        (
            "a key of the index set, and removed",
            [set(&index), remove(&index)].concat(),
        ),
        (
            "an endpoint inserted, and removed",
            [set(&endpoints), remove(&endpoints)].concat(),
        ),
        (
            "a key of the index, of many, set anew",
            [by_chance(), set(&index)].concat(),
        ),
        (
            "an endpoint, of many, inserted anew",
            [by_chance(), set(&endpoints)].concat(),
        ),
        ("an endpoint copied to the ring", output(&ring, endpoint)),
    ];
    let mut talk = Conversation::between(
        (Family::V4.client(7), 40_000).into(),
        (Family::V4.server(10), 443).into(),
    );
    let packet = talk.server_sends(&[b'x'; 100]);
    let mut table = Table::new("ns");
    let base = table.row("work space looked up, and nothing else", 0);
    let again = table.row("the same again (A/A)", base);
    let mut rows = Vec::new();
    for row in [base, again] {
        rows.push((row, Repeated::same(&packet, program(&space, &[])?.as_fd())?));
    }
    for (name, body) in parts {
        let row = table.row(name, base);
        rows.push((
            row,
            Repeated::same(&packet, program(&space, &body)?.as_fd())?,
        ));
    }
    let mut order = Chance::new();
    for _ in 0..ROUNDS {
        for at in order.order(rows.len()) {
            let (row, program) = &mut rows[at];
            table.push(*row, program.run(TIMES)?);
            let mut read = 0;
            while records.next().is_some() {
                read += 1;
            }
            ensure!(read == 0 || read == TIMES, "{read} records of {TIMES}");
        }
    }
    table.print();
    Ok(())
}

/// A program that looks up its work space, does `body`, and lets the packet pass.
fn program(space: &OwnedFd, body: &[u64]) -> io::Result<OwnedFd> {
    let mut program = vec![
        instruction(MOV, CONTEXT, 1, 0, 0),
        instruction(MOV_IMMEDIATE, 1, 0, 0, 0),
        instruction(STORE_32, FRAME, 1, -4, 0),
    ];
    program.extend(map(1, space.as_raw_fd()));
    program.extend([
        instruction(MOV, 2, FRAME, 0, 0),
        instruction(ADD_IMMEDIATE, 2, 0, 0, -4),
        instruction(CALL, 0, 0, 0, LOOK_UP),
        instruction(IF_ZERO, 0, 0, body.len() as i16 + 1, 0),
        instruction(MOV, SPACE, 0, 0, 0),
    ]);
    program.extend(body);
    program.extend([
        instruction(MOV_IMMEDIATE, 0, 0, 0, Kind::Tc.pass()),
        instruction(EXIT, 0, 0, 0, 0),
    ]);
    assembly::load(Kind::Tc, &program)
}

/// The address of a map.
fn map(register: u8, map: RawFd) -> [u64; 2] {
    [instruction(LOAD_MAP, register, 1, 0, map), 0]
}

fn load_bytes(length: i32) -> Vec<u64> {
    vec![
        instruction(MOV, 1, CONTEXT, 0, 0),
        instruction(MOV_IMMEDIATE, 2, 0, 0, 54),
        instruction(MOV, 3, SPACE, 0, 0),
        instruction(MOV_IMMEDIATE, 4, 0, 0, length),
        instruction(CALL, 0, 0, 0, LOAD_BYTES),
    ]
}

/// The work space's first bytes are the key.
fn look_up(hash: &OwnedFd) -> Vec<u64> {
    let mut body = map(1, hash.as_raw_fd()).to_vec();
    body.extend([
        instruction(MOV, 2, SPACE, 0, 0),
        instruction(CALL, 0, 0, 0, LOOK_UP),
    ]);
    body
}

/// They are the value as well.
fn set(hash: &OwnedFd) -> Vec<u64> {
    let mut body = map(1, hash.as_raw_fd()).to_vec();
    body.extend([
        instruction(MOV, 2, SPACE, 0, 0),
        instruction(MOV, 3, SPACE, 0, 0),
        instruction(MOV_IMMEDIATE, 4, 0, 0, 0),
        instruction(CALL, 0, 0, 0, UPDATE),
    ]);
    body
}

fn remove(hash: &OwnedFd) -> Vec<u64> {
    let mut body = map(1, hash.as_raw_fd()).to_vec();
    body.extend([
        instruction(MOV, 2, SPACE, 0, 0),
        instruction(CALL, 0, 0, 0, DELETE),
    ]);
    body
}

/// Makes the key one of many.
fn by_chance() -> Vec<u64> {
    vec![
        instruction(CALL, 0, 0, 0, RANDOM),
        instruction(AND_IMMEDIATE_32, 0, 0, 0, KEYS - 1),
        instruction(STORE_32, SPACE, 0, 0, 0),
    ]
}

fn output(ring: &OwnedFd, length: u32) -> Vec<u64> {
    let mut body = map(1, ring.as_raw_fd()).to_vec();
    body.extend([
        instruction(MOV, 2, SPACE, 0, 0),
        instruction(MOV_IMMEDIATE, 3, 0, 0, length as i32),
        instruction(MOV_IMMEDIATE, 4, 0, 0, NO_WAKEUP),
        instruction(CALL, 0, 0, 0, OUTPUT),
    ]);
    body
}
