//! Carries decisions out: stacks, switches, futures.

mod stack;

pub use stack::{StackOverflow, TaskStack};
