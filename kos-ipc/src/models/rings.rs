//! Rings whose indices wrap while both sides are at work.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use loom::thread;

use super::{SOME, explore, explore_within, must_find};
use crate::ports::{BlockReason, Park};
use crate::ring::{Mpmc, MpmcSlot, PopError, PushError, Slot, Spsc};
use crate::sync::Bug;

use super::park::Threads;

fn spsc(capacity: usize) -> Spsc<'static, u32> {
    let slots: Vec<Slot<u32>> = (0..capacity).map(|_| Slot::new()).collect();
    Spsc::new(Box::leak(slots.into_boxed_slice())).unwrap().starting_at(usize::MAX)
}

/// Three items through two slots, one by one.
fn one_by_one() {
    let (mut producer, mut consumer) = Box::leak(Box::new(spsc(2))).split();
    let writer = thread::spawn(move || {
        (0..3).map(|item| producer.push(item).is_ok()).take_while(|&there_was_room| there_was_room).count()
    });
    let mut taken: Vec<u32> = (0..3).filter_map(|_| consumer.pop()).collect();
    let put = writer.join().unwrap();
    taken.extend(core::iter::from_fn(|| consumer.pop()));
    assert!(put >= 2 && taken.iter().copied().eq(0..put as u32), "{taken:?} of {put}");
}

/// The same in slices.
fn in_slices() {
    let (mut producer, mut consumer) = Box::leak(Box::new(spsc(2))).split();
    let writer = thread::spawn(move || producer.push_slice(&[0, 1]) + producer.push_slice(&[2]));
    let (mut items, mut taken) = ([9; 2], Vec::new());
    let count = consumer.pop_slice(&mut items);
    taken.extend_from_slice(&items[..count]);
    let put = writer.join().unwrap();
    while let count @ 1.. = consumer.pop_slice(&mut items) {
        taken.extend_from_slice(&items[..count]);
    }
    assert!(taken.iter().copied().eq(0..put as u32), "{taken:?} of {put}");
}

/// A consumer that sleeps when nothing is there, and a producer that wakes only when asked.
fn sleep_and_wake() {
    let park = Threads::new();
    let (mut producer, mut consumer) = Box::leak(Box::new(spsc(2))).split();
    let waker = park.clone();
    let writer = thread::spawn(move || {
        producer.push(7).unwrap();
        if producer.must_wake() {
            waker.unpark(&0);
        }
    });
    let item = loop {
        match consumer.pop() {
            Some(item) => break item,
            None if consumer.arm() => _ = park.park(&0, None, BlockReason::Condition),
            None => {}
        }
    };
    assert_eq!(item, 7);
    writer.join().unwrap();
}

fn mpmc(capacity: usize) -> Arc<Mpmc<'static, u32>> {
    let slots: Vec<MpmcSlot<u32>> = (0..capacity).map(|_| MpmcSlot::new()).collect();
    Arc::new(Mpmc::new(Box::leak(slots.into_boxed_slice())).unwrap().starting_at(usize::MAX))
}

/// Two producers and a consumer: each item comes out once.
fn two_push_one_pops() {
    let ring = mpmc(2);
    let pushers = [1, 2].map(|item| {
        let ring = Arc::clone(&ring);
        thread::spawn(move || ring.push(item).is_ok())
    });
    let other = Arc::clone(&ring);
    let popper = thread::spawn(move || other.pop().ok());
    let put = pushers.map(|pusher| pusher.join().unwrap());
    let early = popper.join().unwrap();
    let mut taken: Vec<u32> = early.into_iter().chain(core::iter::from_fn(|| ring.pop().ok())).collect();
    taken.sort_unstable();
    let expected: Vec<u32> =
        [1, 2].into_iter().zip(put).filter(|&(_, put)| put).map(|(item, _)| item).collect();
    assert_eq!(taken, expected);
    assert!(put.contains(&true));
}

/// One item goes from a producer to a consumer that looks for it.
fn one_pushes_one_pops() {
    let ring = mpmc(2);
    let other = Arc::clone(&ring);
    let pusher = thread::spawn(move || other.push(1));
    let looking = Arc::clone(&ring);
    let popper = thread::spawn(move || looking.pop());
    assert_eq!(pusher.join().unwrap(), Ok(()));
    let early = popper.join().unwrap();
    assert_eq!(early.or_else(|_| ring.pop()), Ok(1));
}

/// Two consumers of a full ring, and a producer that finds room only where one of them is done.
fn two_pop_one_pushes() {
    let ring = mpmc(2);
    (1..3).for_each(|item| ring.push(item).unwrap());
    let poppers = [(); 2].map(|()| {
        let ring = Arc::clone(&ring);
        thread::spawn(move || ring.pop().ok())
    });
    let other = Arc::clone(&ring);
    let pusher = thread::spawn(move || other.push(3));
    let pushed = pusher.join().unwrap();
    let mut taken: Vec<u32> = poppers.into_iter().filter_map(|popper| popper.join().unwrap()).collect();
    taken.extend(core::iter::from_fn(|| ring.pop().ok()));
    taken.sort_unstable();
    let expected: &[u32] = if pushed.is_ok() { &[1, 2, 3] } else { &[1, 2] };
    assert_eq!(taken, expected);
}

/// While an item is taken out, a push says busy or goes well; full it says only of a ring that was.
fn push_beside_a_pop() {
    let ring = mpmc(2);
    ring.push(1).unwrap();
    ring.push(2).unwrap();
    let other = Arc::clone(&ring);
    let stalled = ring.stall_pop();
    let pusher = thread::spawn(move || other.push(3));
    assert_eq!(pusher.join().unwrap(), Err(PushError::Busy(3)));
    assert_eq!((stalled(), ring.pop(), ring.pop()), (1, Ok(2), Err(PopError::Empty)));
}

#[test]
fn spsc_keeps_every_item() {
    explore(one_by_one);
}

#[test]
fn spsc_keeps_every_item_in_slices() {
    explore(in_slices);
}

#[test]
fn an_item_that_is_told_before_it_is_there_is_found() {
    must_find(Bug::TailUnordered, one_by_one);
}

#[test]
fn a_slot_that_is_free_before_it_is_empty_is_found() {
    must_find(Bug::HeadUnordered, one_by_one);
}

#[test]
fn a_slice_that_is_told_before_it_is_there_is_found() {
    must_find(Bug::TailUnordered, in_slices);
}

#[test]
fn a_sleeping_consumer_is_woken() {
    explore(sleep_and_wake);
}

/// DPDK 159793ac, kvmtool d7d79bd5: each of the two fences is needed.
#[test]
fn event_index_without_a_fence_fails_in_loom() {
    must_find(Bug::ArmUnfenced, sleep_and_wake);
    must_find(Bug::DueUnfenced, sleep_and_wake);
}

#[test]
fn mpmc_hands_an_item_over() {
    explore(one_pushes_one_pops);
}

#[test]
fn mpmc_keeps_every_item_of_two_producers() {
    explore_within(SOME, two_push_one_pops);
}

#[test]
fn mpmc_keeps_every_item_of_two_consumers() {
    explore_within(SOME, two_pop_one_pushes);
}

#[test]
fn a_turn_given_on_too_early_is_found() {
    must_find(Bug::TurnUnordered, one_pushes_one_pops);
    must_find(Bug::TurnUnordered, two_pop_one_pushes);
}

#[test]
fn a_push_tells_busy_from_full() {
    explore(push_beside_a_pop);
}

#[test]
fn a_stalled_consumer_taken_for_a_full_ring_is_found() {
    must_find(Bug::StalledIsFull, push_beside_a_pop);
}
