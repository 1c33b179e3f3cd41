//! Can sessions in TLS be read on this host.

use super::{
    super::{
        capability::{Capability, Rights},
        check::Check,
    },
    GROUP,
};
use crate::{
    escape::printable,
    host::libraries::{Library, of_servers},
};

const NAME: &str = "FTPS";

/// What there is to read FTPS through; nothing where no server has such a library.
pub fn check(control_ports: &[u16], rights: Rights) -> Option<Check> {
    let mut found = of_servers(control_ports);
    found.retain(Library::is_named_like_one);
    judge(&found, rights)
}

fn judge(found: &[Library], rights: Rights) -> Option<Check> {
    let first = found.first()?;
    let servers = format!(
        "{} ({}) speaks TLS through {}",
        first.process.name,
        first.process.pid,
        printable(first.name.as_os_str().as_encoded_bytes())
    );
    let more = match found.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Some(if rights.has(Capability::SysAdmin) {
        Check::ok(
            GROUP,
            NAME,
            format!(
                "{servers}{more}: `ftpwatch run --tls auto` reads its sessions, which are not read otherwise"
            ),
        )
    } else {
        Check::warning(
            GROUP,
            NAME,
            format!("{servers}{more}, and may not be probed"),
        )
        .advise("`ftpwatch run --tls auto` takes CAP_SYS_ADMIN, for the kernel asks for it.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::owners::Process;

    #[test]
    fn no_library_is_nothing_to_speak_of() {
        assert!(judge(&[], Rights::own()).is_none());
    }

    #[test]
    fn names_are_escaped() {
        let library = || Library {
            opened: std::fs::File::open("/dev/null").unwrap(),
            name: "/usr/lib/libssl\u{1b}[31m.so".into(),
            file: (1, 2),
            process: Process {
                pid: 7,
                parent: 1,
                name: "ftpd".into(),
                executable: None,
            },
        };
        let check = judge(&[library(), library()], Rights::own()).unwrap();
        let text = check.found;
        assert!(
            text.contains("ftpd (7)") && text.contains("1 more"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
