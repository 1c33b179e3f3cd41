//! A control connection in TLS, led by hand.

use super::super::SOON;
use super::super::client::{Client, endpoint_of_227};
use super::super::server::tls::{Begins, certificate};
use super::Version;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, crypto::ring,
    version,
};

type Encrypted = StreamOwned<ClientConnection, TcpStream>;

/// A client's TLS, and the sessions that it can resume.
#[derive(Clone)]
pub struct Config(Arc<ClientConfig>);

impl Config {
    pub fn new(tls: Version, resumes: bool) -> Self {
        let mut roots = RootCertStore::empty();
        roots
            .add(certificate().der.clone().into())
            .expect("a certificate");
        let versions = match tls {
            Version::V12 => &version::TLS12,
            Version::V13 => &version::TLS13,
        };
        let provider = Arc::new(ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[versions])
            .expect("ring knows both")
            .with_root_certificates(roots)
            .with_no_client_auth();
        if !resumes {
            config.resumption = Resumption::disabled();
        }
        Config(Arc::new(config))
    }

    fn encrypt(&self, stream: TcpStream) -> io::Result<Encrypted> {
        let name = ServerName::from(stream.peer_addr()?.ip());
        let connection =
            ClientConnection::new(Arc::clone(&self.0), name).map_err(io::Error::other)?;
        let mut encrypted = StreamOwned::new(connection, stream);
        while encrypted.conn.is_handshaking() {
            encrypted.conn.complete_io(&mut encrypted.sock)?;
        }
        Ok(encrypted)
    }
}

/// A control connection.
pub struct Secured<'a> {
    client: Client<'a>,
    config: Config,
    stream: BufReader<Encrypted>,
}

impl<'a> Secured<'a> {
    /// Connects, and has it encrypted.
    #[track_caller]
    pub fn open(client: Client<'a>, begins: Begins, config: Config) -> Self {
        let mut plain = client
            .namespace
            .connect(client.server, SOON)
            .expect("the control port answers");
        plain.set_read_timeout(Some(SOON)).expect("a time-out");
        if begins == Begins::Explicit {
            assert_eq!(reply_of(&mut BufReader::new(&plain)).0, 220);
            plain.write_all(b"AUTH TLS\r\n").expect("it is open");
            assert_eq!(reply_of(&mut BufReader::new(&plain)).0, 234);
        }
        let stream = config.encrypt(plain).expect("the handshake");
        let mut secured = Secured {
            client,
            config,
            stream: BufReader::new(stream),
        };
        if begins == Begins::Implicit {
            assert_eq!(secured.reply().0, 220);
        }
        secured
    }

    /// Logs in, and has data connections encrypted.
    #[track_caller]
    pub fn log_in(mut self) -> Self {
        let (code, line) = self.command("USER anonymous");
        // Pure-FTPd wants no password of them.
        if code != 230 {
            assert_eq!(code, 331, "{line}");
            assert_eq!(self.command("PASS lab@").0, 230);
        }
        assert_eq!(self.command("PBSZ 0").0, 200);
        assert_eq!(self.command("PROT P").0, 200);
        assert_eq!(self.command("TYPE I").0, 200);
        self
    }

    /// Says `line` and waits for the reply.
    #[track_caller]
    pub fn command(&mut self, line: &str) -> (u16, String) {
        self.say(line);
        self.reply()
    }

    #[track_caller]
    fn say(&mut self, line: &str) {
        self.stream
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())
            .expect("the control connection");
    }

    #[track_caller]
    fn reply(&mut self) -> (u16, String) {
        reply_of(&mut self.stream)
    }

    /// Asks for an endpoint.
    #[track_caller]
    pub fn passive(&mut self) -> SocketAddr {
        endpoint_of_227(&self.command("PASV").1)
    }

    /// Fetches `path` over a data connection to `endpoint`: its size, and whether the connection resumed the session.
    #[track_caller]
    pub fn fetch(&mut self, endpoint: SocketAddr, path: &str) -> (usize, bool) {
        self.fetch_while(endpoint, path, || ())
    }

    /// The same, and does something else once the first of the file is here.
    #[track_caller]
    pub fn fetch_while(
        &mut self,
        endpoint: SocketAddr,
        path: &str,
        meanwhile: impl FnOnce(),
    ) -> (usize, bool) {
        let data = self
            .client
            .namespace
            .connect(endpoint, SOON)
            .expect("the data connection");
        data.set_read_timeout(Some(SOON)).expect("a time-out");
        self.say(&format!("RETR {path}"));
        // pyftpdlib says 125 where the data connection is there.
        assert!(matches!(self.reply().0, 125 | 150));
        let mut data = self.config.encrypt(data).expect("the handshake");
        let mut content = vec![0; 1];
        data.read_exact(&mut content).expect("the file");
        meanwhile();
        match data.read_to_end(&mut content) {
            // Some servers close without a word of TLS.
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => panic!("{error}"),
            _ => {}
        }
        let resumed = data.conn.handshake_kind() == Some(HandshakeKind::Resumed);
        data.conn.send_close_notify();
        let _ = data.flush();
        drop(data);
        assert_eq!(self.reply().0, 226);
        (content.len(), resumed)
    }

    /// The client's own address and port of the control connection.
    pub fn local_address(&self) -> SocketAddr {
        let plain = &self.stream.get_ref().sock;
        plain.local_addr().expect("it is connected")
    }

    /// Says QUIT and waits for the server to close.
    pub fn quit(mut self) {
        self.say("QUIT");
        let _ = self.stream.read_to_end(&mut Vec::new());
    }
}

/// The next reply: its code and its last line. One byte may not be read that is not of it, where TLS follows: no server
/// says more before the client does.
#[track_caller]
fn reply_of(stream: &mut impl BufRead) -> (u16, String) {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).expect("a reply");
        let line = line.trim_end();
        let code = line.get(..3).and_then(|code| code.parse().ok());
        match (code, line.as_bytes().get(3)) {
            (Some(code), None | Some(b' ')) => return (code, line.to_owned()),
            _ => assert!(!line.is_empty(), "the control connection ended"),
        }
    }
}
