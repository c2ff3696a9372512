//! Calls through a channel: `call`, `reply`.

use core::future::poll_fn;
use core::task::{Poll, Waker};

use super::calls::{Most, Txid};
use super::caps::{Entered, Outgoing, sealed};
use super::error::{CallError, SendError, SendReason};
use super::receive::Received;
use super::room::settle;
use super::send::To;
use super::store::{Need, Taken};
use super::{Direction, End};
use crate::caller::{Caller, Token};
use crate::cap::{Carried, Object};
use crate::error::WaitError;
use crate::policy::Op;
use crate::ports::{BlockReason, Env, Park, Resume};
use crate::time::Instant;
use crate::wait::Wake;

/// Where the answer to a call is put: its bytes, and its capabilities.
pub type Answer<'b, 'c, E, O> = (&'b mut [u8], &'b mut [Option<Carried<'c, E, O>>]);

/// A call that waits; dropped, it leaves its place.
struct Calling<'a, 'm, 'c, E: Env, O: Object> {
    end: End<'a, 'm, 'c, E, O>,
    txid: Txid,
}

impl<'a, 'm, 'c, E: Env, O: Object> End<'a, 'm, 'c, E, O> {
    /// Sends a message that is to be answered, and sleeps until it is. Room for an answer of as many bytes and capabilities as
    /// `answer` has places is promised from the beginning. Thread context only.
    ///
    /// # Errors
    /// [`CallError`]; [`Full`](SendReason::Full) if there is no room for the answer, or no place for the call.
    pub fn call<C: Outgoing<'c, E, O>>(
        &self,
        caller: &Caller<'_, E>,
        bytes: &[u8],
        caps: C,
        answer: Answer<'_, 'c, E, O>,
        until: Option<Instant>,
    ) -> Result<Received, CallError<C>> {
        let (caps, most) = self.check_call(caller, bytes.len(), caps, &answer)?;
        let calling = match self.begin(most, Wake::Thread(caller.token().clone())) {
            Ok(calling) => calling,
            Err(reason) => return Err(unsent(reason, caps)),
        };
        let need = Need::of(bytes.len(), caps.count());
        if let Err(reason) = self.out().claim(caller, need, until) {
            return Err(unsent(reason, caps));
        }
        self.fill(need, To::Queue(calling.txid.raw()), bytes, caps);
        let message = calling.wait(caller.token(), until).map_err(CallError::Wait)?;
        Ok(self.read_answer(message, answer))
    }

    /// As [`call`](Self::call), for a future. Dropped, it ends the call.
    ///
    /// # Errors
    /// As there.
    pub async fn call_async<C: Outgoing<'c, E, O>>(
        &self,
        caller: &Caller<'_, E>,
        bytes: &[u8],
        caps: C,
        answer: Answer<'_, 'c, E, O>,
    ) -> Result<Received, CallError<C>> {
        let (caps, most) = self.check_call(caller, bytes.len(), caps, &answer)?;
        let mut calling = match self.begin(most, Wake::Future(Waker::noop().clone())) {
            Ok(calling) => calling,
            Err(reason) => return Err(unsent(reason, caps)),
        };
        let need = Need::of(bytes.len(), caps.count());
        if let Err(reason) = self.out().claim_async(need).await {
            return Err(unsent(reason, caps));
        }
        self.fill(need, To::Queue(calling.txid.raw()), bytes, caps);
        let message = poll_fn(|cx| calling.poll(cx.waker())).await.map_err(CallError::Wait)?;
        Ok(self.read_answer(message, answer))
    }

    /// Answers a call, once. The answer goes to who called, past the queue; there is room for it. Any context.
    ///
    /// # Errors
    /// [`SendError`] with the capabilities: [`Stale`](SendReason::Stale) if the caller waits no longer;
    /// [`TooBig`](SendReason::TooBig) and [`TooManyCaps`](SendReason::TooManyCaps) if he has less room: he goes on waiting.
    pub fn reply<C: Outgoing<'c, E, O>>(
        &self,
        caller: &Caller<'_, E>,
        txid: Txid,
        bytes: &[u8],
        caps: C,
    ) -> Result<(), SendError<C>> {
        let caps = self.check(caller, Op::Send, bytes.len(), caps)?;
        let (len, count) = (bytes.len(), caps.count());
        let fits = |most: Most| len <= most.len && count <= most.caps;
        let found = self.out().room.with(|held| held.state.calls.answering(txid, fits));
        let reason = match found {
            Some((number, most)) if fits(most) => {
                self.fill(most.need(), To::Call(number), bytes, caps);
                return Ok(());
            }
            Some((_, most)) if len > most.len => SendReason::TooBig { len, max: most.len },
            Some((_, most)) => SendReason::TooManyCaps { caps: count, max: most.caps },
            None => SendReason::Stale,
        };
        Err(SendError { reason, message: caps.back() })
    }

    #[expect(clippy::type_complexity, reason = "two things that a call needs")]
    fn check_call<C: Outgoing<'c, E, O>>(
        &self,
        caller: &Caller<'_, E>,
        len: usize,
        caps: C,
        answer: &Answer<'_, 'c, E, O>,
    ) -> Result<(Entered<'a, 'c, E, O, C>, Most), CallError<C>> {
        let most = Most {
            len: answer.0.len().min(self.channel.config.max_message),
            caps: answer.1.len().min(self.channel.config.max_caps),
        };
        let entered = self.check(caller, Op::Call, len, caps).map_err(CallError::Unsent)?;
        Ok((entered, most))
    }

    /// Takes a place for a call, and room for its answer.
    fn begin(&self, most: Most, wake: Wake<Token<E>>) -> Result<Calling<'a, 'm, 'c, E, O>, SendReason> {
        let begun = self.incoming().room.with(|held| {
            match (held.state.receiver_gone, held.state.sender_gone) {
                (true, _) => return Err(SendReason::Closed),
                (_, true) => return Err(SendReason::Wait(WaitError::PeerClosed)),
                _ => {}
            }
            // The answer does not wait behind those who wait for room to send: that it comes lets them go on.
            if !held.state.claim(most.need()) {
                return Err(SendReason::Full);
            }
            let begun = held.state.calls.begin(most, wake);
            if begun.is_none() {
                held.state.give_back(most.need());
            }
            begun.ok_or(SendReason::Full)
        });
        begun.map(|txid| Calling { end: *self, txid })
    }

    /// Copies an answer, for which there is room.
    fn read_answer(&self, mut message: Taken, (bytes, caps): Answer<'_, 'c, E, O>) -> Received {
        for place in caps.iter_mut().take(message.frame.caps as usize) {
            *place = self.channel.next_cap(self.incoming(), &mut message);
        }
        self.copy_out(self.incoming(), message, bytes)
    }
}

fn unsent<'c, E: Env, O: Object, C: sealed::Outgoing<'c, E, O>>(
    reason: SendReason,
    caps: Entered<'_, 'c, E, O, C>,
) -> CallError<C> {
    CallError::Unsent(SendError { reason, message: caps.back() })
}

impl<'a, 'm, 'c, E: Env, O: Object> Calling<'a, 'm, 'c, E, O> {
    const fn way(&self) -> &'a Direction<'m, 'c, E, O> {
        self.end.incoming()
    }

    fn wait(&self, me: &Token<E>, until: Option<Instant>) -> Result<Taken, WaitError> {
        let (way, mut until) = (self.way(), until);
        loop {
            if let Some(outcome) = way.room.with(|held| held.state.calls.outcome(self.txid)) {
                return outcome;
            }
            let cause = match way.room.park().park(me, until, BlockReason::Call) {
                Resume::Woken => continue,
                Resume::TimedOut => WaitError::TimedOut,
                Resume::Interrupted => WaitError::Interrupted,
            };
            let room = way.room.with(|held| held.state.calls.leave(self.txid, cause));
            way.give_back(room);
            // Only an answer that is on its way is waited for now.
            until = None;
        }
    }

    fn poll(&mut self, waker: &Waker) -> Poll<Result<Taken, WaitError>> {
        let mut wake = Some(Wake::Future(waker.clone()));
        let outcome = self.way().room.with(|held| {
            held.state.calls.set_wake(self.txid, &mut wake);
            held.state.calls.outcome(self.txid)
        });
        // What was there before is dropped without the lock: a waker may do anything then.
        drop(wake);
        outcome.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<E: Env, O: Object> Drop for Calling<'_, '_, '_, E, O> {
    fn drop(&mut self) {
        // Loom takes the threads of a failed schedule down without a schedule.
        #[cfg(all(test, any(loom, shuttle)))]
        if std::thread::panicking() {
            return;
        }
        let way = self.way();
        let left = way.room.with(|held| {
            let left = held.state.calls.abandon(self.txid);
            held.state.give_back(left.room);
            left
        });
        match left.answer {
            Some(answer) => self.end.channel.discard(way, answer),
            None => settle(&way.room),
        }
    }
}
