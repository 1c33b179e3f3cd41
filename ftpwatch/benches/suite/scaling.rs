//! What packets cost with up to a million endpoints, and as many control connections.

use anyhow::{Result, ensure};
use std::os::fd::AsFd;

use crate::assembly::{self, Change, Kind};
use crate::packets::{Conversation, Family};
use crate::rig::{Repeated, Rig, raw};
use crate::series::{Chance, Table};
use crate::test_run::advertising;

const SIZES: [u32; 4] = [1, 1_000, 100_000, 1_000_000];
const ROUNDS: usize = 21;
const TIMES: u32 = 100_000;

/// Runs it, and prints a table for each size.
pub fn run() -> Result<()> {
    let mut rig = Rig::new(Some(1 << 20))?;
    let nothing = assembly::nothing(Kind::Tc)?;
    let program = rig.program(Kind::Tc)?;
    let mut talk = Conversation::new(Family::V4);
    rig.take(talk.opening())?;
    let (packet, digits) = advertising(&mut talk, true);
    let mut advertised = Repeated::next(&packet, &[digits], raw(&program))?;
    let mut greeter = Conversation::between(
        (Family::V4.client(9), 40_000).into(),
        (Family::V4.server(10), 21).into(),
    );
    let greeting = greeter.server("220 Hello");
    // The client's address.
    let address = Change::Chance { at: 14 + 16 };
    let mut opened = Repeated::same_changed(&greeting, &[address], raw(&program))?;
    let other = Conversation::between(
        (Family::V4.client(7), 40_000).into(),
        (Family::V4.server(10), 443).into(),
    );
    // Of the ports that are advertised, one; nobody's.
    let pending = Conversation::between(
        (Family::V4.client(77), 40_000).into(),
        (Family::V4.server(77), 100 * 256 + 100).into(),
    );
    let mut order = Chance::new();
    let mut there = 0;
    for size in SIZES {
        while there < size {
            let more = (size - there).min(5_000);
            advertised.run(more)?;
            opened.run(more)?;
            rig.drain();
            there += more;
        }
        let mut table = Table::new("ns");
        let base = table.row("return-only", 0);
        let names = [
            "return-only again (A/A)",
            "data, 1,000 bytes",
            "ACK",
            "SYN to a port that is not pending",
            "SYN to a pending port, of nobody",
        ];
        let numbers: Vec<usize> = names.iter().map(|name| table.row(*name, base)).collect();
        let large = other.clone().server_sends(&[b'x'; 1000]);
        let syn = other.clone().handshake()[0].clone();
        let mut rows = [
            (base, Repeated::same(&large, nothing.as_fd())?),
            (numbers[0], Repeated::same(&large, nothing.as_fd())?),
            (numbers[1], Repeated::same(&large, program.as_fd())?),
            (
                numbers[2],
                Repeated::same(&other.client_acks(), program.as_fd())?,
            ),
            (numbers[3], Repeated::same(&syn, program.as_fd())?),
            (
                numbers[4],
                Repeated::same(&pending.clone().handshake()[0], program.as_fd())?,
            ),
        ];
        for _ in 0..ROUNDS {
            for at in order.order(rows.len()) {
                let (number, packets) = &mut rows[at];
                table.push(*number, packets.run(TIMES)?);
            }
        }
        println!("\n{size} endpoints and as many control connections:\n");
        table.print();
    }
    let counters = rig.kernel.truth().counters();
    let full = ftpwatch_common::counter::Counter::EndpointsFull as usize;
    ensure!(counters[full] == 0, "not all endpoints found room");
    Ok(())
}
