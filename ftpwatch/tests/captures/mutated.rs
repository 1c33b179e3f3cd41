//! Captures with bytes changed at random: whatever is in one, reading it ends, and without a panic.

use std::io::Cursor;

use ftpwatch::{
    read::{Analysis, analyse, reporter},
    report::Report,
    source::capture::Capture,
};
use proptest::{collection::vec, prelude::*};

use crate::{formats::gzip, memory::options, pcap::Pcap, pcapng::PcapNg, story::every_outcome};

/// One of each format.
fn captures() -> [Vec<u8>; 3] {
    let pcap = Pcap::default().file(&every_outcome().ethernet());
    let mut pcapng = PcapNg::new(true);
    for (at, frame) in every_outcome().ethernet() {
        let options = [pcapng.option(9, &[6]), pcapng.option(14, &[0; 8])];
        pcapng.interface(1, 0, &options);
        pcapng.enhanced(0, at / 1_000, &frame, &options);
        pcapng.obsolete(0, at / 1_000, &frame).simple(&frame);
    }
    let gzip = gzip(&pcap);
    [pcap, pcapng.bytes, gzip]
}

/// Reads `bytes` through the whole analysis.
fn read(bytes: Vec<u8>) {
    let Ok(capture) = Capture::from_stream(Cursor::new(bytes)) else {
        return;
    };
    let options = options();
    let mut nowhere = |_: &Report| Ok(());
    let reporter = reporter(&options, "mutated".into());
    let mut analysis = Analysis::new(&options, reporter, &mut nowhere);
    analyse(capture, &mut analysis, || ()).expect("nothing is written");
    analysis.finish().expect("nothing is written");
}

proptest! {
    #[test]
    fn reading_ends(
        which in 0..3_usize,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let mut bytes = captures()[which].clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        read(bytes);
    }

    /// Nothing but noise behind a good beginning.
    #[test]
    fn noise(which in 0..2_usize, noise in vec(any::<u8>(), 0..4_000)) {
        let good = &captures()[which];
        let mut bytes = good[..if which == 0 { 24 } else { 28 }].to_vec();
        bytes.extend(noise);
        read(bytes);
    }
}
