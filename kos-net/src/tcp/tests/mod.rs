//! Connections that talk to each other.

mod faults;
mod pair;
mod random;
pub(crate) mod side;
mod talk;
