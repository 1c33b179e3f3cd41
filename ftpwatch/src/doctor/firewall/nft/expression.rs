//! Whether an expression of nft holds for a client's SYN (libnftables-json(5), "EXPRESSIONS").

use std::ops::RangeInclusive;

use serde_json::Value;

use super::Maker;
use crate::doctor::firewall::{
    matching::{self, Host, Ports},
    rules::{Holds, Packet},
};

/// One test.
#[derive(Clone, Debug)]
pub enum Expression {
    /// Known from the start.
    Fixed(Holds),
    /// It goes to one of these ports.
    Ports(Ports),
    /// It comes in by one of these interfaces.
    Interfaces(Vec<String>),
    /// It is IPv6, or is not.
    Version { v6: bool, then: Holds },
    /// All of them.
    All(Vec<Expression>),
    /// One of them.
    Any(Vec<Expression>),
    /// The opposite.
    Not(Box<Expression>),
}

use Expression::{All, Any, Fixed, Interfaces, Not, Version};

const PERHAPS: Expression = Fixed(Holds::Perhaps);

impl Expression {
    /// What `{"match": …}` tests.
    pub fn of_match(value: &Value, maker: &Maker<'_>) -> Self {
        let (left, right) = (&value["left"], &value["right"]);
        let operator = value["op"].as_str().unwrap_or_default();
        match operator {
            "==" | "in" => Self::equal(left, right, maker),
            "!=" => Not(Box::new(Self::equal(left, right, maker))),
            "<" | ">" | "<=" | ">=" if is_port(left, "dport") => compared(operator, right),
            _ => PERHAPS,
        }
    }

    /// What the element `element` of a map by `key` tests.
    pub fn of_element(key: &Value, element: &Value, maker: &Maker<'_>) -> Self {
        Self::equal(key, element, maker)
    }

    /// Whether it holds for `packet`.
    pub fn holds(&self, packet: &Packet<'_>) -> Holds {
        match self {
            Fixed(holds) => *holds,
            Self::Ports(ports) => Holds::known(ports.contains(packet.port)),
            Interfaces(names) => matching::interface(names, packet),
            Version { v6, then } if *v6 == packet.v6 => *then,
            Version { .. } => Holds::No,
            All(all) => all
                .iter()
                .fold(Holds::Yes, |h, one| h.and(one.holds(packet))),
            Any(any) => any.iter().fold(Holds::No, |h, one| h.or(one.holds(packet))),
            // `ip saddr != …` is no test of IPv6 packets either.
            Not(inner) => match inner.as_ref() {
                Version { v6, .. } if *v6 != packet.v6 => Holds::No,
                inner => inner.holds(packet).not(),
            },
        }
    }

    fn equal(left: &Value, right: &Value, maker: &Maker<'_>) -> Self {
        // A set: one of its elements. Flags and states are lists, of which one is enough.
        let named = right.as_str().is_some_and(|name| name.starts_with('@'));
        if named || right.get("set").is_some() {
            let Some(elements) = maker.elements(right) else {
                return Self::of_unknown(left);
            };
            let each = elements.iter();
            return grouped(
                each.map(|element| Self::equal(left, element, maker))
                    .collect(),
            );
        }
        if let Some(value) = right.get("elem") {
            // With a counter, or a comment; with a time it may be gone any moment.
            let lasts = value.get("timeout").is_none() && value.get("expires").is_none();
            return if lasts {
                Self::equal(left, &value["val"], maker)
            } else {
                PERHAPS
            };
        }
        if let Some(parts) = left.get("concat").and_then(Value::as_array) {
            let values = right.get("concat").and_then(Value::as_array);
            return match values {
                Some(values) if values.len() == parts.len() => {
                    let pairs = parts.iter().zip(values);
                    All(pairs
                        .map(|(left, right)| Self::equal(left, right, maker))
                        .collect())
                }
                _ => PERHAPS,
            };
        }
        if let Some(key) = left.get("meta").or_else(|| left.get("ct")) {
            let kind = if left.get("meta").is_some() {
                "meta"
            } else {
                "ct"
            };
            return of_key(
                kind,
                key["key"].as_str().unwrap_or_default(),
                right,
                maker.host,
            );
        }
        if let Some(payload) = left.get("payload") {
            return of_payload(payload, right, maker.host);
        }
        if let Some([flags, mask]) = left.get("&").and_then(Value::as_array).map(Vec::as_slice)
            && is_port(flags, "flags")
        {
            return Fixed(matching::flags(&names(mask), &names(right)));
        }
        if left["fib"]["result"] == "type" && left["fib"]["flags"] == serde_json::json!(["daddr"]) {
            return Fixed(Holds::known(right == "local"));
        }
        PERHAPS
    }

    /// A set that is not known: still, what is in it is of the protocol that `left` looks at.
    fn of_unknown(left: &Value) -> Self {
        match left["payload"]["protocol"].as_str() {
            Some("ip") => Version {
                v6: false,
                then: Holds::Perhaps,
            },
            Some("ip6") => Version {
                v6: true,
                then: Holds::Perhaps,
            },
            Some("udp" | "icmp" | "icmpv6") => Fixed(Holds::No),
            _ => PERHAPS,
        }
    }
}

/// Elements that are all of one version of IP stay so, for [`Expression::Not`].
fn grouped(elements: Vec<Expression>) -> Expression {
    let version = |one: &Expression| match one {
        Version { v6, then } => Some((*v6, *then)),
        _ => None,
    };
    let versions: Option<Vec<_>> = elements.iter().map(version).collect();
    match versions.as_deref() {
        Some([(first, _), ..]) if versions.iter().flatten().all(|(v6, _)| v6 == first) => {
            let holds = versions.iter().flatten().map(|(_, then)| *then);
            Version {
                v6: *first,
                then: holds.fold(Holds::No, Holds::or),
            }
        }
        _ => Any(elements),
    }
}

fn is_port(value: &Value, field: &str) -> bool {
    let payload = &value["payload"];
    matches!(payload["protocol"].as_str(), Some("tcp" | "th")) && payload["field"] == field
}

fn compared(operator: &str, right: &Value) -> Expression {
    let Some(port) = number(right) else {
        return PERHAPS;
    };
    let range = match operator {
        "<" if port > 0 => 0..=port - 1,
        "<=" => 0..=port,
        ">" if port < u16::MAX => port + 1..=u16::MAX,
        ">=" => port..=u16::MAX,
        _ => return PERHAPS,
    };
    Expression::Ports(Ports(vec![range]))
}

/// What `meta` and `ct` know of a SYN.
fn of_key(kind: &str, key: &str, right: &Value, host: &Host) -> Expression {
    let is = |values: &[&str]| match right.as_str() {
        Some(right) => Fixed(Holds::known(values.contains(&right))),
        None => PERHAPS,
    };
    match (kind, key) {
        ("meta", "iifname" | "iif") => match right.as_str() {
            Some(name) => Interfaces(vec![name.to_owned()]),
            None => PERHAPS,
        },
        ("meta", "l4proto") if number(right) == Some(6) => Fixed(Holds::Yes),
        ("meta", "l4proto") if number(right).is_some() => Fixed(Holds::No),
        ("meta", "l4proto") => is(&["tcp"]),
        ("meta", "nfproto" | "protocol") => match right.as_str() {
            Some("ipv4" | "ip") => Version {
                v6: false,
                then: Holds::Yes,
            },
            Some("ipv6" | "ip6") => Version {
                v6: true,
                then: Holds::Yes,
            },
            Some("arp" | "vlan") => Fixed(Holds::No),
            _ => PERHAPS,
        },
        ("meta", "pkttype") => is(&["host", "unicast"]),
        ("ct", "direction") => is(&["original"]),
        ("ct", "state") => {
            let states = names(right);
            let states: Vec<&str> = states.iter().map(String::as_str).collect();
            Fixed(if states.is_empty() {
                Holds::Perhaps
            } else {
                matching::state(&states, host)
            })
        }
        ("ct", "status") if right == "dnat" && !host.redirects => Fixed(Holds::No),
        ("ct", "helper") if right == "ftp" => Fixed(Holds::ForHelper),
        _ => PERHAPS,
    }
}

/// What is in the packet.
fn of_payload(payload: &Value, right: &Value, host: &Host) -> Expression {
    let field = payload["field"].as_str().unwrap_or_default();
    match payload["protocol"].as_str() {
        Some("tcp" | "th") => match field {
            "dport" => range(right).map_or(PERHAPS, |range| Expression::Ports(Ports(vec![range]))),
            "sport" => range(right).map_or(PERHAPS, |range| Fixed(Ports(vec![range]).of_client())),
            // Who uses ECN sets two more flags.
            _ => PERHAPS,
        },
        Some("ip") => of_header(field, right, false, host),
        Some("ip6") => of_header(field, right, true, host),
        Some(
            "udp" | "udplite" | "icmp" | "icmpv6" | "igmp" | "sctp" | "dccp" | "esp" | "ah" | "arp",
        ) => Fixed(Holds::No),
        _ => PERHAPS,
    }
}

fn of_header(field: &str, right: &Value, v6: bool, host: &Host) -> Expression {
    let network = match right {
        Value::String(address) => Some(address.clone()),
        _ => right.get("prefix").and_then(|prefix| {
            Some(format!(
                "{}/{}",
                prefix["addr"].as_str()?,
                prefix["len"].as_u64()?
            ))
        }),
    };
    let then = match (field, network) {
        ("saddr", Some(network)) => matching::source(&[&network], v6),
        ("daddr", Some(network)) => matching::destination(&[&network], v6, host),
        ("protocol" | "nexthdr", Some(protocol)) => Holds::known(protocol == "tcp"),
        ("version", None) => Holds::Yes,
        _ => Holds::Perhaps,
    };
    Version { v6, then }
}

/// `21`, or `{"range": [40000, 40015]}`.
fn range(value: &Value) -> Option<RangeInclusive<u16>> {
    if let Some(port) = number(value) {
        return Some(port..=port);
    }
    let bounds = value.get("range")?;
    Some(number(&bounds[0])?..=number(&bounds[1])?)
}

fn number(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|number| u16::try_from(number).ok())
}

/// A name, or a list of them.
fn names(value: &Value) -> Vec<String> {
    match value {
        Value::String(name) => vec![name.clone()],
        Value::Array(values) => {
            let names: Option<Vec<String>> = values
                .iter()
                .map(|v| v.as_str().map(str::to_owned))
                .collect();
            names.unwrap_or_default()
        }
        _ => Vec::new(),
    }
}
