//! FTP clients that encrypt: curl, lftp, Python's FTP_TLS, and one that is led by hand.

pub mod dialogue;

use super::Directory;
use super::client::{Client, PATIENCE, Trust, python};
use super::process::Process;
use super::server::tls::Begins;

/// The version of TLS, which is no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V12,
    V13,
}

/// How a client goes about it.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    pub begins: Begins,
    pub version: Version,
    /// Data connections resume the control connection's session. Python's never do.
    pub resumes: bool,
    /// Which address it connects to.
    pub trust: Trust,
}

impl Client<'_> {
    /// curl, which tries AUTH SSL first, and then AUTH TLS. It asks for EPSV where it connects to the address that it
    /// knows, and for PASV where it believes what it is told.
    pub fn curl_tls(&self, manner: Manner, path: &str) -> Process {
        let mut options = vec!["--insecure", "--ssl-reqd"];
        options.extend(match manner.version {
            Version::V12 => ["--tlsv1.2", "--tls-max", "1.2"],
            Version::V13 => ["--tlsv1.3", "--tls-max", "1.3"],
        });
        if !manner.resumes {
            options.push("--no-sessionid");
        }
        if manner.trust == Trust::Advertised {
            options.extend(["--disable-epsv", "--no-ftp-skip-pasv-ip"]);
        }
        // What comes last of these is said of the URL that follows.
        let url = format!("{}://{}/{path}", scheme(manner.begins), self.server);
        options.extend(["--output", "/dev/null", &url]);
        self.curl(&options, &[])
    }

    /// lftp, which is told to say AUTH TLS.
    pub fn lftp_tls(&self, manner: Manner, path: &str) -> Process {
        let (version, other) = match manner.version {
            Version::V12 => ("1.2", "1.3"),
            Version::V13 => ("1.3", "1.2"),
        };
        let resumes = if manner.resumes { "yes" } else { "no" };
        let directory = Directory::new("download");
        let commands = format!(
            "set ssl:verify-certificate no; set ftp:ssl-force yes; set ftp:ssl-allow-anonymous yes; set ftp:ssl-protect-data yes; \
             set ssl:priority NORMAL:-VERS-ALL:+VERS-TLS{version}:-VERS-TLS{other}; \
             set ftp:ssl-copy-sid {resumes}; open {}://{}; get {path} -o {}",
            scheme(manner.begins),
            self.server,
            directory.path().join("file").display()
        );
        self.lftp(manner.trust, &commands).keep(directory)
    }

    /// Python's FTP_TLS, which asks for PASV on IPv4.
    pub fn ftplib_tls(&self, manner: Manner, path: &str) -> Process {
        self.python_tls(manner, path, false)
    }

    /// The same, and after the login it has the control connection go on in clear text.
    pub fn ftplib_ccc(&self, manner: Manner, path: &str) -> Process {
        self.python_tls(manner, path, true)
    }

    fn python_tls(&self, manner: Manner, path: &str, clears: bool) -> Process {
        const SCRIPT: &str = r#"
import ftplib, socket, ssl, sys
host, port, trust, begins, version, patience, path, clears = sys.argv[1:]

context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.minimum_version = context.maximum_version = ssl.TLSVersion[version]

class FTP(ftplib.FTP_TLS):
    trust_server_pasv_ipv4_address = trust == "Advertised"

    def connect(self, host, port):
        if begins == "Explicit":
            return super().connect(host, port)
        plain = socket.create_connection((host, port), self.timeout)
        self.host, self.af = host, plain.family
        self.sock = self.context.wrap_socket(plain)
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()

ftp = FTP(timeout=float(patience), context=context)
ftp.connect(host, int(port))
ftp.login()
ftp.prot_p()
if clears == "true":
    ftp.ccc()
    ftp.file = ftp.sock.makefile("r", encoding=ftp.encoding)
ftp.retrbinary("RETR " + path, lambda data: None)
ftp.quit()
"#;
        let version = match manner.version {
            Version::V12 => "TLSv1_2",
            Version::V13 => "TLSv1_3",
        };
        let mut command = self.namespace.command(python());
        command.args(["-I", "-c", SCRIPT]).args([
            &self.server.ip().to_string(),
            &self.server.port().to_string(),
            &format!("{:?}", manner.trust),
            &format!("{:?}", manner.begins),
            version,
            &PATIENCE.as_secs().to_string(),
            path,
            &clears.to_string(),
        ]);
        Process::start(&mut command)
    }
}

fn scheme(begins: Begins) -> &'static str {
    match begins {
        Begins::Explicit => "ftp",
        Begins::Implicit => "ftps",
    }
}
