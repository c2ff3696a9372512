//! A workshop: makers put pieces on a bench, takers fetch them, some with little patience; a bell rings by a timer; a door is
//! closed at the end. Mutex, condition, semaphore, wait queue and timer wheel together.

use alloc::boxed::Box;
use core::pin::Pin;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use super::tasks::{Tasks, enter};
use super::{explore, must_find};
use crate::atomic::{AtomicU32, Ordering};
use crate::error::WaitError;
use crate::seeded::Bug;
use crate::sync::{Condvar, Mutex, Semaphore, WaitQueue};
use crate::time::Instant;
use crate::timer::{Cancel, Timer, TimerWheel};

const SOON: Option<Instant> = Some(Instant::from_ticks(1));
const MAKERS: usize = 2;
const TAKERS: usize = 3;
/// Pieces that each maker makes and all takers take.
const PIECES: u32 = 3;

struct Workshop {
    bench: Mutex<Tasks, u32>,
    filled: Condvar<Tasks>,
    room: Semaphore<Tasks>,
    bell: WaitQueue<Tasks>,
    rung: AtomicU32,
    door: WaitQueue<Tasks>,
    wheel: TimerWheel<Tasks, ()>,
    inside: AtomicU32,
    taken: AtomicU32,
}

impl Workshop {
    fn open() -> &'static Self {
        enter(0);
        let tasks = Tasks::new();
        // Not freed: a schedule that fails is taken down without its checker.
        Box::leak(Box::new(Self {
            bench: Mutex::new(tasks.clone(), 0),
            filled: Condvar::new(tasks.clone()),
            room: Semaphore::new(tasks.clone(), 1),
            bell: WaitQueue::new(tasks.clone()),
            rung: AtomicU32::new(0),
            door: WaitQueue::new(tasks.clone()),
            wheel: TimerWheel::new(tasks, 0),
            inside: AtomicU32::new(0),
            taken: AtomicU32::new(0),
        }))
    }

    /// Whoever has the bench is alone there.
    fn work(&self) {
        assert_eq!(self.inside.fetch_add(1, Ordering::SeqCst), 0, "two have the bench");
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }

    fn make(&self) {
        for _ in 0..PIECES {
            self.room.acquire(1, None).unwrap().keep();
            let mut bench = self.bench.lock().unwrap();
            self.work();
            *bench += 1;
            drop(bench);
            self.filled.notify_one();
        }
    }

    /// Takes until all that will be made are taken. Without `patience` the first wait is short.
    fn take(&self, patience: bool) {
        let mut until = if patience { None } else { SOON };
        let mut bench = self.bench.lock().unwrap();
        while self.taken.load(Ordering::SeqCst) < PIECES * MAKERS as u32 {
            if *bench == 0 {
                bench = self.filled.wait_until(bench, until.take()).unwrap().0;
                continue;
            }
            self.work();
            *bench -= 1;
            self.taken.fetch_add(1, Ordering::SeqCst);
            self.room.release(1);
        }
        drop(bench);
        self.filled.notify_all();
    }

    /// Arms a timer and thinks better of it, or not; meanwhile the clock goes on.
    fn ring(&'static self) {
        let timer = Pin::static_ref(Box::leak(Box::new(Timer::new(&self.wheel, ()))));
        timer.arm(Instant::from_ticks(0), Instant::from_ticks(5));
        let clock = task(6, move || {
            let fired = self.wheel.expire(Instant::from_ticks(9), 4, |_| ()).fired;
            self.rung.fetch_add(u32::try_from(fired).unwrap(), Ordering::SeqCst);
            self.bell.wake(1);
            fired
        });
        let cancelled = if thread_rng().r#gen() { Some(timer.cancel()) } else { None };
        let fired = clock.join().unwrap();
        assert!(
            cancelled.is_none_or(|cancelled| (cancelled == Cancel::Fired) == (fired == 1)),
            "{cancelled:?}"
        );
        if fired == 0 {
            self.rung.fetch_add(1, Ordering::SeqCst);
            self.bell.wake(1);
        }
    }

    fn listen(&self) {
        let rung = || (self.rung.load(Ordering::SeqCst) > 0).then_some(());
        let _ = self.bell.wait_for(SOON, rung);
        assert_eq!(self.bell.wait_for(None, rung), Ok(()));
        assert_eq!(self.door.wait_exclusive(None, None), Err(WaitError::Closed));
    }
}

fn task<R: Send + 'static>(
    number: usize,
    work: impl FnOnce() -> R + Send + 'static,
) -> thread::JoinHandle<R> {
    thread::spawn(move || {
        enter(number);
        work()
    })
}

fn workshop() {
    let shop = Workshop::open();
    let mut people = alloc::vec::Vec::new();
    for number in 0..MAKERS {
        people.push(task(1 + number, || shop.make()));
    }
    for number in 0..TAKERS {
        people.push(task(1 + MAKERS + number, move || shop.take(number > 0)));
    }
    let listener = task(7, || shop.listen());
    shop.ring();
    people.into_iter().for_each(|person| person.join().unwrap());
    shop.door.close();
    listener.join().unwrap();
    assert_eq!((shop.taken.load(Ordering::SeqCst), *shop.bench.lock().unwrap()), (PIECES * MAKERS as u32, 0));
    assert_eq!((shop.room.available(), shop.wheel.armed(), shop.wheel.check()), (1, 0, Ok(())));
    assert_eq!((shop.room.check(), shop.bench.check(), shop.bell.check()), (Ok(()), Ok(()), Ok(())));
}

#[test]
fn every_piece_is_taken() {
    explore(workshop);
}

#[test]
fn a_release_in_two_steps_is_found_in_a_workshop() {
    must_find(Bug::ReleaseInTwoSteps, workshop);
}

#[test]
fn an_acquire_in_two_steps_is_found_in_a_workshop() {
    must_find(Bug::AcquireInTwoSteps, workshop);
}

#[test]
fn a_cancel_in_two_steps_is_found_in_a_workshop() {
    must_find(Bug::CancelInTwoSteps, workshop);
}

#[test]
fn a_door_closed_too_late_is_found_in_a_workshop() {
    must_find(Bug::ClosedLate, workshop);
}
