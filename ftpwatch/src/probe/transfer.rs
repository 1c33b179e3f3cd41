//! LIST, to see data flow to its end. Bytes are counted; names are read by nobody and kept nowhere.

use std::{
    cell::Cell,
    io,
    pin::pin,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{
    control::{Control, Lost, Reply, Stream},
    session::Session,
    tls::{Tls, is_resumed},
};
use crate::{clock::monotonic_now, escape::printable};

/// How much of a listing is read: enough to know that data flow.
const MOST: u64 = 4 << 20;

/// How many time-outs a listing may take in all, as long as it goes on.
const ROUNDS: u32 = 3;

/// How the data ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// The server closed.
    Ended,
    /// There was more than is read.
    Cut,
    /// For this time, nothing came.
    Stalled(Duration),
    /// The connection broke, or its TLS handshake failed.
    Broken(String),
    /// It was left, as the server said that it failed.
    Left,
}

/// What came of LIST.
#[derive(Debug)]
pub struct Transfer {
    /// When it was sent.
    pub command_at: u64,
    /// 125 or 150.
    pub announced: Option<Reply>,
    /// The final reply.
    pub ended: Option<Reply>,
    /// Why there is none.
    pub lost: Option<Lost>,
    /// How the data ended.
    pub data: Data,
    /// Bytes of data.
    pub bytes: u64,
    /// Whether TLS on the data connection resumed the control connection's session.
    pub resumed: Option<bool>,
}

impl Transfer {
    /// Whether data flowed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let complete = matches!(
            self.ended,
            Some(Reply {
                code: 226 | 250,
                ..
            })
        );
        complete || self.data == Data::Cut
    }

    /// The reply that says that the data connection, or what is on it, failed.
    #[must_use]
    pub fn failure(&self) -> Option<&Reply> {
        self.ended
            .as_ref()
            .filter(|reply| matches!(reply.code, 421 | 425 | 426 | 522))
    }

    /// The reply that refuses the listing for another reason.
    #[must_use]
    pub fn refusal(&self) -> Option<&Reply> {
        let ended = self.ended.as_ref()?;
        (!self.is_good() && self.failure().is_none()).then_some(ended)
    }
}

/// Asks for a listing over the connection `data`. Of it, and of the final reply, nothing may be awaited for longer than
/// `within` and the control connection's patience.
pub async fn list(session: &mut Session, data: TcpStream, within: Duration) -> Transfer {
    let bytes = Cell::new(0);
    let resumed = Cell::new(None);
    let announced = Cell::new(None);
    let mut transfer = Transfer {
        command_at: monotonic_now(),
        announced: None,
        ended: None,
        lost: None,
        data: Data::Left,
        bytes: 0,
        resumed: None,
    };
    if let Err(lost) = session.control.send("LIST").await {
        transfer.lost = Some(lost);
        return transfer;
    }
    let patience = session.control.patience();
    let reply = {
        let mut data = pin!(receive(data, session.tls.clone(), within, &bytes, &resumed));
        let mut replies = pin!(conclude(&mut session.control, &announced));
        tokio::select! {
            end = &mut data => {
                let patience = match end {
                    // The server will call failed what the client ended itself.
                    Data::Cut => None,
                    Data::Stalled(_) => Some(patience.min(Duration::from_secs(1))),
                    _ => Some(patience),
                };
                transfer.data = end;
                match patience {
                    None => None,
                    Some(patience) => Some(match timeout(patience, replies).await {
                        Ok(reply) => reply,
                        Err(_) => Err(Lost::Silent(patience, 0)),
                    }),
                }
            }
            reply = &mut replies => {
                if let Ok(reply) = &reply && reply.code < 400 {
                    transfer.data = data.await;
                }
                Some(reply)
            }
        }
    };
    match reply {
        Some(Ok(reply)) => transfer.ended = Some(reply),
        Some(Err(lost)) => transfer.lost = Some(lost),
        None => {}
    }
    Transfer {
        announced: announced.get(),
        bytes: bytes.get(),
        resumed: resumed.get(),
        ..transfer
    }
}

/// The final reply; what announces it is noted.
async fn conclude(control: &mut Control, announced: &Cell<Option<Reply>>) -> Result<Reply, Lost> {
    loop {
        let reply = control.next_reply().await?;
        if reply.code >= 200 {
            return Ok(reply);
        }
        announced.set(Some(reply));
    }
}

async fn receive(
    stream: TcpStream,
    tls: Option<Tls>,
    within: Duration,
    bytes: &Cell<u64>,
    resumed: &Cell<Option<bool>>,
) -> Data {
    let deadline = Instant::now() + within * ROUNDS;
    let mut stream: Stream = match tls {
        None => Box::new(stream),
        Some(tls) => match timeout(within, tls.handshake(Box::new(stream))).await {
            Ok(Ok(stream)) => {
                resumed.set(Some(is_resumed(&stream)));
                Box::new(stream)
            }
            Ok(Err(error)) => return broken(&error),
            Err(_) => return Data::Stalled(within),
        },
    };
    let mut buffer = vec![0; 16_384];
    loop {
        match timeout(within, stream.read(&mut buffer)).await {
            Err(_) => return Data::Stalled(within),
            // Many servers close without TLS's own goodbye; the final reply says whether that was all.
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Data::Ended,
            Ok(Err(error)) => return broken(&error),
            Ok(Ok(0)) => {
                let _ = timeout(within, stream.shutdown()).await;
                return Data::Ended;
            }
            Ok(Ok(read)) => bytes.set(bytes.get() + read as u64),
        }
        if bytes.get() >= MOST || Instant::now() >= deadline {
            return Data::Cut;
        }
    }
}

fn broken(error: &io::Error) -> Data {
    Data::Broken(printable(error.to_string().as_bytes()))
}
