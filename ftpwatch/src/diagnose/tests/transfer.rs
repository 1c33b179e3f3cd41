//! The advice about a reply that calls a transfer failed.

use ftpwatch_common::{endpoint::Attempt, record::Line};

use super::*;

/// The case after the server said `reply`, its endpoint connected from `from`.
fn refused_transfer(greeting: &str, from: &str, code: u16, reply: &str) -> Case {
    let mut case = case("203.0.113.10", greeting, 227, PLAIN_227);
    let mut view = *case.views.client_side();
    view.attempts[0] = Attempt {
        client: ip(from).into(),
        syn_at: SECOND + 1,
        syn_ack_at: SECOND + 2,
        ack_at: SECOND + 3,
        foreign: u8::from(from != CLIENT),
        ..view.attempts[0]
    };
    view.final_at = 2 * SECOND;
    view.final_code = code;
    case.views = Views::new(view);
    case.facts = case.views.facts();
    case.outcome = Outcome::Connected;
    let mut line: Line = bytemuck::Zeroable::zeroed();
    line.code = code;
    line.text = text(reply);
    case.control_reply = Some(line);
    case
}

#[test]
fn a_data_connection_from_elsewhere() {
    let reply = "425 Security: Bad IP connecting.";
    let case = refused_transfer(VSFTPD, "192.0.2.1", 425, reply);
    let (why, lines) = transfer(&case, &without_range());
    assert_eq!(
        why,
        "The data connection came from 192.0.2.1, the control connection from 198.51.100.7, and the server takes none \
         from elsewhere: a load balancer or a NAT with several addresses is between."
    );
    assert_eq!(
        lines,
        [
            "Have what is between keep one source address for all connections of a client to the server.",
            "Kubernetes Service: `externalTrafficPolicy: Local`",
            "Or have the server take data connections from anybody, which gives up a protection:",
            "vsftpd: `pasv_promiscuous=YES`, in vsftpd.conf (it gives up a protection against stolen data connections)",
            "To see what the server says of it, vsftpd: /var/log/vsftpd.log, with `xferlog_enable=YES`, `log_ftp_protocol=YES` and \
             `xferlog_std_format=NO`",
        ]
    );
}

#[test]
fn a_tls_session_that_was_not_resumed() {
    let reply = "522 SSL connection failed; session reuse required: see require_ssl_reuse option";
    for (greeting, setting) in [
        (VSFTPD, "vsftpd: `require_ssl_reuse=NO`, in vsftpd.conf"),
        (
            "220 ProFTPD Server",
            "ProFTPD: `TLSOptions NoSessionReuseRequired`, in proftpd.conf",
        ),
    ] {
        let case = refused_transfer(greeting, CLIENT, 522, reply);
        let (_, lines) = transfer(&case, &without_range());
        assert!(lines.iter().any(|line| line == setting), "{lines:#?}");
    }
    let case = refused_transfer("", CLIENT, 522, reply);
    let (_, lines) = transfer(&case, &without_range());
    assert_eq!(
        lines[2..],
        [
            "vsftpd: `require_ssl_reuse=NO`",
            "ProFTPD: `TLSOptions NoSessionReuseRequired`",
        ]
    );
}

/// What the cause is says more than a server that waited in vain.
#[test]
fn a_server_that_waited_in_vain() {
    let mut case = case("203.0.113.10", VSFTPD, 227, PLAIN_227);
    let mut line: Line = bytemuck::Zeroable::zeroed();
    line.code = 425;
    line.text = text("425 Failed to establish connection.");
    case.control_reply = Some(line);
    let (why, lines) = transfer(&case, &without_range());
    assert_eq!(
        why,
        "The server says so too: no data connection reached it."
    );
    assert_eq!(lines, advice(Cause::LocalDrop, &case, &without_range()));
    let case = refused_transfer(VSFTPD, CLIENT, 425, "425 Failed to establish connection.");
    let (why, lines) = transfer(&case, &without_range());
    assert!(why.starts_with("The handshake was seen here"), "{why}");
    assert!(lines[0].contains("load balancer"), "{lines:#?}");
}

/// What a server says reaches no advice unescaped.
#[test]
fn hostile_text_stays_out() {
    let case = refused_transfer(
        "220 vsftpd \x1b[31m",
        CLIENT,
        425,
        "425 \x1b[31m foreign address",
    );
    let (why, lines) = transfer(&case, &without_range());
    assert!(!format!("{why}{lines:?}").contains('\x1b'));
}
