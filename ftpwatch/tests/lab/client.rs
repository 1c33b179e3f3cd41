//! FTP clients: curl, lftp, Python's ftplib, and one that is led by hand.

use super::netns::Namespace;
use super::process::Process;
use super::{Directory, SOON};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// How long a client waits for a data connection before it gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A user at `namespace` who wants files from `server`.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    pub namespace: &'a Namespace,
    pub server: SocketAddr,
}

/// Which address the client opens its data connection to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The advertised one.
    Advertised,
    /// The one of the control connection, as most clients do by default these days.
    Control,
}

impl Client<'_> {
    pub fn url(&self, path: &str) -> String {
        format!("ftp://{}/{path}", self.server)
    }

    /// curl, which asks for EPSV first.
    pub fn curl(&self, options: &[&str], paths: &[&str]) -> Process {
        let mut command = self.namespace.command("curl");
        command.args([
            "--silent",
            "--show-error",
            "--disable",
            "--globoff",
            "--noproxy",
            "*",
        ]);
        command
            .args(["--connect-timeout", &PATIENCE.as_secs().to_string()])
            .args(options);
        for path in paths {
            command.args(["--output", "/dev/null", &self.url(path)]);
        }
        Process::start(&mut command)
    }

    /// curl that asks for PASV and connects to whatever address the answer has.
    pub fn trusting_curl(&self, paths: &[&str]) -> Process {
        self.curl(&["--disable-epsv", "--no-ftp-skip-pasv-ip"], paths)
    }

    /// lftp, fetching one file. Where a transfer fails it removes what it wrote to, /dev/null too; and after a `cat` that
    /// fails it does not end.
    pub fn lftp_get(&self, trust: Trust, path: &str) -> Process {
        let directory = Directory::new("download");
        let file = directory.path().join("file");
        self.lftp(trust, &format!("get {path} -o {}", file.display()))
            .keep(directory)
    }

    /// lftp, which asks for PASV on IPv4 and EPSV on IPv6. It is told not to try again, which it does all the same
    /// where its URL has a path.
    pub fn lftp(&self, trust: Trust, commands: &str) -> Process {
        let repair = match trust {
            Trust::Advertised => "no",
            Trust::Control => "yes",
        };
        let script = format!(
            "set cmd:fail-exit yes; set net:max-retries 1; set net:timeout {}; set net:persist-retries 0; \
             set ftp:fix-pasv-address {repair}; set xfer:clobber yes; open ftp://{}; {commands}",
            PATIENCE.as_secs(),
            self.server
        );
        let mut command = self.namespace.command("lftp");
        command
            .args(["--norc", "-c", &script])
            .env("HOME", "/nonexistent")
            .env("LFTP_HOME", "/nonexistent");
        Process::start(&mut command)
    }

    /// ncftp, which asks for PASV and knows IPv4 alone. It is told not to dial again.
    /// All that the pattern fits is fetched in one session.
    pub fn ncftp(&self, pattern: &str) -> Process {
        let directory = Directory::new("download");
        let mut command = self.namespace.command("ncftpget");
        command
            .args([
                "-V",
                "-Z",
                "-t",
                "5",
                "-r",
                "0",
                "-u",
                "anonymous",
                "-p",
                "lab@",
            ])
            .args(["-P", &self.server.port().to_string()])
            .arg(self.server.ip().to_string())
            .arg(directory.path())
            .arg(pattern)
            .env("HOME", "/nonexistent");
        Process::start(without_names(&mut command)).keep(directory)
    }

    /// tnftp, which asks for EPSV first, and has a session for each path.
    pub fn tnftp(&self, paths: &[&str]) -> Process {
        let directory = Directory::new("download");
        let mut command = self.namespace.command("tnftp");
        command
            .arg("-V")
            .args(paths.iter().map(|path| self.url(path)))
            .current_dir(directory.path())
            .env("HOME", "/nonexistent");
        Process::start(without_names(&mut command)).keep(directory)
    }

    /// Python's ftplib, which fetches `path` `times` times in one session. It asks for PASV on IPv4 and EPSV on IPv6.
    pub fn ftplib(&self, trust: Trust, patience: Duration, path: &str, times: usize) -> Process {
        self.python(trust, "ftplib", patience, path, times)
    }

    /// ftplib, made to do something else than fetch the file.
    pub fn ftplib_that(&self, manner: &str, trust: Trust, path: &str) -> Process {
        self.python(trust, manner, PATIENCE, path, 1)
    }

    /// ftplib, made to ask for PASV on IPv6 too, and to trust the answer.
    pub fn trusting_pasv(&self, path: &str) -> Process {
        self.python(Trust::Advertised, "PASV", PATIENCE, path, 1)
    }

    fn python(
        &self,
        trust: Trust,
        manner: &str,
        patience: Duration,
        path: &str,
        times: usize,
    ) -> Process {
        const SCRIPT: &str = r#"
import ftplib, socket, sys, time
host, port, trust, manner, patience, path, times = sys.argv[1:]

class FTP(ftplib.FTP):
    trust_server_pasv_ipv4_address = trust == "Advertised"

    def makepasv(self):
        if manner == "PASV":
            return ftplib.parse227(self.sendcmd("PASV"))
        endpoint = super().makepasv()
        if manner == "waits":
            time.sleep(8)
        return endpoint

ftp = FTP(timeout=float(patience))
ftp.connect(host, int(port))
ftp.login()
if manner == "closes":
    ftp.makepasv()
    ftp.close()
    sys.exit()
if manner == "says first":
    endpoint = ftp.makepasv()
    ftp.putcmd("RETR " + path)
    socket.create_connection(endpoint, float(patience))
    ftp.getresp()
if manner == "stays":
    try:
        ftp.retrbinary("RETR " + path, lambda data: None)
    except OSError:
        time.sleep(2)
    ftp.quit()
    sys.exit()
for _ in range(int(times)):
    ftp.retrbinary("RETR " + path, lambda data: None)
ftp.quit()
"#;
        let mut python = self.namespace.command(python());
        python.args([
            "-I",
            "-c",
            SCRIPT,
            &self.server.ip().to_string(),
            &self.server.port().to_string(),
        ]);
        python.args([
            &format!("{trust:?}"),
            manner,
            &patience.as_secs_f64().to_string(),
            path,
            &times.to_string(),
        ]);
        Process::start(&mut python)
    }

    /// A client led by hand, logged in.
    pub fn log_in(&self) -> Dialogue<'_> {
        let stream = self
            .namespace
            .connect(self.server, SOON)
            .expect("the control port answers");
        stream.set_read_timeout(Some(SOON)).expect("a time-out");
        let mut dialogue = Dialogue {
            client: *self,
            stream: BufReader::new(stream),
        };
        assert_eq!(dialogue.reply().0, 220);
        let (code, _) = dialogue.command("USER anonymous");
        // Pure-FTPd wants no password of them.
        if code != 230 {
            assert_eq!(code, 331);
            assert_eq!(dialogue.command("PASS lab@").0, 230);
        }
        dialogue
    }

    /// Sees the server's greeting and leaves: the way to the server and back is open. Its port.
    pub fn greet(&self) -> u16 {
        let stream = self
            .namespace
            .connect(self.server, SOON)
            .expect("the control port answers");
        stream.set_read_timeout(Some(SOON)).expect("a time-out");
        let mut dialogue = Dialogue {
            client: *self,
            stream: BufReader::new(stream),
        };
        assert_eq!(dialogue.reply().0, 220);
        let port = dialogue.local_address().port();
        dialogue.quit();
        port
    }
}

/// There is nobody to ask for names, and this is how long they are asked for.
fn without_names(command: &mut Command) -> &mut Command {
    command.env("RES_OPTIONS", "timeout:1 attempts:1")
}

/// The interpreter itself: what is on the PATH may be a slow wrapper around it.
pub fn python() -> &'static str {
    static PYTHON: OnceLock<String> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let output = Command::new("python3")
            .args(["-c", "import sys; print(sys.executable)"])
            .output();
        let output = output.expect("these tests need python3: cargo xtask setup --tests");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}

/// A control connection, led by hand.
pub struct Dialogue<'a> {
    client: Client<'a>,
    stream: BufReader<TcpStream>,
}

impl Dialogue<'_> {
    /// Says `line` and waits for the reply.
    #[track_caller]
    pub fn command(&mut self, line: &str) -> (u16, String) {
        self.say(line);
        self.reply()
    }

    #[track_caller]
    pub fn say(&mut self, line: &str) {
        self.stream
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())
            .expect("the control connection");
    }

    /// The next reply: its code and its last line.
    #[track_caller]
    pub fn reply(&mut self) -> (u16, String) {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("a reply");
            let line = line.trim_end();
            let code = line.get(..3).and_then(|code| code.parse().ok());
            match (code, line.as_bytes().get(3)) {
                (Some(code), None | Some(b' ')) => return (code, line.to_owned()),
                _ => assert!(!line.is_empty(), "the control connection ended"),
            }
        }
    }

    /// Asks for an endpoint: PASV on IPv4, EPSV on IPv6.
    #[track_caller]
    pub fn passive(&mut self) -> SocketAddr {
        match self.client.server.ip() {
            IpAddr::V4(_) => endpoint_of_227(&self.command("PASV").1),
            control @ IpAddr::V6(_) => {
                let (code, line) = self.command("EPSV");
                assert_eq!(code, 229, "{line}");
                SocketAddr::new(
                    control,
                    line.split('|')
                        .nth(3)
                        .expect("a port")
                        .parse()
                        .expect("a port"),
                )
            }
        }
    }

    /// Fetches `path` over a data connection to `endpoint`; its size.
    #[track_caller]
    pub fn fetch(&mut self, endpoint: SocketAddr, path: &str) -> usize {
        let mut data = self
            .client
            .namespace
            .connect(endpoint, SOON)
            .expect("the data connection");
        assert_eq!(self.command(&format!("RETR {path}")).0, 150);
        let mut content = Vec::new();
        data.read_to_end(&mut content).expect("the file");
        assert_eq!(self.reply().0, 226);
        content.len()
    }

    /// The client's own address and port of the control connection.
    pub fn local_address(&self) -> SocketAddr {
        self.stream.get_ref().local_addr().expect("it is connected")
    }

    /// Says QUIT and waits for the server to close.
    pub fn quit(mut self) {
        self.say("QUIT");
        let _ = self.stream.read_to_end(&mut Vec::new());
    }
}

/// The address and port in `227 Entering Passive Mode (h1,h2,h3,h4,p1,p2).`
#[track_caller]
pub fn endpoint_of_227(line: &str) -> SocketAddr {
    let numbers: Vec<u8> = line
        .get(4..)
        .expect("a reply")
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().expect("a byte"))
        .collect();
    let &[a, b, c, d, p, q] = numbers.as_slice() else {
        panic!("not six numbers: {line}")
    };
    SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([p, q]))
}
