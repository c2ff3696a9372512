//! Words that change while somebody goes to sleep at them, or is moved from one to another.

use alloc::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

use super::park::{ModelEnv, SOON, Threads};
use super::{explore_within, must_find};
use crate::caller::Caller;
use crate::error::WaitError;
use crate::policy::NoPolicy;
use crate::ports::{Fault, FutexSpace, WordFault};
use crate::posix::futex::{ANY, FutexError, FutexTable};
use crate::sync::Bug;
use crate::time::Instant;

/// Two words, at 0 and 4.
struct Memory([AtomicU32; 2]);

impl Memory {
    /// As weak as a program may store.
    fn set(&self, address: usize, value: u32) {
        self.0[address / 4].store(value, Ordering::Relaxed);
    }
}

impl FutexSpace for Memory {
    type Key = usize;

    fn key(&self, address: usize, _: bool) -> Result<usize, Fault> {
        Ok(address)
    }

    fn load(&self, address: usize) -> Result<u32, WordFault> {
        Ok(self.0[address / 4].load(Ordering::Acquire))
    }

    fn compare_exchange(&self, address: usize, old: u32, new: u32) -> Result<u32, WordFault> {
        let word = &self.0[address / 4];
        Ok(word.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).unwrap_or_else(|found| found))
    }

    fn fault_in(&self, _: usize, _: bool) -> Result<(), Fault> {
        Ok(())
    }
}

const A: (usize, bool) = (0, false);
const B: (usize, bool) = (4, false);

/// Two words in two queues.
struct Futexes {
    table: FutexTable<ModelEnv, Memory, 2>,
    memory: Memory,
}

impl Futexes {
    fn new() -> Arc<Self> {
        let memory = Memory([(); 2].map(|()| AtomicU32::new(0)));
        // A secret with which the words do not share a queue.
        let apart = |secret: u64| FutexTable::<ModelEnv, Memory, 2>::new(Threads::new(), [secret, 0]);
        let table = (0..64).map(apart).find(|table| table.are_apart(&A.0, &B.0)).unwrap();
        Arc::new(Self { table, memory })
    }

    fn wait(&self, me: usize, until: Option<Instant>) -> Result<(), FutexError> {
        self.table.wait(&Caller::new(&me, (), &NoPolicy), &self.memory, A, 0, ANY, until)
    }

    fn wake(&self, word: (usize, bool)) -> usize {
        self.table.wake(&self.memory, word, 1, ANY).unwrap()
    }

    fn move_all(&self) -> usize {
        self.table.requeue(&self.memory, A, B, 0, usize::MAX, None).unwrap().moved
    }

    fn is_empty(&self) {
        assert_eq!((self.table.check(), self.table.waiting()), (Ok(()), 0));
    }
}

fn waiter(futexes: &Arc<Futexes>, until: Option<Instant>) -> thread::JoinHandle<Result<(), FutexError>> {
    let futexes = Arc::clone(futexes);
    thread::spawn(move || futexes.wait(1, until))
}

fn wait_and_wake() {
    let futexes = Futexes::new();
    let waiter = waiter(&futexes, None);
    futexes.memory.set(A.0, 1);
    let woken = futexes.wake(A);
    let expected = if woken == 1 { Ok(()) } else { Err(FutexError::Changed(1)) };
    assert_eq!(waiter.join().unwrap(), expected);
    futexes.is_empty();
}

/// Who is moved is found where it was moved to.
fn requeue_and_wake() {
    let futexes = Futexes::new();
    let waiter = waiter(&futexes, None);
    futexes.memory.set(A.0, 1);
    let moved = futexes.move_all();
    assert_eq!(futexes.wake(B), moved);
    let expected = if moved == 1 { Ok(()) } else { Err(FutexError::Changed(1)) };
    assert_eq!(waiter.join().unwrap(), expected);
    futexes.is_empty();
}

/// Somebody gives up while he is moved, and another waits where he comes to.
fn requeue_and_timeout() {
    let futexes = Futexes::new();
    let waiter = waiter(&futexes, SOON);
    futexes.memory.set(A.0, 1);
    let moved = futexes.move_all();
    let woken = futexes.wake(B);
    assert!(woken <= moved);
    match waiter.join().unwrap() {
        Ok(()) => assert_eq!(woken, 1),
        Err(FutexError::Changed(1)) => assert_eq!(moved, 0),
        Err(error) => assert_eq!((error, woken), (FutexError::Wait(WaitError::TimedOut), 0)),
    }
    futexes.is_empty();
}

#[test]
fn no_wake_up_of_a_futex_is_lost() {
    explore_within(super::SOME, wait_and_wake);
}

#[test]
fn a_waiter_that_is_counted_without_a_fence_is_found() {
    must_find(Bug::CountUnfenced, wait_and_wake);
}

#[test]
fn a_waker_that_looks_without_a_fence_is_found() {
    must_find(Bug::UnfencedEmptyTest, wait_and_wake);
}

#[test]
fn a_word_compared_before_the_lock_is_found() {
    must_find(Bug::ComparedUnlocked, wait_and_wake);
}

#[test]
fn a_waiter_that_is_moved_is_woken_there() {
    explore_within(super::SOME, requeue_and_wake);
}

#[test]
fn a_waiter_that_is_moved_and_not_counted_is_found() {
    must_find(Bug::MovedUncounted, requeue_and_wake);
}

#[test]
fn a_waiter_that_is_moved_may_give_up() {
    explore_within(super::SOME, requeue_and_timeout);
}

#[test]
fn a_waiter_that_leaves_where_it_was_is_found() {
    must_find(Bug::HomeUnchecked, requeue_and_timeout);
}
