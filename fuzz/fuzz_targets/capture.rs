//! Any bytes as a file: reading it ends, and so does the analysis of what is in it.

#![no_main]

use std::io::Cursor;
use std::sync::LazyLock;

use clap::Parser as _;
use ftpwatch::{
    cli,
    read::{Analysis, analyse, reporter},
    report::Report,
    source::capture::Capture,
};
use libfuzzer_sys::fuzz_target;

static OPTIONS: LazyLock<cli::Analysis> =
    LazyLock::new(
        || match cli::Cli::parse_from(["ftpwatch", "read", "-"]).command {
            cli::Command::Read(read) => read.analysis,
            other => panic!("{other:?}"),
        },
    );

fuzz_target!(|bytes: &[u8]| {
    let Ok(capture) = Capture::from_stream(Cursor::new(bytes.to_vec())) else {
        return;
    };
    let mut nowhere = |_: &Report| Ok(());
    let reporter = reporter(&OPTIONS, "fuzz".into());
    let mut analysis = Analysis::new(&OPTIONS, reporter, &mut nowhere);
    analyse(capture, &mut analysis, || ()).expect("nothing is written");
    analysis.finish().expect("nothing is written");
});
