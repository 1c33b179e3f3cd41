//! What a packet costs in the program, over one that does nothing: `BPF_PROG_TEST_RUN`, no interface.

use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Result, ensure};

use crate::assembly::{self, Change, Kind};
use crate::packets::{Conversation, Family, Packet};
use crate::rig::{Repeated, Rig, raw};
use crate::series::{Chance, Table};

const ROUNDS: usize = 31;
const TIMES: u32 = 20_000;
/// Endpoints are taken out after each round, and the ring has room for their news.
const ENDPOINTS: u32 = 2_000;

struct Row {
    number: usize,
    times: u32,
    packets: Repeated,
    advertises: bool,
}

/// Runs it, and prints the table.
pub fn run() -> Result<()> {
    let mut rig = Rig::new(None)?;
    let nothing = assembly::nothing(Kind::Tc)?;
    let program = rig.program(Kind::Tc)?;
    let mut table = Table::new("ns");
    let mut rows = Vec::new();

    let mut talk = Conversation::new(Family::V4);
    rig.take(talk.opening())?;
    rig.take([talk.client("USER a"), talk.server("331 b")])?;
    let other = Conversation::between(
        (Family::V4.client(7), 40_000).into(),
        (Family::V4.server(10), 443).into(),
    );
    let sixth = Conversation::between(
        (Family::V6.client(7), 40_000).into(),
        (Family::V6.server(10), 443).into(),
    );
    let data = |mut talk: Conversation, bytes: usize| talk.server_sends(&vec![b'x'; bytes]);

    // Before the gate.
    let base = table.row("return-only", 0);
    let mut plain = |number: usize, packet: &Packet, program: BorrowedFd<'_>| -> Result<()> {
        rows.push(Row {
            number,
            times: TIMES * 10,
            packets: Repeated::same(packet, program)?,
            advertises: false,
        });
        Ok(())
    };
    let large = data(other.clone(), 1000);
    let syn = other.clone().handshake()[0].clone();
    plain(base, &large, nothing.as_fd())?;
    plain(
        table.row("return-only again (A/A)", base),
        &large,
        nothing.as_fd(),
    )?;
    plain(
        table.row("data, 1,000 bytes", base),
        &large,
        program.as_fd(),
    )?;
    plain(
        table.row("data, IPv6", base),
        &data(sixth, 1000),
        program.as_fd(),
    )?;
    plain(
        table.row("ACK", base),
        &other.client_acks(),
        program.as_fd(),
    )?;
    plain(
        table.row("SYN to a port that is not pending", base),
        &syn,
        program.as_fd(),
    )?;

    // Beyond the gate: each packet follows the last, so a program of ours makes it of that and hands it on.
    let gate = {
        let packet = data(other, 71);
        let number = table.row("the gate, handed on", 0);
        rows.push(Row {
            number,
            times: TIMES,
            packets: Repeated::next(&packet, &[], raw(&program))?,
            advertises: false,
        });
        number
    };
    let mut follow = |name: &str,
                      packet: Packet,
                      changes: &[Change],
                      advertises: bool,
                      base: usize|
     -> Result<usize> {
        let number = table.row(name, base);
        let times = if advertises { ENDPOINTS } else { TIMES };
        rows.push(Row {
            number,
            times,
            packets: Repeated::next(&packet, changes, raw(&program))?,
            advertises,
        });
        Ok(number)
    };
    let session = |port: u16| {
        let mut talk = Conversation::between(
            (Family::V4.client(8), port).into(),
            (Family::V4.server(10), 21).into(),
        );
        let mut packets = talk.opening();
        packets.extend([talk.client("USER a"), talk.server("331 b")]);
        (talk, packets)
    };
    let line = |length: usize| format!("250 {}\r\n", "x".repeat(length - 6));
    let mut opened = Vec::new();
    let (mut talk, packets) = session(1);
    opened.extend(packets);
    follow(
        "control, reply of 71 bytes",
        talk.server_sends(line(71).as_bytes()),
        &[],
        false,
        gate,
    )?;
    let (mut talk, packets) = session(2);
    opened.extend(packets);
    follow(
        "control, a line of 1,000 bytes",
        talk.server_sends(line(1000).as_bytes()),
        &[],
        false,
        gate,
    )?;
    let (mut talk, packets) = session(3);
    opened.extend(packets);
    let lines = (0..14).map(|_| line(71)).collect::<String>();
    follow(
        "control, 14 lines, 994 bytes",
        talk.server_sends(lines.as_bytes()),
        &[],
        false,
        gate,
    )?;
    let (mut talk, packets) = session(4);
    opened.extend(packets);
    follow(
        "control, a command",
        talk.client_sends(b"NOOP\r\n"),
        &[],
        false,
        gate,
    )?;
    let (talk, packets) = session(5);
    opened.extend(packets);
    follow("control, ACK", talk.client_acks(), &[], false, gate)?;
    let chance = {
        let number = table.row("the gate, with digits by chance", 0);
        let mut talk = Conversation::between(
            (Family::V4.client(7), 40_000).into(),
            (Family::V4.server(10), 443).into(),
        );
        let (packet, changes) = advertising(&mut talk, true);
        rows.push(Row {
            number,
            times: TIMES,
            packets: Repeated::next(&packet, &[changes], raw(&program))?,
            advertises: false,
        });
        number
    };
    let mut follow = |name: &str,
                      packet: Packet,
                      changes: &[Change],
                      advertises: bool,
                      base: usize|
     -> Result<usize> {
        let number = table.row(name, base);
        let times = if advertises { ENDPOINTS } else { TIMES };
        rows.push(Row {
            number,
            times,
            packets: Repeated::next(&packet, changes, raw(&program))?,
            advertises,
        });
        Ok(number)
    };
    let (mut talk, packets) = session(6);
    opened.extend(packets);
    let (packet, changes) = advertising(&mut talk, true);
    follow(
        "227: decoded, in the map, told",
        packet,
        &[changes],
        true,
        chance,
    )?;
    let (mut talk, packets) = session(7);
    opened.extend(packets);
    let (packet, changes) = advertising(&mut talk, false);
    follow(
        "227 of another address than the server's",
        packet,
        &[changes],
        true,
        chance,
    )?;

    rig.take(opened)?;
    rig.drain();
    let mut order = Chance::new();
    for _ in 0..ROUNDS {
        for at in order.order(rows.len()) {
            let row = &mut rows[at];
            table.push(row.number, row.packets.run(row.times)?);
            let (_, endpoints) = rig.clear()?;
            let expected = if row.advertises {
                row.times as usize
            } else {
                0
            };
            ensure!(endpoints == expected, "{endpoints} endpoints of {expected}");
        }
    }
    table.print();
    Ok(())
}

/// A 227 with a port by chance, and where its digits are.
pub fn advertising(talk: &mut Conversation, own: bool) -> (Packet, Change) {
    let address = if own { "203,0,113,10" } else { "172,16,40,222" };
    let line = format!("227 Entering Passive Mode ({address},100,100).\r\n");
    let packet = talk.server_sends(line.as_bytes());
    let tail = 14 + 20 + 20 + line.len() as u16;
    // "100,100).\r\n"
    let digits = [tail - 10, tail - 9, tail - 6, tail - 5];
    (packet, Change::Digits { at: digits })
}
