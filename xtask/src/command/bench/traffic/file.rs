//! Writes pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng).

use std::io;

const ETHERNET: u32 = 1;

/// Everything of every packet, as tcpdump has it.
pub const WHOLE: u32 = 262_144;

/// In which form packets are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// In which format.
    pub format: Format,
    /// How many bytes of a packet are kept at most.
    pub snaplen: u32,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// With microseconds.
    Pcap,
    /// An enhanced packet block each, with microseconds.
    PcapNg,
}

/// Writes packets to `out`.
pub struct Writer<W> {
    out: W,
    form: Form,
}

impl<W: io::Write> Writer<W> {
    /// Writes what a file begins with.
    pub fn new(mut out: W, form: Form) -> io::Result<Self> {
        let Form { format, snaplen } = form;
        let header = match format {
            Format::Pcap => words(&[0xa1b2_c3d4, 4 << 16 | 2, 0, 0, snaplen, ETHERNET]),
            Format::PcapNg => {
                let section = [0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28];
                let interface = [1, 20, ETHERNET, snaplen, 20];
                [words(&section), words(&interface)].concat()
            }
        };
        out.write_all(&header)?;
        Ok(Self { out, form })
    }

    /// Writes a packet.
    pub fn packet(&mut self, at: u64, frame: &[u8]) -> io::Result<()> {
        let total = u32::try_from(frame.len()).map_err(io::Error::other)?;
        let length = total.min(self.form.snaplen);
        let frame = &frame[..length as usize];
        let microseconds = at / 1_000;
        match self.form.format {
            Format::Pcap => {
                let [seconds, fraction] = [microseconds / 1_000_000, microseconds % 1_000_000];
                let (seconds, fraction) = (low(seconds), low(fraction));
                self.out
                    .write_all(&words(&[seconds, fraction, length, total]))?;
                self.out.write_all(frame)
            }
            Format::PcapNg => {
                let padding = frame.len().next_multiple_of(4) - frame.len();
                let block = 32 + length.next_multiple_of(4);
                let (high, low) = (low(microseconds >> 32), low(microseconds));
                self.out
                    .write_all(&words(&[6, block, 0, high, low, length, total]))?;
                self.out.write_all(frame)?;
                self.out.write_all(&[0; 3][..padding])?;
                self.out.write_all(&words(&[block]))
            }
        }
    }

    /// Writes what is left to write.
    pub fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The lower half.
fn low(number: u64) -> u32 {
    (number & u64::from(u32::MAX)) as u32
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
