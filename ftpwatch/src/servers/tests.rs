//! The table is whole, and found by the names that people write.

use super::*;

#[test]
fn names_are_told_apart() {
    let mut names: Vec<String> = all().map(|software| letters(software.name)).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all().count());
}

#[test]
fn names_as_people_write_them() {
    for (written, name) in [
        ("vsftpd", "vsftpd"),
        ("VSFTPD", "vsftpd"),
        ("pure_ftpd", "Pure-FTPd"),
        ("pureftpd", "Pure-FTPd"),
        ("filezilla-server", "FileZilla Server"),
        ("iis", "IIS"),
        ("microsoft ftp service", "IIS"),
        ("sftpgo", "SFTPGo"),
    ] {
        assert_eq!(named(written).map(|it| it.name), Some(name), "{written}");
    }
    assert!(named("no such server").is_none());
    assert!(named("").is_none());
}

/// A template that is not filled, or says where nothing was read, is of no use to anybody.
#[test]
fn every_setting_is_whole() {
    let values = Values {
        address: "203.0.113.10".into(),
        low: "50000".into(),
        high: "50100".into(),
    };
    for software in all() {
        for topic in Topic::ALL {
            let Some(setting) = software.setting(topic) else {
                continue;
            };
            let line = setting.line(&values);
            // Values come in braces of their own in JSON and in C#.
            assert!(
                ["{address}", "{low}", "{high}"]
                    .iter()
                    .all(|left| !line.contains(left)),
                "{line}"
            );
            assert!(!setting.source.is_empty(), "{software}: {line}");
            let none = line.starts_with("no setting");
            match topic {
                Topic::Address => assert!(none || line.contains("203.0.113.10"), "{line}"),
                Topic::Range => {
                    assert!(
                        line.contains("50000") && line.contains("50100"),
                        "{software}: {line}"
                    );
                }
                _ => {}
            }
            assert_eq!(line.matches('`').count() % 2, 0, "{software}: {line}");
        }
    }
}

#[test]
fn the_usual_ones_know_what_is_asked_most() {
    for software in usual() {
        for topic in [Topic::Address, Topic::Range, Topic::Foreign, Topic::Log] {
            assert!(software.setting(topic).is_some(), "{software}: {topic:?}");
        }
    }
}
