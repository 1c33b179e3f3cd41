//! Every form of reply that servers were seen to send, over every way to cut it into segments.

use proptest::prelude::*;
use std::{format, string::String, vec, vec::Vec};

use super::*;

/// Code, what it advertises, and the text kept of it.
type Seen = (u16, Advertised, String);

fn decode_all(bytes: &[u8]) -> Vec<Seen> {
    let mut decoder = ReplyDecoder::START;
    decode(&mut decoder, bytes)
}

fn decode(decoder: &mut ReplyDecoder, bytes: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    for &byte in bytes {
        if decoder.step(byte) {
            let text = String::from_utf8_lossy(decoder.text().as_bytes());
            seen.push((decoder.code(), decoder.advertised(), text.into_owned()));
        }
    }
    seen
}

fn advertised(reply: &str) -> Vec<Advertised> {
    let line = format!("{reply}\r\n");
    let whole = decode_all(line.as_bytes());
    // State is kept per connection, so where segments begin and end must not matter.
    for at in 0..line.len() {
        let mut decoder = ReplyDecoder::START;
        let mut parts = decode(&mut decoder, &line.as_bytes()[..at]);
        parts.extend(decode(&mut decoder, &line.as_bytes()[at..]));
        assert_eq!(whole, parts, "cut at {at}: {reply}");
    }
    whole
        .into_iter()
        .map(|(_, advertised, _)| advertised)
        .collect()
}

fn v4(octets: [u8; 4], port: u16) -> Vec<Advertised> {
    vec![Advertised::Endpoint(Some(Address::v4(octets)), port)]
}

fn same_host(port: u16) -> Vec<Advertised> {
    vec![Advertised::Endpoint(None, port)]
}

#[test]
fn forms_of_227() {
    let endpoint = v4([172, 16, 40, 222], 23200);
    for reply in [
        "227 Entering Passive Mode (172,16,40,222,90,160)",
        "227 Entering Passive Mode (172,16,40,222,90,160).",
        "227 Entering passive mode (172,16,40,222,90,160).",
        "227 PASV ok (172,16,40,222,90,160)",
        "227 listen socket already exists (172,16,40,222,90,160)",
        "227-listen socket created\r\n227 (172,16,40,222,90,160)",
        "227-Entering Passive Mode (172,16,40,222,90,160)\r\n227 done",
        "227-one\r\n two (172,16,40,222,90,160)\r\n227 done",
        "227-one\r\n172,16,40,222,90,160\r\n227 done",
        "227 (172,16,40,222,90,160)進入被動模式",
        "227 172,16,40,222,90,160",
        "227 Data transfer will passively listen to 172,16,40,222,90,160",
        "227 Entering passive mode. 172,16,40,222,90,160",
        "227 - Entering Passive Mode (172,16,40,222,90,160)",
        "227 Entering Passive Mode 2, take 3 (172,16,40,222,90,160)",
        "227 Mode 2 172,16,40,222,90,160",
        "227 Entering Passive Mode (172, 16, 40, 222, 90, 160)",
        "227 Entering Passive Mode (172 ,16,\t40,222,90,160 )",
        "227 Entering Passive Mode (172,016,040,222,0090,160)",
        "227 Entering Passive Mode (172,16,40,222,90,160,)",
        "227 =172,16,40,222,90,160",
    ] {
        assert_eq!(advertised(reply), endpoint, "{reply}");
    }
    assert_eq!(
        advertised("227 Entering Passive Mode (0,0,0,0,0,0)."),
        v4([0; 4], 0)
    );
}

#[test]
fn undecodable_227() {
    for reply in [
        "227 Entering Passive Mode (1216,256,2,127,127,127)",
        "227 Entering Passive Mode (10,0,0,1,256,1)",
        "227 Entering Passive Mode (10,0,0,1,4)",
        "227 Entering Passive Mode (10,0,0,1,4,5,6)",
        "227 Entering Passive Mode (1,195,80)",
        "227 Entering Passive Mode (0:0:0:0:0:0:0:1,219,195).",
        "227 Entering Passive Mode (99999999999999999999,0,0,1,4,5)",
        "227 Entering Passive Mode (4294967306,0,0,1,4,5)",
    ] {
        assert_eq!(advertised(reply), [Advertised::Undecodable], "{reply}");
    }
}

#[test]
fn no_advertisement() {
    for reply in [
        "227 Logout.",
        "227 Logout after 5 seconds, bye",
        "227 Entering Passive Mode (",
        "227",
        "229 Entering Extended Passive Mode",
        "229 Mode (EPSV) on",
        "220 Entering Passive Mode (172,16,40,222,90,160)",
        "200 (|||5000|)",
    ] {
        assert_eq!(advertised(reply), [Advertised::Nothing], "{reply}");
    }
}

#[test]
fn not_even_a_reply() {
    for line in [
        " 227 Entering Passive Mode (172,16,40,222,90,160)",
        "2270 Entering Passive Mode (172,16,40,222,90,160)",
        "22 7 (172,16,40,222,90,160)",
        "099 (172,16,40,222,90,160)",
        "",
    ] {
        assert_eq!(advertised(line), [], "{line}");
    }
}

#[test]
fn forms_of_229() {
    for reply in [
        "229 Entering Extended Passive Mode (|||23200|)",
        "229 Entering Extended Passive Mode (|||23200|).",
        "229 Extended Passive mode OK (|||23200|)",
        "229 EPSV ok (|||23200|)",
        "229 Entering Extended Passive Mode (!!!23200!).",
        "229 Entering Extended Passive Mode (~~~23200~)",
        "229 Entering Extended Passive Mode (|1|132.235.1.2|23200|)",
        "229 Entering Extended Passive Mode (|2|1080::8:800:200C:417A|23200|)",
        "229 Entering Extended Passive Mode (||23200|)",
        "229 Entering Extended Passive Mode |||23200|",
        "229 Entering Extended (EPSV) Passive Mode (|||23200|)",
        "229 Take (2024) Passive Mode (|||23200|)",
        "229 Entering Extended Passive Mode (|||023200|)",
        "229-Entering\r\n229 (|||23200|)",
    ] {
        assert_eq!(advertised(reply), same_host(23200), "{reply}");
    }
    assert_eq!(advertised("229 (|||0|)"), same_host(0));
    for delimiter in (33..127u8).map(char::from) {
        if !"()0236".contains(delimiter) {
            let d = delimiter;
            assert_eq!(
                advertised(&format!("229 Extended ({d}{d}{d}23260{d})")),
                same_host(23260),
                "{d}"
            );
        }
    }
}

#[test]
fn undecodable_229() {
    for reply in [
        "229 Entering Extended Passive Mode (|||65536|)",
        "229 Entering Extended Passive Mode (|||4294967296|)",
        "229 Entering Extended Passive Mode (||||)",
        "229 Entering Extended Passive Mode (|||abc|)",
        "229 Entering Extended Passive Mode (|1|23200|)",
    ] {
        assert_eq!(advertised(reply), [Advertised::Undecodable], "{reply}");
    }
}

#[test]
fn forms_of_228() {
    assert_eq!(
        advertised("228 Entering Long Passive Mode (4,4,10,20,30,40,2,90,160)"),
        v4([10, 20, 30, 40], 23200)
    );
    assert_eq!(
        advertised(
            "228 Entering Long Passive Mode (6,16,32,1,13,184,0,0,0,0,0,0,0,0,0,0,0,1,2,90,160)"
        ),
        [Advertised::Endpoint(
            Some(Address([
                0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1
            ])),
            23200
        )]
    );
    assert_eq!(
        advertised("228 Entering Long Passive Mode (4,4,10,20,30,40,90,160)"),
        [Advertised::Undecodable]
    );
}

#[test]
fn a_reply_that_is_cut() {
    let cut = |bytes: &[u8]| {
        let mut decoder = ReplyDecoder::START;
        decode(&mut decoder, bytes);
        decoder.cut()
    };
    assert_eq!(cut(b"227 Entering Passive Mode (10,0,"), Some(227));
    assert_eq!(cut(b"229-Entering\r\n"), Some(229));
    assert_eq!(cut(b"227 (1,2,3,4,5,6)\r\n"), None);
    assert_eq!(cut(b"226 ok"), None);
    assert_eq!(cut(b"22"), None);
}

#[test]
fn a_multi_line_reply_is_one_reply() {
    let banner = "220-Welcome\r\n227 Entering Passive Mode (1,2,3,4,5,6)\r\n220-x\r\n 220 y\r\n220 ready\r\n";
    assert_eq!(
        decode_all(banner.as_bytes()),
        [(220, Advertised::Nothing, String::from("220-Welcome"))]
    );
}

#[test]
fn several_replies_in_one_segment() {
    let bytes = b"227 A (1,2,3,4,0,21)\r\n227 B (1,2,3,4,0,22)\r\n229 C (|||23|)\r\n226 ok\r\n";
    let seen = decode_all(bytes);
    let codes: Vec<u16> = seen.iter().map(|(code, ..)| *code).collect();
    assert_eq!(codes, [227, 227, 229, 226]);
    assert_eq!(seen[2].1, Advertised::Endpoint(None, 23));
    assert_eq!(seen[3].1, Advertised::Nothing);
}

#[test]
fn text_is_kept_for_some_codes_alone() {
    let text = |reply: &str| decode_all(format!("{reply}\r\n").as_bytes())[0].2.clone();
    assert_eq!(
        text("425 Security: Bad IP connecting."),
        "425 Security: Bad IP connecting."
    );
    assert_eq!(text("550 secret.txt: No such file"), "550");
    assert_eq!(text("257 \"/home/bob\""), "257");
    assert_eq!(text("227-listen\r\n227 (1,2,3,4,5,6)"), "227 (1,2,3,4,5,6)");
    assert_eq!(
        text("227-At (1,2,3,4,5,6)\r\n227 done"),
        "227-At (1,2,3,4,5,6)"
    );
    assert_eq!(
        text(&format!("220 {}", "x".repeat(70_000))).len(),
        crate::text::TEXT_BYTES
    );
}

#[test]
fn a_reply_left_open_is_closed_by_the_client_going_on() {
    let mut decoder = ReplyDecoder::START;
    assert_eq!(decode(&mut decoder, b"230-Hello\r\n"), []);
    decoder.close_open_reply();
    assert_eq!(
        decode(&mut decoder, b"227 (1,2,3,4,5,6)\r\n")[0].1,
        Advertised::Endpoint(Some(Address::v4([1, 2, 3, 4])), 5 * 256 + 6)
    );
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>) {
        decode_all(&bytes);
    }

    #[test]
    fn any_address_and_port_come_out(octets: [u8; 4], port: u16, prefix in "[A-Za-z .:;#-]{0,40}", suffix in "[).,]{0,2}") {
        let [a, b, c, d] = octets;
        let [p, q] = port.to_be_bytes();
        prop_assert_eq!(
            advertised(&format!("227 {prefix}({a},{b},{c},{d},{p},{q}{suffix}")),
            v4(octets, port)
        );
        prop_assert_eq!(advertised(&format!("229 Ext (|||{port}|)")), same_host(port));
    }

    #[test]
    fn after_garbage_the_next_line_is_read(garbage: Vec<u8>) {
        let mut decoder = ReplyDecoder::START;
        decode(&mut decoder, &garbage);
        decode(&mut decoder, b"\n");
        decoder.resume();
        let seen = decode(&mut decoder, b"227 (1,2,3,4,5,6)\r\n");
        prop_assert_eq!(seen.len(), 1);
    }
}
