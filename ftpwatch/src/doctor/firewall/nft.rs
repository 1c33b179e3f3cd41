//! Rules as `nft -j list ruleset` prints them (libnftables-json(5)).

mod expression;

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::{
    matching::Host,
    rules::{Base, Holds, Rule, Ruleset, Test, Then},
};
use crate::escape::printable;
use expression::Expression;

/// Named sets and maps, by family, table and name: their elements. Not those that change by themselves.
type Sets = HashMap<String, Value>;

/// What is in the ruleset that `text` prints. Tables of `skip` ("ip filter") are left out.
pub fn parse(text: &str, skip: &HashSet<String>, host: &Host) -> Option<Ruleset> {
    let ruleset: Value = serde_json::from_str(text).ok()?;
    let objects = ruleset.get("nftables")?.as_array()?;
    let of = |kind: &'static str| {
        objects
            .iter()
            .filter_map(move |object| object.get(kind))
            .filter(|object| !skip.contains(&table_of(object)))
    };
    let sets: Sets = of("set")
        .chain(of("map"))
        .filter_map(|set| Some((full_name(set, text_of(set, "name")), elements(set)?)))
        .collect();
    let mut rules = Ruleset::default();
    for chain in of("chain") {
        let name = full_name(chain, text_of(chain, "name"));
        rules.bases.extend(base(chain, &name));
        rules.chains.entry(name).or_default();
    }
    let mut numbers = BTreeSet::new();
    for rule in of("rule") {
        let chain = full_name(rule, text_of(rule, "chain"));
        let made = Maker {
            rule,
            sets: &sets,
            host,
        };
        rules.chains.entry(chain).or_default().extend(made.rules());
        find_numbers(rule, &mut numbers);
    }
    sets.values()
        .for_each(|set| find_numbers(set, &mut numbers));
    rules.ports = numbers;
    Some(rules)
}

/// The tables that iptables-nft keeps there: it prints them better itself.
pub fn tables_of_iptables(text: &str) -> HashSet<String> {
    let ruleset: Value = serde_json::from_str(text).unwrap_or_default();
    let objects = ruleset["nftables"].as_array().into_iter().flatten();
    objects
        .filter_map(|object| object.get("table"))
        .map(table_of)
        .filter(|table| {
            let mut words = table.split(' ');
            matches!(words.next(), Some("ip" | "ip6"))
                && matches!(
                    words.next(),
                    Some("filter" | "nat" | "mangle" | "raw" | "security")
                )
        })
        .collect()
}

/// Whether the ruleset gives connections to the FTP helper.
pub fn assigns_helper(text: &str) -> bool {
    let ruleset: Value = serde_json::from_str(text).unwrap_or_default();
    let objects: Vec<&Value> = ruleset["nftables"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    let helpers: HashSet<&str> = objects
        .iter()
        .filter_map(|object| object.get("ct helper"))
        .filter(|helper| helper["type"] == "ftp")
        .filter_map(|helper| helper["name"].as_str())
        .collect();
    let mut statements = objects
        .iter()
        .filter_map(|object| object.get("rule")?.get("expr")?.as_array())
        .flatten();
    statements.any(|statement| {
        let given = &statement["ct helper"];
        match given.as_str() {
            Some(name) => helpers.contains(name),
            // A map of them.
            None => !given.is_null() && !helpers.is_empty(),
        }
    })
}

fn text_of<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap_or_default()
}

fn table_of(object: &Value) -> String {
    let table = object.get("table").or_else(|| object.get("name"));
    let table = table.and_then(Value::as_str).unwrap_or_default();
    format!("{} {table}", text_of(object, "family"))
}

fn full_name(object: &Value, name: &str) -> String {
    format!(
        "{} {} {name}",
        text_of(object, "family"),
        text_of(object, "table")
    )
}

/// The elements of a set, unless packets or time change them.
fn elements(set: &Value) -> Option<Value> {
    let flags = set.get("flags").map(Value::to_string).unwrap_or_default();
    if flags.contains("dynamic") || flags.contains("timeout") {
        return None;
    }
    let none = || Value::Array(Vec::new());
    Some(set.get("elem").cloned().unwrap_or_else(none))
}

fn base(chain: &Value, name: &str) -> Option<Base> {
    let family = text_of(chain, "family");
    let (v4, v6) = match family {
        "ip" => (true, false),
        "ip6" => (false, true),
        "inet" | "netdev" => (true, true),
        _ => return None,
    };
    let hook = text_of(chain, "hook");
    matches!(hook, "ingress" | "prerouting" | "input").then(|| Base {
        chain: name.to_owned(),
        v4,
        v6,
        drops: text_of(chain, "policy") == "drop",
        // For some interfaces.
        partial: hook == "ingress",
    })
}

/// Every number may be a port: too many edges do no harm.
fn find_numbers(value: &Value, found: &mut BTreeSet<u16>) {
    match value {
        Value::Number(number) => {
            let port = number
                .as_u64()
                .and_then(|number| u16::try_from(number).ok());
            found.extend(
                port.into_iter()
                    .flat_map(|port| [port, port.saturating_add(1)]),
            );
        }
        Value::Array(values) => values.iter().for_each(|value| find_numbers(value, found)),
        Value::Object(members) => members
            .values()
            .for_each(|value| find_numbers(value, found)),
        _ => {}
    }
}

/// Makes rules of one of nft's: several, where it has a map of verdicts.
struct Maker<'a> {
    rule: &'a Value,
    sets: &'a Sets,
    host: &'a Host,
}

impl Maker<'_> {
    fn rules(&self) -> Vec<Rule> {
        let mut made = Vec::new();
        let mut matches: Vec<Expression> = Vec::new();
        let statements = self.rule["expr"].as_array().into_iter().flatten();
        for statement in statements {
            let member = statement
                .as_object()
                .and_then(|object| object.iter().next());
            let Some((kind, value)) = member else {
                made.push(self.rule(&matches, Then::Unknown));
                continue;
            };
            match kind.as_str() {
                "match" => matches.push(Expression::of_match(value, self)),
                "vmap" => made.extend(self.map(value, &matches)),
                "accept" => made.push(self.rule(&matches, Then::Accept)),
                "drop" | "reject" => made.push(self.rule(&matches, Then::Drop)),
                "return" => made.push(self.rule(&matches, Then::Return)),
                "jump" => made.push(self.rule(&matches, Then::Jump(self.target(value)))),
                "goto" => made.push(self.rule(&matches, Then::Goto(self.target(value)))),
                "dnat" | "redirect" | "tproxy" => {
                    made.push(self.rule(&matches, Then::Elsewhere));
                }
                // They look on, or mark.
                "counter" | "log" | "mangle" | "notrack" | "ct helper" | "ct timeout"
                | "ct expectation" | "quota name" | "flow" | "secmark" | "masquerade" | "snat"
                | "continue" | "comment" => {}
                // They let some pass and others not.
                "limit" | "quota" | "ct count" | "meter" | "set" | "map" => {
                    matches.push(Expression::Fixed(Holds::Perhaps));
                }
                _ => made.push(self.rule(&matches, Then::Unknown)),
            }
        }
        made
    }

    fn rule(&self, matches: &[Expression], then: Then) -> Rule {
        let tests = matches.iter().cloned().map(|expression| {
            let test: Test = Box::new(move |packet| expression.holds(packet));
            test
        });
        let chain = full_name(self.rule, text_of(self.rule, "chain"));
        let chain = printable(chain.as_bytes());
        let handle = &self.rule["handle"];
        Rule {
            tests: tests.collect(),
            then,
            text: format!("rule {handle} of `nft -a list chain {chain}`"),
        }
    }

    /// A rule for each element.
    fn map(&self, map: &Value, matches: &[Expression]) -> Vec<Rule> {
        let Some(elements) = self.elements(&map["data"]) else {
            return vec![self.rule(matches, Then::Unknown)];
        };
        let rules = elements.iter().map(|element| {
            let of_element = Expression::of_element(&map["key"], &element[0], self);
            let mut matches = matches.to_vec();
            matches.push(of_element);
            let verdict = element[1]
                .as_object()
                .and_then(|object| object.iter().next());
            let then = match verdict.map(|(kind, value)| (kind.as_str(), value)) {
                Some(("accept", _)) => Then::Accept,
                Some(("drop", _)) => Then::Drop,
                Some(("return", _)) => Then::Return,
                Some(("continue", _)) => Then::Nothing,
                Some(("jump", target)) => Then::Jump(self.target(target)),
                Some(("goto", target)) => Then::Goto(self.target(target)),
                _ => Then::Unknown,
            };
            self.rule(&matches, then)
        });
        rules.collect()
    }

    fn target(&self, target: &Value) -> String {
        full_name(self.rule, text_of(target, "target"))
    }

    /// The elements of a set or a map, named or not. `None` where they are not known.
    fn elements<'a>(&'a self, set: &'a Value) -> Option<&'a Vec<Value>> {
        match set {
            Value::String(name) => {
                let name = full_name(self.rule, name.strip_prefix('@')?);
                self.sets.get(&name)?.as_array()
            }
            _ => set.get("set")?.as_array(),
        }
    }
}
