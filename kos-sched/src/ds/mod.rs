//! Containers of nodes, linked by index: nothing is allocated, and no operation panics.
//!
//! A container holds no reference to the arena: each operation takes the [`Nodes`](crate::task::Nodes) of the queue. A node is in
//! one container at a time. Who breaks that, in a class of his own, gets wrong answers from his class and nothing worse.

mod levels;
mod list;

pub use levels::Levels;
pub use list::List;
