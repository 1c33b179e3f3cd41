//! TLS and passwords: the web-config file, with those who ask as they are.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use ftpwatch::metrics::Metrics;

use super::lab::process::{Ended, Process};
use super::lab::watch::FTPWATCH;
use super::lab::{Directory, SOON, open_to_all};

/// Who may ask, and the password that is in contrib's file.
pub const USER: (&str, &str) = ("prometheus", "change me");

/// contrib's web-config file, with a certificate for 127.0.0.1 beside it.
pub struct Files {
    directory: Directory,
}

impl Files {
    pub fn make() -> Self {
        let files = Self {
            directory: Directory::new("web-config"),
        };
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/prometheus");
        let example = fs::read_to_string(example.join("web-config.yml")).expect("an example");
        files.write(&example);
        files.certify();
        files
    }

    /// Another certificate, of its own authority.
    pub fn certify(&self) {
        self.certify_as("server", "127.0.0.1");
    }

    fn certify_as(&self, file: &str, subject: &str) {
        let signed = rcgen::generate_simple_self_signed([subject.to_owned()]);
        let signed = signed.expect("a certificate");
        let key = signed.signing_key.serialize_pem();
        fs::write(self.path(&format!("{file}.key")), key).expect("a key");
        let certificate = signed.cert.pem();
        fs::write(self.path(&format!("{file}.crt")), certificate).expect("a certificate");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        open_to_all(self.directory.path());
        self.directory.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("web-config.yml")
    }

    pub fn write(&self, text: &str) {
        fs::write(self.config(), text).expect("a file");
    }
}

/// What a client comes to.
fn curl(at: SocketAddr, words: &[&str]) -> Ended {
    let mut command = Command::new("curl");
    command
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--output",
            "-",
        ])
        .args(["--write-out", "%{http_code}"])
        .args(words);
    let url = words.iter().any(|word| word.contains("://"));
    if !url {
        command.arg(format!("https://{at}/metrics"));
    }
    Process::start(&mut command).wait(SOON)
}

fn serve(files: &Files) -> SocketAddr {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let served = Metrics::serve(any, "/metrics".to_owned(), Some(files.config()));
    served.expect("it can be served").1
}

#[test]
fn who_has_the_password_is_answered_and_nobody_else() {
    let files = Files::make();
    let at = serve(&files);
    let certificate = files.path("server.crt");
    let trusted = ["--cacert", certificate.to_str().expect("a name")];
    let as_user = |user: &str| curl(at, &[&trusted[..], &["--user", user]].concat());
    let code = |ended: &Ended| ended.stdout[ended.stdout.len() - 3..].to_owned();
    let (name, password) = USER;
    // The second time it is remembered.
    for _ in 0..2 {
        let answer = as_user(&format!("{name}:{password}"));
        assert_eq!(code(&answer), "200", "{answer}");
        assert!(answer.stdout.contains("ftpwatch_state"), "{answer}");
    }
    for wrong in [
        format!("{name}:changeme"),
        format!("{name}:"),
        format!("root:{password}"),
    ] {
        let answer = as_user(&wrong);
        assert_eq!(answer.stdout, "Unauthorized\n401", "{answer}");
    }
    for path in ["metrics", "-/healthy", "-/ready", "nowhere"] {
        let url = format!("https://{at}/{path}");
        let answer = curl(at, &[&trusted[..], &["--head", &url]].concat());
        assert_eq!(code(&answer), "401", "{answer}");
        let asks = "www-authenticate: basic realm=\"ftpwatch\"";
        assert!(answer.stdout.to_lowercase().contains(asks), "{answer}");
    }
}

#[test]
fn clients_are_asked_for_their_certificates() {
    let files = Files::make();
    files.certify_as("known", "client");
    files.certify_as("other", "client");
    let name = |file: &str| files.path(file).to_str().expect("a name").to_owned();
    let with = |auth: &str| {
        files.write(&format!(
            "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  \
             client_ca_file: known.crt\n  client_auth_type: {auth}\n"
        ));
        let at = serve(&files);
        ["known", "other", ""].map(|client| {
            let server = name("server.crt");
            let (certificate, key) = (
                name(&format!("{client}.crt")),
                name(&format!("{client}.key")),
            );
            let mut words = vec!["--cacert", &server];
            if !client.is_empty() {
                words.extend(["--cert", &certificate, "--key", &key]);
            }
            curl(at, &words).stdout.ends_with("200")
        })
    };
    assert_eq!(with("RequireAndVerifyClientCert"), [true, false, false]);
    assert_eq!(with("VerifyClientCertIfGiven"), [true, false, true]);
}

#[test]
fn nothing_is_said_in_the_clear() {
    let files = Files::make();
    let at = serve(&files);
    let clear = curl(at, &[&format!("http://{at}/metrics")]);
    assert!(!clear.status.success(), "{clear}");
    assert!(!clear.stdout.contains("ftpwatch"), "{clear}");
    let certificate = files.path("server.crt");
    let trusted = ["--cacert", certificate.to_str().expect("a name")];
    let old = curl(at, &[&trusted[..], &["--tls-max", "1.1"]].concat());
    assert_eq!(old.status.code(), Some(35), "{old}");
    let unknown = curl(at, &[]);
    assert_eq!(unknown.status.code(), Some(60), "{unknown}");
}

#[test]
fn a_new_certificate_and_a_new_password_hold_at_once() {
    let files = Files::make();
    let at = serve(&files);
    let certificate = files.path("server.crt");
    let trusted = ["--cacert", certificate.to_str().expect("a name")];
    let asks = |path: &str| {
        curl(
            at,
            &[&trusted[..], &[&format!("https://{at}/{path}")]].concat(),
        )
    };
    assert_eq!(asks("-/ready").stdout, "Unauthorized\n401");
    // What is wrong changes nothing.
    files.write("basic_auth_user: {}");
    assert_eq!(asks("-/ready").stdout, "Unauthorized\n401");
    files.write("tls_server_config: {cert_file: server.crt, key_file: server.key}");
    files.certify();
    let answer = asks("-/healthy");
    assert!(answer.stdout.ends_with("200"), "{answer}");
}

#[test]
fn what_is_wrong_with_the_file_is_bad_usage() {
    let files = Files::make();
    let run = |listen: bool| {
        let mut command = Command::new(FTPWATCH);
        command
            .arg("run")
            .arg("--web.config.file")
            .arg(files.config());
        if listen {
            command.args(["--web.listen-address", "127.0.0.1:0"]);
        }
        Process::start(&mut command).wait(SOON)
    };
    let refused = |ended: Ended, why: &str| {
        assert_eq!(ended.status.code(), Some(2), "{ended}");
        assert!(ended.stderr.contains(why), "{ended}");
        assert_eq!(ended.stderr.lines().count(), 2, "{ended}");
    };
    refused(run(false), "no --web.listen-address");
    files.write("tls_server_config:\n  cert_file: server.crt\n  keyfile: server.key\n");
    refused(run(true), "web-config.yml:3:3: unknown field `keyfile`");
    files.write("tls_server_config: {cert_file: nowhere.crt, key_file: server.key}");
    refused(run(true), "nowhere.crt cannot be read: No such file");
    files.write("tls_server_config: {cert_file: server.key, key_file: server.key}");
    refused(run(true), "there is no certificate in it");
    let other = Files::make();
    fs::copy(other.path("server.key"), files.path("server.key")).expect("a copy");
    files.write("tls_server_config: {cert_file: server.crt, key_file: server.key}");
    refused(run(true), "TLS cannot be served with");
    fs::remove_file(files.config()).expect("it was there");
    refused(run(true), "cannot be read");
}
