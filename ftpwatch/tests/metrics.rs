//! Metrics: what is served over HTTP, to whom, and that it is what the summary says.
//!
//! What belongs here: `--web.listen-address`, `--web.config.file`, and contrib/prometheus. What an endpoint comes to belongs in faults.rs.

mod lab;
mod packets;

#[path = "metrics/http.rs"]
mod http;
#[path = "metrics/live.rs"]
mod live;
#[path = "metrics/prometheus.rs"]
mod prometheus;
#[path = "metrics/secured.rs"]
mod secured;
#[path = "metrics/series.rs"]
mod series;

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use lab::SOON;

/// What came of a request.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    /// Reads an answer to its end.
    fn read(mut stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(SOON))?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Ok(Self {
            status: status.ok_or_else(|| io::Error::other(format!("no status: {text:?}")))?,
            head: head.to_lowercase(),
            body: body.to_owned(),
        })
    }

    /// Sends `request`, as it is, over `stream`.
    #[track_caller]
    fn to(mut stream: TcpStream, request: &str) -> Self {
        stream.write_all(request.as_bytes()).expect("it is taken");
        Self::read(stream).unwrap_or_else(|error| panic!("{request:?}: {error}"))
    }

    /// The answer to GET.
    #[track_caller]
    fn get(stream: TcpStream, path: &str) -> Self {
        Self::to(
            stream,
            &format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"),
        )
    }
}

/// The samples of a text that Prometheus reads, by name and labels.
type Samples = BTreeMap<String, f64>;

#[track_caller]
fn samples(text: &str) -> Samples {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            (series.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

/// The sum of all series of a name.
fn sum(samples: &Samples, name: &str) -> f64 {
    let labelled = format!("{name}{{");
    let of_it = |series: &str| series == name || series.starts_with(&labelled);
    samples
        .iter()
        .filter(|(series, _)| of_it(series))
        .map(|(_, value)| value)
        .sum()
}
