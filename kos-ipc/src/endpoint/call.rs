//! Where clients call and servers receive: [`Endpoint`].

use core::fmt;

use super::calling::Calling;
use super::error::{CallError, SendReason};
use super::lease::Lent;
use super::serving::{Serving, Word};
use super::slot::{CallSlot, Phase, Ticket};
use super::table::{CLASSES, Table};
use super::walk::CallWalk;
use crate::caller::{Caller, Token};
use crate::error::{Corruption, WaitError};
use crate::policy::{ObjectKind, ObjectMeta, Op, Refused};
use crate::ports::{BlockReason, Deadlock, Env, Park, Resume};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::time::Instant;
use crate::wait::{Observers, Parts, Queue, Readiness, Source, Wake};

/// Where clients call and servers receive. `M` is what is sent and answered, as [`Msg`](super::Msg); `A` is how the memory of a
/// caller is reached who lends some, as a handle of his address space.
///
/// ```
/// use kos_ipc::Caller;
/// use kos_ipc::endpoint::{CallSlot, Endpoint};
/// use kos_ipc::policy::NoPolicy;
/// use kos_ipc::testing::{StdEnv, StdPark};
///
/// let park = StdPark::new();
/// let mut slots = [const { CallSlot::new() }; 4]; // four calls at a time
/// let endpoint = Endpoint::<StdEnv, u32>::new(park.clone(), &mut slots, 0, 1);
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         let token = park.token();
///         let call = endpoint.recv(&Caller::new(&token, (), &NoPolicy), None).unwrap();
///         call.token.reply(call.message + 1).unwrap();
///     });
///     let token = park.token();
///     let answer = endpoint.call(&Caller::new(&token, (), &NoPolicy), 0, 41, None, None);
///     assert_eq!(answer, Ok(42));
/// });
/// ```
pub struct Endpoint<'e, E: Env, M: Send + 'e, A: Send + 'e = ()> {
    calls: Calls<'e, E, M, A>,
    meta: ObjectMeta,
}

/// The calls under way, and those who receive.
type Calls<'e, E, M, A> = Queue<E, Serving<'e, M, A>>;

/// The slot of a call, and who is to be woken for it.
type Begun<E> = (u32, Option<Wake<Token<E>>>);

/// Priority that is lent while this lives.
struct Donation<'p, P: Park> {
    park: &'p P,
    from: &'p P::Token,
    to: P::Token,
}

impl<'p, P: Park> Donation<'p, P> {
    fn new(park: &'p P, from: &'p P::Token, to: P::Token) -> Result<Self, Deadlock> {
        park.donate(from, &to)?;
        Ok(Self { park, from, to })
    }
}

impl<P: Park> Drop for Donation<'_, P> {
    fn drop(&mut self) {
        self.park.withdraw(self.from, &self.to);
    }
}

impl<'e, E: Env, M: Send, A: Send> Endpoint<'e, E, M, A> {
    /// No call is under way; as many as `slots` can be. What was in them goes. `label` and `id` are for the policy.
    pub fn new(park: E::Park, slots: &'e mut [CallSlot<Token<E>, M, A>], label: u16, id: u32) -> Self {
        let word = Word { observers: Observers::new(), lends: AtomicBool::new(false) };
        let meta = ObjectMeta { kind: ObjectKind::Endpoint, label, id };
        Self { calls: Queue::new(park, word, Table::new(slots)), meta }
    }

    /// Says which thread serves it, where it is one: callers lend it their priority from now on, before it receives them too.
    pub fn set_server(&self, server: Option<Token<E>>) {
        let lends = server.is_some();
        let before = self.calls.with(|held| {
            self.calls.word().lends.store(lends, Ordering::Relaxed);
            core::mem::replace(&mut held.state.server, server)
        });
        drop(before);
    }

    /// Sends `message` and sleeps until it is answered. `badge` is that of the capability by which the caller came, as
    /// [`CapGuard::badge`](crate::cap::CapGuard::badge) says. What is lent is so until this returns. Thread context only.
    ///
    /// # Errors
    /// [`CallError`]
    pub fn call(
        &self,
        caller: &Caller<'_, E>,
        badge: u64,
        message: M,
        lent: Option<Lent<'_, A>>,
        until: Option<Instant>,
    ) -> Result<M, CallError<M>> {
        let me = caller.token();
        let Ok(_donation) = self.donation(me) else {
            return Err(CallError::unsent(SendReason::Deadlock, message));
        };
        match self.begin(caller, badge, message, lent, Wake::Thread(me.clone())) {
            Ok((slot, receiver)) => self.answer(me, slot, receiver, until),
            Err(unsent) => Err(unsent),
        }
    }

    /// As [`call`](Self::call), for a future: the message is sent at once. Dropped, it ends the call. It lends neither memory nor
    /// priority.
    ///
    /// # Errors
    /// [`CallError::Unsent`]
    pub fn call_async(
        &self,
        caller: &Caller<'_, E>,
        badge: u64,
        message: M,
    ) -> Result<Calling<'_, 'e, E, M, A>, CallError<M>> {
        let nobody = Wake::Future(core::task::Waker::noop().clone());
        let (slot, receiver) = self.begin(caller, badge, message, None, nobody)?;
        self.wake(receiver);
        Ok(Calling::new(self, slot))
    }

    /// Begins to end the calls whose badge is chosen, with `cause`: a message that nobody received comes back, a token is stale.
    pub const fn walk(&self, cause: WaitError) -> CallWalk<'_, 'e, E, M, A> {
        CallWalk::new(self, cause)
    }

    /// The server is gone: nobody calls or receives from now on; begins to end all calls with [`WaitError::PeerClosed`].
    #[must_use = "calls under way end by its steps"]
    pub fn close(&self) -> CallWalk<'_, 'e, E, M, A> {
        self.calls.end(WaitError::PeerClosed);
        self.calls.word().observers.signal(self.calls.park(), Readiness::HUNG_UP);
        self.walk(WaitError::PeerClosed)
    }

    /// Walks every invariant, with the locks held in turn.
    ///
    /// # Errors
    /// [`Corruption`] names the first that does not hold.
    pub fn check(&self) -> Result<(), Corruption> {
        self.calls.check(|_, _| Ok(()))?;
        self.calls.with(|held| held.state.check()).map_err(|what| Corruption { what })
    }

    pub(super) const fn calls(&self) -> &Calls<'e, E, M, A> {
        &self.calls
    }

    pub(super) fn authorize(&self, caller: &Caller<'_, E>, op: Op) -> Result<(), Refused> {
        caller.authorize(op, &self.meta)
    }

    /// Wakes, if there is anybody; no lock is held.
    pub(super) fn wake(&self, wake: Option<Wake<Token<E>>>) {
        if let Some(wake) = wake {
            wake.deliver(self.calls.park());
        }
    }

    /// Lends the caller's priority to who serves, where that is one thread.
    fn donation<'p>(&'p self, from: &'p Token<E>) -> Result<Option<Donation<'p, E::Park>>, Deadlock> {
        if !self.calls.word().lends.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let server = self.calls.with(|held| held.state.server.clone());
        server.map(|server| Donation::new(self.calls.park(), from, server)).transpose()
    }

    /// Gives a call to who receives, who is to be woken, or queues it.
    fn begin(
        &self,
        caller: &Caller<'_, E>,
        badge: u64,
        message: M,
        lent: Option<Lent<'_, A>>,
        wake: Wake<Token<E>>,
    ) -> Result<Begun<E>, CallError<M>> {
        if let Err(refused) = self.authorize(caller, Op::Call) {
            return Err(CallError::unsent(SendReason::Refused(refused), message));
        }
        if let Some(lent) = &lent
            && let Some(asked) = lent.too_many()
        {
            return Err(CallError::unsent(SendReason::TooManyLeases { asked }, message));
        }
        let class = usize::from(self.calls.park().priority(caller.token())).min(CLASSES - 1);
        let mut hold = self.calls.hold();
        let mut held = hold.held();
        if held.ended().is_some() {
            return Err(CallError::unsent(SendReason::Wait(WaitError::PeerClosed), message));
        }
        let Some((number, slot)) = held.state.allocate() else {
            return Err(CallError::unsent(SendReason::Full, message));
        };
        (slot.badge, slot.class, slot.copies) = (badge, class, 0);
        (slot.phase, slot.wake) = (Phase::Given, Some(wake));
        slot.message.put(message);
        if let Some(lent) = lent {
            slot.lend(lent);
        }
        let call = Ticket { slot: number, generation: slot.generation };
        let receiver = held.give_first(call);
        if receiver.is_none() {
            held.state.enqueue(number);
            drop(hold);
            self.calls.word().observers.signal(self.calls.park(), Readiness::READABLE);
        }
        Ok((number, receiver))
    }

    /// Sleeps until a call is answered, after it has woken who receives it.
    fn answer(
        &self,
        me: &Token<E>,
        number: u32,
        receiver: Option<Wake<Token<E>>>,
        mut until: Option<Instant>,
    ) -> Result<M, CallError<M>> {
        let mut resume = match receiver {
            Some(Wake::Thread(to)) => self.calls.park().hand_off(me, &to, until, BlockReason::Call),
            other => self.sleep(me, other, until),
        };
        loop {
            if resume != Resume::Woken {
                self.leave(number, resume);
                // Only a copy that is under way is waited for now.
                until = None;
            }
            let mut hold = self.calls.hold();
            let table = hold.held().state;
            if let Some(answer) = table.answer(number) {
                return Ok(answer);
            }
            if let Some(failure) = table.failure(number) {
                return Err(failure);
            }
            drop(hold);
            resume = self.sleep(me, None, until);
        }
    }

    /// Sleeps, after it has woken a future, or nobody.
    #[cold]
    fn sleep(&self, me: &Token<E>, receiver: Option<Wake<Token<E>>>, until: Option<Instant>) -> Resume {
        self.wake(receiver);
        self.calls.park().park(me, until, BlockReason::Call)
    }

    /// Ends a call after a sleep that ended as `resume` says.
    #[cold]
    fn leave(&self, number: u32, resume: Resume) {
        let timed_out = resume == Resume::TimedOut;
        self.end(number, if timed_out { WaitError::TimedOut } else { WaitError::Interrupted });
    }

    /// Ends a call for `cause`, unless it has ended.
    pub(super) fn end(&self, number: u32, cause: WaitError) {
        self.calls.with(|held| held.state.end(number, cause));
    }
}

impl<E: Env, M: Send, A: Send> Parts<E> for Endpoint<'_, E, M, A> {
    fn observers(&self) -> &Observers<E> {
        &self.calls.word().observers
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }
}

/// Readable while a call can be received; hung up when closed.
impl<E: Env, M: Send, A: Send> Source<E> for Endpoint<'_, E, M, A> {
    fn readiness(&self) -> Readiness {
        let (queued, closed) = self.calls.with(|held| (held.state.has_queued(), held.ended().is_some()));
        let mut ready = Readiness::empty();
        ready.set(Readiness::READABLE, queued);
        ready.set(Readiness::HUNG_UP, closed);
        ready
    }
}

impl<E: Env, M: Send, A: Send> fmt::Debug for Endpoint<'_, E, M, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("meta", &self.meta).finish_non_exhaustive()
    }
}
