//! Where clients call and servers receive: [`Endpoint`].

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::error::{CallError, ReceiveError, ReplyError, SendError, SendReason};
use super::lease::{Lent, MAX_LEASES};
use super::reply::ReplyToken;
use super::table::{CallSlot, End, Phase, Table};
use super::walk::CallWalk;
use crate::caller::{Caller, Token};
use crate::error::{Corruption, WaitError};
use crate::policy::{ObjectKind, ObjectMeta, Op};
use crate::ports::{BlockReason, Deadlock, Env, Park, Resume};
use crate::sync::Lock;
use crate::time::Instant;
use crate::wait::{Observers, Parts, Readiness, Source, WaitQueue, Wake};

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
pub struct Endpoint<'e, E: Env, M: Send, A: Send = ()> {
    table: Lock<E, Table<'e, Token<E>, M, A>>,
    ready: WaitQueue<E>,
    observers: Observers<E>,
    park: E::Park,
    meta: ObjectMeta,
}

/// A call that was received.
#[derive(Debug)]
pub struct Received<'a, 'e, E: Env, M: Send, A: Send = ()> {
    /// What was sent.
    pub message: M,
    /// The badge of the capability through which it was.
    pub badge: u64,
    /// The right to answer.
    pub token: ReplyToken<'a, 'e, E, M, A>,
}

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

const fn unsent<M>(reason: SendReason, message: M) -> CallError<M> {
    CallError::Unsent(SendError { reason, message })
}

impl<'e, E: Env, M: Send, A: Send> Endpoint<'e, E, M, A> {
    /// No call is under way; as many as `slots` can be. What was in them goes. `label` and `id` are for the policy.
    pub fn new(park: E::Park, slots: &'e mut [CallSlot<Token<E>, M, A>], label: u16, id: u32) -> Self
    where
        E::Park: Clone,
    {
        Self {
            table: Lock::new(Table::new(slots)),
            ready: WaitQueue::new(park.clone()),
            observers: Observers::new(),
            park,
            meta: ObjectMeta { kind: ObjectKind::Endpoint, label, id },
        }
    }

    /// Says which thread serves it, where it is one: callers lend it their priority from now on, before it receives them too.
    pub fn set_server(&self, server: Option<Token<E>>) {
        let before = self.table.with(|table| core::mem::replace(&mut table.server, server));
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
        let server = self.table.with(|table| table.server.clone());
        let donation = server.map(|server| Donation::new(&self.park, me, server)).transpose();
        let Ok(_donation) = donation else { return Err(unsent(SendReason::Deadlock, message)) };
        let slot = self.begin(caller, badge, message, lent, Wake::Thread(me.clone()))?;
        let (mut until, mut receiver) = (until, self.ready.end_one());
        loop {
            let resume = match receiver.take() {
                Some(Wake::Thread(to)) => self.park.hand_off(me, &to, until, BlockReason::Call),
                Some(other) => {
                    other.deliver(&self.park);
                    Resume::Woken
                }
                None => self.park.park(me, until, BlockReason::Call),
            };
            match resume {
                Resume::Woken => {}
                Resume::TimedOut => self.leave(slot, WaitError::TimedOut),
                Resume::Interrupted => self.leave(slot, WaitError::Interrupted),
            }
            if let Some(outcome) = self.outcome(slot) {
                return outcome;
            }
            if resume != Resume::Woken {
                // Only a copy that is under way is waited for now.
                until = None;
            }
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
        let slot = self.begin(caller, badge, message, None, nobody)?;
        self.ready.wake(1);
        Ok(Calling { endpoint: self, slot: Some(slot) })
    }

    /// Takes the most urgent call, of those the first; sleeps until there is one. Thread context only.
    ///
    /// # Errors
    /// [`ReceiveError`]
    pub fn recv(
        &self,
        caller: &Caller<'_, E>,
        until: Option<Instant>,
    ) -> Result<Received<'_, 'e, E, M, A>, ReceiveError> {
        caller.authorize(Op::Receive, &self.meta).map_err(ReceiveError::Refused)?;
        self.ready.wait_for(caller.token(), 0, until, || self.pop()).map_err(ReceiveError::Wait)
    }

    /// As [`recv`](Self::recv), for a future.
    ///
    /// # Errors
    /// [`ReceiveError`]
    pub async fn recv_async(
        &self,
        caller: &Caller<'_, E>,
    ) -> Result<Received<'_, 'e, E, M, A>, ReceiveError> {
        caller.authorize(Op::Receive, &self.meta).map_err(ReceiveError::Refused)?;
        self.ready.wait_for_async(0, || self.pop()).await.map_err(ReceiveError::Wait)
    }

    /// Takes a call, if there is one. Any context.
    ///
    /// # Errors
    /// [`ReceiveError`]
    pub fn try_recv(&self, caller: &Caller<'_, E>) -> Result<Received<'_, 'e, E, M, A>, ReceiveError> {
        caller.authorize(Op::Receive, &self.meta).map_err(ReceiveError::Refused)?;
        self.pop().ok_or(ReceiveError::WouldBlock)
    }

    /// Answers a call and receives the next; where none is there, a scheduler that can runs who called at once. Says first whether
    /// the answer arrived. Thread context only.
    ///
    /// # Errors
    /// [`ReplyError`], and [`ReceiveError`] all the same.
    #[expect(clippy::type_complexity, reason = "two results of two things")]
    pub fn reply_recv(
        &self,
        token: ReplyToken<'_, 'e, E, M, A>,
        message: M,
        caller: &Caller<'_, E>,
        until: Option<Instant>,
    ) -> (Result<(), ReplyError<M>>, Result<Received<'_, 'e, E, M, A>, ReceiveError>) {
        let wake = match token.set_reply(message) {
            Ok(wake) => wake,
            Err(stale) => return (Err(stale), self.recv(caller, until)),
        };
        let (Some(Wake::Thread(to)), Ok(())) = (&wake, caller.authorize(Op::Receive, &self.meta)) else {
            wake.into_iter().for_each(|wake| wake.deliver(&self.park));
            return (Ok(()), self.recv(caller, until));
        };
        let received = self.ready.hand_off_for(caller.token(), to.clone(), until, || self.pop());
        (Ok(()), received.map_err(ReceiveError::Wait))
    }

    /// Begins to end the calls whose badge is chosen, with `cause`: a message that nobody received comes back, a token is stale.
    pub const fn walk(&self, cause: WaitError) -> CallWalk<'_, 'e, E, M, A> {
        CallWalk::new(self, cause)
    }

    /// The server is gone: nobody calls or receives from now on; begins to end all calls with [`WaitError::PeerClosed`].
    #[must_use = "calls under way end by its steps"]
    pub fn close(&self) -> CallWalk<'_, 'e, E, M, A> {
        self.table.with(|table| table.closed = true);
        self.ready.close();
        self.observers.signal(&self.park, Readiness::HUNG_UP);
        self.walk(WaitError::PeerClosed)
    }

    /// Walks every invariant, with the locks held in turn.
    ///
    /// # Errors
    /// [`Corruption`] names the first that does not hold.
    pub fn check(&self) -> Result<(), Corruption> {
        self.ready.check()?;
        self.table.with(Table::check).map_err(|what| Corruption { what })
    }

    pub(super) const fn table(&self) -> &Lock<E, Table<'e, Token<E>, M, A>> {
        &self.table
    }

    pub(super) const fn park(&self) -> &E::Park {
        &self.park
    }

    fn pop(&self) -> Option<Received<'_, 'e, E, M, A>> {
        let (slot, message, badge, generation) = self.table.with(Table::pop)?;
        Some(Received { message, badge, token: ReplyToken::new(self, slot, generation) })
    }

    /// Queues a call. Returns its slot.
    fn begin(
        &self,
        caller: &Caller<'_, E>,
        badge: u64,
        message: M,
        lent: Option<Lent<'_, A>>,
        wake: Wake<Token<E>>,
    ) -> Result<u32, CallError<M>> {
        if let Err(refused) = caller.authorize(Op::Call, &self.meta) {
            return Err(unsent(SendReason::Refused(refused), message));
        }
        let asked = lent.as_ref().map_or(0, |lent| lent.leases.len());
        if asked > MAX_LEASES {
            return Err(unsent(SendReason::TooManyLeases { asked }, message));
        }
        let class = usize::from(self.park.priority(caller.token()));
        let fill = |slot: &mut CallSlot<Token<E>, M, A>| {
            (slot.badge, slot.wake) = (badge, Some(wake));
            if let Some(lent) = lent {
                slot.leases.iter_mut().zip(lent.leases).for_each(|(place, lease)| *place = Some(*lease));
                slot.memory = Some(lent.memory);
            }
        };
        let slot = self.table.with(|table| match table.closed {
            true => Err(unsent(SendReason::Wait(WaitError::PeerClosed), message)),
            false => table.push(message, class, fill).map_err(|message| unsent(SendReason::Full, message)),
        });
        self.observers.signal(&self.park, Readiness::READABLE);
        slot
    }

    /// Ends a call for `cause`, unless it has ended.
    fn leave(&self, number: u32, cause: WaitError) {
        self.table.with(|table| table.end(number, cause));
    }

    /// How a call ended, if it did and nobody copies from or to what it lent; its slot is free then.
    fn outcome(&self, number: u32) -> Option<Result<M, CallError<M>>> {
        self.table.with(|table| {
            let slot = table.slot(number)?;
            let ended = matches!(slot.phase, Phase::Replied(_) | Phase::Ended(..)) && slot.copies == 0;
            if !ended {
                return None;
            }
            let phase = core::mem::replace(&mut slot.phase, Phase::Free);
            table.release(number);
            match phase {
                Phase::Replied(message) => Some(Ok(message)),
                Phase::Ended(End::ReplyDropped, _) => Some(Err(CallError::ReplyDropped)),
                Phase::Ended(End::Wait(cause), None) => Some(Err(CallError::Wait(cause))),
                Phase::Ended(End::Wait(cause), Some(message)) => {
                    Some(Err(unsent(SendReason::Wait(cause), message)))
                }
                Phase::Free | Phase::Queued(_) | Phase::Served => None,
            }
        })
    }
}

impl<E: Env, M: Send, A: Send> Parts<E> for Endpoint<'_, E, M, A> {
    fn observers(&self) -> &Observers<E> {
        &self.observers
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }
}

/// Readable while a call can be received; hung up when closed.
impl<E: Env, M: Send, A: Send> Source<E> for Endpoint<'_, E, M, A> {
    fn readiness(&self) -> Readiness {
        let (queued, closed) = self.table.with(|table| (table.has_queued(), table.closed));
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

/// A call under way, for a future. Dropped, it ends the call.
#[must_use = "dropped, it ends the call"]
pub struct Calling<'a, 'e, E: Env, M: Send, A: Send = ()> {
    endpoint: &'a Endpoint<'e, E, M, A>,
    slot: Option<u32>,
}

impl<E: Env, M: Send, A: Send> Future for Calling<'_, '_, E, M, A> {
    type Output = Result<M, CallError<M>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(slot) = self.slot else { return Poll::Pending };
        let mut wake = Some(Wake::Future(cx.waker().clone()));
        self.endpoint.table.with(|table| {
            if let Some(slot) = table.slot(slot) {
                core::mem::swap(&mut slot.wake, &mut wake);
            }
        });
        // What was there before is dropped without the lock: a waker may do anything then.
        drop(wake);
        match self.endpoint.outcome(slot) {
            Some(outcome) => {
                self.slot = None;
                Poll::Ready(outcome)
            }
            None => Poll::Pending,
        }
    }
}

impl<E: Env, M: Send, A: Send> Drop for Calling<'_, '_, E, M, A> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.endpoint.leave(slot, WaitError::Cancelled);
            drop(self.endpoint.outcome(slot));
        }
    }
}

impl<E: Env, M: Send, A: Send> fmt::Debug for Calling<'_, '_, E, M, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calling").field("slot", &self.slot).finish_non_exhaustive()
    }
}
