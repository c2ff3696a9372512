//! A sum of events that is taken as a whole, or one by one: [`EventCounter`].
//!
//! Readers wait for a count, writers for room. The count is an atomic, so that with nobody waiting each call is one
//! read-modify-write. Whoever has changed it, or has entered a queue, serves those who wait (`settle`): readers first.
//!
//! Source: Linux, eventfd(2): both modes, the limit, and what is refused.

use core::error::Error;
use core::fmt;
use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::Poll;

use crate::caller::{Caller, Token};
use crate::error::{Corruption, WaitError};
use crate::policy::{ObjectKind, ObjectMeta, Op, Refused};
use crate::ports::{BlockReason, Env};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Bug, seeded};
use crate::time::Instant;
use crate::wait::{Held, Kind, Member, Observers, Parts, Queue, Readiness, Source, Wake};

/// The greatest count: of the words of Linux all but the last.
const MAX: u64 = u64::MAX - 1;

/// How a read takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterMode {
    /// Everything that is there.
    Whole,
    /// One (`EFD_SEMAPHORE`).
    One,
}

/// The count, and how it is taken.
struct Count<E: Env> {
    sum: AtomicU64,
    mode: CounterMode,
    observers: Observers<E>,
}

impl<E: Env> Count<E> {
    /// Takes what one read takes; `None` if nothing is there.
    #[inline]
    fn take(&self) -> Option<u64> {
        let rest = |sum: u64| match (sum, self.mode) {
            (0, _) => None,
            (_, CounterMode::Whole) => Some(0),
            (_, CounterMode::One) => Some(sum - 1),
        };
        let sum = self.sum.fetch_update(Ordering::AcqRel, Ordering::Relaxed, rest).ok()?;
        Some(if self.mode == CounterMode::One { 1 } else { sum })
    }

    /// Adds `events`, if there is room.
    #[inline]
    fn add(&self, events: u64) -> bool {
        let more = |sum: u64| sum.checked_add(events).filter(|&sum| sum <= MAX);
        self.sum.fetch_update(Ordering::AcqRel, Ordering::Relaxed, more).is_ok()
    }
}

/// Readers: the value is what was taken.
struct Readers;

impl<E: Env> Kind<E> for Readers {
    type Word = Count<E>;
    type State = ();
    type Value = u64;

    fn pass_on(queue: &Queue<E, Self>, taken: &mut u64) {
        // Who wrote meanwhile may have filled it.
        let back = |sum: u64| Some(sum.saturating_add(*taken).min(MAX));
        _ = queue.word().sum.fetch_update(Ordering::AcqRel, Ordering::Relaxed, back);
        serve_readers(queue);
        queue.word().observers.signal(queue.park(), Readiness::READABLE);
    }
}

/// Writers: the value is what they add. A write that was done is done, whether its writer saw it or not.
struct Writers;

impl<E: Env> Kind<E> for Writers {
    type Word = ();
    type State = ();
    type Value = u64;

    fn pass_on(_: &Queue<E, Self>, _: &mut u64) {}
}

/// Why a count was not taken, or not added to. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CounterError {
    /// More than there can ever be (`EINVAL`).
    TooMany,
    /// Nothing there to take, or no room to add (`EAGAIN`).
    WouldBlock,
    /// Refused by the policy.
    Refused(Refused),
    /// The wait ended without it.
    Wait(WaitError),
}

impl fmt::Display for CounterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => f.write_str("more events than a counter can have"),
            Self::WouldBlock => f.write_str("nothing to take, or no room"),
            Self::Refused(refused) => refused.fmt(f),
            Self::Wait(error) => error.fmt(f),
        }
    }
}

impl Error for CounterError {}

/// A sum of events, at most [`MAX`](Self::MAX).
///
/// ```
/// use kos_ipc::Caller;
/// use kos_ipc::notify::{CounterMode, EventCounter};
/// use kos_ipc::policy::NoPolicy;
/// use kos_ipc::testing::{StdEnv, StdPark};
///
/// let park = StdPark::new();
/// let token = park.token();
/// let caller = Caller::new(&token, (), &NoPolicy);
/// let events = EventCounter::<StdEnv>::new(park, 0, CounterMode::Whole, 0, 1);
/// events.try_write(&caller, 2).unwrap();
/// events.try_write(&caller, 3).unwrap();
/// assert_eq!(events.read(&caller, None), Ok(5));
/// ```
pub struct EventCounter<E: Env> {
    readers: Queue<E, Readers>,
    writers: Queue<E, Writers>,
    meta: ObjectMeta,
}

impl<E: Env> EventCounter<E> {
    /// The greatest count, 2^64 - 2.
    pub const MAX: u64 = MAX;

    /// With `count`, or as much as there can be. `label` and `id` are for the policy.
    #[must_use]
    pub fn new(park: E::Park, count: u64, mode: CounterMode, label: u16, id: u32) -> Self
    where
        E::Park: Clone,
    {
        let count = Count { sum: AtomicU64::new(count.min(MAX)), mode, observers: Observers::new() };
        Self {
            readers: Queue::new(park.clone(), count, ()),
            writers: Queue::new(park, (), ()),
            meta: ObjectMeta { kind: ObjectKind::EventCounter, label, id },
        }
    }

    /// Takes what is there, or one; sleeps until there is something. Thread context only.
    ///
    /// # Errors
    /// [`CounterError`]
    pub fn read(&self, caller: &Caller<'_, E>, until: Option<Instant>) -> Result<u64, CounterError> {
        if let Some(taken) = self.begin_read(caller)? {
            return Ok(taken);
        }
        let mut member = pin!(Member::new(&self.readers, 0));
        let wake = Wake::Thread(caller.token().clone());
        if !member.as_mut().enter(wake, self.attempt_read()).map_err(CounterError::Wait)? {
            self.settle_entry();
            let slept = member.as_mut().sleep(caller.token(), until, BlockReason::EventCounter);
            slept.map_err(CounterError::Wait)?;
        }
        Ok(self.taken(member))
    }

    /// As [`read`](Self::read), for a future. Dropped before it is ready, it takes nothing.
    ///
    /// # Errors
    /// [`CounterError`]
    pub async fn read_async(&self, caller: &Caller<'_, E>) -> Result<u64, CounterError> {
        if let Some(taken) = self.begin_read(caller)? {
            return Ok(taken);
        }
        let mut member = pin!(Member::new(&self.readers, 0));
        let ready = poll_fn(|cx| match member.as_mut().poll(cx, self.attempt_read()) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => {
                self.settle_entry();
                member.as_mut().outcome().map_or(Poll::Pending, Poll::Ready)
            }
        });
        ready.await.map_err(CounterError::Wait)?;
        Ok(self.taken(member))
    }

    /// Takes what is there, or one. Any context.
    ///
    /// # Errors
    /// [`CounterError`]
    pub fn try_read(&self, caller: &Caller<'_, E>) -> Result<u64, CounterError> {
        self.begin_read(caller)?.ok_or(CounterError::WouldBlock)
    }

    /// Adds `events`; sleeps until there is room. Thread context only.
    ///
    /// # Errors
    /// [`CounterError`]
    pub fn write(
        &self,
        caller: &Caller<'_, E>,
        events: u64,
        until: Option<Instant>,
    ) -> Result<(), CounterError> {
        if self.begin_write(caller, events)? {
            return Ok(());
        }
        let mut member = pin!(Member::new(&self.writers, events));
        let wake = Wake::Thread(caller.token().clone());
        let count = self.readers.word();
        let attempt =
            |held: &mut Held<'_, Token<E>, (), u64>, events: &mut u64| held.is_empty() && count.add(*events);
        let done = member.as_mut().enter(wake, attempt).map_err(CounterError::Wait)?;
        if done {
            self.settle(Readiness::READABLE);
            return Ok(());
        }
        self.settle_entry();
        let slept = member.sleep(caller.token(), until, BlockReason::EventCounter);
        // Who gives up may have stood before somebody who adds less.
        slept.inspect_err(|_| self.settle(Readiness::empty())).map_err(CounterError::Wait)
    }

    /// Adds `events`, if there is room. Any context; with nobody waiting it takes no lock.
    ///
    /// # Errors
    /// [`CounterError`]
    #[inline]
    pub fn try_write(&self, caller: &Caller<'_, E>, events: u64) -> Result<(), CounterError> {
        if self.begin_write(caller, events)? { Ok(()) } else { Err(CounterError::WouldBlock) }
    }

    /// Ends every wait with [`WaitError::PeerClosed`], and lets nobody wait from now on.
    pub fn close(&self) {
        self.readers.end(WaitError::PeerClosed);
        self.writers.end(WaitError::PeerClosed);
        self.observers().signal(self.readers.park(), Readiness::HUNG_UP);
    }

    /// The count.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.readers.word().sum.load(Ordering::Relaxed)
    }

    /// Walks every invariant, with the locks held in turn; nobody reads or writes meanwhile.
    ///
    /// # Errors
    /// [`Corruption`] names the first that does not hold.
    pub fn check(&self) -> Result<(), Corruption> {
        let (count, mut first) = (self.count(), true);
        self.readers.check(|(), _| if count == 0 { Ok(()) } else { Err("a reader beside a count") })?;
        self.writers.check(|(), &mut events| match core::mem::take(&mut first) {
            true if count.checked_add(events).is_some_and(|sum| sum <= MAX) => Err("a writer beside room"),
            _ => Ok(()),
        })
    }

    fn begin_read(&self, caller: &Caller<'_, E>) -> Result<Option<u64>, CounterError> {
        caller.authorize(Op::Take, &self.meta).map_err(CounterError::Refused)?;
        if self.readers.seems_occupied() {
            return Ok(None);
        }
        let taken = self.readers.word().take();
        if taken.is_some() {
            self.settle(Readiness::WRITABLE);
        }
        Ok(taken)
    }

    /// True if the events were added.
    fn begin_write(&self, caller: &Caller<'_, E>, events: u64) -> Result<bool, CounterError> {
        caller.authorize(Op::Post, &self.meta).map_err(CounterError::Refused)?;
        if events > MAX {
            return Err(CounterError::TooMany);
        }
        let added = !self.writers.seems_occupied() && self.readers.word().add(events);
        if added {
            self.settle(Readiness::READABLE);
        }
        Ok(added)
    }

    fn attempt_read(&self) -> impl FnOnce(&mut Held<'_, Token<E>, (), u64>, &mut u64) -> bool {
        |held, place| {
            let taken = if held.is_empty() { self.readers.word().take() } else { None };
            taken.map(|taken| *place = taken).is_some()
        }
    }

    /// What a read that has ended well was given; there is room for writers now.
    fn taken(&self, member: Pin<&mut Member<'_, E, Readers>>) -> u64 {
        let taken = member.with_value(|taken| *taken).unwrap_or(0);
        self.settle(Readiness::WRITABLE);
        taken
    }

    /// What a waiter does after it has entered: a count, or room, may have come before it was seen.
    fn settle_entry(&self) {
        if !seeded(Bug::CountInTwoSteps) {
            self.settle(Readiness::empty());
        }
    }

    /// Serves those who wait, until there is nobody who could be; tells those who watch what may have `changed`.
    fn settle(&self, mut changed: Readiness) {
        loop {
            let read = self.readers.is_occupied() && serve_readers(&self.readers) > 0;
            let wrote = self.writers.is_occupied() && self.serve_writers() > 0;
            if !read && !wrote {
                break;
            }
            changed.set(Readiness::WRITABLE, read || changed.contains(Readiness::WRITABLE));
            changed.set(Readiness::READABLE, wrote || changed.contains(Readiness::READABLE));
        }
        if !changed.is_empty() && self.observers().are_any() {
            self.observers().signal(self.readers.park(), changed);
        }
    }

    #[cold]
    fn serve_writers(&self) -> usize {
        let count = self.readers.word();
        self.writers.wake_by(|held, batch| {
            while !batch.is_full() && held.with_front(|(), &mut events| count.add(events)) == Some(true) {
                held.end_front(batch, Ok(()));
            }
        })
    }
}

/// Gives the first who wait what each takes.
#[cold]
fn serve_readers<E: Env>(queue: &Queue<E, Readers>) -> usize {
    let count = queue.word();
    queue.wake_by(|held, batch| {
        let serve = |place: &mut u64| count.take().map(|taken| *place = taken).is_some();
        while !batch.is_full() && held.with_front(|(), place| serve(place)) == Some(true) {
            held.end_front(batch, Ok(()));
        }
    })
}

impl<E: Env> Parts<E> for EventCounter<E> {
    fn observers(&self) -> &Observers<E> {
        &self.readers.word().observers
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }
}

/// Readable while there is a count, writable while there is room for one more; hung up when closed.
impl<E: Env> Source<E> for EventCounter<E> {
    fn readiness(&self) -> Readiness {
        let mut ready = self.readers.hung_up();
        let count = self.count();
        ready.set(Readiness::READABLE, count > 0);
        ready.set(Readiness::WRITABLE, count < MAX);
        ready
    }
}

impl<E: Env> fmt::Debug for EventCounter<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventCounter").field("count", &self.count()).finish_non_exhaustive()
    }
}
