//! Every trait that an integrator implements, and nothing else.
//!
//! | port | who implements it | used by |
//! |---|---|---|
//! | [`Env`] | the kernel: it names the types of the others | everything but the rings |
//! | [`IrqGuard`] | the kernel: its interrupt mask | every short section under a lock |
//! | [`Park`] | the scheduler | every wait |
//! | [`FutexSpace`] | the kernel: words of an address space | futexes |
//! | [`CallerMemory`] | the kernel: user copies | leases of calls |
//! | [`SharedMemory`] | the kernel: its memory objects and page tables | shared segments |
//! | [`Policy`] | the kernel, or one of [`policy`](crate::policy) | every operation on an object |
//!
//! None is an `unsafe` trait: a wrong implementation loses wake-ups, or lets happen what should be refused, but breaks no
//! memory. (A lock that does not exclude does, as [`lock_api::RawMutex`] says.)

use crate::policy::{AuditEvent, AuditFull, Decision, ObjectMeta, Op};
use crate::time::Instant;

/// The types of one kernel. It has no values.
pub trait Env: Sized + 'static {
    /// Spins, never sleeps.
    type Lock: lock_api::RawMutex + Send + Sync;
    /// Masks interrupts while a lock is held.
    type Irq: IrqGuard;
    /// Puts threads to sleep.
    type Park: Park;
    /// Says who may do what.
    type Policy: Policy;
}

/// Masks interrupts on this CPU while it lives; dropping it restores the state found. Nests in stack order.
///
/// A mask that does not mask deadlocks a CPU whose interrupt handler posts or wakes. Where no handler does, `()` will do.
pub trait IrqGuard {
    /// Masks, and remembers whether interrupts were enabled. Any context, constant time.
    fn save() -> Self;
}

impl IrqGuard for () {
    fn save() -> Self {}
}

/// Puts the running thread to sleep and wakes others, by permit: an [`unpark`](Self::unpark) that comes before the
/// [`park`](Self::park) is remembered, once, and that park returns at once.
///
/// Each object keeps one, so that whoever ends a wait can wake: most kernels lend `&'static Scheduler`, for which the trait is
/// implemented too.
pub trait Park {
    /// Names a thread. Kept in the objects where it waits.
    type Token: Clone + Send;

    /// Puts the running thread, which is `me`, to sleep until it is unparked, until `until` has passed, or until it is
    /// interrupted. May return [`Resume::Woken`] without cause. Thread context only: interrupts on, no lock of this crate held.
    fn park(&self, me: &Self::Token, until: Option<Instant>, why: BlockReason) -> Resume;

    /// Gives `thread` its permit and wakes it if it is parked. Any context, constant time, never blocks; called without a lock
    /// of this crate held. A thread that is gone is nobody.
    fn unpark(&self, thread: &Self::Token);

    /// Tells that a signal waits for `thread`: ends the park that it is in, or the next, with [`Resume::Interrupted`], and has it
    /// enter the kernel if it runs in its program. Needed by who uses signals. Any context, constant time, never blocks; called
    /// without a lock of this crate held. A thread that is gone is nobody.
    fn interrupt(&self, thread: &Self::Token) {
        self.unpark(thread);
    }

    /// As [`unpark`](Self::unpark) of `to`, then [`park`](Self::park): a scheduler that can runs `to` at once, in the place of `me`.
    #[inline]
    fn hand_off(
        &self,
        me: &Self::Token,
        to: &Self::Token,
        until: Option<Instant>,
        why: BlockReason,
    ) -> Resume {
        self.unpark(to);
        self.park(me, until, why)
    }

    /// How urgent what `thread` waits for is, from 0 to 7, the most urgent. Any context, constant time.
    fn priority(&self, _thread: &Self::Token) -> u8 {
        0
    }

    /// Lets `to` run with the priority of `from` too, which waits for it, until [`withdraw`](Self::withdraw). What a wrong answer
    /// breaks is who runs when. Thread context, no lock of this crate held.
    ///
    /// # Errors
    /// [`Deadlock`] if `to` waits for `from`, through however many others, or if they are too many: nothing is lent, and `from` does
    /// not wait.
    fn donate(&self, _from: &Self::Token, _to: &Self::Token) -> Result<(), Deadlock> {
        Ok(())
    }

    /// Ends what [`donate`](Self::donate) lent. Called once for each that went well.
    fn withdraw(&self, _from: &Self::Token, _to: &Self::Token) {}
}

/// Threads would wait for each other in a circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlock;

/// The memory of a caller, as far as he lends it. What a wrong one breaks is what is read and written.
pub trait CallerMemory {
    /// Copies the bytes from `at` on. May block and fault in pages.
    ///
    /// # Errors
    /// [`Fault`]: a part may have been copied.
    fn copy_in(&self, at: usize, to: &mut [u8]) -> Result<(), Fault>;

    /// Copies `from` to the bytes from `at` on. May block and fault in pages.
    ///
    /// # Errors
    /// [`Fault`]: a part may have been copied.
    fn copy_out(&self, at: usize, from: &[u8]) -> Result<(), Fault>;
}

/// Who lends nothing.
impl CallerMemory for () {
    fn copy_in(&self, at: usize, _: &mut [u8]) -> Result<(), Fault> {
        Err(Fault { at })
    }

    fn copy_out(&self, at: usize, _: &[u8]) -> Result<(), Fault> {
        Err(Fault { at })
    }
}

/// Memory of a caller that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The address.
    pub at: usize,
}

/// The words of an address space, for [futexes](https://man7.org/linux/man-pages/man2/futex.2.html). What a wrong one breaks is who
/// is woken.
pub trait FutexSpace {
    /// Names a word: the same for all who share it (page and offset), and for a private one of an address space (that and the
    /// address).
    type Key: Copy + Eq + core::hash::Hash + Send;

    /// The key of the word at `address`, which is a multiple of four. No lock of this crate held; may block.
    ///
    /// # Errors
    /// [`Fault`]
    fn key(&self, address: usize, shared: bool) -> Result<Self::Key, Fault>;

    /// Loads the word, with at least acquire order. Called with a lock held and interrupts masked: never sleeps, constant time.
    ///
    /// # Errors
    /// [`WordFault`]
    fn load(&self, address: usize) -> Result<u32, WordFault>;

    /// Makes the word `new` in one step if it is `old`, with at least acquire and release order; returns what it was. Never sleeps,
    /// constant time.
    ///
    /// # Errors
    /// [`WordFault`]: it was not changed.
    fn compare_exchange(&self, address: usize, old: u32, new: u32) -> Result<u32, WordFault>;

    /// Brings in the page of the word, to be written to if `write`. No lock of this crate held; may block.
    ///
    /// # Errors
    /// [`Fault`]: there is none.
    fn fault_in(&self, address: usize, write: bool) -> Result<(), Fault>;
}

/// Memory objects of the kernel, which several address spaces map: what shared segments are made of. This crate counts and decides, and
/// never touches a byte of them.
///
/// All but the clones are called in thread context, without a lock of this crate held, and may block.
pub trait SharedMemory {
    /// A handle of one memory object: a reference, an index, a counted pointer. It is cloned under a lock of this crate: that takes
    /// constant time and calls nothing of this crate. It may be cloned and dropped at any time; the memory goes by
    /// [`free`](Self::free).
    type Object: Clone + Send;

    /// Where something is mapped: an address space and an address in it. Cloned as an object is.
    type Place: Clone + Send;

    /// Why the kernel has no memory, or does not map it.
    type Error: core::error::Error;

    /// The size of a page in bytes, a power of two. Always the same: another answer breaks the charges.
    fn page_size(&self) -> usize;

    /// An object of `bytes`, a multiple of the page size above 0. Its memory reads as zero, to whoever maps it: a page that was somebody's
    /// and is not cleared tells his secrets, which nothing here can notice.
    ///
    /// # Errors
    /// There is no memory; nothing was taken.
    fn create(&self, bytes: usize) -> Result<Self::Object, Self::Error>;

    /// Makes an object of `from` bytes one of `to`. What is new reads as zero. Not called twice at a time for one object; if it shrinks,
    /// nothing is mapped, and what is mapped meanwhile is below `to`.
    ///
    /// # Errors
    /// It is as it was.
    fn resize(&self, object: &Self::Object, from: usize, to: usize) -> Result<(), Self::Error>;

    /// Maps the bytes `range` of an object, whole pages within it, at `place` with `access` and no more, then or later: a kernel that lets
    /// a program raise the access of a mapping passes by the rights of its capability, and by the write seal.
    ///
    /// # Errors
    /// Nothing is mapped. A mapping that is left behind outlives the memory.
    fn map(
        &self,
        object: &Self::Object,
        place: &Self::Place,
        range: core::ops::Range<usize>,
        access: Access,
    ) -> Result<(), Self::Error>;

    /// Takes the memory of an object back. Called once for each that was created, when nothing is mapped and nobody has a reference: in
    /// the context of who dropped the last, or told of the last unmap.
    fn free(&self, object: Self::Object);
}

impl<S: SharedMemory> SharedMemory for &S {
    type Object = S::Object;
    type Place = S::Place;
    type Error = S::Error;

    fn page_size(&self) -> usize {
        (**self).page_size()
    }

    fn create(&self, bytes: usize) -> Result<Self::Object, Self::Error> {
        (**self).create(bytes)
    }

    fn resize(&self, object: &Self::Object, from: usize, to: usize) -> Result<(), Self::Error> {
        (**self).resize(object, from, to)
    }

    fn map(
        &self,
        object: &Self::Object,
        place: &Self::Place,
        range: core::ops::Range<usize>,
        access: Access,
    ) -> Result<(), Self::Error> {
        (**self).map(object, place, range, access)
    }

    fn free(&self, object: Self::Object) {
        (**self).free(object);
    }
}

bitflags::bitflags! {
    /// What may be done through a mapping.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Access: u8 {
        /// Read.
        const READ = 1;
        /// Write.
        const WRITE = 1 << 1;
        /// Run.
        const EXEC = 1 << 2;
    }
}

/// Why a word was not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WordFault {
    /// Its page must be brought in first.
    NotResident,
    /// There is no memory.
    Fault(Fault),
}

impl<P: Park> Park for &P {
    type Token = P::Token;

    #[inline]
    fn park(&self, me: &Self::Token, until: Option<Instant>, why: BlockReason) -> Resume {
        (**self).park(me, until, why)
    }

    #[inline]
    fn unpark(&self, thread: &Self::Token) {
        (**self).unpark(thread);
    }

    #[inline]
    fn interrupt(&self, thread: &Self::Token) {
        (**self).interrupt(thread);
    }

    #[inline]
    fn hand_off(
        &self,
        me: &Self::Token,
        to: &Self::Token,
        until: Option<Instant>,
        why: BlockReason,
    ) -> Resume {
        (**self).hand_off(me, to, until, why)
    }

    #[inline]
    fn priority(&self, thread: &Self::Token) -> u8 {
        (**self).priority(thread)
    }

    #[inline]
    fn donate(&self, from: &Self::Token, to: &Self::Token) -> Result<(), Deadlock> {
        (**self).donate(from, to)
    }

    #[inline]
    fn withdraw(&self, from: &Self::Token, to: &Self::Token) {
        (**self).withdraw(from, to);
    }
}

/// Why a thread sleeps, for `ps` and traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockReason {
    /// Until a condition holds.
    Condition,
    /// For the count of an event counter, or for room in it.
    EventCounter,
    /// For bits of a notification.
    Notification,
    /// For the answer to a call.
    Call,
    /// For room in a channel.
    Channel,
    /// At a word of its program's memory.
    Futex,
    /// For permits of a semaphore.
    Semaphore,
    /// For a signal.
    Signal,
    /// Stopped by a signal: what [`Park::interrupt`] tells does not end this one, but it may.
    Stopped,
}

/// How a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Resume {
    /// Somebody woke the thread, or there was no cause.
    Woken,
    /// The time had passed.
    TimedOut,
    /// A signal is pending, or the thread is to die: it gives up what it waits for.
    Interrupted,
}

/// Mandatory access control: asked after a lookup, before the effect, on every operation.
///
/// Both methods are called in the context of the operation, which may be an interrupt, without a lock of this crate held: they
/// take constant time and neither block nor call back.
pub trait Policy {
    /// Who acts, as the policy sees him: a domain, a level, a process number.
    type Subject: Copy;

    /// Whether `subject` may do `op` to `object`.
    fn check(&self, subject: Self::Subject, op: Op, object: &ObjectMeta) -> Decision;

    /// Takes a record of it. Called after [`check`](Self::check) with what that said, before the effect.
    ///
    /// # Errors
    /// [`AuditFull`] if there is no room for a record that must not be lost: the operation is refused.
    fn audit(&self, event: &AuditEvent<Self::Subject>) -> Result<(), AuditFull>;
}

impl<P: Policy> Policy for &P {
    type Subject = P::Subject;

    fn check(&self, subject: Self::Subject, op: Op, object: &ObjectMeta) -> Decision {
        (**self).check(subject, op, object)
    }

    fn audit(&self, event: &AuditEvent<Self::Subject>) -> Result<(), AuditFull> {
        (**self).audit(event)
    }
}
