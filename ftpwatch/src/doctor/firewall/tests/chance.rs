//! Rulesets by chance: whatever turns out to be behind what is not known, a fate that is given is right.

use std::collections::HashMap;

use proptest::prelude::*;

use crate::doctor::firewall::rules::{Base, Fate, Holds, Packet, Rule, Ruleset, Test, Then};

/// How many things are not known: all their combinations are tried.
const UNKNOWN: usize = 5;

/// Chains, each of which may call those behind it.
const CHAINS: usize = 4;

#[derive(Clone, Debug)]
enum Tested {
    Surely(bool),
    Perhaps(usize),
}

type Rules = Vec<(Tested, Then)>;

fn name(chain: usize) -> String {
    format!("chain {chain}")
}

fn then(chain: usize) -> BoxedStrategy<Then> {
    let plain = prop_oneof![
        Just(Then::Accept),
        Just(Then::Drop),
        Just(Then::Return),
        Just(Then::Nothing),
    ];
    if chain + 1 == CHAINS {
        return plain.boxed();
    }
    let other = chain + 1..CHAINS;
    prop_oneof![
        3 => plain,
        1 => other.clone().prop_map(|chain| Then::Jump(name(chain))),
        1 => other.prop_map(|chain| Then::Goto(name(chain))),
    ]
    .boxed()
}

fn rules(chain: usize) -> impl Strategy<Value = Rules> {
    let tested = prop_oneof![
        2 => any::<bool>().prop_map(Tested::Surely),
        3 => (0..UNKNOWN).prop_map(Tested::Perhaps),
    ];
    prop::collection::vec((tested, then(chain)), 0..5)
}

fn chains() -> impl Strategy<Value = Vec<Rules>> {
    (0..CHAINS).map(rules).collect::<Vec<_>>()
}

fn ruleset(chains: &[Rules], drops: bool) -> Ruleset {
    let rule = |(tested, then): &(Tested, Then)| {
        let holds = match tested {
            Tested::Surely(holds) => Holds::known(*holds),
            Tested::Perhaps(_) => Holds::Perhaps,
        };
        let test: Test = Box::new(move |_| holds);
        Rule {
            tests: vec![test],
            then: then.clone(),
            text: String::new(),
        }
    };
    let chains = chains
        .iter()
        .enumerate()
        .map(|(number, rules)| (name(number), rules.iter().map(rule).collect()));
    Ruleset {
        bases: vec![Base {
            chain: name(0),
            v4: true,
            v6: true,
            drops,
            partial: false,
        }],
        chains: chains.collect(),
        ..Ruleset::default()
    }
}

/// What the kernel does when everything is known: `Some(passes)`, or `None` where the chain ends.
fn follow(chains: &HashMap<String, &Rules>, chain: &str, known: usize) -> Option<bool> {
    for (tested, then) in chains[chain] {
        let holds = match tested {
            Tested::Surely(holds) => *holds,
            Tested::Perhaps(number) => known & 1 << number != 0,
        };
        if !holds {
            continue;
        }
        match then {
            Then::Accept => return Some(true),
            Then::Drop => return Some(false),
            Then::Return => return None,
            Then::Goto(chain) => return follow(chains, chain, known),
            Then::Jump(chain) => match follow(chains, chain, known) {
                None => {}
                decided => return decided,
            },
            _ => {}
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn a_fate_that_is_given_is_right(chains in chains(), drops: bool) {
        let packet = Packet { port: 1, v6: false, interface: "eth0" };
        let fate = ruleset(&chains, drops).fate(&packet);
        let by_name = chains.iter().enumerate().map(|(number, rules)| (name(number), rules)).collect();
        let passes: Vec<bool> = (0..1 << UNKNOWN)
            .map(|known| follow(&by_name, &name(0), known).unwrap_or(!drops))
            .collect();
        match fate {
            Fate::Open => prop_assert!(passes.iter().all(|passes| *passes)),
            Fate::Closed => prop_assert!(passes.iter().all(|passes| !*passes)),
            Fate::CannotTell(_) => {}
            Fate::OnlyHelper => prop_assert!(false, "there is no helper"),
        }
        // And where everything is known, one is given.
        let sure = |rules: &Rules| rules.iter().all(|(tested, _)| matches!(tested, Tested::Surely(_)));
        if chains.iter().all(sure) {
            prop_assert!(!matches!(fate, Fate::CannotTell(_)));
        }
    }

    #[test]
    fn no_text_is_too_odd(text in "[-*:A-Z a-z0-9\"\\\\!/\n]{0,200}") {
        let host = crate::doctor::firewall::matching::Host::default();
        let _ = crate::doctor::firewall::iptables::parse(&text, false, &host);
        let rules = format!("*filter\n:INPUT DROP [0:0]\n-A INPUT {text}\n");
        let _ = crate::doctor::firewall::iptables::parse(&rules, true, &host);
    }
}
