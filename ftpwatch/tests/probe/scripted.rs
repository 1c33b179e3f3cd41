//! An FTP server on loopback that does as it should, but for what a test makes it do.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use tokio_rustls::rustls::{
    ALL_VERSIONS, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

/// A connection, in the clear or not.
pub trait Duplex: Read + Write + Send {}

impl<T: Read + Write + Send> Duplex for T {}

/// What a listing has in it; nobody may repeat it.
pub const NAME_IN_LISTING: &str = "salaries-2026.ods";

/// A control connection as the server has it.
pub struct Connection {
    stream: Option<Box<dyn Duplex>>,
    tls: Option<Arc<ServerConfig>>,
    protected: bool,
    /// The last passive listener.
    pub data: Option<TcpListener>,
    /// What was said by whom: verbs.
    pub heard: Arc<Mutex<Vec<String>>>,
}

/// Whether a test's own doing answered the command.
pub enum Done {
    /// It did.
    Yes,
    /// It did not: the server does as it should.
    No,
    /// It did, and the connection is over.
    Close,
}

/// The server. It ends with the process.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The command lines it was sent.
    pub heard: Arc<Mutex<Vec<String>>>,
}

/// How TLS is spoken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// It is not.
    Off,
    /// After AUTH TLS.
    Explicit,
    /// From the start.
    Implicit,
}

impl Server {
    /// A server that does `act` first. It is called with `greet` before anybody said anything.
    pub fn start(act: impl Fn(&str, &mut Connection) -> Done + Send + Sync + 'static) -> Self {
        Self::with_tls(Tls::Off, None, act)
    }

    /// The same, with TLS.
    pub fn with_tls(
        tls: Tls,
        config: impl Into<Option<ServerConfig>>,
        act: impl Fn(&str, &mut Connection) -> Done + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let act = Arc::new(act);
        let config = config.into().map(Arc::new);
        let commands = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let act = Arc::clone(&act);
                let heard = Arc::clone(&commands);
                let config = config.clone();
                thread::spawn(move || {
                    let stream: Box<dyn Duplex> = match (tls, &config) {
                        (Tls::Implicit, Some(config)) => encrypt(stream, config),
                        _ => Box::new(stream),
                    };
                    let mut connection = Connection {
                        stream: Some(stream),
                        tls: config,
                        protected: false,
                        data: None,
                        heard,
                    };
                    // That the client leaves is how most of these end.
                    let _ = connection.serve(act.as_ref());
                });
            }
        });
        Self { address, heard }
    }

    /// The verbs that it was sent, in order.
    pub fn verbs(&self) -> Vec<String> {
        let heard = self.heard.lock().expect("commands");
        let verbs = heard.iter().filter_map(|line| line.split(' ').next());
        verbs.map(str::to_owned).collect()
    }
}

fn encrypt<T: Read + Write + Send + 'static>(
    stream: T,
    config: &Arc<ServerConfig>,
) -> Box<dyn Duplex> {
    let session = ServerConnection::new(Arc::clone(config)).expect("a session");
    Box::new(StreamOwned::new(session, stream))
}

impl Connection {
    fn serve(&mut self, act: &dyn Fn(&str, &mut Self) -> Done) -> io::Result<()> {
        match act("greet", self) {
            Done::Yes => {}
            Done::No => self.say("220 Scripted")?,
            Done::Close => return Ok(()),
        }
        while let Some(line) = self.line()? {
            self.heard.lock().expect("commands").push(line.clone());
            let verb = line
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase();
            match act(&verb, self) {
                Done::Yes => {}
                Done::No => self.answer(&verb)?,
                Done::Close => return Ok(()),
            }
        }
        Ok(())
    }

    fn answer(&mut self, verb: &str) -> io::Result<()> {
        match verb {
            "AUTH" if self.tls.is_some() => {
                self.say("234 Go on")?;
                let stream = self.stream.take().expect("a connection");
                let config = self.tls.as_ref().expect("TLS");
                self.stream = Some(encrypt(stream, config));
                Ok(())
            }
            "PBSZ" => self.say("200 PBSZ=0"),
            "PROT" => {
                self.protected = true;
                self.say("200 Private")
            }
            "USER" => self.say("331 Password?"),
            "PASS" => self.say("230 Welcome"),
            "EPSV" => {
                let port = self.listen();
                self.say(&format!("229 Entering Extended Passive Mode (|||{port}|)"))
            }
            "PASV" => {
                let [p, q] = self.listen().to_be_bytes();
                self.say(&format!("227 Entering Passive Mode (127,0,0,1,{p},{q})."))
            }
            "LIST" => self.list(),
            "QUIT" => self.say("221 Bye"),
            _ => self.say("502 No"),
        }
    }

    /// Opens a passive port.
    pub fn listen(&mut self) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        self.data = Some(listener);
        port
    }

    fn list(&mut self) -> io::Result<()> {
        self.say("150 Here it comes")?;
        let mut data = self.accept();
        data.write_all(format!("-rw-r--r-- 1 0 0 7 Jan 1 00:00 {NAME_IN_LISTING}\r\n").as_bytes())?;
        data.flush()?;
        drop(data);
        self.say("226 Done")
    }

    /// The data connection.
    pub fn accept(&mut self) -> Box<dyn Duplex> {
        let listener = self.data.as_ref().expect("PASV came before");
        let (stream, _) = listener.accept().expect("a data connection");
        match &self.tls {
            Some(config) if self.protected => encrypt(stream, config),
            _ => Box::new(stream),
        }
    }

    /// Says a line.
    pub fn say(&mut self, line: &str) -> io::Result<()> {
        self.send(format!("{line}\r\n").as_bytes())
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.stream.as_mut().expect("a connection");
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// The next line; none at the end.
    pub fn line(&mut self) -> io::Result<Option<String>> {
        let stream = self.stream.as_mut().expect("a connection");
        let mut line = Vec::new();
        let mut byte = [0];
        while stream.read(&mut byte)? == 1 {
            if byte[0] == b'\n' {
                let text = String::from_utf8_lossy(&line);
                return Ok(Some(text.trim_end().to_owned()));
            }
            line.push(byte[0]);
        }
        Ok(None)
    }

    /// Waits until the client leaves.
    pub fn hang(&mut self) -> Done {
        while let Ok(Some(_)) = self.line() {}
        Done::Close
    }
}

/// A certificate for `names`, signed by itself: the server's configuration, and the certificate as PEM.
pub fn certificate(names: &[&str]) -> (ServerConfig, String) {
    certificate_for(names, ALL_VERSIONS)
}

/// The same, for these versions of TLS.
pub fn certificate_for(
    names: &[&str],
    versions: &[&'static SupportedProtocolVersion],
) -> (ServerConfig, String) {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate");
    (config, made.cert.pem())
}

/// A port of loopback that nobody listens on, nor can for as long as the value lives.
pub struct ClosedPort {
    _bound: socket2::Socket,
    /// Its number.
    pub number: u16,
}

/// Takes a port, and does not listen on it.
pub fn closed_port() -> ClosedPort {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let bound = socket.expect("a socket");
    let any: SocketAddr = (Ipv4Addr::UNSPECIFIED, 0).into();
    bound.bind(&any.into()).expect("a port");
    let address = bound.local_addr().expect("an address").as_socket();
    ClosedPort {
        number: address.expect("an IP address").port(),
        _bound: bound,
    }
}

/// A port of loopback whose queue is full, so that it answers no SYN; for as long as the value lives.
pub struct FullPort {
    _listener: socket2::Socket,
    _queued: Vec<TcpStream>,
    /// Its number.
    pub number: u16,
}

impl FullPort {
    /// Fills a port's queue.
    pub fn new() -> Self {
        use socket2::{Domain, Socket, Type};
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
        listener.bind(&any.into()).expect("a port");
        listener.listen(0).expect("a queue");
        let address = listener.local_addr().expect("an address");
        let address = address.as_socket().expect("an IP address");
        let mut queued = Vec::new();
        // A queue of length 0 takes one connection (listen(2) of Linux: more than the backlog).
        while let Ok(stream) =
            TcpStream::connect_timeout(&address, std::time::Duration::from_secs(1))
        {
            queued.push(stream);
            assert!(queued.len() < 16, "the queue is never full");
        }
        Self {
            _listener: listener,
            _queued: queued,
            number: address.port(),
        }
    }
}

/// A port of loopback that connects, for as long as the value lives.
pub struct HeldPort {
    _listener: TcpListener,
    /// Its number.
    pub number: u16,
}

/// Opens a port.
pub fn held_port() -> HeldPort {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let number = listener.local_addr().expect("an address").port();
    HeldPort {
        _listener: listener,
        number,
    }
}
