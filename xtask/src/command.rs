//! The chores, one file each.

mod bench;
mod build;
mod ci;
mod demo;
mod deny;
mod docs;
mod fuzz;
mod run;
mod setup;
mod soak;
mod test;
mod verifier;

pub use bench::{bench, read as bench_read, traffic};
pub use build::build;
pub use ci::ci;
pub use demo::demo;
pub use deny::deny;
pub use docs::docs;
pub use fuzz::fuzz;
pub use run::run;
pub use setup::setup;
pub use soak::soak;
pub use test::test;
pub use verifier::verifier;
