//! The side of the server: receiving calls, and answering with it.

use core::future::poll_fn;
use core::pin::{Pin, pin};

use super::call::Endpoint;
use super::error::{ReceiveError, ReplyError};
use super::reply::ReplyToken;
use super::serving::Serving;
use super::slot::{CallSlot, Phase, Ticket};
use super::table::Table;
use crate::caller::{Caller, Token};
use crate::error::WaitError;
use crate::policy::Op;
use crate::ports::{BlockReason, Env};
use crate::sync::{Bug, seeded};
use crate::time::Instant;
use crate::wait::{Member, Wake};

/// A call that was received.
#[derive(Debug)]
pub struct Received<'a, 'e, E: Env, M: Send + 'e, A: Send + 'e = ()> {
    /// What was sent.
    pub message: M,
    /// The badge of the capability through which it was.
    pub badge: u64,
    /// The right to answer.
    pub token: ReplyToken<'a, 'e, E, M, A>,
}

/// A thread or future that receives.
type Receiver<'a, 'e, E, M, A> = Member<'a, E, Serving<'e, M, A>>;

impl<'e, E: Env, M: Send, A: Send> Endpoint<'e, E, M, A> {
    /// Takes the most urgent call, of those the first; sleeps until there is one. Thread context only.
    ///
    /// # Errors
    /// [`ReceiveError`]
    pub fn recv(
        &self,
        caller: &Caller<'_, E>,
        until: Option<Instant>,
    ) -> Result<Received<'_, 'e, E, M, A>, ReceiveError> {
        self.authorize(caller, Op::Receive).map_err(ReceiveError::Refused)?;
        self.receive(caller.token(), until)
    }

    /// As [`recv`](Self::recv), for a future.
    ///
    /// # Errors
    /// [`ReceiveError`]
    pub async fn recv_async(
        &self,
        caller: &Caller<'_, E>,
    ) -> Result<Received<'_, 'e, E, M, A>, ReceiveError> {
        self.authorize(caller, Op::Receive).map_err(ReceiveError::Refused)?;
        loop {
            let mut found = None;
            let mut member = pin!(Member::new(self.calls(), Ticket::NONE));
            let ended = poll_fn(|cx| {
                member.as_mut().poll(cx, |held, _| {
                    found = self.pop(held.state);
                    found.is_some()
                })
            })
            .await;
            let found = found.or_else(|| self.calls().with(|held| self.given(member, held.state)));
            match (found, ended) {
                (Some(found), _) => return Ok(found),
                (None, Err(cause)) => return Err(ReceiveError::Wait(cause)),
                (None, Ok(())) => {}
            }
        }
    }

    /// Takes a call, if there is one. Any context.
    ///
    /// # Errors
    /// [`ReceiveError`]
    pub fn try_recv(&self, caller: &Caller<'_, E>) -> Result<Received<'_, 'e, E, M, A>, ReceiveError> {
        self.authorize(caller, Op::Receive).map_err(ReceiveError::Refused)?;
        self.calls().with(|held| self.pop(held.state)).ok_or(ReceiveError::WouldBlock)
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
        if let Err(refused) = self.authorize(caller, Op::Receive) {
            return (token.reply(message), Err(ReceiveError::Refused(refused)));
        }
        let me = caller.token();
        let mut member = pin!(Member::new(self.calls(), Ticket::NONE));
        let mut entering = member.as_mut().hold();
        let table = entering.held().state;
        let Some(slot) = table.served(token.spend()) else {
            drop(entering);
            return (Err(ReplyError { message }), self.receive(me, until));
        };
        let wake = slot.answer(message);
        if let Some(found) = self.pop(table) {
            drop(entering);
            self.wake(wake);
            return (Ok(()), Ok(found));
        }
        if let Err(cause) = entering.enter(Wake::Thread(me.clone())) {
            self.wake(wake);
            return (Ok(()), Err(ReceiveError::Wait(cause)));
        }
        let ended = match wake {
            Some(Wake::Thread(to)) => member.as_mut().sleep_after(me, &to, until, BlockReason::Condition),
            other => self.wake_and_sleep(other, member.as_mut(), me, until),
        };
        if let Err(cause) = ended {
            return (Ok(()), Err(ReceiveError::Wait(cause)));
        }
        let mut hold = self.calls().hold();
        if let Some(found) = self.given(member, hold.held().state) {
            return (Ok(()), Ok(found));
        }
        drop(hold);
        (Ok(()), self.receive(me, until))
    }

    fn receive(
        &self,
        me: &Token<E>,
        until: Option<Instant>,
    ) -> Result<Received<'_, 'e, E, M, A>, ReceiveError> {
        loop {
            let mut member = pin!(Member::new(self.calls(), Ticket::NONE));
            let mut entering = member.as_mut().hold();
            if let Some(found) = self.pop(entering.held().state) {
                return Ok(found);
            }
            if seeded(Bug::ReceiveInTwoSteps) {
                drop(entering);
                entering = member.as_mut().hold();
            }
            entering.enter(Wake::Thread(me.clone())).map_err(ReceiveError::Wait)?;
            let ended = member.as_mut().sleep(me, until, BlockReason::Condition);
            ended.map_err(ReceiveError::Wait)?;
            let mut hold = self.calls().hold();
            if let Some(found) = self.given(member, hold.held().state) {
                return Ok(found);
            }
        }
    }

    #[cold]
    fn wake_and_sleep(
        &self,
        wake: Option<Wake<Token<E>>>,
        receiver: Pin<&mut Receiver<'_, 'e, E, M, A>>,
        me: &Token<E>,
        until: Option<Instant>,
    ) -> Result<(), WaitError> {
        self.wake(wake);
        receiver.sleep(me, until, BlockReason::Condition)
    }

    /// Takes the most urgent call that is queued.
    #[inline]
    fn pop(&self, table: &mut Table<'e, Token<E>, M, A>) -> Option<Received<'_, 'e, E, M, A>> {
        if table.has_queued() { self.dequeue(table) } else { None }
    }

    // Once in an image, and beside the path of a call that finds its server waiting.
    #[inline(never)]
    fn dequeue(&self, table: &mut Table<'e, Token<E>, M, A>) -> Option<Received<'_, 'e, E, M, A>> {
        let (number, slot) = table.dequeue()?;
        self.take(number, slot)
    }

    /// Takes the call that a receiver was given; `None` if its caller has left.
    #[inline]
    fn given(
        &self,
        receiver: Pin<&mut Receiver<'_, 'e, E, M, A>>,
        table: &mut Table<'e, Token<E>, M, A>,
    ) -> Option<Received<'_, 'e, E, M, A>> {
        let call = receiver.with_value(|call| *call)?;
        self.take(call.slot, table.at(call, Phase::Given)?)
    }

    /// The call in `slot` is served from now on.
    #[inline]
    fn take(&self, number: u32, slot: &mut CallSlot<Token<E>, M, A>) -> Option<Received<'_, 'e, E, M, A>> {
        let message = slot.message.take()?;
        slot.phase = Phase::Served;
        let call = Ticket { slot: number, generation: slot.generation };
        Some(Received { message, badge: slot.badge, token: ReplyToken::new(self, call) })
    }
}
