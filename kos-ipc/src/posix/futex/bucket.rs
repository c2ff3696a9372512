//! The queues of a table, and those who wait in them: `Futexes`, `Waiter`, `Counted`.

use core::marker::PhantomData;

use crate::ports::Env;
use crate::sync::atomic::{AtomicU32, Ordering, fence};
use crate::sync::{Bug, seeded};
use crate::wait::{Held, Kind, Look, Queue};

/// The kind of wait: at a word.
pub(super) struct Futexes<K>(PhantomData<fn() -> K>);

/// Who waits, and at what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter<K> {
    pub(super) key: K,
    pub(super) bits: u32,
    /// Those who came to this queue before have less.
    pub(super) turn: u64,
}

pub(super) type Bucket<E, K> = Queue<E, Futexes<K>>;
pub(super) type HeldBucket<'a, T, K> = Held<'a, T, u64, Waiter<K>>;

impl<E: Env, K: Copy + Eq + Send> Kind<E> for Futexes<K> {
    /// How many wait, or are about to.
    type Word = AtomicU32;
    /// The next turn.
    type State = u64;
    type Value = Waiter<K>;

    const MOVES: bool = true;

    /// A future that is gone: to the next at the same word.
    fn pass_on(queue: &Queue<E, Self>, waiter: &mut Waiter<K>) {
        let key = waiter.key;
        queue.wake_by(|held, batch| {
            if held.end_first(batch, Ok(()), |_, other| other.key == key) {
                queue.word().fetch_sub(1, Ordering::Relaxed);
            }
        });
    }

    fn left(queue: &Queue<E, Self>) {
        queue.word().fetch_sub(1, Ordering::Relaxed);
    }

    fn arrive(next: &mut u64, waiter: &mut Waiter<K>) {
        waiter.turn = *next;
        *next += 1;
    }
}

/// Somebody who is about to wait, until it is dropped or he waits. Who ends his wait, or has it leave, counts him out then.
pub(super) struct Counted<'q>(Option<&'q AtomicU32>);

impl<'q> Counted<'q> {
    /// Counts one more, before anything that the caller looks at next.
    pub(super) fn new(count: &'q AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        if !seeded(Bug::CountUnfenced) {
            fence(Ordering::SeqCst);
        }
        Self(Some(count))
    }

    /// He waits.
    pub(super) fn entered(mut self) {
        self.0 = None;
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.0 {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Whether somebody may wait: asked after the write that he may wait for.
pub(super) fn is_waited<E: Env, K: Copy + Eq + Send>(queue: &Bucket<E, K>) -> bool {
    if !seeded(Bug::UnfencedEmptyTest) {
        fence(Ordering::SeqCst);
    }
    queue.word().load(Ordering::Relaxed) > 0
}

/// Picks up to `count` of those who waited at `key` when it was asked first.
pub(super) struct Picker<K> {
    pub(super) key: K,
    pub(super) bits: u32,
    pub(super) left: usize,
    limit: Option<u64>,
}

impl<K: Copy + Eq> Picker<K> {
    pub(super) const fn new(key: K, bits: u32, left: usize) -> Self {
        Self { key, bits, left, limit: None }
    }

    /// Who has this turn or a later one came after the first look, when `next` was the next.
    pub(super) fn limit(&mut self, next: u64) -> u64 {
        *self.limit.get_or_insert(next)
    }

    /// Whether `waiter` is one of them, or there are no more.
    pub(super) fn pick(&mut self, next: u64, waiter: &Waiter<K>, look: Look) -> Look {
        if self.left == 0 || waiter.turn >= self.limit(next) {
            return Look::Stop;
        }
        if waiter.key != self.key || waiter.bits & self.bits == 0 {
            return Look::Pass;
        }
        self.left -= 1;
        look
    }
}
