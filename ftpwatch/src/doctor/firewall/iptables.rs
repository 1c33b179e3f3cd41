//! Rules as iptables-save and ip6tables-save print them (iptables(8), iptables-extensions(8)).

use std::collections::BTreeSet;

use super::{
    matching::{self, Host, Ports},
    rules::{Base, Holds, Rule, Ruleset, Test, Then},
};
use crate::escape::printable;

/// What is in the ruleset that `text` prints. `v6`: it is ip6tables'.
pub fn parse(text: &str, v6: bool, host: &Host) -> Ruleset {
    let program = if v6 { "ip6tables" } else { "iptables" };
    let mut rules = Ruleset::default();
    let mut table = String::new();
    for line in text.lines() {
        let name = |chain: &str| format!("{program} {table} {chain}");
        if let Some(next) = line.strip_prefix('*') {
            table = next.trim().to_owned();
        } else if let Some(chain) = line.strip_prefix(':') {
            let mut words = chain.split_whitespace();
            let (Some(chain), Some(policy)) = (words.next(), words.next()) else {
                continue;
            };
            rules.chains.entry(name(chain)).or_default();
            if matches!(chain, "INPUT" | "PREROUTING") {
                rules.bases.push(Base {
                    chain: name(chain),
                    v4: !v6,
                    v6,
                    drops: policy == "DROP",
                    partial: false,
                });
            }
        } else if let Some(words) = split(line)
            && let [append, chain, words @ ..] = words.as_slice()
            && append == "-A"
        {
            let mut rule = rule(words, &name, v6, host, &mut rules.ports);
            rule.text = format!("{program} -t {table} {}", printable(line.as_bytes()));
            rules.chains.entry(name(chain)).or_default().push(rule);
        }
    }
    rules
}

/// Words, as a shell would take them: quotes keep them together, a backslash keeps a quote.
fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' => word.get_or_insert_default().push(characters.next()?),
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    (!quoted).then_some(words)
}

fn rule(
    words: &[String],
    name: &impl Fn(&str) -> String,
    v6: bool,
    host: &Host,
    seen: &mut BTreeSet<u16>,
) -> Rule {
    let mut rule = Rule {
        tests: Vec::new(),
        then: Then::Nothing,
        text: String::new(),
    };
    let mut words = words.iter().map(String::as_str).peekable();
    let mut negated = false;
    while let Some(option) = words.next() {
        if option == "!" {
            negated = true;
            continue;
        }
        // Everything up to the next option belongs to this one.
        let mut values = Vec::new();
        while let Some(value) = words.next_if(|word| !is_option(word) && *word != "!") {
            values.push(value);
        }
        let value = values.first().copied().unwrap_or_default();
        match option {
            "-m" | "-c" | "--comment" => {}
            // What follows is the target's.
            "-j" => {
                rule.then = target(value, name);
                break;
            }
            "-g" => rule.then = Then::Goto(name(value)),
            _ => {
                let test = test(option, &values, v6, host, seen);
                rule.tests.push(if negated {
                    Box::new(move |packet| test(packet).not())
                } else {
                    test
                });
            }
        }
        negated = false;
    }
    rule
}

fn is_option(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-') && !word[1..].starts_with(|c: char| c.is_ascii_digit())
}

fn target(target: &str, name: &impl Fn(&str) -> String) -> Then {
    match target {
        "ACCEPT" => Then::Accept,
        "DROP" | "REJECT" => Then::Drop,
        "RETURN" => Then::Return,
        "LOG" | "NFLOG" | "ULOG" | "TRACE" | "AUDIT" | "CT" | "NOTRACK" | "MARK" | "CONNMARK"
        | "TCPMSS" | "DSCP" | "TOS" | "TTL" | "HL" | "CLASSIFY" | "SECMARK" | "CONNSECMARK"
        | "CHECKSUM" | "SET" | "TEE" => Then::Nothing,
        "DNAT" | "REDIRECT" | "NETMAP" | "TPROXY" => Then::Elsewhere,
        // Other targets are in capitals by convention; so may be chains. Which it is, the chains tell.
        other => Then::Jump(name(other)),
    }
}

fn test(option: &str, values: &[&str], v6: bool, host: &Host, seen: &mut BTreeSet<u16>) -> Test {
    let value = values.first().copied().unwrap_or_default();
    match option {
        "-p" => {
            let holds = Holds::known(matches!(value, "tcp" | "6" | "all" | "0"));
            Box::new(move |_| holds)
        }
        "-i" => {
            let names = vec![value.replace('+', "*")];
            Box::new(move |packet| matching::interface(&names, packet))
        }
        "-s" => known(matching::source(&[value], v6)),
        "-d" => known(matching::destination(&[value], v6, host)),
        "--dport" | "--dports" | "--destination-port" | "--destination-ports" => ports(value, seen),
        // A port of either side.
        "--ports" => {
            let test = ports(value, seen);
            Box::new(move |packet| test(packet).or(Holds::Perhaps))
        }
        "--sport" | "--sports" | "--source-port" | "--source-ports" => {
            known(Ports::parse(value).map_or(Holds::Perhaps, |ports| ports.of_client()))
        }
        "--ctstate" | "--state" => {
            let states: Vec<String> = value.split(',').map(str::to_ascii_lowercase).collect();
            let states: Vec<&str> = states.iter().map(String::as_str).collect();
            known(matching::state(&states, host))
        }
        "--helper" => known(if value == "ftp" {
            Holds::ForHelper
        } else {
            Holds::No
        }),
        "--tcp-flags" => match values {
            [mask, set, ..] => {
                let split = |text: &str| text.to_ascii_lowercase();
                let (mask, set) = (split(mask), split(set));
                let names = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
                known(matching::flags(&names(&mask), &names(&set)))
            }
            _ => known(Holds::Perhaps),
        },
        "--syn" => known(Holds::Yes),
        "--dst-type" => known(Holds::known(value.split(',').any(|kind| kind == "LOCAL"))),
        "--pkt-type" => known(Holds::known(value == "unicast")),
        _ => known(Holds::Perhaps),
    }
}

fn known(holds: Holds) -> Test {
    Box::new(move |_| holds)
}

fn ports(value: &str, seen: &mut BTreeSet<u16>) -> Test {
    match Ports::parse(value) {
        Some(ports) => {
            seen.extend(ports.edges());
            Box::new(move |packet| Holds::known(ports.contains(packet.port)))
        }
        None => known(Holds::Perhaps),
    }
}
