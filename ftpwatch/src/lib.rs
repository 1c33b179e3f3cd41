//! ftpwatch's user half, as a library for the binary, the tests and the tools around them.
//!
//! The way of a finding: [`source`] (the kernel's maps and ring) → [`tracker`] (events and time in,
//! outcomes out, no I/O) and [`history`] (what many sessions taught) → [`diagnose`] (outcome → cause and advice)
//! → [`report`] → [`output`].

pub mod address;
pub mod alarms;
pub mod attacher;
pub mod balance;
pub mod cli;
pub mod clock;
pub mod config;
pub mod diagnose;
pub mod doctor;
pub mod error;
pub mod escape;
pub mod explain;
pub mod firewalls;
pub mod health;
pub mod history;
pub mod host;
pub mod manual;
pub mod metrics;
pub mod output;
pub mod pins;
pub mod probe;
pub mod read;
pub mod report;
pub mod sandbox;
pub mod servers;
pub mod source;
pub mod tracker;
pub mod vantage;
pub mod watch;
