//! Connections that talk to each other.

mod pair;
pub(super) mod side;
mod talk;
