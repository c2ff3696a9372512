//! One wait of one thread or future: [`Member`].

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::list::{DONE, IDLE, Link, Node, WAITING};
use super::queue::{Held, Hold, Kind, Queue};
use crate::caller::Token;
use crate::error::WaitError;
use crate::ports::{BlockReason, Env, Park, Resume};
use crate::sync::{Bug, seeded};
use crate::time::Instant;
use crate::wait::Wake;

/// A place in a queue, on its owner's stack or in his future.
///
/// Dropped before its owner saw that he was given what he waited for, it passes that on.
pub(crate) struct Member<'q, E: Env, K: Kind<E>> {
    queue: &'q Queue<E, K>,
    /// Queues between which others may move the wait; empty if nobody does.
    table: &'q [Queue<E, K>],
    node: Node<Token<E>, K::Value>,
}

type HeldBy<'a, E, K> = Held<'a, Token<E>, <K as Kind<E>>::State, <K as Kind<E>>::Value>;

impl<'q, E: Env, K: Kind<E>> Member<'q, E, K> {
    /// Not yet waiting, with `value`.
    pub(crate) fn new(queue: &'q Queue<E, K>, value: K::Value) -> Self {
        Self { queue, table: &[], node: Node::new(value) }
    }

    /// As [`new`](Self::new), at `queue`, which is number `home` of `table`; others may move it within that.
    pub(crate) fn within(
        table: &'q [Queue<E, K>],
        queue: &'q Queue<E, K>,
        home: u32,
        value: K::Value,
    ) -> Self {
        Self { queue, table, node: Node::new(value).at_home(home) }
    }

    /// The queue that its node names: where it waits, if it waits and nobody moves it just now.
    pub(crate) fn home(&self) -> &'q Queue<E, K> {
        if !K::MOVES {
            return self.queue;
        }
        self.table.get(self.node.home() as usize).unwrap_or(self.queue)
    }

    /// Runs `work` under the lock of the queue where it is. Looks again for each move that comes between.
    fn with_home<R>(&self, work: impl FnOnce(&mut HeldBy<'_, E, K>) -> R) -> R {
        if !K::MOVES {
            return self.queue.with(work);
        }
        let mut work = Some(work);
        loop {
            let (home, queue) = (self.node.home(), self.home());
            let done = queue.with(|held| {
                let there = self.node.home() == home || seeded(Bug::HomeUnchecked);
                if there { work.take().map(|work| work(held)) } else { None }
            });
            if let Some(done) = done {
                return done;
            }
        }
    }

    /// Waits from now on, to be woken by `wake`, unless `attempt` finds under the lock that there is no need (true). Nothing if
    /// it waits already.
    ///
    /// # Errors
    /// For what cause nobody may wait here; `attempt` was not asked.
    pub(crate) fn enter(
        self: Pin<&mut Self>,
        wake: Wake<Token<E>>,
        attempt: impl FnOnce(&mut HeldBy<'_, E, K>, &mut K::Value) -> bool,
    ) -> Result<bool, WaitError> {
        let this = self.into_ref().get_ref();
        let node = &this.node;
        if node.state() != IDLE {
            return Ok(false);
        }
        this.home().with(|held| {
            if let Some(cause) = held.ended() {
                return Err(cause);
            }
            // SAFETY: the node is idle, so it is the owner's, who is the caller (invariant 1).
            let there = unsafe { node.with(|body| attempt(held, &mut body.value)) };
            if there {
                return Ok(true);
            }
            // SAFETY: as above.
            unsafe { node.with(|body| body.wake = Some(wake)) };
            // SAFETY: the member is pinned and leaves when dropped; the list is that of its queue, whose lock is held.
            let link = unsafe { Link::new(node) };
            held.list.push_back(link, WAITING);
            Ok(false)
        })
    }

    /// Takes the lock of its queue, for who looks whether he must wait and then enters.
    pub(crate) fn hold(self: Pin<&mut Self>) -> Entering<'_, E, K> {
        let member = self.into_ref().get_ref();
        Entering { node: &member.node, hold: member.home().hold() }
    }

    /// How the wait ended, which is told once; `None` if it did not.
    pub(crate) fn outcome(self: Pin<&mut Self>) -> Option<Result<(), WaitError>> {
        let outcome = outcome_of(self.node.state())?;
        self.node.set_idle();
        Some(outcome)
    }

    /// Leaves with `cause`, or with a greater one for which the queue has ended, unless the wait has ended before.
    pub(crate) fn give_up(self: Pin<&mut Self>, cause: WaitError) -> Result<(), WaitError> {
        let ended = self.as_ref().leave();
        let outcome = self.outcome();
        if seeded(Bug::TimeoutUnchecked) {
            return Err(cause);
        }
        outcome.unwrap_or(Err(ended.max(Some(cause)).unwrap_or(cause)))
    }

    /// Leaves the list if it is in it. Returns for what cause the queue has ended.
    fn leave(self: Pin<&Self>) -> Option<WaitError> {
        let node = &self.get_ref().node;
        let (was_in, ended) = self.with_home(|held| {
            let was_in = node.state() == WAITING;
            if was_in {
                // SAFETY: it is in the list of the queue that it names, whose lock is held; so it was pinned.
                held.list.remove(unsafe { Link::new(node) });
            }
            (was_in, held.ended())
        });
        if was_in {
            K::left(self.home());
        }
        ended
    }

    /// For a member that goes: leaves the list if it is in it, and passes on what it was given and had not seen.
    #[cold]
    fn abandon(&self) {
        if self.node.state() == WAITING {
            // SAFETY: it is in a list, so it was pinned, and it is not moved from here on.
            unsafe { Pin::new_unchecked(self) }.leave();
        }
        if self.node.state() == DONE && !seeded(Bug::WakeKept) {
            let queue = self.home();
            // SAFETY: the wait has ended, and this is the owner's end.
            unsafe { self.node.with(|body| K::pass_on(queue, &mut body.value)) };
        }
    }

    /// Sleeps until the wait has ended, or ends it.
    ///
    /// # Errors
    /// [`WaitError`]; it waits no longer.
    pub(crate) fn sleep(
        mut self: Pin<&mut Self>,
        me: &Token<E>,
        until: Option<Instant>,
        why: BlockReason,
    ) -> Result<(), WaitError> {
        loop {
            if let Some(outcome) = self.as_mut().outcome() {
                return outcome;
            }
            match self.queue.park().park(me, until, why) {
                Resume::Woken => {}
                Resume::TimedOut => return self.give_up(WaitError::TimedOut),
                Resume::Interrupted => return self.give_up(WaitError::Interrupted),
            }
        }
    }

    /// As [`sleep`](Self::sleep), after it has woken `to`.
    #[inline]
    pub(crate) fn sleep_after(
        mut self: Pin<&mut Self>,
        me: &Token<E>,
        to: &Token<E>,
        until: Option<Instant>,
        why: BlockReason,
    ) -> Result<(), WaitError> {
        let resume = self.queue.park().hand_off(me, to, until, why);
        match self.as_mut().outcome() {
            Some(outcome) => outcome,
            None => self.sleep_on(me, until, why, resume),
        }
    }

    /// As [`sleep`](Self::sleep), after a sleep that ended as `resume` says and did not end the wait.
    #[cold]
    fn sleep_on(
        self: Pin<&mut Self>,
        me: &Token<E>,
        until: Option<Instant>,
        why: BlockReason,
        resume: Resume,
    ) -> Result<(), WaitError> {
        match resume {
            Resume::Woken => self.sleep(me, until, why),
            Resume::TimedOut => self.give_up(WaitError::TimedOut),
            Resume::Interrupted => self.give_up(WaitError::Interrupted),
        }
    }

    /// As [`enter`](Self::enter) and [`outcome`](Self::outcome) for a future: waits from the first call on.
    pub(crate) fn poll(
        self: Pin<&mut Self>,
        cx: &Context<'_>,
        attempt: impl FnOnce(&mut HeldBy<'_, E, K>, &mut K::Value) -> bool,
    ) -> Poll<Result<(), WaitError>> {
        let state = self.node.state();
        if state == IDLE {
            return match self.enter(Wake::Future(cx.waker().clone()), attempt) {
                Ok(true) => Poll::Ready(Ok(())),
                Ok(false) => Poll::Pending,
                Err(cause) => Poll::Ready(Err(cause)),
            };
        }
        if state == WAITING {
            self.as_ref().rewake(cx);
        }
        self.outcome().map_or(Poll::Pending, Poll::Ready)
    }

    /// Has the future of `cx` woken from now on.
    fn rewake(self: Pin<&Self>, cx: &Context<'_>) {
        let node = &self.get_ref().node;
        // What is replaced is dropped when the lock is free: a waker may do anything then.
        let mut other = Some(Wake::Future(cx.waker().clone()));
        self.with_home(|held| {
            if node.state() == WAITING {
                // SAFETY: it is in the list of the queue that it names, whose lock is held; so it was pinned.
                let link = unsafe { Link::new(node) };
                held.list.with(link, |body| core::mem::swap(&mut body.wake, &mut other));
            }
        });
        drop(other);
    }

    /// Runs `work` on the value of a wait that has ended, or not begun; `None` while it waits.
    pub(crate) fn with_value<R>(self: Pin<&mut Self>, work: impl FnOnce(&mut K::Value) -> R) -> Option<R> {
        let node = &self.into_ref().get_ref().node;
        if node.state() == WAITING {
            return None;
        }
        // SAFETY: the node is in no list, and the caller has the member for himself: he is the owner (invariant 1).
        Some(unsafe { node.with(|body| work(&mut body.value)) })
    }
}

/// Makes a node the last of those who wait.
///
/// # Safety
/// The node is idle, and the caller is its owner; its member is pinned, and `held` is the queue that the member names.
#[inline]
unsafe fn link<T, S, V>(node: &Node<T, V>, held: &mut Held<'_, T, S, V>, wake: Wake<T>) {
    // SAFETY: the node is its owner's, who is the caller (invariant 1).
    unsafe { node.with(|body| body.wake = Some(wake)) };
    // SAFETY: the member is pinned and leaves when dropped; the list is that of its queue, whose lock is held.
    let link = unsafe { Link::new(node) };
    held.list.push_back(link, WAITING);
}

/// A member about to wait, with the lock of its queue.
pub(crate) struct Entering<'m, E: Env, K: Kind<E>> {
    node: &'m Node<Token<E>, K::Value>,
    hold: Hold<'m, E, K>,
}

impl<E: Env, K: Kind<E>> Entering<'_, E, K> {
    /// What the holder of the lock can do.
    #[inline]
    pub(crate) fn held(&mut self) -> HeldBy<'_, E, K> {
        self.hold.held()
    }

    /// Waits from now on, to be woken by `wake`. Lets go of the lock. Nothing if it waits already.
    ///
    /// # Errors
    /// For what cause nobody may wait here.
    #[inline]
    pub(crate) fn enter(mut self, wake: Wake<Token<E>>) -> Result<(), WaitError> {
        let mut held = self.hold.held();
        if let Some(cause) = held.ended() {
            return Err(cause);
        }
        if self.node.state() == IDLE {
            // SAFETY: the node is idle, and its member is pinned and lent to this; `hold` made the lock that of its queue.
            unsafe { link(self.node, &mut held, wake) };
        }
        Ok(())
    }
}

impl<E: Env, K: Kind<E>> fmt::Debug for Entering<'_, E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entering").finish_non_exhaustive()
    }
}

#[inline]
fn outcome_of(state: u32) -> Option<Result<(), WaitError>> {
    if state == DONE { Some(Ok(())) } else { error_of(state).map(Err) }
}

#[cold]
fn error_of(state: u32) -> Option<WaitError> {
    const ENDS: [WaitError; 5] = [
        WaitError::TimedOut,
        WaitError::Interrupted,
        WaitError::Cancelled,
        WaitError::Revoked,
        WaitError::PeerClosed,
    ];
    ENDS.into_iter().find(|&end| end as u32 == state)
}

impl<E: Env, K: Kind<E>> Drop for Member<'_, E, K> {
    fn drop(&mut self) {
        // Loom takes the threads of a failed schedule down without a schedule.
        #[cfg(all(test, any(loom, shuttle)))]
        if std::thread::panicking() {
            return;
        }
        if self.node.state() != IDLE {
            self.abandon();
        }
    }
}

impl<E: Env, K: Kind<E>> fmt::Debug for Member<'_, E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").finish_non_exhaustive()
    }
}
