//! The server: a thread, and on it a task for each connection. One request each, little time, little room.

use std::{io, net, sync::Arc, time::Duration};

use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::Semaphore,
    time::timeout,
};

use super::{
    HEALTH, Shared,
    access::{Access, Guard},
    families::{Families, Format},
};
use crate::health::State;

/// How many connections there may be at a time. Others wait to be accepted.
const CONNECTIONS: usize = 32;

/// Within which a request has to come, and within which its answer has to be fetched.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most that a request's head may take, and the least that hyper takes for it.
const HEAD_BYTES: usize = 8 << 10;

/// How long to wait where a connection cannot be accepted: for lack of descriptors, as a rule.
const PAUSE: Duration = Duration::from_millis(100);

const PLAIN: &str = "text/plain; charset=utf-8";

/// What is to be served, and where.
pub struct Server {
    runtime: Runtime,
    listener: TcpListener,
    place: Arc<Place>,
}

/// What answers are made of.
pub struct Place {
    pub shared: Shared,
    pub families: Arc<Families>,
    /// Where metrics are.
    pub telemetry_path: String,
    /// Who may have an answer.
    pub guard: Guard,
}

impl Server {
    pub fn new(listener: net::TcpListener, place: Place) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        Ok(Self {
            runtime,
            listener,
            place: Arc::new(place),
        })
    }

    /// Serves until the process ends.
    pub fn run(self) {
        let Self {
            runtime,
            listener,
            place,
        } = self;
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        runtime.block_on(async {
            // Nobody closes it.
            while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                };
                let place = Arc::clone(&place);
                tokio::spawn(async move {
                    serve(stream, place).await;
                    drop(permit);
                });
            }
        });
    }
}

/// One request, through TLS where there is to be TLS.
async fn serve(stream: TcpStream, place: Arc<Place>) {
    let access = place.guard.access();
    match access.tls() {
        None => answer(stream, &place, &access).await,
        Some(tls) => {
            // Who does not come to terms is told so by the library.
            if let Ok(Ok(stream)) = timeout(PATIENCE, tls.accept(stream)).await {
                answer(stream, &place, &access).await;
            }
        }
    }
}

/// Whatever is wrong with the request or its connection is between the client and hyper, which answers 400 or 431.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, place: &Place, access: &Access) {
    let answer = service_fn(async |request: Request<Incoming>| {
        if access.admits(request.headers()).await {
            place.answer(&request)
        } else {
            unauthorized()
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), answer);
    let _ = timeout(2 * PATIENCE, connection).await;
}

type Answer = Response<String>;

fn unauthorized() -> hyper::http::Result<Answer> {
    let mut answer = plain(StatusCode::UNAUTHORIZED, "Unauthorized")?;
    answer.headers_mut().insert(
        WWW_AUTHENTICATE,
        HeaderValue::from_static("Basic realm=\"ftpwatch\""),
    );
    Ok(answer)
}

impl Place {
    fn answer(&self, request: &Request<Incoming>) -> hyper::http::Result<Answer> {
        let path = request.uri().path();
        if path != self.telemetry_path && !HEALTH.contains(&path) {
            let [healthy, ready] = HEALTH;
            let there_are = format!("There are {}, {healthy} and {ready}.", self.telemetry_path);
            return plain(StatusCode::NOT_FOUND, &there_are);
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD.")?;
            answer
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Ok(answer);
        }
        let now = self.shared.get();
        let health = now.health();
        let well = match path {
            // What starting it anew would help against.
            "/-/healthy" => !now.is_stale(),
            "/-/ready" => health.state != State::Blind,
            _ => return self.metrics(request),
        };
        let status = if well {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        plain(status, &health.to_string())
    }

    fn metrics(&self, request: &Request<Incoming>) -> hyper::http::Result<Answer> {
        let accept = request.headers().get(ACCEPT);
        let format = match accept.map(HeaderValue::as_bytes) {
            Some(accept) if asks_for_open_metrics(accept) => Format::OpenMetrics,
            _ => Format::Text,
        };
        match self.families.encode(format) {
            Ok(text) => Response::builder()
                .header(CONTENT_TYPE, format.content_type())
                .body(text),
            Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "This cannot be written."),
        }
    }
}

/// Prometheus names what it reads, and this first.
fn asks_for_open_metrics(accept: &[u8]) -> bool {
    const NAME: &[u8] = b"application/openmetrics-text";
    accept
        .windows(NAME.len())
        .any(|part| part.eq_ignore_ascii_case(NAME))
}

fn plain(status: StatusCode, text: &str) -> hyper::http::Result<Answer> {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, PLAIN)
        .body(format!("{text}\n"))
}
