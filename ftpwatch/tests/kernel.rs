//! The kernel's programs as the loader loads them, run on packets by `BPF_PROG_TEST_RUN`: no interface, no traffic. Needs
//! root: `cargo xtask test`.
//!
//! What belongs here: that the programs make of packets what the engine makes of them on the host, that they let every
//! packet pass as it is, what they do when a map or the ring is full, and what they cost the verifier. What a packet means
//! belongs in the scenarios (`scenarios/`); what only a real interface shows, in wire.rs and faults.rs.

mod bench;
#[path = "bench/full.rs"]
mod full;
#[path = "bench/gate.rs"]
mod gate;
mod packets;
#[path = "bench/processors.rs"]
mod processors;
mod scenarios;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bench::{Bench, Program};
use packets::Family;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use scenarios::generate::{conversation, hostile};
use scenarios::{Scenario, Script, Seen, for_each_scenario};

/// What the kernel makes of it, which has to be what the host makes of it.
fn play_to_both(bench: &mut Bench, script: &Script) -> Seen {
    let link = bench.program.link();
    scenarios::play_to_both(bench, script, link)
}

macro_rules! table {
    ($($subject:ident { $($scenario:ident)* })*) => {
        &[$($((
            concat!(stringify!($subject), "::", stringify!($scenario)),
            scenarios::$subject::$scenario as fn(Family) -> Scenario,
        )),*),*]
    };
}

/// A scenario, and its name.
type Named = (&'static str, fn(Family) -> Scenario);

const SCENARIOS: &[Named] = for_each_scenario!(table);

fn every_scenario(program: Program) {
    every_scenario_on(&|| Bench::new(program));
}

fn every_scenario_on(new: &dyn Fn() -> Bench) {
    let mut bench = new();
    let mut failed = Vec::new();
    for (name, scenario) in SCENARIOS {
        for family in Family::ALL {
            let Scenario { scripts, check } = scenario(family);
            let all = AssertUnwindSafe(|| {
                for script in &scripts {
                    check(&play_to_both(&mut bench, script));
                }
            });
            if catch_unwind(all).is_err() {
                failed.push(format!("{name} {family:?}"));
                bench = new();
            }
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
    bench.assert_all_ports_shut();
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn scenarios_on_ether() {
    every_scenario(Program::Ether);
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn scenarios_on_ip() {
    every_scenario(Program::Ip);
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn scenarios_on_xdp() {
    every_scenario(Program::Xdp);
}

/// What is in clear text is read as without the probes.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn scenarios_with_probes() {
    every_scenario_on(&|| Bench::with_probes(Program::Ether));
}

fn by_chance(program: Program, scripts: impl Strategy<Value = Script>) {
    let bench = RefCell::new(Bench::new(program));
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 100,
        max_shrink_time: 30_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let result = runner.run(&scripts, |script| {
        let both = AssertUnwindSafe(|| play_to_both(&mut bench.borrow_mut(), &script));
        let ended = catch_unwind(both);
        if ended.is_err() {
            bench.replace(Bench::new(program));
        }
        prop_assert!(ended.is_ok());
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn conversations_by_chance() {
    for program in [Program::Ether, Program::Ip, Program::Xdp] {
        by_chance(
            program,
            conversation().prop_map(|generated| generated.script),
        );
    }
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn hostile_bytes() {
    by_chance(Program::Ether, hostile());
}

#[test]
#[ignore = "needs root: cargo xtask test"]
fn only_what_is_meant_is_retired() {
    scenarios::retire::only_what_is_meant(&mut Bench::new(Program::Ether));
}

/// More verified instructions than this are a mistake: the kernel gives up at a million, and another compiler makes other
/// instructions of the same source.
const BUDGET: u32 = 300_000;

type NewBench = fn() -> Bench;

/// What `cargo xtask verifier` prints.
#[test]
#[ignore = "needs root: cargo xtask test"]
fn verifier_cost() {
    let mut over = Vec::new();
    let benches: [(&str, NewBench); 3] = [
        ("program", || Bench::new(Program::Ether)),
        ("with -vv", || Bench::with_log(Program::Ether, true)),
        ("with --tls", || Bench::with_probes(Program::Ether)),
    ];
    for (title, bench) in benches {
        println!(
            "{title:16} {:>12} {:>16} {:>12}",
            "verified", "translated bytes", "jited bytes"
        );
        let mut bench = bench();
        let mut programs: Vec<_> = bench.kernel.ebpf_mut().programs().collect();
        programs.sort_by_key(|(name, _)| *name);
        for (name, program) in programs {
            // The probes are loaded where they are wanted.
            let Ok(info) = program.info() else {
                continue;
            };
            let verified = info.verified_instruction_count().unwrap_or(0);
            let translated = info.size_translated().unwrap_or(0);
            println!(
                "{name:16} {verified:12} {translated:16} {:12}",
                info.size_jitted()
            );
            if verified > BUDGET {
                over.push(format!("{name}: {verified} ({title})"));
            }
        }
    }
    assert!(
        over.is_empty(),
        "more than {BUDGET} verified instructions: {over:?}"
    );
}
