//! Where the bytes of a capture come from: a file or standard input, gzip'd or not.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufReader, Cursor, IsTerminal as _, Read},
    path::Path,
    rc::Rc,
};

use flate2::read::MultiGzDecoder;

use crate::{error::Error, escape::printable};

/// What the stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// draft-ietf-opsawg-pcap
    Pcap,
    /// draft-ietf-opsawg-pcapng
    PcapNg,
}

/// The first four bytes of a pcap: microseconds, nanoseconds, and Kuznetzov's, in either byte order.
const PCAP: [[u8; 4]; 5] = [
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x34, 0xcd, 0xb2, 0xa1],
];

/// The first four bytes of a pcapng: the type of a section header, the same in either byte order.
const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// RFC 1952, section 2.3.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Other compressions, and what takes them off.
const COMPRESSED: [(&[u8], &str); 5] = [
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd -dc"),
    (&[0xfd, b'7', b'z', b'X', b'Z'], "xz -dc"),
    (b"BZh", "bzip2 -dc"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4 -dc"),
    (b"PK\x03\x04", "unzip -p"),
];

/// A pcap's header, and the smallest a pcapng's section header can be less one length.
const HEADER: u64 = 24;

/// No section header is larger: its options are a few words about the host.
const LARGEST_HEADER: u64 = 1 << 15;

/// The error that ended a stream, if one did.
pub type Failure = Rc<Cell<Option<io::Error>>>;

/// A stream that holds a capture.
pub struct Input {
    /// The bytes. It never fails: an error ends it, and is left in `failure`.
    pub stream: Box<dyn Read>,
    /// What they are.
    pub format: Format,
    /// The error that ended it.
    pub failure: Failure,
    /// How many bytes the file has, where that is known.
    pub size: Option<u64>,
    /// How many of them were read.
    pub position: Rc<Cell<u64>>,
}

/// The capture's name, for people.
pub fn name(path: &Path) -> String {
    if path == Path::new("-") {
        "standard input".into()
    } else {
        printable(path.as_os_str().as_encoded_bytes())
    }
}

impl Input {
    /// Opens `path`; `-` is standard input.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (file, size) = open(path)?;
        Self::of(path, file, size)
    }

    /// What `file` holds, of `size` bytes, which is called `path`.
    pub fn of(path: &Path, file: Box<dyn Read>, size: Option<u64>) -> Result<Self, Error> {
        let failure = Failure::default();
        let position = Rc::<Cell<u64>>::default();
        let mut stream: Box<dyn Read> = Box::new(Steady {
            inner: file,
            position: Rc::clone(&position),
            failure: Rc::clone(&failure),
        });
        let mut head = peek(&mut stream, HEADER);
        if head.starts_with(&GZIP) {
            let packed = BufReader::new(Cursor::new(head).chain(stream));
            stream = Box::new(Steady {
                inner: Box::new(MultiGzDecoder::new(packed)),
                position: Rc::default(),
                failure: Rc::clone(&failure),
            });
            head = peek(&mut stream, HEADER);
        }
        let format = match head.first_chunk() {
            Some(magic) if PCAP.contains(magic) => Format::Pcap,
            Some(&PCAPNG) => Format::PcapNg,
            _ => return Err(no_capture(path, &head, failure.take())),
        };
        if format == Format::PcapNg {
            let rest = section_header_length(&head).saturating_sub(HEADER);
            head.extend(peek(&mut stream, rest));
        }
        // The first read gets all of the header, which pcap-parser relies on.
        let stream = Box::new(Cursor::new(head).chain(stream));
        Ok(Self {
            stream,
            format,
            failure,
            size,
            position,
        })
    }
}

fn open(path: &Path) -> Result<(Box<dyn Read>, Option<u64>), Error> {
    if path == Path::new("-") {
        if io::stdin().is_terminal() {
            return Err(Error::usage(
                "standard input is a terminal",
                "Send a capture there: tcpdump -U -w - | ftpwatch read -",
            ));
        }
        return Ok((Box::new(io::stdin().lock()), None));
    }
    let opened = File::open(path).and_then(|file| {
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok((file, metadata.is_file().then_some(metadata.len())))
    });
    let (file, size) = opened.map_err(|error| unreadable(path, &error))?;
    Ok((Box::new(file), size))
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    let advice = match error.kind() {
        io::ErrorKind::NotFound => "Is the name spelled right, and the directory the right one?",
        io::ErrorKind::PermissionDenied => {
            "Captures often belong to root: `sudo chown $USER` it, or read it through `sudo cat … | ftpwatch read -`."
        }
        io::ErrorKind::IsADirectory => "Name the captures in it.",
        _ => "Can `cat` read it?",
    };
    Error::usage(format!("cannot read {}: {error}", name(path)), advice)
}

fn no_capture(path: &Path, head: &[u8], failure: Option<io::Error>) -> Error {
    if let Some(error) = failure {
        return unreadable(path, &error);
    }
    let name = name(path);
    if head.is_empty() {
        return Error::usage(
            format!("{name} is empty"),
            "Whatever should have written it did not: did `tcpdump -w` have permission, and enough room?",
        );
    }
    let advice = COMPRESSED
        .iter()
        .find(|(magic, _)| head.starts_with(magic))
        .map_or_else(
            || "Captures are what `tcpdump -w`, `dumpcap` and Wireshark write.".into(),
            |(_, tool)| format!("It is compressed: {tool} {name} | ftpwatch read -"),
        );
    Error::usage(
        format!("{name} is no capture: neither pcap nor pcapng"),
        advice,
    )
}

/// The next `count` bytes, or what there is.
fn peek(stream: &mut dyn Read, count: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Steady, so it does not fail.
    let _ = stream.take(count).read_to_end(&mut bytes);
    bytes
}

/// How long the section header is that `head` begins: its byte order comes after its length.
fn section_header_length(head: &[u8]) -> u64 {
    let Some(&[_, _, _, _, a, b, c, d, first, ..]) = head.first_chunk::<12>() else {
        return 0;
    };
    let length = if first == 0x1a {
        u32::from_be_bytes([a, b, c, d])
    } else {
        u32::from_le_bytes([a, b, c, d])
    };
    u64::from(length).min(LARGEST_HEADER)
}

/// A reader that counts, goes on where it was interrupted, and ends where the one inside fails.
struct Steady {
    inner: Box<dyn Read>,
    position: Rc<Cell<u64>>,
    failure: Failure,
}

impl Read for Steady {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.inner.read(buffer) {
                Ok(count) => {
                    let count_64 = u64::try_from(count).unwrap_or(u64::MAX);
                    self.position
                        .set(self.position.get().saturating_add(count_64));
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure.set(Some(error));
                    return Ok(0);
                }
            }
        }
    }
}
