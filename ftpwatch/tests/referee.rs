//! tshark as a referee: whatever it decodes of a 227 or 229 in a capture is what `ftpwatch read` makes of it. Where
//! tshark is wrong, the reply is here by name, with the reason. Needs tshark: `cargo xtask test`.
//!
//! What belongs here: what another decoder has an opinion on. What a reply means belongs beside the decoder, and what is
//! in a capture in captures/known.rs.

mod folder;
pub mod packets;
#[path = "captures/pcap.rs"]
#[allow(dead_code, reason = "a part of it is for other tests")]
mod pcap;
#[path = "captures/reading.rs"]
#[allow(dead_code, reason = "a part of it is for other tests")]
mod reading;
#[path = "captures/story.rs"]
#[allow(dead_code, reason = "a part of it is for other tests")]
mod story;

mod event;
use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    path::Path,
    process::Command,
};

use packets::{Conversation, Family};
use pcap::Pcap;
use reading::{File, json};
use serde_json::Value;
use story::Story;

/// A 227 or 229, and what it was decoded to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Advertised {
    client: SocketAddr,
    server: SocketAddr,
    endpoint: SocketAddr,
}

/// What tshark tells of a reply: who speaks to whom, and the endpoint. A 229 is a port of the server's address, unless
/// it names another.
const FIELDS: [&str; 11] = [
    "ip.src",
    "ipv6.src",
    "tcp.srcport",
    "ip.dst",
    "ipv6.dst",
    "tcp.dstport",
    "ftp.passive.ip",
    "ftp.epsv.ip",
    "ftp.epsv.ipv6",
    "ftp.passive.port",
    "ftp.epsv.port",
];

/// Replies, with what they were decoded to, and each once: a retransmission says nothing new.
const FILTER: &str = "ftp.response.code in {227, 229} && (ftp.passive.port || ftp.epsv.port) \
                      && !tcp.analysis.retransmission";

/// What tshark decodes, in order. `None` where there is no tshark.
fn tshark(file: &Path) -> Option<Vec<Advertised>> {
    let output = Command::new("tshark")
        .args(["-n", "-Q", "-T", "fields", "-E", "occurrence=f"])
        .args(FIELDS.iter().flat_map(|field| ["-e", field]))
        .args(["-Y", FILTER, "-r"])
        .arg(file)
        .output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        output => output.expect("tshark can be run"),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", file.display());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    Some(text.lines().map(of_fields).collect())
}

fn of_fields(line: &str) -> Advertised {
    let fields: Vec<&str> = line.split('\t').collect();
    let first = |names: &[&str]| {
        let at = |name| FIELDS.iter().position(|field| field == name);
        let mut values = names.iter().filter_map(|name| fields.get(at(name)?));
        values.find(|value| !value.is_empty()).copied()
    };
    let ip =
        |names: &[&str]| -> Option<IpAddr> { Some(first(names)?.parse().expect("an address")) };
    let port = |names: &[&str]| -> u16 {
        let port = first(names).and_then(|port| port.parse().ok());
        port.unwrap_or_else(|| panic!("no port in: {line}"))
    };
    let from = ip(&["ip.src", "ipv6.src"]).expect("a source");
    let to = ip(&["ip.dst", "ipv6.dst"]).expect("a destination");
    let address = ip(&["ftp.passive.ip", "ftp.epsv.ip", "ftp.epsv.ipv6"]).unwrap_or(from);
    Advertised {
        server: SocketAddr::new(from, port(&["tcp.srcport"])),
        client: SocketAddr::new(to, port(&["tcp.dstport"])),
        endpoint: SocketAddr::new(address, port(&["ftp.passive.port", "ftp.epsv.port"])),
    }
}

/// What ftpwatch decodes, in order.
fn ftpwatch(file: &Path) -> Vec<Advertised> {
    let reading = json(file, &["--show", "all"]);
    let events = reading.events_of("advertised").into_iter();
    let of_both = events.filter(|event| event["reply"]["code"] != 228);
    of_both
        .map(|event| Advertised {
            client: socket(&event["client"]),
            server: socket(&event["server"]),
            endpoint: socket(&event["advertised"]),
        })
        .collect()
}

fn socket(value: &Value) -> SocketAddr {
    let ip: Option<IpAddr> = value["ip"].as_str().and_then(|ip| ip.parse().ok());
    let port = value["port"].as_u64().and_then(|port| port.try_into().ok());
    match (ip, port) {
        (Some(ip), Some(port)) => SocketAddr::new(ip, port),
        _ => panic!("{value} is no endpoint"),
    }
}

/// Those of `these` that are not among `those`; what is there twice has to be there twice.
fn without(these: &[Advertised], those: &[Advertised]) -> Vec<Advertised> {
    let mut those = those.to_vec();
    let mut left = these.to_vec();
    left.retain(|this| match those.iter().position(|that| that == this) {
        Some(at) => {
            those.remove(at);
            false
        }
        None => true,
    });
    left
}

/// Captures of which tshark decodes something else, by the end of their names: how many replies it decodes that we do
/// not, how many we decode that it does not, and why it is the one that is wrong.
const WRONG: [(&str, usize, usize, &str); 0] = [];

#[test]
#[ignore = "needs tshark: cargo xtask test"]
fn captures_are_decoded_alike() {
    let mut replies = 0;
    let mut differ = Vec::new();
    for file in folder::captures() {
        let Some(theirs) = tshark(&file) else {
            println!("skipped: there is no tshark");
            return;
        };
        let ours = ftpwatch(&file);
        replies += theirs.len();
        let (lost, added) = (without(&theirs, &ours), without(&ours, &theirs));
        let name = folder::name(&file);
        let known = WRONG.iter().find(|(end, ..)| name.ends_with(end));
        let expected = known.map_or((0, 0), |(_, lost, added, _)| (*lost, *added));
        if (lost.len(), added.len()) != expected {
            differ.push(format!(
                "{name}:\nonly tshark: {lost:#?}\nonly ftpwatch: {added:#?}"
            ));
        }
    }
    println!("{replies} replies");
    assert!(replies > 0, "tshark has an opinion on none");
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// A reply, and what it advertises.
struct Form {
    /// What is special about it.
    name: &'static str,
    /// The segments it comes in.
    segments: &'static [&'static str],
    /// The endpoint, if it has one.
    endpoint: Option<(&'static str, u16)>,
    /// Why tshark says something else.
    wrong: Option<&'static str>,
}

const fn alike(
    name: &'static str,
    segments: &'static [&'static str],
    endpoint: Option<(&'static str, u16)>,
) -> Form {
    Form {
        name,
        segments,
        endpoint,
        wrong: None,
    }
}

const fn wrong(
    name: &'static str,
    segments: &'static [&'static str],
    endpoint: Option<(&'static str, u16)>,
    why: &'static str,
) -> Form {
    Form {
        wrong: Some(why),
        ..alike(name, segments, endpoint)
    }
}

/// The server's own address, and a port of it.
const OWN: Option<(&str, u16)> = Some(("203.0.113.10", 50_000));

/// Forms in which servers advertise. The server is 203.0.113.10.
const FORMS: [Form; 21] = [
    alike(
        "227 by the book",
        &["227 Entering Passive Mode (203,0,113,10,195,80).\r\n"],
        OWN,
    ),
    alike(
        "227 of another address",
        &["227 Entering Passive Mode (172,17,0,2,195,80)\r\n"],
        Some(("172.17.0.2", 50_000)),
    ),
    alike(
        "227 without parentheses",
        &["227 Entering Passive Mode. 203,0,113,10,195,80\r\n"],
        OWN,
    ),
    alike("227 without text", &["227 203,0,113,10,195,80\r\n"], OWN),
    alike(
        "227 in lower case, with an equals sign",
        &["227 entering passive mode =203,0,113,10,195,80\r\n"],
        OWN,
    ),
    alike(
        "227 with digits in its text",
        &["227 Socket 2 of 10 is open (203,0,113,10,195,80)\r\n"],
        OWN,
    ),
    alike(
        "227 with blanks after the commas",
        &["227 Entering Passive Mode (203, 0, 113, 10, 195, 80)\r\n"],
        OWN,
    ),
    alike(
        "227 with leading zeros",
        &["227 Entering Passive Mode (203,000,113,010,195,080)\r\n"],
        OWN,
    ),
    alike("227 without endpoint", &["227 Logout.\r\n"], None),
    alike(
        "229 by the book",
        &["229 Entering Extended Passive Mode (|||50000|)\r\n"],
        OWN,
    ),
    alike(
        "229 with another delimiter",
        &["229 Entering Extended Passive Mode (!!!50000!).\r\n"],
        OWN,
    ),
    alike(
        "229 with two delimiters in front",
        &["229 Entering Extended Passive Mode (||50000|)\r\n"],
        OWN,
    ),
    alike(
        "227 of five numbers",
        &["227 Entering Passive Mode (203,0,113,10,195)\r\n"],
        None,
    ),
    wrong(
        "227 with a number over 255",
        &["227 Entering Passive Mode (1216,256,2,127,127,127)\r\n"],
        None,
        "numbers wrap around",
    ),
    wrong(
        "227 of two lines, the endpoint in the second",
        &["227-listen socket created\r\n227 (203,0,113,10,195,80)\r\n"],
        OWN,
        "of a segment, only the first line is looked at",
    ),
    wrong(
        "227 behind another reply",
        &["226 Done.\r\n227 Entering Passive Mode (203,0,113,10,195,80).\r\n"],
        OWN,
        "of a segment, only the first line is looked at",
    ),
    wrong(
        "227 cut before the endpoint",
        &["227 Entering Passive ", "Mode (203,0,113,10,195,80).\r\n"],
        OWN,
        "lines are not put together from segments",
    ),
    wrong(
        "227 cut in its last number",
        &["227 Entering Passive Mode (203,0,113,10,195,8", "0).\r\n"],
        OWN,
        "lines are not put together from segments",
    ),
    wrong(
        "229 cut in the port",
        &["229 Entering Extended Passive Mode (|||500", "00|)\r\n"],
        OWN,
        "lines are not put together from segments",
    ),
    wrong(
        "229 with protocol and address",
        &["229 Entering Extended Passive Mode (|1|203.0.113.10|50000|)\r\n"],
        OWN,
        "the protocol is taken for the port",
    ),
    wrong(
        "229 of a port over 65535",
        &["229 Entering Extended Passive Mode (|||70000|)\r\n"],
        None,
        "the port is taken for 65535",
    ),
];

#[test]
#[ignore = "needs tshark: cargo xtask test"]
fn forms_are_decoded_alike() {
    let server = SocketAddr::new(Family::V4.server(10), 21);
    let mut story = Story::new();
    for (port, form) in (40_000..).zip(&FORMS) {
        let client = SocketAddr::new(Family::V4.client(7), port);
        let mut talk = Conversation::between(client, server);
        story.then(talk.opening());
        story.then([talk.client("PASV")]);
        for segment in form.segments {
            story.then([talk.server_sends(segment.as_bytes()), talk.client_acks()]);
        }
        story.then(talk.closing());
    }
    let file = File::new("forms.pcap", &Pcap::default().file(&story.ethernet()));
    let Some(theirs) = tshark(&file.path) else {
        println!("skipped: there is no tshark");
        return;
    };
    let ours = ftpwatch(&file.path);
    let mut differ = Vec::new();
    for (port, form) in (40_000..).zip(&FORMS) {
        let name = form.name;
        let of = |all: &[Advertised]| -> Vec<SocketAddr> {
            let of_form = all.iter().filter(|reply| reply.client.port() == port);
            of_form.map(|reply| reply.endpoint).collect()
        };
        let expected: Vec<SocketAddr> = form
            .endpoint
            .iter()
            .map(|(ip, port)| SocketAddr::new(ip.parse().expect("an address"), *port))
            .collect();
        let (ours, theirs) = (of(&ours), of(&theirs));
        if ours != expected {
            differ.push(format!("{name}: ftpwatch decodes {ours:?}"));
        }
        match form.wrong {
            None if theirs != expected => differ.push(format!("{name}: tshark decodes {theirs:?}")),
            None => {}
            Some(_) if theirs == expected => println!("{name}: this tshark is right"),
            Some(why) => println!("{name}: tshark is wrong ({why}): {theirs:?}"),
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
