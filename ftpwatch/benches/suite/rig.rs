//! ftpwatch's programs on the rig: loaded, and run on packets that follow each other as they would on the wire.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use anyhow::{Context, Result};
use aya::programs::{Program, ProgramFd};
use ftpwatch::source::kernel::{Hook, Kernel, Room, Settings};
use ftpwatch_common::engine::Request;
use ftpwatch_common::packet::Link;
use nix::time::{ClockId, clock_gettime};

use crate::assembly::{self, Change, Kind};
use crate::packets::Packet;

/// Where a packet has its sequence number: Ethernet, IPv4 and TCP, without options.
const SEQUENCE_AT: usize = 14 + 20 + 4;

/// The loaded object.
pub struct Rig {
    /// The loaded object.
    pub kernel: Kernel,
    _runtime: tokio::runtime::Runtime,
}

impl Rig {
    /// Loads everything, with room for so many control connections and endpoints.
    pub fn new(room: Option<u32>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let context = runtime.enter();
        let settings = Settings {
            control_ports: vec![21],
            hook: Hook::Xdp,
            log: false,
            tls: false,
            // There is one client, and it may have them all.
            room: Room {
                share: u32::MAX,
                ..room.map_or_else(Room::default, |room| Room::new(room, room))
            },
        };
        let kernel = Kernel::load(&settings)?;
        drop(context);
        Ok(Self {
            kernel,
            _runtime: runtime,
        })
    }

    /// The program for tc, or that for XDP.
    pub fn program(&mut self, kind: Kind) -> Result<ProgramFd> {
        let name = match kind {
            Kind::Tc => "ftpwatch_ether",
            Kind::Xdp => "ftpwatch_xdp",
        };
        let program = self.kernel.ebpf_mut().program(name).context("no program")?;
        let fd = match program {
            Program::SchedClassifier(program) => program.fd()?.try_clone()?,
            Program::Xdp(program) => program.fd()?.try_clone()?,
            _ => anyhow::bail!("a program of another kind"),
        };
        Ok(fd)
    }

    /// Takes in packets one by one.
    pub fn take(&mut self, packets: impl IntoIterator<Item = Packet>) -> Result<()> {
        let program = self.program(Kind::Tc)?;
        for packet in packets {
            let bytes = packet.bytes(Link::Ethernet);
            assembly::run(raw(&program), &bytes, 1, 0)?;
        }
        Ok(())
    }

    /// Reads the news, and takes all endpoints out. Returns how many records and endpoints there were.
    pub fn clear(&mut self) -> Result<(usize, usize)> {
        let records = self.drain();
        let endpoints = self.kernel.truth().endpoints();
        let requests: Vec<Request> = endpoints
            .iter()
            .map(|endpoint| Request {
                endpoint: endpoint.id,
                ..bytemuck::Zeroable::zeroed()
            })
            .collect();
        self.kernel.retire(&requests)?;
        Ok((records, endpoints.len()))
    }

    /// Reads the news. Returns how many records there were.
    pub fn drain(&mut self) -> usize {
        let mut records = 0;
        self.kernel.drain(|_, _| records += 1);
        records
    }
}

/// The descriptor's number.
pub fn raw(program: &ProgramFd) -> RawFd {
    program.as_fd().as_raw_fd()
}

/// A packet that is sent again and again, each time as the next one of its connection.
pub struct Repeated {
    bytes: Vec<u8>,
    sequence: Option<u32>,
    payload: u32,
    program: OwnedFd,
}

impl Repeated {
    /// The same packet each time.
    pub fn same(packet: &Packet, program: BorrowedFd<'_>) -> Result<Self> {
        Ok(Self {
            bytes: packet.bytes(Link::Ethernet),
            sequence: None,
            payload: 0,
            program: program.try_clone_to_owned()?,
        })
    }

    /// Each time the bytes that follow the last, and what else `changes` says.
    pub fn next(packet: &Packet, more: &[Change], program: RawFd) -> Result<Self> {
        let bytes = packet.bytes(Link::Ethernet);
        let payload = u32::try_from(packet.payload.len())?;
        let mut changes = vec![Change::Add {
            at: SEQUENCE_AT as u16,
            amount: payload.try_into()?,
        }];
        changes.extend(more);
        let length = u16::try_from(bytes.len())?;
        Ok(Self {
            bytes,
            sequence: Some(packet.sequence.wrapping_sub(payload)),
            payload,
            program: assembly::changing(Kind::Tc, length, &changes, program)?,
        })
    }

    /// The same packet each time, but for what `changes` says.
    pub fn same_changed(packet: &Packet, changes: &[Change], program: RawFd) -> Result<Self> {
        let bytes = packet.bytes(Link::Ethernet);
        let length = u16::try_from(bytes.len())?;
        Ok(Self {
            bytes,
            sequence: None,
            payload: 0,
            program: assembly::changing(Kind::Tc, length, changes, program)?,
        })
    }

    /// Runs it so many times. Returns nanoseconds of this thread for each.
    pub fn run(&mut self, times: u32) -> Result<f64> {
        if let Some(sequence) = &mut self.sequence {
            self.bytes[SEQUENCE_AT..SEQUENCE_AT + 4].copy_from_slice(&sequence.to_be_bytes());
            *sequence = sequence.wrapping_add(self.payload.wrapping_mul(times));
        }
        let before = thread_time()?;
        assembly::run(self.program.as_raw_fd(), &self.bytes, times, 0)?;
        let taken = thread_time()? - before;
        Ok(taken.as_nanos() as f64 / f64::from(times))
    }
}

/// What this thread has used of a processor.
pub fn thread_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
