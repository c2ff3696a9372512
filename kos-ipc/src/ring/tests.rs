//! Rings beside queues of `std`, around the wrap of their indices.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use std::thread;

use super::*;
use crate::testing::{Rng, cases};

/// Just before the indices wrap.
const LATE: usize = usize::MAX - 5;

fn slots<T, const N: usize>() -> [Slot<T>; N] {
    core::array::from_fn(|_| Slot::new())
}

fn mpmc_slots<T, const N: usize>() -> [MpmcSlot<T>; N] {
    core::array::from_fn(|_| MpmcSlot::new())
}

/// One random step of an SPSC ring and of a queue.
fn spsc_step(ends: &mut (Producer<'_, u64>, Consumer<'_, u64>), model: &mut VecDeque<u64>, rng: &mut Rng) {
    const CAPACITY: usize = 8;
    let (producer, consumer) = ends;
    let count = rng.below(11);
    match rng.below(4) {
        0 => {
            let item = rng.next();
            assert_eq!(producer.push(item).is_ok(), model.len() < CAPACITY);
            if model.len() < CAPACITY {
                model.push_back(item);
            }
        }
        1 => assert_eq!(consumer.pop(), model.pop_front()),
        2 => {
            let items: Vec<u64> = (0..count).map(|_| rng.next()).collect();
            let put = producer.push_slice(&items);
            assert_eq!(put, count.min(CAPACITY - model.len()));
            model.extend(&items[..put]);
        }
        _ => {
            let mut items = vec![0; count];
            let got = consumer.pop_slice(&mut items);
            assert_eq!(items[..got], model.drain(..count.min(model.len())).collect::<Vec<_>>()[..]);
        }
    }
    assert_eq!((consumer.available(), producer.room()), (model.len(), CAPACITY - model.len()));
}

#[test]
fn spsc_does_what_a_queue_does() {
    for seed in 0..u64::from(cases()) {
        let (mut slots, mut rng) = (slots::<_, 8>(), Rng::new(seed));
        let mut ring = Spsc::new(&mut slots).unwrap().starting_at(LATE);
        let (mut ends, mut model) = (ring.split(), VecDeque::new());
        (0..200).for_each(|_| spsc_step(&mut ends, &mut model, &mut rng));
    }
}

#[test]
fn what_is_left_in_a_ring_is_dropped_once() {
    let item = Arc::new(());
    let (mut one, mut many) = (slots::<_, 4>(), mpmc_slots::<_, 4>());
    let mut spsc = Spsc::new(&mut one).unwrap();
    let mpmc = Mpmc::new(&mut many).unwrap();
    for _ in 0..3 {
        spsc.split().0.push(Arc::clone(&item)).unwrap();
        mpmc.push(Arc::clone(&item)).unwrap();
    }
    assert_eq!(spsc.split().1.pop().as_deref(), Some(&()));
    mpmc.pop().unwrap();
    assert_eq!(Arc::strong_count(&item), 5);
    drop((spsc, mpmc));
    assert_eq!(Arc::strong_count(&item), 1);
}

#[test]
fn a_capacity_that_is_no_power_of_two_is_refused() {
    assert_eq!(Spsc::new(&mut slots::<u8, 6>()).err(), Some(CapacityError { len: 6 }));
    assert_eq!(Spsc::new(&mut slots::<u8, 0>()).err(), Some(CapacityError { len: 0 }));
    assert_eq!(Mpmc::new(&mut mpmc_slots::<u8, 1>()).err(), Some(CapacityError { len: 1 }));
    assert_eq!(Records::new(&mut [0; 8]).err(), Some(CapacityError { len: 8 }));
}

#[test]
fn mpmc_does_what_a_queue_does() {
    for seed in 0..u64::from(cases()) {
        let (mut slots, mut rng, mut model) = (mpmc_slots::<u64, 4>(), Rng::new(seed), VecDeque::new());
        let ring = Mpmc::new(&mut slots).unwrap().starting_at(LATE);
        for _ in 0..200 {
            let item = rng.next();
            if rng.below(2) == 0 {
                let expected = if model.len() < 4 { Ok(()) } else { Err(PushError::Full(item)) };
                assert_eq!(ring.push(item), expected);
                model.extend(expected.is_ok().then_some(item));
            } else {
                assert_eq!(ring.pop(), model.pop_front().ok_or(PopError::Empty));
            }
            assert_eq!(ring.len(), model.len());
        }
    }
}

/// heapless#583: with a consumer that stands still and free slots behind it the ring is not full.
#[test]
fn mpmc_is_never_full_while_a_slot_is_free() {
    let mut slots = mpmc_slots::<u64, 4>();
    let ring = Mpmc::new(&mut slots).unwrap().starting_at(LATE);
    (0..4).for_each(|item| ring.push(item).unwrap());
    let stalled = ring.stall_pop();
    assert_eq!(ring.pop(), Ok(1), "the others go on");
    assert_eq!(ring.push(9), Err(PushError::Busy(9)), "two items of four, and somebody in the middle");
    assert_eq!(stalled(), 0);
    assert_eq!((ring.push(4), ring.push(5)), (Ok(()), Ok(())));
    assert_eq!(ring.push(6), Err(PushError::Full(6)));
}

/// crossbeam#1105, #363: behind a producer that stands still every call returns, and says busy.
#[test]
fn frozen_producer_gives_busy_in_bounded_steps() {
    let mut slots = mpmc_slots::<u64, 4>();
    let ring = Mpmc::new(&mut slots).unwrap();
    let stalled = ring.stall_push();
    assert_eq!(ring.push(1), Ok(()), "the others go on");
    assert_eq!(ring.pop(), Err(PopError::Busy));
    assert_eq!((ring.push(2), ring.push(3)), (Ok(()), Ok(())));
    assert_eq!(ring.push(4), Err(PushError::Full(4)));
    stalled(0);
    assert_eq!([(); 5].map(|()| ring.pop()), [Ok(0), Ok(1), Ok(2), Ok(3), Err(PopError::Empty)]);
}

/// Threads of the host: what goes in comes out, once, and in the order of its producer.
#[test]
fn mpmc_keeps_every_item_between_threads() {
    const ITEMS: u64 = 2_000;
    let mut slots = mpmc_slots::<u64, 8>();
    let ring = Mpmc::new(&mut slots).unwrap().starting_at(LATE);
    let produce = |number: u64| {
        (0..ITEMS).for_each(|item| {
            while ring.push(number << 32 | item).is_err() {
                thread::yield_now();
            }
        });
    };
    let consume = || {
        let mut next = [0; 2];
        for _ in 0..ITEMS {
            let item = core::iter::repeat_with(|| ring.pop().inspect_err(|_| thread::yield_now()));
            let item = item.flatten().next().unwrap();
            let last = core::mem::replace(&mut next[(item >> 32) as usize], (item & 0xffff_ffff) + 1);
            assert!(last <= item & 0xffff_ffff, "overtaken by one of the same producer");
        }
    };
    thread::scope(|scope| {
        (0..2).for_each(|number| _ = scope.spawn(move || produce(number)));
        (0..2).for_each(|_| _ = scope.spawn(consume));
    });
    assert_eq!(ring.pop(), Err(PopError::Empty));
}

/// A stream with a consumer that sleeps when there is nothing: it wakes for each time that it armed, and loses nothing.
#[test]
fn a_stream_wakes_its_consumer_only_when_it_sleeps() {
    let mut slots = slots::<_, 64>();
    let mut ring = Spsc::new(&mut slots).unwrap().starting_at(LATE);
    let (mut producer, mut consumer) = ring.split();
    let (mut wakes, mut sleeps, mut asleep) = (0, 0, consumer.arm());
    for item in 0..100_000 {
        producer.push(item).unwrap();
        if producer.must_wake() {
            assert!(asleep, "woken, though it did not sleep");
            (wakes, asleep) = (wakes + 1, false);
        }
        if item % 60 == 59 {
            while consumer.pop().is_some() {}
            asleep = item % 600 == 599 && consumer.arm();
            sleeps += u32::from(asleep);
        }
    }
    assert_eq!((wakes, sleeps), (1 + sleeps, 166), "a wake-up for each sleep");
}

/// One random step of a ring of records and of a queue.
fn record_step(
    ends: &mut (RecordProducer<'_>, RecordConsumer<'_>),
    model: &mut VecDeque<Vec<u8>>,
    rng: &mut Rng,
) {
    let (producer, consumer) = ends;
    let len = rng.below(34);
    match rng.below(3) {
        0 => match producer.grant(len) {
            Ok(mut grant) => {
                let bytes: Vec<u8> = (0..len).map(|_| rng.next().to_le_bytes()[0]).collect();
                grant.copy_from_slice(&bytes);
                let used = rng.below(len + 1);
                grant.commit(used);
                model.push_back(bytes[..used].to_vec());
            }
            Err(GrantError::TooLong { len: asked, max }) => assert!(asked == len && len > 28 && max == 28),
            Err(error) => {
                assert!(error == GrantError::Full && len <= 28 && !model.is_empty(), "{error}");
            }
        },
        1 => drop(producer.grant(len)),
        _ => match consumer.read() {
            Ok(record) => {
                assert_eq!(Some(&*record), model.front().map(Vec::as_slice));
                if rng.below(4) > 0 {
                    record.release();
                    model.pop_front();
                }
            }
            Err(error) => assert!(error == ReadError::Empty && model.is_empty()),
        },
    }
}

#[test]
fn records_do_what_a_queue_does() {
    for seed in 0..u64::from(cases()) {
        let (mut memory, mut rng) = ([0; 64], Rng::new(seed));
        let mut ring = Records::new(&mut memory).unwrap().starting_at(LATE & !3);
        let (mut ends, mut model) = (ring.split(), VecDeque::new());
        (0..300).for_each(|_| record_step(&mut ends, &mut model, &mut rng));
    }
}

/// bbqueue#132: what can never fit is refused at once, with the ring empty and with it full.
#[test]
fn oversized_grant_fails_at_once() {
    let mut memory = [0; 64];
    let mut ring = Records::new(&mut memory).unwrap();
    let (mut producer, _) = ring.split();
    for len in [29, 64, 65, usize::MAX] {
        assert_eq!(producer.grant(len).err(), Some(GrantError::TooLong { len, max: 28 }));
    }
    assert_eq!((producer.push(&[1; 28]), producer.push(&[2; 28])), (Ok(()), Ok(())));
    assert_eq!(producer.grant(28).err(), Some(GrantError::Full));
    assert_eq!(producer.grant(29).err(), Some(GrantError::TooLong { len: 29, max: 28 }));
}

/// bbqueue#58, thingbuf#100, #83: a close while a grant is out loses nothing and leaves nothing behind.
#[test]
fn close_with_a_grant_out_is_clean() {
    let mut memory = [0; 64];
    let mut ring = Records::new(&mut memory).unwrap();
    let (mut producer, mut consumer) = ring.split();
    producer.push(b"before").unwrap();
    let mut grant = producer.grant(4).unwrap();
    consumer.close();
    grant.copy_from_slice(b"late");
    grant.commit(4);
    assert_eq!(producer.grant(4).err(), Some(GrantError::Closed));
    for expected in [&b"before"[..], b"late"] {
        let record = consumer.read().unwrap();
        assert_eq!(&*record, expected);
        record.release();
    }
    assert_eq!(consumer.read().err(), Some(ReadError::Closed));
    assert!(!consumer.arm(), "nobody sleeps at a closed ring");
}
