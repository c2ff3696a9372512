//! What a queue does with right and wrong indexes; order within classes is the models' affair.

use super::{QueueError, RunQueue};
use crate::class::{Dequeued, Idle, Rt, Stop, Verdict};
use crate::error::AttrError;
use crate::task::{Arena, FreeSlots, Slot, TaskId, TaskIndex};
use crate::{Duration, Instant, Policy, RtPriority};

type Classes = (Stop, (Rt, (Idle, ())));

fn classes() -> Classes {
    (Stop::new(), (Rt::new(), (Idle::new(), ())))
}

fn at(ticks: u64) -> Instant {
    Instant::from_ticks(ticks)
}

fn fifo(priority: u8) -> Policy {
    Policy::Fifo(RtPriority::new(priority).unwrap())
}

fn spawn<'s>(queue: &mut RunQueue<'s, Classes>, free: &mut FreeSlots<'s>, policy: Policy) -> TaskIndex {
    let task = free.take().unwrap();
    let index = task.index();
    let _ = queue.admit(task, policy, queue.clock()).unwrap();
    index
}

#[test]
fn classes_come_in_their_order_and_idle_last() {
    let mut slots = [const { Slot::new() }; 4];
    let (arena, mut free) = Arena::new(&mut slots);
    let mut queue = RunQueue::new(arena.queue().unwrap(), classes());
    let idle = spawn(&mut queue, &mut free, Policy::IdleThread);
    assert_eq!(queue.pick(at(0)), Some(idle));
    let low = spawn(&mut queue, &mut free, fifo(3));
    assert_eq!(queue.charge(at(1)), Verdict::Resched, "the idle thread gives way");
    assert_eq!(queue.pick(at(1)), Some(low));
    let high = spawn(&mut queue, &mut free, fifo(99));
    let stop = spawn(&mut queue, &mut free, Policy::Stop);
    for expected in [stop, high, low, idle] {
        assert_eq!(queue.pick(at(2)), Some(expected));
        assert_eq!(queue.dequeue(expected, at(2)), Ok(Dequeued::Done));
        queue.check().unwrap();
    }
    assert_eq!(queue.pick(at(3)), None);
    assert_eq!(queue.enqueue(low, at(1)), Ok(Verdict::Resched));
    assert_eq!(queue.clock(), at(3), "time does not go back");
}

#[test]
fn wrong_indexes_are_errors_and_change_nothing() {
    let mut slots = [const { Slot::new() }; 3];
    let (arena, mut free) = Arena::new(&mut slots);
    let mut here = RunQueue::new(arena.queue().unwrap(), classes());
    let mut there = RunQueue::new(arena.queue().unwrap(), classes());
    let task = spawn(&mut here, &mut free, fifo(1));
    for wrong in [TaskIndex::new(2), TaskIndex::new(3), TaskIndex::new(u32::MAX)] {
        assert_eq!(here.enqueue(wrong, at(0)), Err(QueueError::Foreign));
        assert_eq!(here.dequeue(wrong, at(0)), Err(QueueError::Foreign));
        assert_eq!(here.set_attr(wrong, fifo(1), at(0)), Err(QueueError::Foreign));
        assert_eq!(here.remove(wrong, at(0)).unwrap_err(), QueueError::Foreign);
    }
    assert_eq!(there.dequeue(task, at(0)), Err(QueueError::Foreign), "another queue's");
    assert_eq!(there.enqueue(task, at(0)), Err(QueueError::Foreign));
    assert_eq!(here.enqueue(task, at(0)), Err(QueueError::Runnable));
    assert_eq!(here.yield_current(at(0)), Err(QueueError::NoCurrent));
    assert_eq!(here.set_attr(task, Policy::NORMAL, at(0)), Err(QueueError::Attr(AttrError::NoClass)));
    assert_eq!(here.dequeue(task, at(0)), Ok(Dequeued::Done));
    assert_eq!(here.dequeue(task, at(0)), Err(QueueError::Foreign), "asleep and nobody's");
    assert_eq!(arena.owner(task), None);
    assert_eq!(there.enqueue(task, at(0)), Ok(Verdict::Resched), "whoever comes first wakes it");
    assert_eq!(arena.owner(task), Some(there.id()));
    here.check().unwrap();
    there.check().unwrap();
}

#[test]
fn a_node_in_between_belongs_to_its_token() {
    let mut slots = [const { Slot::new() }; 2];
    let (arena, mut free) = Arena::new(&mut slots);
    let mut here = RunQueue::new(arena.queue().unwrap(), classes());
    let mut there = RunQueue::new(arena.queue().unwrap(), classes());
    let first = spawn(&mut here, &mut free, fifo(1));
    let second = spawn(&mut here, &mut free, fifo(1));
    assert_eq!(here.pick(at(0)), Some(first));
    let token = here.detach(&mut |_| true, at(0)).unwrap();
    assert_eq!(token.index(), second, "the current task is not given away");
    assert!(here.detach(&mut |_| true, at(0)).is_none());
    assert_eq!(here.enqueue(second, at(0)), Err(QueueError::Foreign));
    assert_eq!(there.attach(token, at(0)).unwrap(), Verdict::Resched);
    assert_eq!((here.load().runnable, there.load().runnable), (1, 1));
    here.check().unwrap();
    there.check().unwrap();
}

#[test]
fn a_token_of_another_arena_comes_back() {
    let mut slots = [const { Slot::new() }; 2];
    let (left, right) = slots.split_at_mut(1);
    let (arena, _free) = Arena::new(left);
    let (_, mut other) = Arena::new(right);
    let mut queue = RunQueue::new(arena.queue().unwrap(), classes());
    let error = queue.admit(other.take().unwrap(), fifo(1), at(0)).unwrap_err();
    assert_eq!(error.why, QueueError::Foreign);
    other.give(error.task).unwrap();
    queue.check().unwrap();
}

#[test]
fn a_reused_slot_makes_the_old_id_stale() {
    let mut slots = [const { Slot::new() }; 2];
    let (arena, mut free) = Arena::new(&mut slots);
    let task = free.take().unwrap();
    let old = task.id();
    assert_eq!(arena.find(old), Some(old.index()));
    free.give(task).unwrap();
    assert_eq!(arena.find(old), None, "free");
    let other = free.take().unwrap();
    assert_ne!(other.index(), old.index(), "slots are reused last");
    let again = free.take().unwrap();
    assert_eq!(again.index(), old.index());
    assert_eq!(arena.find(old), None, "stale");
    assert_eq!(arena.find(again.id()), Some(old.index()));
    assert_eq!(arena.find(TaskId::new(TaskIndex::new(9), 0)), None);
    assert!(free.take().is_none());
}

#[test]
fn equals_take_turns_by_quantum_and_only_if_there_is_another() {
    let mut slots = [const { Slot::new() }; 2];
    let (arena, mut free) = Arena::new(&mut slots);
    let mut queue = RunQueue::new(arena.queue().unwrap(), classes());
    let rr = Policy::RoundRobin(RtPriority::MIN, Duration::from_ticks(1_000_000));
    let first = spawn(&mut queue, &mut free, rr);
    assert_eq!(queue.pick(at(0)), Some(first));
    assert_eq!(queue.next_event(), None, "alone: no tick");
    assert_eq!(queue.charge(at(1_000_000)), Verdict::Keep);
    let second = spawn(&mut queue, &mut free, rr);
    assert_eq!(queue.next_event(), Some(at(2_000_000)));
    assert_eq!(queue.charge(at(1_999_999)), Verdict::Keep);
    assert_eq!(queue.charge(at(2_000_000)), Verdict::Resched);
    assert_eq!(queue.pick(at(2_000_000)), Some(second));
}
