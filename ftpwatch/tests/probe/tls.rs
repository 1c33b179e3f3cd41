//! TLS on loopback: certificates that are trusted and that are not, both ways to begin, data under TLS too.

use super::lab::process::Process;
use super::lab::{Directory, SOON};
use super::scripted::{Done, Server, Tls, certificate, certificate_for};
use super::{FAILURES, assert_refused, command, probe};
use std::sync::Arc;
use tokio_rustls::rustls::server::NoServerSessionStorage;
use tokio_rustls::rustls::version::{TLS12, TLS13};

#[test]
fn a_certificate_that_nobody_signed_is_refused() {
    let (config, _) = certificate(&["127.0.0.1"]);
    for (tls, word) in [(Tls::Explicit, "explicit"), (Tls::Implicit, "implicit")] {
        let server = Server::with_tls(tls, config.clone(), |_, _| Done::No);
        let ended = probe(&["--tls", word, &server.address.to_string()]);
        assert_refused(&ended);
        assert!(ended.stderr.contains("certificate"), "{ended}");
        assert!(ended.stderr.contains("--insecure"), "{ended}");
        // Nobody logs in where the server may be anybody.
        assert!(!server.verbs().contains(&"USER".to_owned()), "{ended}");
    }
}

#[test]
fn insecure_goes_on_and_says_so() {
    let (config, _) = certificate(&["127.0.0.1"]);
    for (tls, word) in [(Tls::Explicit, "explicit"), (Tls::Implicit, "implicit")] {
        let server = Server::with_tls(tls, config.clone(), |_, _| Done::No);
        let ended = probe(&["--tls", word, "--insecure", &server.address.to_string()]).ok();
        assert!(
            ended.stderr.contains("certificate is not trusted"),
            "{ended}"
        );
        assert!(ended.stderr.contains("under TLS"), "{ended}");
        let verbs = server.verbs();
        for verb in ["PBSZ", "PROT", "LIST"] {
            assert!(verbs.contains(&verb.to_owned()), "no {verb}: {verbs:?}");
        }
    }
}

/// Probes with the certificate `pem` for the only one that is trusted.
fn trusting(pem: &str, words: &[&str]) -> super::lab::process::Ended {
    let directory = Directory::new("roots");
    let file = directory.path().join("roots.pem");
    std::fs::write(&file, pem).expect("a file");
    Process::start(command(words).env("SSL_CERT_FILE", &file)).wait(SOON)
}

#[test]
fn data_connections_resume_the_session() {
    for version in [&TLS12, &TLS13] {
        let (config, pem) = certificate_for(&["127.0.0.1"], &[version]);
        let server = Server::with_tls(Tls::Explicit, config, |_, _| Done::No);
        let ended = trusting(&pem, &["--tls", "explicit", &server.address.to_string()]).ok();
        assert!(!ended.stderr.contains("certificate"), "{ended}");
        let resumed = ended
            .stderr
            .matches("resumed the control connection's session");
        assert_eq!(resumed.count(), 2, "{version:?}: {ended}");
    }
}

/// A server that demands what it makes impossible, as behind a load balancer.
#[test]
fn session_reuse_that_cannot_be() {
    let (mut config, pem) = certificate(&["127.0.0.1"]);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    let server = Server::with_tls(Tls::Explicit, config, |verb, connection| match verb {
        "LIST" => {
            connection.say("150 Here it comes").expect("the client");
            let mut data = connection.accept();
            let _ = data.flush();
            connection
                .say("522 SSL connection failed; session reuse required")
                .expect("the client");
            Done::Yes
        }
        _ => Done::No,
    });
    let ended = trusting(&pem, &["--tls", "explicit", &server.address.to_string()]);
    assert_eq!(ended.status.code(), Some(FAILURES), "{ended}");
    assert!(ended.stdout.contains("transfer"), "{ended}");
    assert!(ended.stdout.contains("require_ssl_reuse=NO"), "{ended}");
    assert!(ended.stderr.contains("the server offered none"), "{ended}");
}

#[test]
fn a_certificate_for_another_name() {
    let (config, pem) = certificate(&["ftp.example.com"]);
    let server = Server::with_tls(Tls::Explicit, config, |_, _| Done::No);
    let ended = trusting(&pem, &["--tls", "explicit", &server.address.to_string()]);
    assert_refused(&ended);
    assert!(ended.stderr.contains("not for 127.0.0.1"), "{ended}");
}

#[test]
fn no_tls_here() {
    let server = Server::start(|_, _| Done::No);
    let ended = probe(&["--tls", "explicit", &server.address.to_string()]);
    assert_refused(&ended);
    assert!(ended.stderr.contains("502"), "{ended}");
    let ended = probe(&["--tls", "implicit", &server.address.to_string()]);
    assert_refused(&ended);
    assert!(ended.stderr.contains("TLS handshake"), "{ended}");
}
