//! Containers of nodes, linked by index: nothing is allocated, and no operation panics.
//!
//! | container | order | cost |
//! |---|---|---|
//! | [`List`] | first in, first out | O(1) |
//! | [`Levels`] | by level, then first in, first out | O(1) |
//! | [`Tree`] | by an [`Order`], with a summary of each subtree | O(log n), ends O(1) |
//!
//! A container holds no reference to the arena: each operation takes the [`Nodes`] of the queue. A node is in
//! one container at a time. Who breaks that, in a class of his own, gets wrong answers from his class and nothing worse.

mod levels;
mod list;
mod tree;

use crate::task::node::Link;
use crate::task::{Node, Nodes, TaskIndex};

pub use levels::Levels;
pub use list::List;
pub use tree::{Order, Tree};

impl Nodes<'_> {
    /// The node that `link` leads to.
    #[inline]
    fn at(&self, link: Link) -> Option<&Node> {
        self.get(TaskIndex::new(link.raw()))
    }

    #[inline]
    fn at_mut(&mut self, link: Link) -> Option<&mut Node> {
        self.get_mut(TaskIndex::new(link.raw()))
    }
}
