//! Connections that talk to each other.

mod pair;
pub(crate) mod side;
mod talk;
