//! A report as syslog's socket takes it: the form of RFC 3164 without a host name, which is what `syslog(3)` sends there,
//! and so what rsyslog, syslog-ng and the journal read.

use jiff::{Timestamp, tz::TimeZone};

use super::Severity;

/// System daemons.
const DAEMON: u8 = 3;

/// Datagrams beyond this are cut off by some, in the middle of a character.
const LONGEST: usize = 8192;

/// `text` in one datagram.
pub fn packet(severity: Severity, at: Timestamp, text: &str) -> Vec<u8> {
    let priority = DAEMON * 8 + severity as u8;
    let time = at.to_zoned(TimeZone::system());
    let time = time.strftime("%b %e %H:%M:%S");
    let id = std::process::id();
    let mut packet = format!("<{priority}>{time} ftpwatch[{id}]: {text}");
    packet.truncate(packet.floor_char_boundary(LONGEST));
    packet.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_form() {
        let packet = packet(Severity::Warning, Timestamp::UNIX_EPOCH, "text");
        let packet = String::from_utf8(packet).expect("UTF-8");
        let id = std::process::id();
        assert!(packet.starts_with("<28>"), "{packet}");
        assert!(
            packet.ends_with(&format!(" ftpwatch[{id}]: text")),
            "{packet}"
        );
        // Such as `Jan  1 00:00:00`, in whatever zone this is.
        let time = &packet[4..19];
        assert!(
            time.as_bytes()[3] == b' ' && time.as_bytes()[9] == b':',
            "{packet}"
        );
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let packet = packet(Severity::Info, Timestamp::UNIX_EPOCH, &"é".repeat(LONGEST));
        assert!(packet.len() <= LONGEST);
        String::from_utf8(packet).expect("UTF-8");
    }
}
