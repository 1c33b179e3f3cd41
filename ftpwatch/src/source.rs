//! Where news and truth come from.

pub mod kernel;
pub mod memory;
