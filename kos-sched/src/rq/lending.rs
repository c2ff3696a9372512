//! A task that runs for a while under a policy that is not its own: [`RunQueue::lend`], [`restore`](RunQueue::restore).
//!
//! What its own class said of it (lag, budget, place in a period) is kept beside, and holds again afterwards as if the task
//! had slept meanwhile. So nobody loses or gains a share by what is lent to him, and nobody is asked for admission: the time
//! is that of those who wait.

use super::{QueueError, RunQueue};
use crate::class::{ClassSet, Dequeue, Enqueue, Verdict};
use crate::task::node::Node;
use crate::task::{Policy, TaskIndex};
use crate::time::Instant;

impl<C: ClassSet> RunQueue<'_, C> {
    /// Lets `task`, which may run, wait or sleep, be scheduled by `policy`; a current one runs on. Returns what
    /// [`restore`](Self::restore) takes, and whether to pick again.
    ///
    /// # Errors
    /// As [`set_attr`](Self::set_attr), without admission.
    pub(crate) fn lend(
        &mut self,
        task: TaskIndex,
        policy: Policy,
        now: Instant,
    ) -> Result<(Node, Verdict), QueueError> {
        let class = self.class_for(&policy)?;
        self.own(task)?;
        self.update(now);
        self.withdraw(task, Dequeue::Change);
        let nodes = self.key.nodes();
        let node = nodes.get_mut(task).ok_or(QueueError::Foreign)?;
        let own = *node;
        *node = Node { class, standing: own.standing, ..Node::NEW };
        Ok((own, self.rejoin(task, class, Some(&policy), Enqueue::New)))
    }

    /// Lets `task` be what `own` says again. Says whether to pick again.
    ///
    /// # Errors
    /// [`QueueError::Foreign`] if another queue has it.
    pub(crate) fn restore(
        &mut self,
        task: TaskIndex,
        own: &Node,
        now: Instant,
    ) -> Result<Verdict, QueueError> {
        self.own(task)?;
        self.update(now);
        self.withdraw(task, Dequeue::Change);
        let nodes = self.key.nodes();
        let node = nodes.get_mut(task).ok_or(QueueError::Foreign)?;
        *node = Node { links: Node::NEW.links, rank: Node::NEW.rank, standing: node.standing, ..*own };
        let verdict = self.rejoin(task, own.class, None, Enqueue::Wake);
        Ok(if self.current() == Some(task) { self.ask_for_pick() } else { verdict })
    }
}
