//! A mark in the list that keeps the place of a walk: [`Cursor`].

use core::fmt;
use core::pin::Pin;

use super::list::{CURSOR, IDLE, Link, Node, WAITING};
use super::queue::{Kind, Queue};
use crate::caller::Token;
use crate::error::WaitError;
use crate::ports::Env;
use crate::wait::WakeBatch;

/// The place of one walk over those who wait. Waiters come and go on both sides of it; wake-ups pass it over.
///
/// It looks at each that it meets once: who comes later stands behind it, and is looked at too. A hold of the lock is at most
/// [`BATCH`](crate::wait::BATCH) looks long.
pub(crate) struct Cursor<'q, E: Env, K: Kind<E>> {
    queue: &'q Queue<E, K>,
    node: Node<Token<E>, K::Value>,
    over: bool,
}

impl<'q, E: Env, K: Kind<E>> Cursor<'q, E, K> {
    /// Before the first. `value` is nobody's.
    pub(crate) fn new(queue: &'q Queue<E, K>, value: K::Value) -> Self {
        Self { queue, node: Node::new(value), over: false }
    }

    /// Looks at up to `budget` waiters; ends with `outcome` the waits that `chosen` picks. True when there are no more.
    pub(crate) fn step(
        self: Pin<&mut Self>,
        budget: usize,
        outcome: Result<(), WaitError>,
        mut chosen: impl FnMut(&mut K::Value) -> bool,
    ) -> bool {
        // SAFETY: nothing is moved out of the cursor.
        let this = unsafe { self.get_unchecked_mut() };
        let (mut left, mut batch) = (budget, WakeBatch::new());
        while !this.over && left > 0 {
            this.over = this.pass(&mut left, &mut batch, outcome, &mut chosen);
            batch.deliver(this.queue.park());
        }
        this.over
    }

    /// Goes on under one hold of the lock until the batch is full.
    fn pass(
        &self,
        left: &mut usize,
        batch: &mut WakeBatch<Token<E>>,
        outcome: Result<(), WaitError>,
        chosen: &mut impl FnMut(&mut K::Value) -> bool,
    ) -> bool {
        self.queue.with(|held| {
            // SAFETY: `step` has the cursor pinned, and it leaves when dropped; the list is that of its queue, which is locked.
            let link = unsafe { Link::new(&self.node) };
            if self.node.state() == IDLE {
                held.list.push_front(link, CURSOR);
            }
            let mut looks = crate::wait::BATCH.min(*left);
            while looks > 0 && !batch.is_full() {
                let Some(next) = held.list.next(link) else {
                    held.list.remove(link);
                    return true;
                };
                let taken =
                    held.list.state(next) == WAITING && held.list.with(next, |body| chosen(&mut body.value));
                match taken {
                    true => held.end(next, batch, outcome),
                    false => held.list.step_over(link, next),
                }
                (looks, *left) = (looks - 1, *left - 1);
            }
            false
        })
    }
}

impl<E: Env, K: Kind<E>> Drop for Cursor<'_, E, K> {
    fn drop(&mut self) {
        if self.node.state() == CURSOR {
            self.queue.with(|held| {
                // SAFETY: it is in the list of its queue, which is locked; so it was pinned.
                held.list.remove(unsafe { Link::new(&self.node) });
            });
        }
    }
}

impl<E: Env, K: Kind<E>> fmt::Debug for Cursor<'_, E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").finish_non_exhaustive()
    }
}
