//! [`FreeSlots`]: the slots without a task. It is a queue of the arena like any other, so it needs no memory of its own.

use core::convert::Infallible;

use super::arena::{Detached, Ownership};
use super::id::TaskIndex;
use super::node::Node;
use crate::ds::List;

/// The slots without a task, longest free first. Keep it under the lock that spawns and reaps.
#[derive(Debug)]
pub struct FreeSlots<'s> {
    key: Ownership<'s>,
    list: List,
    count: u32,
}

impl<'s> FreeSlots<'s> {
    pub(super) fn new(mut key: Ownership<'s>) -> Self {
        let mut list = List::new();
        let nodes = key.nodes();
        let mut count = 0;
        while nodes.owns(TaskIndex::new(count)) {
            list.push_back(nodes, TaskIndex::new(count));
            count += 1;
        }
        Self { key, list, count }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// A slot for a new task. [`None`] if all are taken.
    #[must_use]
    pub fn take(&mut self) -> Option<Detached<'s>> {
        let task = self.list.pop_front(self.key.nodes())?;
        self.count -= 1;
        let mut node = self.key.detach(task)?;
        *node.node_mut() = Node::NEW;
        Some(node)
    }

    /// Takes the slot of a task that is gone; its id is stale from here on.
    ///
    /// # Errors
    /// Gives a slot of another arena back.
    pub fn give(&mut self, node: Detached<'s>) -> Result<(), Detached<'s>> {
        let task = match self.key.attach(node, |_, _| Ok::<(), Infallible>(())) {
            Ok(task) => task,
            Err((node, _)) => return Err(node),
        };
        self.put(task);
        Ok(())
    }

    /// Takes the slot of a task that is gone and that nobody has; false if somebody has it.
    pub(crate) fn reclaim(&mut self, task: TaskIndex) -> bool {
        let claimed = self.key.nodes().claim(task);
        if claimed {
            self.put(task);
        }
        claimed
    }

    fn put(&mut self, task: TaskIndex) {
        self.key.retire(task);
        self.list.push_back(self.key.nodes(), task);
        self.count += 1;
    }
}
