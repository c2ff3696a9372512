//! A mark in the list that keeps the place of a walk: [`Cursor`].

use core::fmt;
use core::pin::Pin;

use super::list::{CURSOR, IDLE, Link, Node, WAITING};
use super::queue::{Held, Kind, Queue};
use crate::caller::Token;
use crate::error::WaitError;
use crate::ports::Env;
use crate::wait::WakeBatch;

/// What comes of a waiter that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing.
    Pass,
    /// Its wait ends.
    End(Result<(), WaitError>),
    /// It waits on as the last of the other queue, or of this one if there is no other.
    Move,
    /// Nothing, and the walk is over.
    Stop,
}

type HeldBy<'a, E, K> = Held<'a, Token<E>, <K as Kind<E>>::State, <K as Kind<E>>::Value>;

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
        let mut judge = |_: &mut K::State, value: &mut K::Value| match chosen(value) {
            true => Look::End(outcome),
            false => Look::Pass,
        };
        while !this.over && left > 0 {
            let queue = this.queue;
            this.over = queue.with(|held| this.pass(held, None, &mut left, &mut batch, &mut judge));
            batch.deliver(queue.park());
        }
        this.over
    }

    /// Looks at all waiters, as `judge` says of each, until it says [`Look::Stop`]. With `to`, a queue and its number in the table
    /// of the waits, both locks are held, taken in the order of addresses. `admit` is asked under the first hold, whether there is
    /// to be any look.
    pub(crate) fn visit(
        self: Pin<&mut Self>,
        to: Option<(&Queue<E, K>, u32)>,
        mut admit: impl FnMut() -> bool,
        mut judge: impl FnMut(&mut K::State, &mut K::Value) -> Look,
    ) {
        // SAFETY: nothing is moved out of the cursor.
        let this = unsafe { self.get_unchecked_mut() };
        let (mut batch, mut asked, mut left) = (WakeBatch::new(), false, usize::MAX);
        let to = to.filter(|(to, _)| !core::ptr::eq(*to, this.queue));
        while !this.over {
            let queue = this.queue;
            let mut pass = |held: &mut HeldBy<'_, E, K>, to: Option<(&mut HeldBy<'_, E, K>, u32)>| {
                let refused = !core::mem::replace(&mut asked, true) && !admit();
                refused || this.pass(held, to, &mut left, &mut batch, &mut judge)
            };
            this.over = match to {
                None => queue.with(|held| pass(held, None)),
                Some((to, home)) if core::ptr::from_ref(to) < core::ptr::from_ref(queue) => {
                    to.with(|to| queue.with(|held| pass(held, Some((to, home)))))
                }
                Some((to, home)) => queue.with(|held| to.with(|to| pass(held, Some((to, home))))),
            };
            batch.deliver(queue.park());
        }
    }

    /// Goes on under one hold of the lock until the batch is full, or enough were looked at. True when it is over.
    fn pass(
        &self,
        held: &mut HeldBy<'_, E, K>,
        mut to: Option<(&mut HeldBy<'_, E, K>, u32)>,
        left: &mut usize,
        batch: &mut WakeBatch<Token<E>>,
        judge: &mut impl FnMut(&mut K::State, &mut K::Value) -> Look,
    ) -> bool {
        // SAFETY: `step` has the cursor pinned, and it leaves when dropped; the list is that of its queue, which is locked.
        let link = unsafe { Link::new(&self.node) };
        if self.node.state() == IDLE {
            held.list.push_front(link, CURSOR);
        }
        let mut looks = crate::wait::BATCH.min(*left);
        loop {
            if looks == 0 || batch.is_full() {
                return false;
            }
            let Some(next) = held.list.next(link) else { break };
            let look = match held.list.state(next) {
                WAITING => held.list.with(next, |body| judge(held.state, &mut body.value)),
                _ => Look::Pass,
            };
            match look {
                Look::Stop => break,
                Look::Pass => held.list.step_over(link, next),
                Look::End(outcome) => held.end(next, batch, outcome),
                Look::Move => held.relocate::<E, K>(next, to.as_mut().map(|(to, home)| (&mut **to, *home))),
            }
            (looks, *left) = (looks - 1, *left - 1);
        }
        held.list.remove(link);
        true
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
