//! The control connection: commands out, replies in. Whatever the server sends, a reply is bounded in bytes and in time.

use std::{fmt, io, time::Duration};

use ftpwatch_common::{
    address::Flow,
    reply::{Advertised, ReplyDecoder},
    text::Text,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

use crate::{clock::monotonic_now, escape::printable};

/// How long a reply may be. The longest greetings are a few thousand bytes.
const LONGEST_REPLY: usize = 65_536;

/// How much is read at once.
const CHUNK: usize = 4096;

/// A connection, in the clear or not.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A connection of either kind.
pub type Stream = Box<dyn Duplex>;

/// A complete reply.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// Its code.
    pub code: u16,
    /// Its text, for the codes whose text is kept; of others, the code.
    pub text: Text,
    /// What it advertises.
    pub advertised: Advertised,
    /// When its last byte came.
    pub at: u64,
}

impl Reply {
    /// Its text, made harmless.
    #[must_use]
    pub fn shown(&self) -> String {
        printable(self.text.as_bytes())
    }
}

/// Why there is no reply.
#[derive(Debug)]
pub enum Lost {
    /// Time is up; what came until then, in bytes, is none.
    Silent(Duration, usize),
    /// The server closed the connection, after so many bytes that are no reply.
    Closed(usize),
    /// More bytes came than any reply has.
    Endless,
    /// The connection broke.
    Broken(io::Error),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(waited, 0) => write!(f, "said nothing for {waited:?}"),
            Self::Silent(waited, bytes) => {
                write!(f, "sent {bytes} bytes in {waited:?} that make no reply")
            }
            Self::Closed(0) => write!(f, "closed the control connection"),
            Self::Closed(bytes) => write!(
                f,
                "closed the control connection after {bytes} bytes that make no reply"
            ),
            Self::Endless => write!(f, "sent {LONGEST_REPLY} bytes without an end of the reply"),
            Self::Broken(error) => write!(f, "is not reached any more: {error}"),
        }
    }
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// A control connection.
pub struct Control {
    stream: Stream,
    decoder: ReplyDecoder,
    buffer: Box<[u8; CHUNK]>,
    /// What of the buffer has not been taken yet.
    unread: std::ops::Range<usize>,
    /// Bytes of the reply that is being read.
    taken: usize,
    patience: Duration,
    flow: Flow,
}

impl Control {
    /// A control connection over `stream`, whose server has `patience` for each reply.
    pub fn new(stream: Stream, flow: Flow, patience: Duration) -> Self {
        Self {
            stream,
            decoder: ReplyDecoder::START,
            buffer: Box::new([0; CHUNK]),
            unread: 0..0,
            taken: 0,
            patience,
            flow,
        }
    }

    /// Who speaks to whom.
    pub const fn flow(&self) -> Flow {
        self.flow
    }

    /// How long a reply may take.
    pub const fn patience(&self) -> Duration {
        self.patience
    }

    /// Says `line` and waits for the reply.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn command(&mut self, line: &str) -> Result<Reply, Lost> {
        self.send(line).await?;
        self.reply().await
    }

    /// Says `line`.
    ///
    /// # Errors
    ///
    /// When it cannot be sent.
    pub async fn send(&mut self, line: &str) -> Result<(), Lost> {
        let line = format!("{line}\r\n");
        let sent = async {
            self.stream.write_all(line.as_bytes()).await?;
            self.stream.flush().await
        };
        match timeout(self.patience, sent).await {
            Ok(sent) => Ok(sent?),
            Err(_) => Err(Lost::Silent(self.patience, 0)),
        }
    }

    /// Waits for the next reply, for as long as there is patience.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn reply(&mut self) -> Result<Reply, Lost> {
        match timeout(self.patience, self.next_reply()).await {
            Ok(reply) => reply,
            Err(_) => Err(Lost::Silent(self.patience, self.taken)),
        }
    }

    /// Waits for the next reply, however long it takes. Dropped half-way, it loses nothing.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn next_reply(&mut self) -> Result<Reply, Lost> {
        loop {
            for at in self.unread.by_ref() {
                self.taken += 1;
                if self.decoder.step(self.buffer[at]) {
                    self.taken = 0;
                    return Ok(Reply {
                        code: self.decoder.code(),
                        text: *self.decoder.text(),
                        advertised: self.decoder.advertised(),
                        at: monotonic_now(),
                    });
                }
                if self.taken > LONGEST_REPLY {
                    return Err(Lost::Endless);
                }
            }
            let read = self.stream.read(self.buffer.as_mut_slice()).await?;
            if read == 0 {
                return Err(Lost::Closed(self.taken));
            }
            self.unread = 0..read;
        }
    }

    /// The connection below, to put TLS on it. `None` when the server has said more already: what came in the clear
    /// must not be taken for what comes under TLS (RFC 4217, section 15.1).
    pub fn into_stream(self) -> Option<Stream> {
        (self.unread.is_empty() && self.taken == 0).then_some(self.stream)
    }

    /// Says QUIT, and does not insist on the answer.
    pub async fn quit(mut self) {
        self.patience = self.patience.min(Duration::from_secs(1));
        let _ = self.command("QUIT").await;
        let _ = timeout(self.patience, self.stream.shutdown()).await;
    }
}
