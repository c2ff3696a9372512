//! A market: makers put items into a ring of many and count them, takers sleep until something was counted; anybody may stand still
//! for any time.

use alloc::boxed::Box;
use alloc::vec::Vec;

use shuttle::thread;

use super::park::{ModelEnv, Threads};
use super::{explore, must_find};
use crate::caller::Caller;
use crate::notify::{CounterMode, EventCounter};
use crate::policy::NoPolicy;
use crate::ring::{Mpmc, MpmcSlot, PushError};
use crate::sync::Bug;

const MAKERS: usize = 3;
const TAKERS: usize = 3;
const ITEMS: usize = 3;

struct Market {
    ring: Mpmc<'static, usize>,
    count: EventCounter<ModelEnv>,
}

fn caller(token: &usize) -> Caller<'_, ModelEnv> {
    Caller::new(token, (), &NoPolicy)
}

impl Market {
    /// Two places. Not freed: a schedule that fails is taken down without its checker.
    fn open() -> &'static Self {
        let slots: Vec<_> = (0..2).map(|_| MpmcSlot::new()).collect();
        let ring = Mpmc::new(slots.leak()).unwrap();
        let count = EventCounter::new(Threads::new(), 0, CounterMode::One, 0, 0);
        Box::leak(Box::new(Self { ring, count }))
    }

    fn make(&self, me: usize) {
        for number in 0..ITEMS {
            let mut item = me * ITEMS + number;
            while let Err(PushError::Full(back) | PushError::Busy(back)) = self.ring.push(item) {
                item = back;
                thread::yield_now();
            }
            self.count.write(&caller(&me), 1, None).unwrap();
        }
    }

    fn take(&self, me: usize) -> Vec<usize> {
        let take = |_| {
            assert_eq!(self.count.read(&caller(&me), None), Ok(1));
            loop {
                match self.ring.pop() {
                    Ok(item) => return item,
                    Err(_) => thread::yield_now(),
                }
            }
        };
        (0..ITEMS).map(take).collect()
    }
}

fn a_day() {
    let market = Market::open();
    let makers: Vec<_> = (0..MAKERS).map(|me| thread::spawn(move || market.make(me))).collect();
    let takers: Vec<_> = (MAKERS..MAKERS + TAKERS).map(|me| thread::spawn(move || market.take(me))).collect();
    makers.into_iter().for_each(|maker| maker.join().unwrap());
    let mut taken: Vec<_> = takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect();
    taken.sort_unstable();
    assert!(taken.into_iter().eq(0..MAKERS * ITEMS), "lost, or there twice");
    assert_eq!((market.ring.is_empty(), market.count.check()), (true, Ok(())));
}

#[test]
fn every_item_is_taken_once() {
    explore(a_day);
}

#[test]
fn a_count_in_two_steps_is_found() {
    must_find(Bug::CountInTwoSteps, a_day);
}
