//! Any bytes as what a server, or a client, says. What a line or a reply is read as is not to depend on what was said
//! before it: a decoder that begins there reads the same.

#![no_main]

use ftpwatch_common::{
    command::{CommandDecoder, Verb},
    reply::{Advertised, ReplyDecoder, advertises, keeps_text},
    text::TEXT_BYTES,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    replies(bytes);
    commands(bytes);
});

fn replies(bytes: &[u8]) {
    let mut decoder = ReplyDecoder::START;
    let mut fresh = ReplyDecoder::START;
    for &byte in bytes {
        let complete = decoder.step(byte);
        assert_eq!(complete, fresh.step(byte), "a reply ends here");
        if !complete {
            continue;
        }
        let code = decoder.code();
        assert!((100..700).contains(&code), "{code}");
        assert_eq!(code, fresh.code());
        assert_eq!(decoder.advertised(), fresh.advertised());
        if !advertises(code) {
            assert_eq!(decoder.advertised(), Advertised::Nothing, "{code}");
        }
        if keeps_text(code) {
            let text = decoder.text();
            assert_eq!(text.as_bytes(), fresh.text().as_bytes());
            assert_eq!(text.is_truncated(), fresh.text().is_truncated());
            assert!(!text.is_truncated() || text.as_bytes().len() == TEXT_BYTES);
            assert!(!text.as_bytes().contains(&b'\n'));
        } else {
            let kept = decoder.text().as_bytes().len();
            assert!(kept <= 4, "{kept} bytes of a {code} are kept");
        }
        fresh = ReplyDecoder::START;
    }
}

fn commands(bytes: &[u8]) {
    let mut decoder = CommandDecoder::START;
    let mut fresh = CommandDecoder::START;
    for &byte in bytes {
        let complete = decoder.step(byte);
        assert_eq!(complete, fresh.step(byte), "a command ends here");
        if !complete {
            continue;
        }
        assert_eq!(decoder.name(), fresh.name());
        assert_eq!(decoder.verb(), Verb::classify(decoder.name()));
        assert!(!decoder.name().iter().any(u8::is_ascii_lowercase));
        fresh = CommandDecoder::START;
    }
}
