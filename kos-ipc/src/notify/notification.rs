//! Bits that are set by many and taken at once: [`Notification`].
//!
//! The bits are an atomic, so that with nobody waiting a post is one read-modify-write. A waiter enters the queue, then looks at
//! the bits; who posts sets bits, then looks at the queue; whoever sees both serves those who wait (`settle`).
//!
//! Source: seL4, notification objects; here with a mask of what each waits for.

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
use crate::sync::{Bug, const_fn, seeded};
use crate::time::Instant;
use crate::wait::{Cursor, Held, Kind, Member, Observers, Parts, Queue, Readiness, Source, Wake};

/// What somebody waits for, and what he was given of it.
#[derive(Clone, Copy, Debug, Default)]
struct Want {
    mask: u64,
    given: u64,
}

/// The kind of wait: the word has the bits.
struct Bits;

/// What is there without the lock.
struct Word<E: Env> {
    bits: AtomicU64,
    observers: Observers<E>,
}

impl<E: Env> Kind<E> for Bits {
    type Word = Word<E>;
    type State = ();
    type Value = Want;

    fn pass_on(queue: &Queue<E, Self>, want: &mut Want) {
        queue.word().bits.fetch_or(want.given, Ordering::AcqRel);
        serve_all(queue);
    }
}

/// Takes the bits of `mask` that are set; `None` if none is.
#[inline]
fn take(bits: &AtomicU64, mask: u64) -> Option<u64> {
    let rest = |bits: u64| (bits & mask != 0).then_some(bits & !mask);
    bits.fetch_update(Ordering::AcqRel, Ordering::Relaxed, rest).ok().map(|bits| bits & mask)
}

/// Why no bits were taken, or set. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotifyError {
    /// None of them is set.
    WouldBlock,
    /// Refused by the policy.
    Refused(Refused),
    /// The wait ended without them.
    Wait(WaitError),
}

impl fmt::Display for NotifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => f.write_str("none of the bits is set"),
            Self::Refused(refused) => refused.fmt(f),
            Self::Wait(error) => error.fmt(f),
        }
    }
}

impl Error for NotifyError {}

/// 64 bits that anybody sets, interrupt handlers too, and that are taken with a mask. Of those who wait for the same bit the first
/// gets it.
///
/// ```
/// use kos_ipc::Caller;
/// use kos_ipc::notify::Notification;
/// use kos_ipc::policy::NoPolicy;
/// use kos_ipc::testing::{StdEnv, StdPark};
///
/// let park = StdPark::new();
/// let token = park.token();
/// let caller = Caller::new(&token, (), &NoPolicy);
/// let events = Notification::<StdEnv>::new(park, 0, 1);
/// events.post(&caller, 0b001).unwrap();
/// events.post(&caller, 0b110).unwrap();
/// assert_eq!(events.take(&caller, 0b011, None), Ok(0b011));
/// assert_eq!(events.pending(), 0b100);
/// ```
pub struct Notification<E: Env> {
    queue: Queue<E, Bits>,
    meta: ObjectMeta,
}

impl<E: Env> Notification<E> {
    const_fn! {
        /// No bit is set. `label` and `id` are for the policy.
        #[must_use]
        pub fn new(park: E::Park, label: u16, id: u32) -> Self {
            let meta = ObjectMeta { kind: ObjectKind::Notification, label, id };
            let word = Word { bits: AtomicU64::new(0), observers: Observers::new() };
            Self { queue: Queue::new(park, word, ()), meta }
        }
    }

    /// Sets `bits`. Any context; with nobody waiting it takes no lock. With waiters it takes one for 16 of them at a time.
    ///
    /// # Errors
    /// [`NotifyError::Refused`]
    #[inline]
    pub fn post(&self, caller: &Caller<'_, E>, bits: u64) -> Result<(), NotifyError> {
        caller.authorize(Op::Post, &self.meta).map_err(NotifyError::Refused)?;
        self.queue.word().bits.fetch_or(bits, Ordering::AcqRel);
        settle(&self.queue);
        Ok(())
    }

    /// Takes the bits of `mask` that are set; sleeps until there is one. Thread context only.
    ///
    /// # Errors
    /// [`NotifyError`], but not [`WouldBlock`](NotifyError::WouldBlock)
    pub fn take(
        &self,
        caller: &Caller<'_, E>,
        mask: u64,
        until: Option<Instant>,
    ) -> Result<u64, NotifyError> {
        if let Some(taken) = self.begin(caller, mask)? {
            return Ok(taken);
        }
        let mut member = pin!(Member::new(&self.queue, Want { mask, given: 0 }));
        let wake = Wake::Thread(caller.token().clone());
        if !member.as_mut().enter(wake, self.attempt()).map_err(NotifyError::Wait)? {
            self.settle_entry();
            let slept = member.as_mut().sleep(caller.token(), until, BlockReason::Notification);
            slept.map_err(NotifyError::Wait)?;
        }
        Ok(given(member))
    }

    /// As [`take`](Self::take), for a future. Dropped before it is ready, it takes nothing.
    ///
    /// # Errors
    /// As there.
    pub async fn take_async(&self, caller: &Caller<'_, E>, mask: u64) -> Result<u64, NotifyError> {
        if let Some(taken) = self.begin(caller, mask)? {
            return Ok(taken);
        }
        let mut member = pin!(Member::new(&self.queue, Want { mask, given: 0 }));
        let ready = poll_fn(|cx| match member.as_mut().poll(cx, self.attempt()) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => {
                self.settle_entry();
                member.as_mut().outcome().map_or(Poll::Pending, Poll::Ready)
            }
        });
        ready.await.map_err(NotifyError::Wait)?;
        Ok(given(member))
    }

    /// Takes the bits of `mask` that are set. Any context.
    ///
    /// # Errors
    /// [`NotifyError`]
    pub fn try_take(&self, caller: &Caller<'_, E>, mask: u64) -> Result<u64, NotifyError> {
        self.begin(caller, mask)?.ok_or(NotifyError::WouldBlock)
    }

    /// Ends every wait with [`WaitError::PeerClosed`], and lets nobody wait from now on. Bits that are set can be taken.
    pub fn close(&self) {
        self.queue.end(WaitError::PeerClosed);
        self.queue.word().observers.signal(self.queue.park(), Readiness::HUNG_UP);
    }

    /// Bits that are set.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.queue.word().bits.load(Ordering::Relaxed)
    }

    /// Walks every invariant, with the lock held; nobody posts or takes meanwhile.
    ///
    /// # Errors
    /// [`Corruption`] names the first that does not hold.
    pub fn check(&self) -> Result<(), Corruption> {
        let pending = self.pending();
        self.queue.check(|(), want| match want.mask & pending {
            0 => Ok(()),
            _ => Err("a waiter beside a bit that it waits for"),
        })
    }

    #[inline]
    fn begin(&self, caller: &Caller<'_, E>, mask: u64) -> Result<Option<u64>, NotifyError> {
        caller.authorize(Op::Take, &self.meta).map_err(NotifyError::Refused)?;
        Ok(take(&self.queue.word().bits, mask))
    }

    /// What a waiter tries under the lock.
    fn attempt(&self) -> impl FnOnce(&mut Held<'_, Token<E>, (), Want>, &mut Want) -> bool {
        |_, want| take(&self.queue.word().bits, want.mask).map(|taken| want.given = taken).is_some()
    }

    /// What a waiter does after it has entered: bits may have come before it was seen.
    fn settle_entry(&self) {
        if !seeded(Bug::TakeInTwoSteps) {
            self.queue.order_with_wakers();
            serve(&self.queue);
        }
    }
}

fn given<E: Env>(member: Pin<&mut Member<'_, E, Bits>>) -> u64 {
    member.with_value(|want| want.given).unwrap_or(0)
}

/// Serves those who wait and tells those who watch, if somebody does. Called after a bit was set.
#[inline]
fn settle<E: Env>(queue: &Queue<E, Bits>) {
    if queue.is_occupied() | queue.word().observers.are_any() {
        serve_all(queue);
    }
}

/// Serves those who wait, then tells those who watch.
#[cold]
#[inline(never)]
fn serve_all<E: Env>(queue: &Queue<E, Bits>) {
    serve(queue);
    queue.word().observers.signal(queue.park(), Readiness::READABLE);
}

/// Gives each who waits, from the first on, the bits that it waits for.
#[cold]
fn serve<E: Env>(queue: &Queue<E, Bits>) {
    let bits = &queue.word().bits;
    let mut cursor = pin!(Cursor::new(queue, Want::default()));
    let serve = |want: &mut Want| take(bits, want.mask).map(|taken| want.given = taken).is_some();
    while !cursor.as_mut().step(usize::MAX, Ok(()), serve) {}
}

impl<E: Env> Parts<E> for Notification<E> {
    fn observers(&self) -> &Observers<E> {
        &self.queue.word().observers
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }
}

/// Readable while a bit is set, whichever; hung up when closed.
impl<E: Env> Source<E> for Notification<E> {
    fn readiness(&self) -> Readiness {
        let readable = if self.pending() == 0 { Readiness::empty() } else { Readiness::READABLE };
        readable | self.queue.hung_up()
    }
}

impl<E: Env> fmt::Debug for Notification<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification").field("pending", &self.pending()).finish_non_exhaustive()
    }
}
