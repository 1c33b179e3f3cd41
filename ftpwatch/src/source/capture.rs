//! Captures: pcap and pcapng, gzip'd or not, packet by packet.
//!
//! The formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng. What is damaged is passed over where its
//! length can be trusted, and counted; memory is bounded by the largest packet.
//!
//! Packets as they should be, which is nearly all there are, are taken from the buffer as they lie there, one after
//! the other. Whatever is not is pcap-parser's: headers, blocks with options, what is cut or damaged.

mod blocks;
mod decode;
mod input;
mod link;
mod plain;
mod section;
mod tally;

use std::{cell::Cell, io, path::Path, rc::Rc};

use ftpwatch_common::packet::Link;
use pcap_parser::{LegacyPcapReader, PcapError, PcapNGReader, traits::PcapReaderIterator};

use crate::error::Error;
use decode::Decoder;
use input::{Failure, Format, Input};
pub use tally::{End, Tally};

/// How much is read at once, to begin with: enough that reading costs little besides copying, and less than the
/// caches that it is then looked at in.
const CHUNK: usize = 1 << 19;

/// Captures hold no larger packet (`MAXIMUM_SNAPLEN` in libpcap): a larger one's length is damaged.
const LARGEST_PACKET: u32 = 1 << 18;

/// Nor does libpcap read a larger pcapng block (`INITIAL_MAX_BLOCKSIZE`, 16 MiB).
const LARGEST_BLOCK: u32 = 1 << 24;

/// A packet, as much of it as was captured.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Nanoseconds since 1970 (UTC), never zero. `None` where the format has no room for it.
    pub at: Option<u64>,
    /// What the bytes begin with.
    pub link: Link,
    /// The bytes.
    pub bytes: &'a [u8],
    /// How many there were.
    pub total: u32,
    /// Packets before it were lost when it was captured.
    pub after_loss: bool,
}

/// What a capture has.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// An interface that was captured on.
    Interface(&'a str),
    /// A packet.
    Packet(&'a Packet<'a>),
}

/// A capture, open for reading.
pub struct Capture {
    reader: Box<dyn PcapReaderIterator>,
    decoder: Decoder,
    capacity: usize,
    limit: u32,
    failure: Failure,
    size: Option<u64>,
    position: Rc<Cell<u64>>,
}

/// What comes next.
enum Step {
    /// This many bytes are done with.
    Consume(usize),
    /// More bytes are needed.
    More,
    /// More room is needed.
    Grow,
    /// Nothing more can be read.
    Over(End),
}

impl Capture {
    /// Opens the capture `path`; `-` is standard input.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is no capture.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::of(path, Input::open(path)?)
    }

    /// Reads the capture from `stream`.
    ///
    /// # Errors
    ///
    /// When it is no capture.
    pub fn from_stream(stream: impl io::Read + 'static) -> Result<Self, Error> {
        let path = Path::new("-");
        Self::of(path, Input::of(path, Box::new(stream), None)?)
    }

    fn of(path: &Path, input: Input) -> Result<Self, Error> {
        let Input {
            stream,
            format,
            failure,
            size,
            position,
        } = input;
        let (reader, limit) = match format {
            Format::Pcap => (boxed(LegacyPcapReader::new(CHUNK, stream)), LARGEST_PACKET),
            Format::PcapNg => (boxed(PcapNGReader::new(CHUNK, stream)), LARGEST_BLOCK),
        };
        let reader = reader.map_err(|_| {
            Error::usage(
                format!("{} begins like a capture, and is none", input::name(path)),
                "Was it damaged on its way? Compare its size with the original's.",
            )
        })?;
        Ok(Self {
            reader,
            decoder: Decoder::default(),
            capacity: CHUNK,
            limit,
            failure,
            size,
            position,
        })
    }

    /// How large the file is, where that is known.
    #[must_use]
    pub const fn size(&self) -> Option<u64> {
        self.size
    }

    /// How much of the file has been read.
    #[must_use]
    pub fn position(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.position)
    }

    /// Reads to the end, as far as that can be read. Returns what was left out.
    ///
    /// # Errors
    ///
    /// Those of `each`.
    pub fn read(mut self, mut each: impl FnMut(Item<'_>) -> io::Result<()>) -> io::Result<Tally> {
        loop {
            let plain = self.decoder.take_plain(self.reader.data(), &mut each)?;
            if plain > 0 {
                self.reader.consume(plain);
            }
            if let Some(tally) = self.advance(&mut each)? {
                return Ok(tally);
            }
        }
    }

    /// Takes what comes next through pcap-parser. Returns what was left out, when that was the end.
    fn advance(
        &mut self,
        each: &mut dyn FnMut(Item<'_>) -> io::Result<()>,
    ) -> io::Result<Option<Tally>> {
        match self.step(each)? {
            Step::Consume(bytes) => self.reader.consume(bytes),
            Step::More => self.refill(),
            Step::Grow => self.grow(),
            Step::Over(end) => return Ok(Some(std::mem::take(&mut self.decoder).finish(end))),
        }
        Ok(None)
    }

    fn step(&mut self, each: &mut dyn FnMut(Item<'_>) -> io::Result<()>) -> io::Result<Step> {
        let announced = self.decoder.announced(self.reader.data());
        if announced.is_some_and(|length| length > self.limit) {
            return Ok(Step::Over(End::Damaged));
        }
        let step = match self.reader.next() {
            Ok((bytes, block)) => {
                return Ok(match self.decoder.take(&block, each)? {
                    Some(end) => Step::Over(end),
                    None => Step::Consume(bytes),
                });
            }
            Err(PcapError::Eof) => Step::Over(End::Whole),
            Err(PcapError::Incomplete(_)) => Step::More,
            Err(PcapError::BufferTooSmall) => Step::Grow,
            Err(PcapError::UnexpectedEof) => Step::Over(End::Cut(0)),
            Err(_) => Step::Over(End::Damaged),
        };
        let rest = self.reader.data();
        // A block that is all there and makes no sense: whatever is wrong is inside.
        if let Some(bytes) = self.decoder.framed(rest) {
            self.decoder.pass_over();
            return Ok(Step::Consume(bytes));
        }
        Ok(match step {
            Step::Over(end) => Step::Over(match (self.failure.take(), end) {
                (Some(error), _) => End::Failed(error),
                (None, End::Cut(_)) => End::Cut(u64::try_from(rest.len()).unwrap_or(u64::MAX)),
                (None, end) => end,
            }),
            // What there is room for comes first: the length may be damaged, and nothing more come.
            Step::Grow if rest.len() < self.capacity => Step::More,
            step => step,
        })
    }

    fn refill(&mut self) {
        let before = self.reader.data().len();
        // It never fails: `Input` keeps errors to itself.
        let _ = self.reader.refill();
        if self.reader.data().len() == before && !self.reader.reader_exhausted() {
            self.grow();
        }
    }

    fn grow(&mut self) {
        self.capacity *= 2;
        self.reader.grow(self.capacity);
    }
}

fn boxed<R: PcapReaderIterator + 'static, E>(
    reader: Result<R, E>,
) -> Result<Box<dyn PcapReaderIterator>, E> {
    reader.map(|reader| Box::new(reader) as Box<dyn PcapReaderIterator>)
}

#[cfg(test)]
mod tests;
