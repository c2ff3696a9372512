//! The lock over a state and those who wait: [`Queue`], and what its holder can do: [`Held`].

use core::fmt;

use super::list::{CURSOR, DONE, Link, List, WAITING};
use crate::caller::Token;
use crate::error::{Corruption, WaitError};
use crate::ports::Env;
use crate::sync::atomic::{AtomicBool, Ordering, fence};
use crate::sync::{Bug, Guard, Lock, const_fn, seeded};
use crate::wait::{BATCH, Readiness, Wake, WakeBatch};

/// What the waiters of a queue wait for.
pub(crate) trait Kind<E: Env>: Sized {
    /// What is there without the lock.
    type Word: Sync;
    /// What the lock guards beside them.
    type State: Send;
    /// What each of them waits with, and what it is given.
    type Value: Send;

    /// Waits may be moved between the queues of a table ([`Member::within`](super::Member::within)). Where not, the code for that
    /// is left out.
    const MOVES: bool = false;

    /// Somebody asks without the lock whether anybody waits ([`Queue::is_occupied`]). Where not, nobody writes it down.
    const LOOKED_AT: bool = true;

    /// A waiter is gone that had been given what it waited for and had not seen it: passes that on.
    fn pass_on(queue: &Queue<E, Self>, value: &mut Self::Value);

    /// A waiter comes in from another queue, or to the end of this one.
    fn arrive(_: &mut Self::State, _: &mut Self::Value) {}

    /// A waiter left without being given anything: who stood behind it may be next.
    fn left(_: &Queue<E, Self>) {}
}

/// Those who wait for one thing, in the order in which they came, and its state.
pub(crate) struct Queue<E: Env, K: Kind<E>> {
    park: E::Park,
    word: K::Word,
    /// Clear: nobody waits. Written under the lock, read without.
    occupied: AtomicBool,
    inner: Lock<E, Inner<E, K>>,
}

struct Inner<E: Env, K: Kind<E>> {
    state: K::State,
    ended: Option<WaitError>,
    list: List<Token<E>, K::Value>,
}

/// A locked queue.
pub(crate) struct Held<'a, T, S, V> {
    pub(crate) state: &'a mut S,
    /// Set: nobody waits here any more, for this cause.
    ended: &'a mut Option<WaitError>,
    pub(super) list: &'a mut List<T, V>,
}

type HeldBy<'a, E, K> = Held<'a, Token<E>, <K as Kind<E>>::State, <K as Kind<E>>::Value>;

/// The lock of a queue is held.
pub(crate) struct Hold<'q, E: Env, K: Kind<E>> {
    occupied: &'q AtomicBool,
    inner: Guard<'q, E, Inner<E, K>>,
}

impl<E: Env, K: Kind<E>> Hold<'_, E, K> {
    /// What its holder can do.
    #[inline]
    pub(crate) fn held(&mut self) -> HeldBy<'_, E, K> {
        let Inner { state, ended, list } = &mut *self.inner;
        Held { state, ended, list }
    }
}

impl<E: Env, K: Kind<E>> Drop for Hold<'_, E, K> {
    #[inline]
    fn drop(&mut self) {
        if K::LOOKED_AT {
            self.occupied.store(!self.inner.list.is_empty(), Ordering::Relaxed);
        }
    }
}

impl<E: Env, K: Kind<E>> fmt::Debug for Hold<'_, E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").finish_non_exhaustive()
    }
}

impl<E: Env, K: Kind<E>> Queue<E, K> {
    const_fn! {
        pub(crate) fn new(park: E::Park, word: K::Word, state: K::State) -> Self {
            let inner = Inner { state, ended: None, list: List::EMPTY };
            Self { park, word, occupied: AtomicBool::new(false), inner: Lock::new(inner) }
        }
    }

    pub(crate) const fn park(&self) -> &E::Park {
        &self.park
    }

    #[inline]
    pub(crate) const fn word(&self) -> &K::Word {
        &self.word
    }

    /// Whether somebody waited a moment ago: a hint, for who would overtake.
    #[inline]
    pub(crate) fn seems_occupied(&self) -> bool {
        self.occupied.load(Ordering::Relaxed)
    }

    /// Masks interrupts and takes the lock.
    #[inline]
    pub(crate) fn hold(&self) -> Hold<'_, E, K> {
        Hold { occupied: &self.occupied, inner: self.inner.hold() }
    }

    /// Runs `work` with interrupts masked and the lock held.
    #[inline]
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut HeldBy<'_, E, K>) -> R) -> R {
        work(&mut self.hold().held())
    }

    /// Whether somebody may wait: asked after the write that he may wait for.
    #[inline]
    pub(crate) fn is_occupied(&self) -> bool {
        if !seeded(Bug::UnfencedEmptyTest) {
            fence(Ordering::SeqCst);
        }
        self.occupied.load(Ordering::Relaxed)
    }

    /// What a waiter does between its entry and its look at what it waits for, where that is not under the lock.
    #[inline]
    pub(crate) fn order_with_wakers(&self) {
        fence(Ordering::SeqCst);
    }

    /// Lets `grant` end waits under the lock until it fills no batch any more; wakes without it. Returns how many were woken.
    pub(crate) fn wake_by(
        &self,
        mut grant: impl FnMut(&mut HeldBy<'_, E, K>, &mut WakeBatch<Token<E>>),
    ) -> usize {
        let (mut batch, mut woken) = (WakeBatch::new(), 0);
        loop {
            self.with(|held| grant(held, &mut batch));
            let delivered = batch.deliver(&self.park);
            woken += delivered;
            if delivered < BATCH {
                return woken;
            }
        }
    }

    /// Ends every wait with `cause`, and refuses all that come from now on. A queue that has ended already keeps the greater
    /// cause.
    pub(crate) fn end(&self, cause: WaitError) {
        if !seeded(Bug::ClosedLate) {
            self.with(|held| held.set_ended(cause));
        }
        self.wake_by(|held, batch| while held.end_front(batch, Err(cause)) {});
        if seeded(Bug::ClosedLate) {
            self.with(|held| held.set_ended(cause));
        }
    }

    /// Whether nobody may wait here any more, as those see it who watch.
    pub(crate) fn hung_up(&self) -> Readiness {
        match self.with(|held| held.ended()) {
            Some(_) => Readiness::HUNG_UP,
            None => Readiness::empty(),
        }
    }

    /// Walks every invariant, with the lock held.
    pub(crate) fn check(
        &self,
        mut sound: impl FnMut(&mut K::State, &mut K::Value) -> Result<(), &'static str>,
    ) -> Result<(), Corruption> {
        let found = self.with(|held| {
            let (mut previous, mut rest) = (None, held.list.head());
            while let Some(link) = rest {
                if !held.list.follows(link, previous) || !matches!(held.list.state(link), WAITING | CURSOR) {
                    return Err("a node that is linked wrongly");
                }
                if held.list.state(link) == WAITING {
                    let state = &mut *held.state;
                    held.list.with(link, |body| match body.wake {
                        None => Err("a waiter that nobody can wake"),
                        Some(_) => sound(state, &mut body.value),
                    })?;
                }
                (previous, rest) = (rest, held.list.next(link));
            }
            if held.list.ends_at(previous) { Ok(()) } else { Err("a list that ends elsewhere") }
        });
        found.map_err(|what| Corruption { what })
    }
}

impl<E: Env, K: Kind<E>> fmt::Debug for Queue<E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

/// What a node says of a wait that ended so.
fn state_of(outcome: Result<(), WaitError>) -> u32 {
    outcome.map_or_else(|error| error as u32, |()| DONE)
}

impl<T, S, V> Held<'_, T, S, V> {
    /// For what cause nobody may wait here any more.
    pub(crate) const fn ended(&self) -> Option<WaitError> {
        *self.ended
    }

    fn set_ended(&mut self, cause: WaitError) {
        let later = seeded(Bug::LaterEndWins);
        *self.ended = if later { Some(cause) } else { (*self.ended).max(Some(cause)) };
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.front().is_none()
    }

    /// The value of the first who waits.
    pub(crate) fn with_front<R>(&mut self, work: impl FnOnce(&mut S, &mut V) -> R) -> Option<R> {
        let link = self.front()?;
        let state = &mut *self.state;
        Some(self.list.with(link, |body| work(state, &mut body.value)))
    }

    /// Ends the wait of the first; false if nobody waits or the batch is full.
    pub(crate) fn end_front(&mut self, batch: &mut WakeBatch<T>, outcome: Result<(), WaitError>) -> bool {
        if batch.is_full() {
            return false;
        }
        let wake = self.take_first(outcome);
        let ended = wake.is_some();
        batch.push(wake);
        ended
    }

    /// Ends the wait of the first, and leaves it to the caller to wake it.
    #[inline(never)]
    pub(crate) fn take_first(&mut self, outcome: Result<(), WaitError>) -> Option<Wake<T>> {
        let link = self.front()?;
        self.list.end(link, state_of(outcome))
    }

    /// Ends the wait of the first with what it waited for, which is `value`, and leaves it to the caller to wake it.
    #[inline]
    pub(crate) fn give_first(&mut self, value: V) -> Option<Wake<T>> {
        let link = self.front()?;
        self.list.give(link, value)
    }

    /// Ends the wait of the first that `chosen` picks; false if there is none, or the batch is full. Looks at all who wait.
    pub(crate) fn end_first(
        &mut self,
        batch: &mut WakeBatch<T>,
        outcome: Result<(), WaitError>,
        mut chosen: impl FnMut(&mut S, &mut V) -> bool,
    ) -> bool {
        let mut next = self.list.head();
        while let Some(link) = next
            && !batch.is_full()
        {
            let state = &mut *self.state;
            let waits = self.list.state(link) == WAITING;
            if waits && self.list.with(link, |body| chosen(state, &mut body.value)) {
                self.end(link, batch, outcome);
                return true;
            }
            next = self.list.next(link);
        }
        false
    }

    /// Makes a waiter the last of `to`, with that queue's number, or of this queue.
    pub(super) fn relocate<E, K>(&mut self, link: Link<T, V>, to: Option<(&mut Held<'_, T, S, V>, u32)>)
    where
        E: Env,
        K: Kind<E, State = S, Value = V>,
    {
        let (list, state) = match to {
            None => {
                self.list.move_to_back(link);
                (&mut *self.list, &mut *self.state)
            }
            Some((to, home)) => {
                self.list.move_to(link, to.list, home);
                (&mut *to.list, &mut *to.state)
            }
        };
        list.with(link, |body| K::arrive(state, &mut body.value));
    }

    pub(super) fn end(&mut self, link: Link<T, V>, batch: &mut WakeBatch<T>, outcome: Result<(), WaitError>) {
        batch.push(self.list.end(link, state_of(outcome)));
    }

    /// The first node that is a waiter's: there are as many cursors as walks.
    fn front(&mut self) -> Option<Link<T, V>> {
        let mut first = self.list.head();
        while let Some(link) = first
            && self.list.state(link) == CURSOR
        {
            first = self.list.next(link);
        }
        first
    }
}
