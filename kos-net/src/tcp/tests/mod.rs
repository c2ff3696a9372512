//! Connections that talk to each other.

mod pair;
mod side;
mod talk;
