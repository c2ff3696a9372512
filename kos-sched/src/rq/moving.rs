//! Tasks that come, go and change: [`RunQueue::admit`], [`attach`](RunQueue::attach), [`detach`](RunQueue::detach),
//! [`remove`](RunQueue::remove), [`set_attr`](RunQueue::set_attr).

use super::{AttachError, Current, QueueError, RunQueue};
use crate::class::{ClassSet, Dequeue, Dequeued, Enqueue, Verdict};
use crate::error::AttrError;
use crate::task::node::{Node, Standing};
use crate::task::{Detached, Policy, TaskIndex};
use crate::time::Instant;

impl<'s, C: ClassSet> RunQueue<'s, C> {
    /// Takes in a task under `policy`, runnable: a new one, or one that changes its class on the way. Says whether to pick again.
    ///
    /// # Errors
    /// The task, with what stands against the policy.
    pub fn admit(
        &mut self,
        task: Detached<'s>,
        policy: Policy,
        now: Instant,
    ) -> Result<Verdict, AttachError<'s>> {
        match self.class_for(&policy) {
            Ok(class) => self.take_in(task, class, Some(&policy), now),
            Err(error) => Err(AttachError { task, why: error.into() }),
        }
    }

    /// Takes in a task that another queue had, runnable, as it is. Says whether to pick again.
    ///
    /// # Errors
    /// The task, with what stands against it: a class that this queue has not, or bandwidth.
    pub fn attach(&mut self, task: Detached<'s>, now: Instant) -> Result<Verdict, AttachError<'s>> {
        let class = task.node().class;
        self.take_in(task, class, None, now)
    }

    /// Takes in a task as [`attach`](Self::attach) does, whatever its class says to it: no other queue can have it.
    pub(crate) fn attach_anyway(&mut self, task: Detached<'s>, now: Instant) -> Verdict {
        self.update(now);
        let class = task.node().class;
        let Ok(task) = self.key.attach(task, |_, _| Ok::<(), AttrError>(())) else { return Verdict::Keep };
        self.stats.attached = self.stats.attached.wrapping_add(1);
        let _ = self.classes.join(class, self.key.nodes(), task, None);
        self.make_runnable(task, class, Enqueue::Migrate)
    }

    /// Takes `task` out if it wants to run and does not, to move it by name.
    pub(crate) fn remove_runnable(&mut self, task: TaskIndex, now: Instant) -> Option<Detached<'s>> {
        let waits = self.runnable_class(task).is_ok() && self.current() != Some(task);
        if waits { self.remove(task, now).ok() } else { None }
    }

    /// Takes in a task that sleeps, as it is. Says who may wake it.
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    pub fn attach_asleep(&mut self, task: Detached<'s>, now: Instant) -> Result<Dequeued, AttachError<'s>> {
        let class = task.node().class;
        let (task, kept) = self.join(task, class, None, now)?;
        Self::fall_asleep(self.key.nodes(), task, kept);
        Ok(kept)
    }

    /// Takes in a task that sleeps, whatever its class says to it: no other queue can have it.
    pub(crate) fn attach_asleep_anyway(&mut self, task: Detached<'s>, now: Instant) {
        self.update(now);
        let class = task.node().class;
        let Ok(task) = self.key.attach(task, |_, _| Ok::<(), AttrError>(())) else { return };
        self.stats.attached = self.stats.attached.wrapping_add(1);
        let nodes = self.key.nodes();
        let kept = self.classes.join(class, nodes, task, None);
        Self::fall_asleep(nodes, task, kept);
    }

    /// The policy with which its class has to admit `task`, as `node` says it, or else its own; [`None`] if there is always
    /// room, or the task is not here.
    pub(crate) fn reserved(&self, task: TaskIndex, node: Option<&Node>) -> Option<Policy> {
        let view = self.key.view();
        let node = node.or_else(|| view.get(task))?;
        self.classes.reserved(node.class, node)
    }

    /// Whether a task from elsewhere could have `policy` here now.
    ///
    /// # Errors
    /// What stands against it.
    pub(crate) fn admits(&self, task: TaskIndex, policy: &Policy) -> Result<(), AttrError> {
        self.classes.admit(self.class_for(policy)?, self.key.view(), task, Some(policy), false)
    }

    /// Takes out a runnable task that is not current and for which `allowed` says so, for another CPU. The highest class that has one
    /// gives it. `allowed` is asked a bounded number of times.
    pub fn detach(
        &mut self,
        allowed: &mut dyn FnMut(TaskIndex) -> bool,
        now: Instant,
    ) -> Option<Detached<'s>> {
        self.update(now);
        let current = self.current();
        let view = self.key.view();
        let mut waits = |task| {
            Some(task) != current
                && view.get(task).is_some_and(|node| node.standing == Standing::Runnable)
                && allowed(task)
        };
        let task = self.classes.steal(view, &mut waits)?;
        self.remove(task, now).ok()
    }

    /// Takes `task` out, whether it runs, waits or sleeps: to end it, or to move it by name. If it was current, nobody is.
    ///
    /// # Errors
    /// [`QueueError::Foreign`] if another queue has it, or it is detached.
    pub fn remove(&mut self, task: TaskIndex, now: Instant) -> Result<Detached<'s>, QueueError> {
        self.own(task)?;
        self.update(now);
        self.withdraw(task, Dequeue::Leave);
        self.forget_current(task);
        let nodes = self.key.nodes();
        let node = nodes.get_mut(task).ok_or(QueueError::Foreign)?;
        if node.standing == Standing::Runnable {
            self.runnable = self.runnable.saturating_sub(1);
        }
        node.standing = Standing::Out;
        self.stats.detached = self.stats.detached.wrapping_add(1);
        self.key.detach(task).ok_or(QueueError::Foreign)
    }

    /// Gives `task`, which may run, wait or sleep, another policy. Says whether to pick again.
    ///
    /// # Errors
    /// [`QueueError::Foreign`] if another queue has it, or it is detached; [`QueueError::Attr`] with what stands against it.
    pub fn set_attr(&mut self, task: TaskIndex, policy: Policy, now: Instant) -> Result<Verdict, QueueError> {
        let class = self.class_for(&policy)?;
        self.own(task)?;
        self.update(now);
        let view = self.key.view();
        let &Node { class: old, standing, .. } = view.get(task).ok_or(QueueError::Foreign)?;
        let member = class == old && standing != Standing::Out;
        if let Err(error) = self.classes.admit(class, view, task, Some(&policy), member) {
            if standing == Standing::Out {
                self.key.nodes().release(task);
            }
            return Err(error.into());
        }
        self.withdraw(task, Dequeue::Change);
        self.reset(task, class);
        let why = if class == old { Enqueue::Change } else { Enqueue::New };
        let verdict = self.rejoin(task, class, Some(&policy), why);
        Ok(if self.current() == Some(task) { self.ask_for_pick() } else { verdict })
    }

    pub(super) fn class_for(&self, policy: &Policy) -> Result<u8, AttrError> {
        policy.validate()?;
        self.classes.class_of(policy).ok_or(AttrError::NoClass)
    }

    /// Takes a task in and makes it runnable.
    fn take_in(
        &mut self,
        task: Detached<'s>,
        class: u8,
        policy: Option<&Policy>,
        now: Instant,
    ) -> Result<Verdict, AttachError<'s>> {
        let (task, _) = self.join(task, class, policy, now)?;
        let why = if policy.is_some() { Enqueue::New } else { Enqueue::Migrate };
        Ok(self.make_runnable(task, class, why))
    }

    fn make_runnable(&mut self, task: TaskIndex, class: u8, why: Enqueue) -> Verdict {
        let nodes = self.key.nodes();
        if let Some(node) = nodes.get_mut(task) {
            node.standing = Standing::Runnable;
        }
        self.classes.enqueue(class, nodes, task, why, self.clock);
        self.runnable = self.runnable.saturating_add(1);
        self.after_enqueue(task, class)
    }

    /// Lets `task`, which was withdrawn, be in `class` what it was before: asleep, waiting or current.
    pub(super) fn rejoin(
        &mut self,
        task: TaskIndex,
        class: u8,
        policy: Option<&Policy>,
        why: Enqueue,
    ) -> Verdict {
        let nodes = self.key.nodes();
        let runnable = nodes.get(task).is_some_and(|node| node.standing == Standing::Runnable);
        let kept = self.classes.join(class, nodes, task, policy);
        if !runnable {
            Self::fall_asleep(nodes, task, kept);
            return self.pending;
        }
        self.classes.enqueue(class, nodes, task, why, self.clock);
        if self.current.is_none_or(|current| current.task != task) {
            return self.after_enqueue(task, class);
        }
        self.classes.set_current(class, nodes, task, self.clock);
        self.current = Some(Current { task, class });
        self.pending
    }

    /// Takes a task in, asleep.
    fn join(
        &mut self,
        task: Detached<'s>,
        class: u8,
        policy: Option<&Policy>,
        now: Instant,
    ) -> Result<(TaskIndex, Dequeued), AttachError<'s>> {
        self.update(now);
        let Self { key, classes, .. } = self;
        let task = match key.attach(task, |n, task| classes.admit(class, n, task, policy, false)) {
            Ok(task) => task,
            Err((task, why)) => {
                return Err(AttachError { task, why: why.map_or(QueueError::Foreign, QueueError::Attr) });
            }
        };
        if policy.is_some() {
            self.reset(task, class);
        }
        self.stats.attached = self.stats.attached.wrapping_add(1);
        Ok((task, self.classes.join(class, self.key.nodes(), task, policy)))
    }

    /// Takes `task` out of the class that has it, if one has.
    pub(super) fn withdraw(&mut self, task: TaskIndex, why: Dequeue) {
        let nodes = self.key.nodes();
        let Some(&Node { class, standing, .. }) = nodes.get(task) else { return };
        if standing != Standing::Out {
            let _ = self.classes.dequeue(class, nodes, task, why, self.clock);
            self.classes.leave(class, nodes, task);
        }
    }

    /// Readies the node of `task` for `class`: what another class left there means nothing to it.
    fn reset(&mut self, task: TaskIndex, class: u8) {
        let nodes = self.key.nodes();
        let Some(node) = nodes.get_mut(task) else { return };
        if node.class != class {
            *node = Node { class, standing: node.standing, ..Node::NEW };
        }
    }
}
