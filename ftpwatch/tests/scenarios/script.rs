//! What happens, step by step.

use std::fmt;
use std::time::Duration;

use super::Seen;
use crate::packets::Packet;

/// Something that happens.
#[derive(Clone, PartialEq, Eq)]
pub enum Step {
    /// A packet goes by.
    Packet(Packet),
    /// A packet goes by that was captured: its bytes.
    Frame(Vec<u8>),
    /// Nothing does.
    Pause(Duration),
    /// All that the store has is retired.
    Forget,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet(packet) => write!(f, "{packet:?}"),
            Self::Frame(bytes) => write!(f, "a captured packet of {} bytes", bytes.len()),
            Self::Pause(time) => write!(f, "pause {time:?}"),
            Self::Forget => f.write_str("forget"),
        }
    }
}

/// What happens, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script(pub Vec<Step>);

impl Script {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A packet goes by.
    pub fn send(&mut self, packet: Packet) -> &mut Self {
        self.0.push(Step::Packet(packet));
        self
    }

    /// So do several.
    pub fn send_all(&mut self, packets: impl IntoIterator<Item = Packet>) -> &mut Self {
        self.0.extend(packets.into_iter().map(Step::Packet));
        self
    }

    /// Nothing happens for some time.
    pub fn pause(&mut self, milliseconds: u64) -> &mut Self {
        self.0
            .push(Step::Pause(Duration::from_millis(milliseconds)));
        self
    }

    /// All that the store has is retired.
    pub fn forget(&mut self) -> &mut Self {
        self.0.push(Step::Forget);
        self
    }
}

/// Scripts that all come to the same.
pub struct Scenario {
    /// What happens, in one way or another.
    pub scripts: Vec<Script>,
    /// Panics unless that came out of it.
    pub check: Box<dyn Fn(&Seen)>,
}

impl Scenario {
    /// Just one script.
    pub fn new(script: Script, check: impl Fn(&Seen) + 'static) -> Self {
        Self::any(vec![script], check)
    }

    /// Several.
    pub fn any(scripts: Vec<Script>, check: impl Fn(&Seen) + 'static) -> Self {
        Self {
            scripts,
            check: Box::new(check),
        }
    }
}

/// Shows a script, should a test fail while this is there.
pub struct ShownOnPanic<'a>(pub &'a Script);

impl Drop for ShownOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the script was:");
            for (number, step) in (1..).zip(&self.0.0) {
                eprintln!("{number:4} {step:?}");
            }
        }
    }
}
