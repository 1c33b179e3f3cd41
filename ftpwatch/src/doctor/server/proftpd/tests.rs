use std::{env, fs, path::PathBuf};

use super::*;

/// A file system that is gone with the test.
struct Root(PathBuf);

impl Root {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let root = env::temp_dir().join(format!("ftpwatch-proftpd-{}-{name}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(root)
    }

    fn read(&self, words: &[&str]) -> Option<Passive> {
        let process = Process {
            pid: 1,
            parent: 0,
            name: "proftpd".into(),
            executable: None,
        };
        read(&Files::under(&self.0, words), &process)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const MAIN: &str = "/etc/proftpd/proftpd.conf";

#[test]
fn directives_where_they_count() {
    let root = Root::new(
        "contexts",
        &[(
            MAIN,
            "# PassivePorts 1 2\nServerName \"x\"\n<Anonymous ~ftp>\n  PassivePorts 3 4\n</Anonymous>\n\
             <Global>\n  passiveports 50000 \\\n 50100\n</Global>\n<IfModule mod_tls.c>\nMasqueradeAddress ftp.example.org\n</IfModule>\n",
        )],
    );
    let passive = root
        .read(&["proftpd:", "(accepting", "connections)"])
        .unwrap();
    assert_eq!(passive.range, Some((50_000, 50_100)));
    assert_eq!(passive.address.as_deref(), Some("ftp.example.org"));
    assert_eq!(passive.source, usual(MAIN));
    assert_eq!(passive.notes, Vec::<String>::new());
}

#[test]
fn what_may_not_count_is_noted() {
    let root = Root::new(
        "notes",
        &[(
            MAIN,
            "PassivePorts 50000 50100\nPassivePorts 1 2\n<IfDefine NAT>\nMasqueradeAddress 1.2.3.4\n</IfDefine>\n\
             <VirtualHost 10.0.0.1>\nPassivePorts 60000 60100\n</VirtualHost>\n<IfModule !mod_x.c>\nPassivePorts 5 6\n</IfModule>",
        )],
    );
    let passive = root.read(&[]).unwrap();
    assert_eq!(passive.range, Some((50_000, 50_100)));
    assert_eq!(passive.address, None);
    assert_eq!(passive.notes.len(), 4, "{:?}", passive.notes);
}

#[test]
fn included_files() {
    let root = Root::new(
        "included",
        &[
            (
                MAIN,
                "Include /etc/proftpd/modules.conf\nInclude /etc/proftpd/conf.d/\nInclude /etc/proftpd/sites/*.conf\n",
            ),
            ("/etc/proftpd/modules.conf", "LoadModule mod_x.c\n"),
            (
                "/etc/proftpd/conf.d/10-nat",
                "MasqueradeAddress 203.0.113.10\n",
            ),
            ("/etc/proftpd/sites/a.conf", "PassivePorts 50000 50100\n"),
            ("/etc/proftpd/sites/a.old", "PassivePorts 1 2\n"),
        ],
    );
    let passive = root.read(&[]).unwrap();
    assert_eq!(passive.range, Some((50_000, 50_100)));
    assert_eq!(passive.address.as_deref(), Some("203.0.113.10"));
    assert_eq!(passive.notes, Vec::<String>::new());
}

#[test]
fn a_file_that_includes_itself() {
    let root = Root::new(
        "loop",
        &[(MAIN, "Include /etc/proftpd/*.conf\nPassivePorts 1 2\n")],
    );
    let passive = root.read(&[]).unwrap();
    assert!(passive.notes.iter().any(|note| note.contains("includes")));
}

#[test]
fn the_file_of_the_command_line() {
    let root = Root::new(
        "named",
        &[
            (MAIN, "PassivePorts 1 2\n"),
            ("/srv/p.conf", "PassivePorts 3 4\n"),
        ],
    );
    for words in [
        &["proftpd", "-c", "/srv/p.conf"] as &[&str],
        &["proftpd", "--config=/srv/p.conf"],
        &["proftpd", "--nodaemon", "--config", "/srv/p.conf"],
    ] {
        assert_eq!(root.read(words).unwrap().range, Some((3, 4)));
    }
    assert_eq!(root.read(&["proftpd", "-c", "/nosuch"]), None);
}
