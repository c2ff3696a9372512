//! One wait of one task or future: [`Waiter`], and how it sleeps: [`sleep`].

use core::pin::Pin;
use core::task::{Context, Poll};

use super::gate::{EXCLUSIVE, GateMember, Outcome, SHARED, Waiting, Wake, enter};
use super::wait_queue::WaitQueue;
use crate::error::WaitError;
use crate::pinned::Member;
use crate::ports::{BlockReason, Resume, SyncEnv};
use crate::seeded::{Bug, seeded};
use crate::time::Instant;

/// A place in a wait queue, on its owner's stack or in his future.
///
/// Dropped before its owner saw that it was woken, an exclusive waiter passes the wake-up on.
pub(super) struct Waiter<'q, E: SyncEnv> {
    queue: &'q WaitQueue<E>,
    list: usize,
    member: GateMember<'q, E>,
}

impl<'q, E: SyncEnv> Waiter<'q, E> {
    /// Not yet waiting. `second` is the queue to which it may be moved.
    pub(super) fn new(queue: &'q WaitQueue<E>, second: Option<&'q WaitQueue<E>>, exclusive: bool) -> Self {
        let member = Member::new(queue.gate(), second.map(WaitQueue::gate), Waiting::new(0));
        Self { queue, list: if exclusive { EXCLUSIVE } else { SHARED }, member }
    }

    /// Waits from now on, as the running task. What it waits for is to be checked after this, before it sleeps.
    pub(super) fn register(self: Pin<&Self>) -> Result<(), WaitError> {
        let task = self.queue.gate().env().current();
        self.enter(Wake::Task(task))
    }

    fn enter(self: Pin<&Self>, wake: Wake<E::Task>) -> Result<(), WaitError> {
        self.member().with(|seat| {
            enter(seat, self.list, wake)?;
            self.queue.set_occupied();
            Ok(())
        })
    }

    /// Sleeps until woken.
    pub(super) fn sleep(self: Pin<&Self>, until: Option<Instant>, why: BlockReason) -> Result<(), WaitError> {
        sleep(self.member(), until, why)
    }

    /// Waits from the first call on, as the future of `cx`; ready when woken.
    pub(super) fn poll(self: Pin<&Self>, cx: &Context<'_>) -> Poll<Result<(), WaitError>> {
        let waker = Wake::Future(cx.waker().clone());
        // What is replaced is dropped when the lock is free: a waker may do anything then.
        let (poll, _replaced) = self.member().with(|seat| match (seat.value().outcome, seat.is_linked()) {
            (Outcome::Waiting, true) => (Poll::Pending, seat.value().wake.replace(waker)),
            (Outcome::Waiting, false) => match enter(seat, self.list, waker) {
                Ok(()) => {
                    self.queue.set_occupied();
                    (Poll::Pending, None)
                }
                Err(error) => (Poll::Ready(Err(error)), None),
            },
            (Outcome::Woken, _) => (Poll::Ready(Ok(())), Some(waker)),
            (Outcome::Closed, _) => (Poll::Ready(Err(WaitError::Closed)), Some(waker)),
        });
        poll
    }

    #[expect(unsafe_code, reason = "a projection to a pinned field")]
    fn member(self: Pin<&Self>) -> Pin<&GateMember<'q, E>> {
        // SAFETY: the field is pinned with the waiter: nothing moves it out, not even `drop`, and it is not `Unpin`.
        unsafe { self.map_unchecked(|waiter| &waiter.member) }
    }
}

impl<E: SyncEnv> Drop for Waiter<'_, E> {
    fn drop(&mut self) {
        let mut unused = false;
        self.member.retire(|seat| unused = !seat.leave() && seat.value().outcome == Outcome::Woken);
        if unused && self.list == EXCLUSIVE && !seeded(Bug::WakeKept) {
            self.queue.wake(1);
        }
    }
}

/// Sleeps until the wait of `member` has ended, or ends it.
pub(super) fn sleep<E: SyncEnv>(
    member: Pin<&GateMember<'_, E>>,
    until: Option<Instant>,
    why: BlockReason,
) -> Result<(), WaitError> {
    let env = member.get_ref().home().env();
    loop {
        let resume = env.park(until, why);
        if resume == Resume::TimedOut && seeded(Bug::WaitTimeoutUnchecked) {
            return Err(WaitError::TimedOut);
        }
        let ended = member.with(|seat| match seat.value().outcome {
            Outcome::Woken => Some(Ok(())),
            Outcome::Closed => Some(Err(WaitError::Closed)),
            Outcome::Waiting => {
                let error = WaitError::of(resume)?;
                seat.leave();
                Some(Err(error))
            }
        });
        if let Some(result) = ended {
            return result;
        }
    }
}
