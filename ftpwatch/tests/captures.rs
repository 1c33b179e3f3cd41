//! `ftpwatch read`: every format, damaged and whole, and what is found in captures of real traffic. Needs no root.
//!
//! What belongs here: that what is in a capture comes out of it. What it means is the engine's and the tracker's.

#[path = "captures/damage.rs"]
mod damage;
mod event;
#[path = "captures/formats.rs"]
mod formats;
#[path = "captures/frames.rs"]
mod frames;
#[path = "captures/known.rs"]
mod known;
#[path = "captures/losses.rs"]
mod losses;
#[path = "captures/memory.rs"]
mod memory;
#[path = "captures/mutated.rs"]
mod mutated;
pub mod packets;
#[path = "captures/pcap.rs"]
mod pcap;
#[path = "captures/pcapng.rs"]
mod pcapng;
#[path = "captures/reading.rs"]
mod reading;
#[path = "captures/story.rs"]
mod story;
#[path = "captures/streamed.rs"]
mod streamed;
#[path = "captures/times.rs"]
mod times;
#[path = "captures/usage.rs"]
mod usage;
#[path = "captures/vantage.rs"]
mod vantage;
