//! The queue under test, and the step that compares it with the model.

use super::model::{Model, Place};
use super::ops::PolicyOp;
use crate::class::{Deadline, Fair, Idle, Rt, Stop};
use crate::task::{Arena, FreeSlots, Slot, TaskIndex};
use crate::{AttrError, Instant, Policy, QueueError, RunQueue};

/// The classes that the model knows.
pub type Classes = (Stop, (Deadline, (Rt, (Fair, (Idle, ())))));

/// The queue and its free slots.
#[derive(Debug)]
pub struct Subject<'s> {
    /// The queue.
    pub queue: RunQueue<'s, Classes>,
    free: FreeSlots<'s>,
}

fn is_refusal(error: QueueError) -> bool {
    matches!(error, QueueError::Attr(AttrError::Admission { .. }))
}

fn index(task: u32) -> (TaskIndex, usize) {
    (TaskIndex::new(task), TaskIndex::new(task).as_usize())
}

impl<'s> Subject<'s> {
    /// A queue over `slots`.
    ///
    /// # Panics
    /// Never: an arena has an id for its first queue.
    #[expect(clippy::expect_used, reason = "a new arena has ids")]
    pub fn new(slots: &'s mut [Slot]) -> Self {
        let (arena, free) = Arena::new(slots);
        let key = arena.queue().expect("the first id");
        let classes = (Stop::new(), (Deadline::new(), (Rt::new(), (Fair::new(), (Idle::new(), ())))));
        Self { queue: RunQueue::new(key, classes), free }
    }

    /// Does `op` here and in `model`.
    ///
    /// # Panics
    /// If an answer differs or the queue is corrupt.
    pub fn step(&mut self, model: &mut Model, op: &PolicyOp, ticks: u64) {
        let now = Instant::from_ticks(ticks);
        match *op {
            PolicyOp::Admit(policy) => self.admit(model, policy, now),
            PolicyOp::Enqueue(task) => self.enqueue(model, task, now),
            PolicyOp::Dequeue(task) => self.dequeue(model, task, now),
            PolicyOp::Block => {
                if let Some(current) = self.queue.current() {
                    self.dequeue(model, current.get(), now);
                }
            }
            PolicyOp::Pick => {
                let expected = model.pick(ticks);
                assert_eq!(self.queue.pick(now).map(TaskIndex::as_usize), expected, "pick");
            }
            PolicyOp::PutPrevious => {
                self.queue.put_previous(now);
                model.put_previous(ticks);
            }
            PolicyOp::Charge => assert_eq!(self.queue.charge(now), model.charge(ticks), "charge"),
            PolicyOp::Yield => assert_eq!(self.queue.yield_current(now).ok(), model.yield_current(ticks)),
            PolicyOp::SetAttr(task, policy) => self.set_attr(model, task, policy, now),
            PolicyOp::Migrate(task) => self.migrate(model, task, now),
            PolicyOp::Steal(from) => self.steal(model, from, now),
            PolicyOp::Remove(task) => self.remove(model, task, now),
        }
        self.compare(model);
    }

    fn compare(&self, model: &Model) {
        if let Err(corruption) = self.queue.check() {
            panic!("{corruption}");
        }
        assert_eq!(self.queue.current().map(TaskIndex::as_usize), model.current(), "current");
        let load = self.queue.load();
        assert_eq!(load.runnable as usize, model.runnable(), "runnable");
        assert_eq!(load.throttled as usize, model.throttled(), "throttled");
        assert_eq!(u128::from(load.bandwidth), model.bandwidth(), "bandwidth");
        assert_eq!(self.queue.next_event(), model.next_event(), "next event");
    }

    fn admit(&mut self, model: &mut Model, policy: Policy, now: Instant) {
        let Some(task) = self.free.take() else { return };
        let slot = task.index().as_usize();
        assert_eq!(model.place(slot), Some(Place::Free));
        let admitted = model.admits(slot, &policy);
        match self.queue.admit(task, policy, now) {
            Ok(verdict) => {
                assert!(admitted, "{policy:?} does not fit");
                assert_eq!(verdict, model.admit(slot, policy, now.as_ticks()), "admit");
            }
            Err(error) => {
                assert!(!admitted && is_refusal(error.why), "{error}");
                model.tell(now.as_ticks());
                assert!(self.free.give(error.task).is_ok());
            }
        }
    }

    fn enqueue(&mut self, model: &mut Model, task: u32, now: Instant) {
        let (task, slot) = index(task);
        let expected = match model.place(slot) {
            None | Some(Place::Free) => Err(QueueError::Foreign),
            Some(Place::Runnable) => {
                model.tell(now.as_ticks());
                Err(QueueError::Runnable)
            }
            Some(_) => Ok(model.enqueue(slot, now.as_ticks())),
        };
        assert_eq!(self.queue.enqueue(task, now), expected, "enqueue");
    }

    fn dequeue(&mut self, model: &mut Model, task: u32, now: Instant) {
        let (task, slot) = index(task);
        let expected = match model.place(slot) {
            None | Some(Place::Free | Place::Loose) => Err(QueueError::Foreign),
            Some(Place::Kept) => Err(QueueError::Asleep),
            Some(Place::Runnable) => Ok(model.dequeue(slot, now.as_ticks())),
        };
        assert_eq!(self.queue.dequeue(task, now), expected, "dequeue");
    }

    fn set_attr(&mut self, model: &mut Model, task: u32, policy: Policy, now: Instant) {
        let (task, slot) = index(task);
        let expected = match model.place(slot) {
            None | Some(Place::Free) => Err(QueueError::Foreign),
            Some(_) if !model.admits(slot, &policy) => {
                model.tell(now.as_ticks());
                assert!(self.queue.set_attr(task, policy, now).is_err_and(is_refusal), "set_attr");
                return;
            }
            Some(_) => Ok(model.set_attr(slot, policy, now.as_ticks())),
        };
        assert_eq!(self.queue.set_attr(task, policy, now), expected, "set_attr");
    }

    fn migrate(&mut self, model: &mut Model, task: u32, now: Instant) {
        let (task, slot) = index(task);
        if model.place(slot) != Some(Place::Runnable) {
            return;
        }
        let expected = model.migrate(slot, now.as_ticks());
        let verdict = self.queue.remove(task, now).ok().map(|token| self.queue.attach(token, now));
        assert!(matches!(verdict, Some(Ok(verdict)) if verdict == expected), "{verdict:?}, not {expected:?}");
    }

    /// The queue decides whom it gives; it must be one that waits and is allowed.
    fn steal(&mut self, model: &mut Model, from: u32, now: Instant) {
        model.tell(now.as_ticks());
        let waits = |slot: usize| model.place(slot) == Some(Place::Runnable) && model.current() != Some(slot);
        let Some(token) = self.queue.detach(&mut |task| task.get() >= from, now) else { return };
        let slot = token.index().as_usize();
        assert!(waits(slot) && token.index().get() >= from, "gave {slot} away");
        let expected = model.migrate(slot, now.as_ticks());
        assert_eq!(self.queue.attach(token, now).ok(), Some(expected), "attach");
    }

    fn remove(&mut self, model: &mut Model, task: u32, now: Instant) {
        let (task, slot) = index(task);
        let known = !matches!(model.place(slot), None | Some(Place::Free));
        match self.queue.remove(task, now) {
            Ok(token) => {
                assert!(known, "there is no task {slot}");
                model.remove(slot, now.as_ticks());
                assert!(self.free.give(token).is_ok());
            }
            Err(error) => assert!(!known && error == QueueError::Foreign),
        }
    }
}
