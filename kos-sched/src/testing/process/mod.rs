//! Process tables beside a naive model: the body of the fuzz target `process_ops`.

mod env;
mod kernel;
mod model;
mod run;

pub use env::env_block;
pub use kernel::{FakeExt, FakeKernel, Refused};
pub use run::process_ops;
