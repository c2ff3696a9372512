//! Futexes beside lists of who waits at which word: [`run`].
#![expect(
    clippy::indexing_slicing,
    reason = "a model: what it says that is there, is there, or the test is to end"
)]

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::{Choices, StdEnv, StdPark, Words};
use crate::posix::futex::{FutexError, FutexTable, Requeued, WakeOp};

const WORDS: usize = 4;
const WAITERS: usize = 24;

/// Few queues: many words share one.
type Table = FutexTable<StdEnv, Words, 2>;
type Waiting<'a> = Pin<Box<dyn Future<Output = Result<(), FutexError>> + 'a>>;

/// Somebody who waits.
struct Waiter<'a> {
    number: u64,
    future: Waiting<'a>,
}

/// What should be there: who waits at each word, with which bits.
#[derive(Debug)]
pub(crate) struct Lists {
    at: Vec<Vec<(u64, u32)>>,
    next: u64,
}

impl Lists {
    pub(crate) fn new(words: usize) -> Self {
        Self { at: vec![Vec::new(); words], next: 0 }
    }

    pub(crate) fn wait(&mut self, word: usize, bits: u32) -> u64 {
        self.next += 1;
        self.at[word].push((self.next, bits));
        self.next
    }

    pub(crate) fn leave(&mut self, number: u64) {
        self.at.iter_mut().for_each(|list| list.retain(|&(other, _)| other != number));
    }

    /// Who is woken.
    pub(crate) fn wake(&mut self, word: usize, count: usize, bits: u32) -> Vec<u64> {
        let there = self.at[word].iter().filter(|(_, of)| of & bits != 0);
        let woken: Vec<u64> = there.map(|&(number, _)| number).take(count).collect();
        self.at[word].retain(|(number, _)| !woken.contains(number));
        woken
    }

    /// Who is woken, and how many are moved.
    pub(crate) fn requeue(&mut self, [from, to]: [usize; 2], wake: usize, count: usize) -> (Vec<u64>, usize) {
        let woken = self.wake(from, wake, u32::MAX);
        let moved = count.min(self.at[from].len());
        if from == to {
            return (woken, moved);
        }
        let rest = self.at[from].split_off(moved);
        let taken = core::mem::replace(&mut self.at[from], rest);
        self.at[to].extend(taken);
        (woken, moved)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.at.iter().map(Vec::len).sum()
    }
}

struct World<'a> {
    table: &'a Table,
    words: &'a Words,
    waiters: Vec<Waiter<'a>>,
    lists: Lists,
}

/// Does what `choices` say, and compares after each step.
///
/// # Panics
/// If they differ.
pub(crate) fn run(choices: &mut Choices<'_>) {
    let (table, words) = (Table::new(StdPark::new(), [3, 5]), Words::new(WORDS));
    let mut world = World { table: &table, words: &words, waiters: Vec::new(), lists: Lists::new(WORDS) };
    while choices.more() {
        world.step(choices);
        assert_eq!((table.check(), table.waiting()), (Ok(()), world.lists.waiting()));
    }
    drop(world);
    assert_eq!((table.check(), table.waiting()), (Ok(()), 0));
}

impl World<'_> {
    fn step(&mut self, choices: &mut Choices<'_>) {
        let (one, other) = (choices.below(WORDS), choices.below(WORDS));
        let (count, more) = (choices.below(5), choices.below(5));
        if choices.once_in(8) {
            self.words.page_out(one * 4);
        }
        match choices.below(8) {
            0..=2 => self.wait(one, choices),
            3 => {
                let bits = [u32::MAX, 1, 2, 6][choices.below(4)];
                let woken = self.table.wake(self.words, (one * 4, false), count, bits);
                let expected = self.lists.wake(one, count, bits);
                assert_eq!(woken, Ok(expected.len()));
                self.see(&expected);
            }
            4 | 5 => self.requeue([one, other], [count, more], choices),
            6 => self.wake_op([one, other], [count, more], choices),
            _ if self.waiters.is_empty() => {}
            _ => {
                let gone = self.waiters.swap_remove(choices.below(self.waiters.len()));
                self.lists.leave(gone.number);
            }
        }
    }

    fn wait(&mut self, word: usize, choices: &mut Choices<'_>) {
        if self.waiters.len() == WAITERS {
            return;
        }
        let (value, bits) = (self.words.get(word * 4), [u32::MAX, 1, 2, 4][choices.below(4)]);
        let expected = if choices.once_in(4) { value ^ 1 } else { value };
        let mut future: Waiting<'_> =
            Box::pin(self.table.wait_async(self.words, (word * 4, false), expected, bits));
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => {
                assert_eq!(result, Err(FutexError::Changed(value)));
                assert_ne!(value, expected);
            }
            Poll::Pending => {
                assert_eq!(value, expected);
                let number = self.lists.wait(word, bits);
                self.waiters.push(Waiter { number, future });
            }
        }
    }

    fn requeue(&mut self, words: [usize; 2], [wake, count]: [usize; 2], choices: &mut Choices<'_>) {
        let [from, to] = words.map(|word| (word * 4, false));
        let value = self.words.get(from.0);
        let expected = [None, Some(value), Some(value ^ 1)][choices.below(3)];
        let done = self.table.requeue(self.words, from, to, wake, count, expected);
        if expected.is_some_and(|expected| expected != value) {
            return assert_eq!(done, Err(FutexError::Changed(value)));
        }
        let (woken, moved) = self.lists.requeue(words, wake, count);
        assert_eq!(done, Ok(Requeued { woken: woken.len(), moved }));
        self.see(&woken);
    }

    fn wake_op(&mut self, words: [usize; 2], [wake, more]: [usize; 2], choices: &mut Choices<'_>) {
        let [one, other] = words.map(|word| (word * 4, false));
        let old = self.words.get(other.0);
        let code = u32::try_from(choices.below(5) << 28 | choices.below(6) << 24 | choices.below(1 << 12));
        let Some(op) = code.ok().and_then(WakeOp::decode) else { return };
        let done = self.table.wake_op(self.words, one, other, wake, more, op);
        assert_eq!(self.words.get(other.0), op.apply(old));
        let mut woken = self.lists.wake(words[0], wake, u32::MAX);
        if op.holds(old) {
            woken.extend(self.lists.wake(words[1], more, u32::MAX));
        }
        assert_eq!(done, Ok(woken.len()));
        self.see(&woken);
    }

    /// Exactly those of `woken` are done.
    fn see(&mut self, woken: &[u64]) {
        self.waiters.retain_mut(|waiter| {
            let poll = waiter.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let expected = if woken.contains(&waiter.number) { Poll::Ready(Ok(())) } else { Poll::Pending };
            assert_eq!(poll, expected);
            poll.is_pending()
        });
    }
}
