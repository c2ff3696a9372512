//! Futexes between threads, the model, and memory that fails.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::future::Future;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Poll, Waker};

use super::*;
use crate::caller::Caller;
use crate::error::WaitError;
use crate::policy::NoPolicy;
use crate::ports::Fault;
use crate::testing::{
    Choices, SimBody, SimEnv, SimPark, SimToken, StdEnv, StdPark, Words, cases, futex_model, simulate,
};
use crate::time::Instant;

type Table = FutexTable<SimEnv, Words, 2>;

const A: (usize, bool) = (0, false);
const B: (usize, bool) = (4, false);

#[test]
fn futexes_match_the_lists() {
    for seed in 0..u64::from(cases()) {
        futex_model::run(&mut Choices::random(seed, 300));
    }
}

/// A lock of one word: 0 free, 1 taken, 2 taken and waited for (Drepper, "Futexes are tricky", mutex 2).
struct Futex<'a> {
    table: &'a Table,
    words: &'a Words,
    park: &'a SimPark,
}

impl Futex<'_> {
    fn swap(&self, word: usize, old: u32, new: u32) -> u32 {
        self.words.compare_exchange(word, old, new).unwrap()
    }

    fn lock(&self, me: SimToken, until: Option<Instant>) -> bool {
        let caller = Caller::new(&me, (), &NoPolicy);
        if self.swap(A.0, 0, 1) == 0 {
            return true;
        }
        loop {
            self.park.yield_now(me);
            if self.swap(A.0, 1, 2) != 0 || self.swap(A.0, 2, 2) != 0 {
                match self.table.wait(&caller, self.words, A, 2, ANY, until) {
                    Ok(()) | Err(FutexError::Changed(_)) => {}
                    Err(error) => {
                        assert_eq!(error, FutexError::Wait(WaitError::TimedOut));
                        return false;
                    }
                }
            }
            if self.swap(A.0, 0, 2) == 0 {
                return true;
            }
        }
    }

    fn unlock(&self) {
        let was = if self.swap(A.0, 1, 0) == 1 { 1 } else { self.swap(A.0, 2, 0) };
        if was == 2 {
            self.table.wake(self.words, A, 1, ANY).unwrap();
        }
    }
}

fn some_give_up(seed: u64) {
    let (words, inside, turns) = (Words::new(2), AtomicU32::new(0), AtomicU32::new(0));
    let ended = simulate(seed, |park| {
        let table = Arc::new(Table::new(park.clone(), [seed, 1]));
        let body = |number: u64| {
            let (table, words, park) = (Arc::clone(&table), &words, park.clone());
            let (inside, turns) = (&inside, &turns);
            Box::new(move |me: SimToken| {
                let lock = Futex { table: &table, words, park: &park };
                let until = (number < 2).then(|| Instant::from_ticks(10 + number));
                if !lock.lock(me, until) {
                    return;
                }
                assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                park.yield_now(me);
                inside.fetch_sub(1, Ordering::Relaxed);
                turns.fetch_add(1, Ordering::Relaxed);
                lock.unlock();
                assert_eq!(table.check(), Ok(()));
            }) as SimBody<'_>
        };
        (0..5).map(body).collect()
    });
    assert_eq!(ended, Ok(()), "seed {seed}");
    assert!(turns.into_inner() >= 3);
}

/// asterinas#1587: of those who wait for a lock some give up; the wake-up is another's.
#[test]
fn timed_out_waiter_eats_no_wake() {
    (0..u64::from(cases())).for_each(some_give_up);
}

/// Those who wait are moved to another word, while some give up and others wake there: nobody is left behind.
fn broadcast_by_requeue(seed: u64) {
    let words = Words::new(2);
    let ended = simulate(seed, |park| {
        let table = Arc::new(Table::new(park.clone(), [seed, 2]));
        let waiting = |number: u64| {
            let (table, words) = (Arc::clone(&table), &words);
            let until = (number == 0).then(|| Instant::from_ticks(5));
            Box::new(move |me: SimToken| {
                let caller = Caller::new(&me, (), &NoPolicy);
                match table.wait(&caller, words, A, 0, ANY, until) {
                    // The lock's next.
                    Ok(()) => _ = table.wake(words, B, 1, ANY).unwrap(),
                    Err(FutexError::Changed(1)) => {}
                    Err(error) => assert_eq!(error, FutexError::Wait(WaitError::TimedOut)),
                }
                assert_eq!(table.check(), Ok(()));
            }) as SimBody<'_>
        };
        let mut bodies: Vec<_> = (0..4).map(waiting).collect();
        let (table, words, park) = (Arc::clone(&table), &words, park.clone());
        bodies.push(Box::new(move |me: SimToken| {
            park.yield_now(me);
            words.set(A.0, 1);
            let done = table.requeue(words, A, B, 0, usize::MAX, Some(1)).unwrap();
            assert_eq!(done.woken, 0);
            park.yield_now(me);
            table.wake(words, B, 1, ANY).unwrap();
        }));
        bodies
    });
    // Who timed out after it was woken had its wake-up: it says so, and passes it on.
    assert_eq!(ended, Ok(()), "seed {seed}");
}

#[test]
fn a_wait_that_is_moved_keeps_its_time_and_is_woken_there() {
    (0..u64::from(cases())).for_each(broadcast_by_requeue);
}

/// The k-th call to memory finds none: nobody waits, nobody is woken, no word has changed.
#[test]
fn a_fault_at_any_call_changes_nothing() {
    let park = StdPark::new();
    let token = park.token();
    let caller = Caller::new(&token, (), &NoPolicy);
    let gone = Some(Instant::from_ticks(0));
    let table = FutexTable::<StdEnv, Words, 4>::new(park.clone(), [1, 2]);
    let words = Words::new(2);
    let op = WakeOp { change: Change::Add, with: 1, compare: Compare::Eq, against: 7 };
    let calls: [&dyn Fn() -> Result<usize, FutexError>; 5] = [
        &|| table.wait(&caller, &words, A, 0, ANY, gone).map(|()| 0),
        &|| table.wake(&words, A, 1, ANY),
        &|| table.requeue(&words, A, B, 1, 1, None).map(|done| done.woken),
        &|| table.requeue(&words, A, B, 1, 1, Some(0)).map(|done| done.woken),
        &|| table.wake_op(&words, B, A, 1, 1, op),
    ];
    for call in calls {
        let mut faults = 0;
        loop {
            let mut waiting = Box::pin(table.wait_async(&words, B, 0, ANY));
            words.fail_at(u64::MAX);
            words.set(A.0, 0);
            let cx = &mut Context::from_waker(Waker::noop());
            assert!(waiting.as_mut().poll(cx).is_pending());
            words.page_out(A.0);
            words.fail_at(faults);
            let result = call();
            if !matches!(result, Err(FutexError::Fault(_))) {
                break;
            }
            assert!(matches!(result, Err(FutexError::Fault(Fault { at })) if at < 8));
            words.fail_at(u64::MAX);
            assert_eq!((words.get(A.0), table.waiting(), table.check()), (0, 1, Ok(())));
            assert!(waiting.as_mut().poll(cx).is_pending());
            faults += 1;
        }
        assert!(faults > 0);
        words.fail_at(u64::MAX);
        assert_eq!((table.waiting(), table.check()), (0, Ok(())));
    }
}

/// A page that is taken away each time ends in an error, not in a loop.
#[test]
fn a_page_that_never_stays_is_given_up() {
    struct Never;
    impl FutexSpace for Never {
        type Key = usize;

        fn key(&self, address: usize, _: bool) -> Result<usize, Fault> {
            Ok(address)
        }

        fn load(&self, _: usize) -> Result<u32, WordFault> {
            Err(WordFault::NotResident)
        }

        fn compare_exchange(&self, _: usize, _: u32, _: u32) -> Result<u32, WordFault> {
            Err(WordFault::NotResident)
        }

        fn fault_in(&self, _: usize, _: bool) -> Result<(), Fault> {
            Ok(())
        }
    }
    let park = StdPark::new();
    let token = park.token();
    let caller = Caller::new(&token, (), &NoPolicy);
    let table = FutexTable::<StdEnv, Never, 1>::new(park.clone(), [0, 0]);
    assert_eq!(table.wait(&caller, &Never, A, 0, ANY, None), Err(FutexError::Busy(0)));
    assert_eq!(table.requeue(&Never, A, B, 1, 1, Some(0)), Err(FutexError::Busy(0)));
    assert_eq!(table.wait(&caller, &Never, (2, false), 0, ANY, None), Err(FutexError::Misaligned(2)));
    assert_eq!(table.wait(&caller, &Never, A, 0, 0, None), Err(FutexError::NoBits));
    assert_eq!(table.waiting(), 0);
}

/// A wake-up among 1,000 who share a queue ends at those who came before it, in holds of 16 looks.
#[test]
fn all_of_many_are_woken_or_moved() {
    let table = FutexTable::<StdEnv, Words, 1>::new(StdPark::new(), [0, 0]);
    let words = Words::new(2);
    let wait = |number: usize| {
        Box::pin(table.wait_async(&words, if number.is_multiple_of(2) { A } else { B }, 0, ANY))
    };
    let mut waits: Vec<_> = (0..1000).map(wait).collect();
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(waits.iter_mut().all(|wait| wait.as_mut().poll(cx).is_pending()));
    assert_eq!(table.requeue(&words, A, B, 100, 300, None), Ok(Requeued { woken: 100, moved: 300 }));
    assert_eq!(table.requeue(&words, B, B, 0, usize::MAX, None), Ok(Requeued { woken: 0, moved: 800 }));
    assert_eq!((table.check(), table.waiting()), (Ok(()), 900));
    assert_eq!((table.wake(&words, B, 700, ANY), table.wake(&words, B, 700, ANY)), (Ok(700), Ok(100)));
    let ready = waits.iter_mut().filter_map(|wait| match wait.as_mut().poll(cx) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    });
    assert_eq!(ready.filter(Result::is_ok).count(), 900);
    drop(waits);
    assert_eq!(table.waiting(), 0);
}

#[test]
fn a_dropped_future_passes_its_wake_up_on() {
    let table = FutexTable::<StdEnv, Words, 1>::new(StdPark::new(), [0, 0]);
    let words = Words::new(2);
    let mut waits = vec![];
    let cx = &mut Context::from_waker(Waker::noop());
    for _ in 0..2 {
        let mut wait = Box::pin(table.wait_async(&words, A, 0, ANY));
        assert!(wait.as_mut().poll(cx).is_pending());
        waits.push(wait);
    }
    assert_eq!(table.wake(&words, A, 1, ANY), Ok(1));
    drop(waits.remove(0));
    assert_eq!(waits[0].as_mut().poll(cx), Poll::Ready(Ok(())));
    assert_eq!((table.check(), table.waiting()), (Ok(()), 0));
}
