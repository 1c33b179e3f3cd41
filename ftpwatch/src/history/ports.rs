//! Passive ports: which connect, which never do, and how far they reach.

use std::collections::BTreeMap;

use super::{Pattern, Run, SIGNIFICANT, chance};

/// How many ports are remembered for a server.
const PORTS: usize = 8_192;

/// With so many ports they are not looked through at every outcome.
const MANY: usize = 256;

/// How many ports of either kind there must be.
const FEW: u64 = 4;

/// How often endpoints fail after some connected, and connect after some failed, where it is the ports that matter.
/// On a server that takes its ports one after the other, a firewall that changed once looks the same otherwise.
const TURNS: u32 = 5;

/// How many ports of either kind there must be where it may be either.
const MANY_IN_ORDER: u64 = 20;

/// How many endpoints show how far a range reaches, where each port was advertised twice.
const RANGE_KNOWN: u64 = 30;

/// The least that a port is away from a range that it is outside of.
const APART: u16 = 16;

#[derive(Clone, Copy, Debug, Default)]
struct Port {
    connected: u64,
    failed: u64,
}

/// What became of the endpoints on each port.
#[derive(Debug, Default)]
pub struct Ports {
    ports: BTreeMap<u16, Port>,
    advertised: u64,
    /// Ports were advertised that are not remembered: how far the range reaches is not known.
    overflowed: bool,
    last: Option<bool>,
    turns: u32,
    since_look: usize,
    hole_told: bool,
    outside_told: bool,
}

impl Ports {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ports.len()
    }

    /// How many endpoints on `port` connected.
    pub fn connected(&self, port: u16) -> u64 {
        self.ports.get(&port).map_or(0, |port| port.connected)
    }

    /// An endpoint on `port` was advertised. `room` says whether another port may be remembered.
    pub fn advertised(&mut self, port: u16, room: bool) -> Option<Pattern> {
        let outside = self.outside(port);
        if outside.is_some() {
            self.outside_told = true;
            return outside;
        }
        if (room && self.ports.len() < PORTS) || self.ports.contains_key(&port) {
            self.ports.entry(port).or_default();
            self.advertised += 1;
        } else {
            self.overflowed = true;
        }
        None
    }

    /// A port far from a range that has been used over and over.
    fn outside(&self, port: u16) -> Option<Pattern> {
        let (low, high) = (
            *self.ports.first_key_value()?.0,
            *self.ports.last_key_value()?.0,
        );
        let distinct = u64::try_from(self.ports.len()).unwrap_or(u64::MAX);
        let known =
            !self.overflowed && self.advertised >= RANGE_KNOWN && distinct <= self.advertised / 2;
        let apart = (high - low).max(APART);
        let outside = port > high.saturating_add(apart) || port < low.saturating_sub(apart);
        (known && outside && !self.outside_told).then_some(Pattern::PortOutside {
            port,
            before: Run { low, high },
            seen: self.advertised,
        })
    }

    /// An endpoint on `port` connected, or failed though nothing is wrong with its address.
    pub fn note(&mut self, port: u16, connected: bool) {
        let Some(port) = self.ports.get_mut(&port) else {
            return;
        };
        port.connected += u64::from(connected);
        port.failed += u64::from(!connected);
        if self.last.replace(connected) != Some(connected) {
            self.turns += 1;
        }
        self.since_look += 1;
    }

    /// Some ports connect, and others never do.
    pub fn hole(&mut self) -> Option<Pattern> {
        let rarely = self.ports.len() > MANY && self.since_look < MANY;
        if self.hole_told || rarely {
            return None;
        }
        self.since_look = 0;
        // All connected, or all failed.
        if self.turns < 2 {
            return None;
        }
        let (mut runs, mut counts) = (Vec::<(bool, Run)>::new(), [0_u64; 2]);
        let (mut connected, mut failed) = (0, 0);
        for (&port, tally) in &self.ports {
            let open = tally.connected > 0;
            if !open && tally.failed == 0 {
                continue;
            }
            counts[usize::from(open)] += 1;
            connected += tally.connected;
            failed += if open { 0 } else { tally.failed };
            match runs.last_mut() {
                Some((same, run)) if *same == open => run.high = port,
                _ => runs.push((
                    open,
                    Run {
                        low: port,
                        high: port,
                    },
                )),
            }
        }
        // Either lie together: open, shut; shut, open, shut; or open, shut, open.
        let apart = (2..=3).contains(&runs.len());
        let in_turns = self.turns >= TURNS;
        let needed = if in_turns { FEW } else { MANY_IN_ORDER };
        let enough = counts.into_iter().all(|ports| ports >= needed);
        let chance = chance::of_falling_apart(connected, failed, counts[0] + counts[1]);
        if !apart || !enough || chance >= SIGNIFICANT {
            return None;
        }
        self.hole_told = true;
        let of = |open: bool| {
            let runs = runs.iter().filter(move |(is_open, _)| *is_open == open);
            runs.map(|(_, run)| *run).collect()
        };
        Some(Pattern::RangePartlyBlocked {
            open: of(true),
            shut: of(false),
            connected,
            failed,
            in_turns,
        })
    }
}
