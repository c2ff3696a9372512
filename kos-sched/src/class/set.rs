//! [`ClassSet`]: an ordered tuple of classes, `(A, (B, (C, ())))`, resolved while compiling. The position is the priority.
//!
//! Each method finds the class by position and passes the call on; a position beyond the end is answered as by a class without
//! tasks.

use super::{Dequeue, Dequeued, Enqueue, Load, SchedClass, Verdict, earlier};
use crate::error::{AttrError, Corruption};
use crate::task::{Node, Nodes, Policy, TaskIndex};
use crate::time::{Duration, Instant};

/// Classes in the order in which they are asked. Implemented by tuples; the methods are those of [`SchedClass`] behind a position.
#[expect(
    missing_docs,
    reason = "the methods are those of SchedClass, with the position of the class in front"
)]
pub trait ClassSet {
    /// The position of the class for `policy`.
    fn class_of(&self, policy: &Policy) -> Option<u8>;
    /// Whether there is a class at `class`.
    fn has(&self, class: u8) -> bool;
    /// # Errors
    /// Also [`AttrError::NoClass`].
    fn admit(
        &self,
        class: u8,
        n: &Nodes<'_>,
        task: TaskIndex,
        policy: Option<&Policy>,
        member: bool,
    ) -> Result<(), AttrError>;
    fn reserved(&self, class: u8, node: &Node) -> Option<Policy>;
    fn join(&mut self, class: u8, n: &mut Nodes<'_>, task: TaskIndex, policy: Option<&Policy>) -> Dequeued;
    fn leave(&mut self, class: u8, n: &mut Nodes<'_>, task: TaskIndex);
    fn enqueue(&mut self, class: u8, n: &mut Nodes<'_>, task: TaskIndex, why: Enqueue, now: Instant);
    fn dequeue(
        &mut self,
        class: u8,
        n: &mut Nodes<'_>,
        task: TaskIndex,
        why: Dequeue,
        now: Instant,
    ) -> Dequeued;
    /// Picks from the first class that has a task, makes it current, and says its position.
    fn take(&mut self, n: &mut Nodes<'_>, now: Instant) -> Option<(u8, TaskIndex)>;
    /// Makes `task` of `class` current, if nobody of a class before wants to run and its class lets it go first.
    fn take_first(&mut self, class: u8, n: &mut Nodes<'_>, task: TaskIndex, now: Instant) -> bool;
    fn set_current(&mut self, class: u8, n: &mut Nodes<'_>, task: TaskIndex, now: Instant);
    fn put_previous(&mut self, class: u8, n: &mut Nodes<'_>, task: TaskIndex, now: Instant);
    fn charge(
        &mut self,
        class: u8,
        n: &mut Nodes<'_>,
        task: TaskIndex,
        ran: Duration,
        now: Instant,
    ) -> Verdict;
    fn yield_current(&mut self, class: u8, n: &mut Nodes<'_>, task: TaskIndex, now: Instant);
    fn preempts(&self, class: u8, n: &Nodes<'_>, task: TaskIndex, current: TaskIndex) -> bool;
    /// Of all classes. Says the first position where a task came back.
    fn advance(&mut self, n: &mut Nodes<'_>, now: Instant) -> Option<u8>;
    /// The earliest of all classes; `current` with its position.
    fn next_event(&self, n: &Nodes<'_>, current: Option<(u8, TaskIndex)>, now: Instant) -> Option<Instant>;
    /// From the first class that has a task to give.
    fn steal(&self, n: &Nodes<'_>, allowed: &mut dyn FnMut(TaskIndex) -> bool) -> Option<TaskIndex>;
    /// Of all classes together.
    fn load(&self) -> Load;
    /// Of all classes together.
    ///
    /// # Errors
    /// The first thing that is wrong.
    fn check(&self, n: &Nodes<'_>) -> Result<usize, Corruption>;
}

impl<A: SchedClass, B: ClassSet> ClassSet for (A, B) {
    fn class_of(&self, policy: &Policy) -> Option<u8> {
        if self.0.accepts(policy) { Some(0) } else { self.1.class_of(policy)?.checked_add(1) }
    }

    fn has(&self, class: u8) -> bool {
        class.checked_sub(1).is_none_or(|class| self.1.has(class))
    }

    fn admit(
        &self,
        class: u8,
        n: &Nodes<'_>,
        task: TaskIndex,
        policy: Option<&Policy>,
        member: bool,
    ) -> Result<(), AttrError> {
        match class.checked_sub(1) {
            None => self.0.admit(n, task, policy, member),
            Some(class) => self.1.admit(class, n, task, policy, member),
        }
    }

    fn reserved(&self, class: u8, node: &Node) -> Option<Policy> {
        match class.checked_sub(1) {
            None => self.0.reserved(node),
            Some(class) => self.1.reserved(class, node),
        }
    }

    fn join(&mut self, class: u8, n: &mut Nodes<'_>, task: TaskIndex, policy: Option<&Policy>) -> Dequeued {
        match class.checked_sub(1) {
            None => self.0.join(n, task, policy),
            Some(class) => self.1.join(class, n, task, policy),
        }
    }

    fn leave(&mut self, class: u8, n: &mut Nodes<'_>, task: TaskIndex) {
        match class.checked_sub(1) {
            None => self.0.leave(n, task),
            Some(class) => self.1.leave(class, n, task),
        }
    }

    #[inline]
    fn enqueue(&mut self, class: u8, n: &mut Nodes<'_>, task: TaskIndex, why: Enqueue, now: Instant) {
        match class.checked_sub(1) {
            None => self.0.enqueue(n, task, why, now),
            Some(class) => self.1.enqueue(class, n, task, why, now),
        }
    }

    #[inline]
    fn dequeue(
        &mut self,
        class: u8,
        n: &mut Nodes<'_>,
        task: TaskIndex,
        why: Dequeue,
        now: Instant,
    ) -> Dequeued {
        match class.checked_sub(1) {
            None => self.0.dequeue(n, task, why, now),
            Some(class) => self.1.dequeue(class, n, task, why, now),
        }
    }

    #[inline]
    fn take(&mut self, n: &mut Nodes<'_>, now: Instant) -> Option<(u8, TaskIndex)> {
        if let Some(task) = self.0.pick(n, now) {
            self.0.set_current(n, task, now);
            return Some((0, task));
        }
        let (class, task) = self.1.take(n, now)?;
        Some((class.checked_add(1)?, task))
    }

    fn take_first(&mut self, class: u8, n: &mut Nodes<'_>, task: TaskIndex, now: Instant) -> bool {
        if let Some(class) = class.checked_sub(1) {
            return self.0.pick(n, now).is_none() && self.1.take_first(class, n, task, now);
        }
        let first = self.0.may_go_first(n, task);
        if first {
            self.0.set_current(n, task, now);
        }
        first
    }

    #[inline]
    fn set_current(&mut self, class: u8, n: &mut Nodes<'_>, task: TaskIndex, now: Instant) {
        match class.checked_sub(1) {
            None => self.0.set_current(n, task, now),
            Some(class) => self.1.set_current(class, n, task, now),
        }
    }

    #[inline]
    fn put_previous(&mut self, class: u8, n: &mut Nodes<'_>, task: TaskIndex, now: Instant) {
        match class.checked_sub(1) {
            None => self.0.put_previous(n, task, now),
            Some(class) => self.1.put_previous(class, n, task, now),
        }
    }

    #[inline]
    fn charge(
        &mut self,
        class: u8,
        n: &mut Nodes<'_>,
        task: TaskIndex,
        ran: Duration,
        now: Instant,
    ) -> Verdict {
        match class.checked_sub(1) {
            None => self.0.charge(n, task, ran, now),
            Some(class) => self.1.charge(class, n, task, ran, now),
        }
    }

    #[inline]
    fn yield_current(&mut self, class: u8, n: &mut Nodes<'_>, task: TaskIndex, now: Instant) {
        match class.checked_sub(1) {
            None => self.0.yield_current(n, task, now),
            Some(class) => self.1.yield_current(class, n, task, now),
        }
    }

    #[inline]
    fn preempts(&self, class: u8, n: &Nodes<'_>, task: TaskIndex, current: TaskIndex) -> bool {
        match class.checked_sub(1) {
            None => self.0.preempts(n, task, current),
            Some(class) => self.1.preempts(class, n, task, current),
        }
    }

    #[inline]
    fn advance(&mut self, n: &mut Nodes<'_>, now: Instant) -> Option<u8> {
        let first = self.0.advance(n, now);
        let rest = self.1.advance(n, now);
        if first { Some(0) } else { rest?.checked_add(1) }
    }

    #[inline]
    fn next_event(&self, n: &Nodes<'_>, current: Option<(u8, TaskIndex)>, now: Instant) -> Option<Instant> {
        let here = current.filter(|&(class, _)| class == 0).map(|(_, task)| task);
        let there = current.and_then(|(class, task)| Some((class.checked_sub(1)?, task)));
        earlier(self.0.next_event(n, here, now), self.1.next_event(n, there, now))
    }

    fn steal(&self, n: &Nodes<'_>, allowed: &mut dyn FnMut(TaskIndex) -> bool) -> Option<TaskIndex> {
        self.0.steal(n, allowed).or_else(|| self.1.steal(n, allowed))
    }

    fn load(&self) -> Load {
        self.0.load().and(self.1.load())
    }

    fn check(&self, n: &Nodes<'_>) -> Result<usize, Corruption> {
        Ok(self.0.check(n)?.saturating_add(self.1.check(n)?))
    }
}

impl ClassSet for () {
    fn class_of(&self, _: &Policy) -> Option<u8> {
        None
    }

    fn has(&self, _: u8) -> bool {
        false
    }

    fn admit(
        &self,
        _: u8,
        _: &Nodes<'_>,
        _: TaskIndex,
        _: Option<&Policy>,
        _: bool,
    ) -> Result<(), AttrError> {
        Err(AttrError::NoClass)
    }

    fn reserved(&self, _: u8, _: &Node) -> Option<Policy> {
        None
    }

    fn join(&mut self, _: u8, _: &mut Nodes<'_>, _: TaskIndex, _: Option<&Policy>) -> Dequeued {
        Dequeued::Done
    }

    fn leave(&mut self, _: u8, _: &mut Nodes<'_>, _: TaskIndex) {}

    fn enqueue(&mut self, _: u8, _: &mut Nodes<'_>, _: TaskIndex, _: Enqueue, _: Instant) {}

    fn dequeue(&mut self, _: u8, _: &mut Nodes<'_>, _: TaskIndex, _: Dequeue, _: Instant) -> Dequeued {
        Dequeued::Done
    }

    fn take(&mut self, _: &mut Nodes<'_>, _: Instant) -> Option<(u8, TaskIndex)> {
        None
    }

    fn take_first(&mut self, _: u8, _: &mut Nodes<'_>, _: TaskIndex, _: Instant) -> bool {
        false
    }

    fn set_current(&mut self, _: u8, _: &mut Nodes<'_>, _: TaskIndex, _: Instant) {}

    fn put_previous(&mut self, _: u8, _: &mut Nodes<'_>, _: TaskIndex, _: Instant) {}

    fn charge(&mut self, _: u8, _: &mut Nodes<'_>, _: TaskIndex, _: Duration, _: Instant) -> Verdict {
        Verdict::Keep
    }

    fn yield_current(&mut self, _: u8, _: &mut Nodes<'_>, _: TaskIndex, _: Instant) {}

    fn preempts(&self, _: u8, _: &Nodes<'_>, _: TaskIndex, _: TaskIndex) -> bool {
        false
    }

    fn advance(&mut self, _: &mut Nodes<'_>, _: Instant) -> Option<u8> {
        None
    }

    fn next_event(&self, _: &Nodes<'_>, _: Option<(u8, TaskIndex)>, _: Instant) -> Option<Instant> {
        None
    }

    fn steal(&self, _: &Nodes<'_>, _: &mut dyn FnMut(TaskIndex) -> bool) -> Option<TaskIndex> {
        None
    }

    fn load(&self) -> Load {
        Load::default()
    }

    fn check(&self, _: &Nodes<'_>) -> Result<usize, Corruption> {
        Ok(0)
    }
}
