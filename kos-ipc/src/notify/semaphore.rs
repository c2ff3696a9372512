//! Permits, handed over in the order in which they were asked for: [`Semaphore`].
//!
//! The permits are an atomic, so that with nobody waiting an acquire and a release are one read-modify-write each. A waiter enters
//! the queue, then looks at the permits; who releases adds, then looks at the queue; whoever sees both hands over under the
//! lock (`settle`).
//!
//! Source: POSIX `sem_post`, `sem_wait` (IEEE 1003.1, 2018): the order of service, and the limit `SEM_VALUE_MAX`.

use core::error::Error;
use core::fmt;
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

use crate::caller::{Caller, Token};
use crate::error::{Corruption, WaitError};
use crate::policy::{ObjectKind, ObjectMeta, Op, Refused};
use crate::ports::{BlockReason, Env};
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::{Bug, const_fn, seeded};
use crate::time::Instant;
use crate::wait::{Held, Kind, Member, Observers, Parts, Queue, Readiness, Source, Wake};

/// Permits that anybody may add and that are taken in order. At most [`MAX`](Self::MAX).
///
/// A semaphore has no owner: no priority is inherited through it.
pub struct Semaphore<E: Env> {
    queue: Queue<E, Permits>,
    meta: ObjectMeta,
}

/// The kind of wait: the word counts the permits, the value is how many are asked for.
struct Permits;

/// What is there without the lock.
struct Word<E: Env> {
    permits: AtomicU32,
    observers: Observers<E>,
}

impl<E: Env> Kind<E> for Permits {
    type Word = Word<E>;
    type State = ();
    type Value = u32;

    fn pass_on(queue: &Queue<E, Self>, need: &mut u32) {
        // Who added some meanwhile may have filled it.
        update(&queue.word().permits, |permits| Some(permits.saturating_add(*need).min(MAX)));
        settle(queue);
        queue.word().observers.signal(queue.park(), Readiness::READABLE);
    }

    fn left(queue: &Queue<E, Self>) {
        settle(queue);
    }
}

/// Permits at most.
const MAX: u32 = i32::MAX.cast_unsigned();

/// Why permits were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcquireError {
    /// More than there can ever be.
    TooMany,
    /// Not there now, or somebody waits already.
    WouldBlock,
    /// Refused by the policy.
    Refused(Refused),
    /// The wait ended without them.
    Wait(WaitError),
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => f.write_str("more permits than a semaphore can have"),
            Self::WouldBlock => f.write_str("too few permits now"),
            Self::Refused(refused) => refused.fmt(f),
            Self::Wait(error) => error.fmt(f),
        }
    }
}

impl Error for AcquireError {}

/// Why permits were not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReleaseError {
    /// There would be more than [`Semaphore::MAX`].
    Overflow,
    /// Refused by the policy.
    Refused(Refused),
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overflow => f.write_str("more permits than a semaphore can have"),
            Self::Refused(refused) => refused.fmt(f),
        }
    }
}

impl Error for ReleaseError {}

impl<E: Env> Semaphore<E> {
    /// Permits at most: those of POSIX's `SEM_VALUE_MAX`.
    pub const MAX: u32 = MAX;

    const_fn! {
        /// With `permits`, or as many as there can be. `label` and `id` are for the policy.
        #[must_use]
        pub fn new(park: E::Park, permits: u32, label: u16, id: u32) -> Self {
            let permits = if permits > MAX { MAX } else { permits };
            let meta = ObjectMeta { kind: ObjectKind::Semaphore, label, id };
            let word = Word { permits: AtomicU32::new(permits), observers: Observers::new() };
            Self { queue: Queue::new(park, word, ()), meta }
        }
    }

    /// Takes `count` permits; sleeps until they are there and everybody who came before has his. Thread context only.
    ///
    /// # Errors
    /// [`AcquireError`], but not [`WouldBlock`](AcquireError::WouldBlock); no permit was taken.
    pub fn acquire(
        &self,
        caller: &Caller<'_, E>,
        count: u32,
        until: Option<Instant>,
    ) -> Result<(), AcquireError> {
        if self.begin(caller, count)? {
            return Ok(());
        }
        let mut member = pin!(Member::new(&self.queue, count));
        let wake = Wake::Thread(caller.token().clone());
        if member.as_mut().enter(wake, self.attempt()).map_err(AcquireError::Wait)? {
            return Ok(());
        }
        self.settle_entry();
        member.sleep(caller.token(), until, BlockReason::Semaphore).map_err(AcquireError::Wait)
    }

    /// As [`acquire`](Self::acquire), for a future. Dropped before it is ready, it takes nothing.
    ///
    /// # Errors
    /// As there.
    pub async fn acquire_async(&self, caller: &Caller<'_, E>, count: u32) -> Result<(), AcquireError> {
        if self.begin(caller, count)? {
            return Ok(());
        }
        let mut member = pin!(Member::new(&self.queue, count));
        let ready = poll_fn(|cx| match member.as_mut().poll(cx, self.attempt()) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => {
                self.settle_entry();
                member.as_mut().outcome().map_or(Poll::Pending, Poll::Ready)
            }
        });
        ready.await.map_err(AcquireError::Wait)
    }

    /// Takes `count` permits if they are there and nobody waits. Any context.
    ///
    /// # Errors
    /// [`AcquireError`]; no permit was taken.
    pub fn try_acquire(&self, caller: &Caller<'_, E>, count: u32) -> Result<(), AcquireError> {
        if self.begin(caller, count)? { Ok(()) } else { Err(AcquireError::WouldBlock) }
    }

    /// Adds `count` permits and hands them to those who wait. Any context; with nobody waiting it takes no lock.
    ///
    /// # Errors
    /// [`ReleaseError`]; no permit was added.
    #[inline]
    pub fn release(&self, caller: &Caller<'_, E>, count: u32) -> Result<(), ReleaseError> {
        caller.authorize(Op::Release, &self.meta).map_err(ReleaseError::Refused)?;
        let fits = |permits: u32| permits.checked_add(count).filter(|&permits| permits <= MAX);
        if !update(&self.queue.word().permits, fits) {
            return Err(ReleaseError::Overflow);
        }
        settle(&self.queue);
        if self.queue.word().observers.are_any() {
            self.queue.word().observers.signal(self.queue.park(), Readiness::READABLE);
        }
        Ok(())
    }

    /// Ends every wait with [`WaitError::PeerClosed`], and lets nobody wait from now on. Permits that are there can be taken.
    pub fn close(&self) {
        self.queue.end(WaitError::PeerClosed);
        self.queue.word().observers.signal(self.queue.park(), Readiness::HUNG_UP);
    }

    /// Permits that are there.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.queue.word().permits.load(Ordering::Relaxed)
    }

    /// Walks every invariant, with the lock held; nobody acquires or releases meanwhile.
    ///
    /// # Errors
    /// [`Corruption`] names the first that does not hold.
    pub fn check(&self) -> Result<(), Corruption> {
        let (permits, mut first) = (self.available(), true);
        if permits > MAX {
            return Err(Corruption { what: "more permits than a semaphore can have" });
        }
        self.queue.check(|(), &mut need| match core::mem::take(&mut first) {
            true if need <= permits => Err("a waiter who could have had its permits"),
            _ => Ok(()),
        })
    }

    /// True if the permits were there.
    #[inline]
    fn begin(&self, caller: &Caller<'_, E>, count: u32) -> Result<bool, AcquireError> {
        caller.authorize(Op::Acquire, &self.meta).map_err(AcquireError::Refused)?;
        if count > MAX {
            return Err(AcquireError::TooMany);
        }
        Ok(!self.queue.seems_occupied() && take(&self.queue.word().permits, count))
    }

    /// What a waiter tries under the lock.
    fn attempt(&self) -> impl FnOnce(&mut Held<'_, Token<E>, (), u32>, &mut u32) -> bool {
        |held, need| {
            held.is_empty() && !seeded(Bug::AcquireInTwoSteps) && take(&self.queue.word().permits, *need)
        }
    }

    /// What a waiter does after it has entered: permits may have come before it was seen.
    fn settle_entry(&self) {
        if !seeded(Bug::AcquireInTwoSteps) {
            settle(&self.queue);
        }
    }
}

/// Changes the permits to what `next` says; false if it says nothing.
#[inline]
fn update(permits: &AtomicU32, next: impl FnMut(u32) -> Option<u32>) -> bool {
    permits.fetch_update(Ordering::AcqRel, Ordering::Relaxed, next).is_ok()
}

#[inline]
fn take(permits: &AtomicU32, count: u32) -> bool {
    update(permits, |there| there.checked_sub(count))
}

/// Hands permits over, if somebody waits. Called after a permit was added, after a waiter entered, after one left.
#[inline]
fn settle<E: Env>(queue: &Queue<E, Permits>) {
    if queue.is_occupied() {
        hand_over(queue);
    }
}

/// Gives permits to the first who wait, as long as there are enough for each.
#[cold]
fn hand_over<E: Env>(queue: &Queue<E, Permits>) {
    let permits = &queue.word().permits;
    queue.wake_by(|held, batch| {
        while !batch.is_full() && held.with_front(|(), &mut need| take(permits, need)) == Some(true) {
            held.end_front(batch, Ok(()));
        }
    });
}

impl<E: Env> Parts<E> for Semaphore<E> {
    fn observers(&self) -> &Observers<E> {
        &self.queue.word().observers
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }
}

/// Readable while a permit is there; hung up when closed.
impl<E: Env> Source<E> for Semaphore<E> {
    fn readiness(&self) -> Readiness {
        let readable = if self.available() == 0 { Readiness::empty() } else { Readiness::READABLE };
        readable | self.queue.hung_up()
    }
}

impl<E: Env> fmt::Debug for Semaphore<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("available", &self.available()).finish_non_exhaustive()
    }
}
