//! Where news and truth come from.

pub mod capture;
pub mod kernel;
pub mod memory;
