//! Text from the wire, made harmless for a terminal, a log line or a page.

use std::fmt::Write as _;

/// The text in `bytes`, with everything escaped that is not plainly printable: control characters, bytes
/// that are no UTF-8, and characters that change how their neighbours are shown.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_plain(character) {
                text.push(character);
            } else {
                text.extend(character.escape_unicode());
            }
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

fn is_plain(character: char) -> bool {
    let reorders = matches!(
        character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    !character.is_control() && !reorders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_move_a_cursor_is_escaped() {
        assert_eq!(printable(b"220 ok"), "220 ok");
        assert_eq!(printable("進入".as_bytes()), "進入");
        assert_eq!(printable(b"a\x1b[31mb\r\n"), "a\\u{1b}[31mb\\u{d}\\u{a}");
        assert_eq!(
            printable("\u{9b}2J\u{202e}".as_bytes()),
            "\\u{9b}2J\\u{202e}"
        );
        assert_eq!(printable(b"\xff\xfe"), "\\xff\\xfe");
    }
}
