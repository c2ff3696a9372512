//! Rings: what goes in comes out, once, in order.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use kos_ipc::ring::{Mpmc, MpmcSlot, PopError, PushError, Records, Slot, Spsc};

use super::{PATIENCE, beside};
use crate::Kernel;
use crate::ensure;
use crate::platform::Platform;
use crate::selftest::Failure;
use crate::threads::{How, Member};
use crate::time::after;

pub(super) fn spsc<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const ITEMS: u64 = 400;
    let mut slots = [const { Slot::new() }; 8];
    let mut ring = Spsc::new(&mut slots)?;
    let (mut producer, consumer) = ring.split();
    let (consumer, wrong, seen) = (spin::Mutex::new(consumer), AtomicU64::new(0), AtomicU64::new(0));
    let take = || {
        while seen.load(SeqCst) < ITEMS && !kernel.is_told_to_end() {
            match consumer.lock().pop() {
                Some(item) => {
                    let expected = seen.fetch_add(1, SeqCst);
                    wrong.fetch_add(u64::from(item != expected), SeqCst);
                }
                None => kernel.threads.runtime().yield_now(),
            }
        }
    };
    let until = after(kernel.platform().now(), PATIENCE);
    beside(kernel, &take, || {
        let mut item = 0;
        while item < ITEMS && kernel.platform().now() < until {
            match producer.push(item) {
                Ok(()) => item += 1,
                Err(_) => kernel.threads.runtime().yield_now(),
            }
        }
        while seen.load(SeqCst) < item && kernel.platform().now() < until {
            kernel.threads.runtime().yield_now();
        }
    })?;
    let (seen, wrong) = (seen.load(SeqCst), wrong.load(SeqCst));
    ensure!(seen == ITEMS && wrong == 0, "{seen} of {ITEMS} came, {wrong} of them others");
    Ok(())
}

pub(super) fn mpmc<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const ITEMS: u64 = 200;
    let mut slots = [const { MpmcSlot::new() }; 4];
    let ring = Mpmc::new(&mut slots)?;
    let (pushed, sum, count) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let produce = || {
        while let Some(mut item) = Some(pushed.fetch_add(1, SeqCst)).filter(|&item| item < ITEMS) {
            while let Err(PushError::Full(back) | PushError::Busy(back)) = ring.push(item) {
                item = back;
                if kernel.is_told_to_end() {
                    return;
                }
                kernel.threads.runtime().yield_now();
            }
        }
    };
    let members = [Member::new(How::new("one"), &produce), Member::new(How::new("other"), &produce)];
    let until = after(kernel.platform().now(), PATIENCE);
    kernel.with_team(&members, |_| {
        while count.load(SeqCst) < ITEMS && kernel.platform().now() < until {
            match ring.pop() {
                Ok(item) => {
                    sum.fetch_add(item, SeqCst);
                    count.fetch_add(1, SeqCst);
                }
                Err(PopError::Empty | PopError::Busy) => kernel.threads.runtime().yield_now(),
            }
        }
    })?;
    let (sum, count) = (sum.load(SeqCst), count.load(SeqCst));
    ensure!(count == ITEMS && sum == ITEMS * (ITEMS - 1) / 2, "{count} items of the sum {sum}");
    Ok(())
}

pub(super) fn records<P: Platform>(_: &Kernel<P>) -> Result<(), Failure> {
    let mut memory = [0; 256];
    let mut ring = Records::new(&mut memory)?;
    let (mut producer, mut consumer) = ring.split();
    for round in 0..100_u8 {
        let length = usize::from(round % 60);
        let mut grant = producer.grant(60)?;
        grant.iter_mut().for_each(|byte| *byte = round);
        grant.commit(length);
        let record = consumer.read()?;
        ensure!(record.len() == length && record.iter().all(|&byte| byte == round), "record {round}");
        record.release();
    }
    ensure!(producer.grant(1000).is_err(), "a record is larger than its ring");
    ensure!(consumer.read().is_err(), "a record came that nobody sent");
    Ok(())
}
