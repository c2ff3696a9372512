//! Sending: `send`, and how a message is written into room that was promised.

use super::caps::{Entered, Outgoing, sealed};
use super::error::{SendError, SendReason};
use super::room::{claim_now, settle};
use super::store::{CHUNK, Draft, Need, Taken};
use super::{Direction, End};
use crate::caller::{Caller, Token};
use crate::cap::Object;
use crate::channel::frame::DATA;
use crate::policy::Op;
use crate::ports::Env;
use crate::time::Instant;
use crate::wait::{Readiness, Wake};

/// Where a message goes.
#[derive(Clone, Copy)]
pub(super) enum To {
    /// To the end of the queue; with the call that it begins, or 0.
    Queue(u64),
    /// To the call in that place, as its answer.
    Call(u32),
}

/// What is to be done without the lock when a message is in its place.
enum Sent<T> {
    Queued,
    Answered(Option<Wake<T>>),
    /// Nobody is there for it any more.
    Unwanted(Taken),
}

impl<'a, 'c, E: Env, O: Object> End<'a, '_, 'c, E, O> {
    /// Sends `bytes` and `caps`; sleeps until there is room and everybody who came before has his. Thread context only.
    ///
    /// # Errors
    /// [`SendError`] with the capabilities, but not for [`Full`](SendReason::Full).
    pub fn send<C: Outgoing<'c, E, O>>(
        &self,
        caller: &Caller<'_, E>,
        bytes: &[u8],
        caps: C,
        until: Option<Instant>,
    ) -> Result<(), SendError<C>> {
        let caps = self.check(caller, Op::Send, bytes.len(), caps)?;
        let need = Need::of(bytes.len(), caps.count());
        match self.out().claim(caller, need, until) {
            Ok(()) => self.fill(need, To::Queue(0), bytes, caps),
            Err(reason) => return Err(SendError { reason, message: caps.back() }),
        }
        Ok(())
    }

    /// As [`send`](Self::send), if there is room and nobody waits for it. Any context.
    ///
    /// # Errors
    /// [`SendError`] with the capabilities.
    pub fn try_send<C: Outgoing<'c, E, O>>(
        &self,
        caller: &Caller<'_, E>,
        bytes: &[u8],
        caps: C,
    ) -> Result<(), SendError<C>> {
        let caps = self.check(caller, Op::Send, bytes.len(), caps)?;
        let need = Need::of(bytes.len(), caps.count());
        match self.out().room.with(|held| claim_now(held, need)) {
            Ok(()) => self.fill(need, To::Queue(0), bytes, caps),
            Err(reason) => return Err(SendError { reason, message: caps.back() }),
        }
        Ok(())
    }

    /// As [`send`](Self::send), for a future. Dropped before it is ready, it has sent nothing; the capabilities go with it, back
    /// to their space if a transfer holds them.
    ///
    /// # Errors
    /// As there.
    pub async fn send_async<C: Outgoing<'c, E, O>>(
        &self,
        caller: &Caller<'_, E>,
        bytes: &[u8],
        caps: C,
    ) -> Result<(), SendError<C>> {
        let caps = self.check(caller, Op::Send, bytes.len(), caps)?;
        let need = Need::of(bytes.len(), caps.count());
        match self.out().claim_async(need).await {
            Ok(()) => self.fill(need, To::Queue(0), bytes, caps),
            Err(reason) => return Err(SendError { reason, message: caps.back() }),
        }
        Ok(())
    }

    /// What is looked at before anything is promised.
    pub(super) fn check<C: Outgoing<'c, E, O>>(
        &self,
        caller: &Caller<'_, E>,
        op: Op,
        len: usize,
        caps: C,
    ) -> Result<Entered<'a, 'c, E, O, C>, SendError<C>> {
        let count = sealed::Outgoing::<E, O>::count(&caps);
        if let Err(reason) = self.check_sizes(caller, op, len, count) {
            return Err(SendError { reason, message: caps });
        }
        let channel = self.channel;
        let entered = Entered::new(channel.levels, &channel.level, caps);
        entered.map_err(|(reason, message)| SendError { reason, message })
    }

    pub(super) fn check_sizes(
        &self,
        caller: &Caller<'_, E>,
        op: Op,
        len: usize,
        caps: usize,
    ) -> Result<(), SendReason> {
        let max = self.channel.config;
        caller.authorize(op, &self.channel.meta).map_err(SendReason::Refused)?;
        if len > max.max_message {
            return Err(SendReason::TooBig { len, max: max.max_message });
        }
        if caps > max.max_caps {
            return Err(SendReason::TooManyCaps { caps, max: max.max_caps });
        }
        Ok(())
    }

    /// Writes a message into room that was promised. It cannot fail: a receiver who is gone by now is gone after it was sent.
    pub(super) fn fill<C: Outgoing<'c, E, O>>(
        &self,
        claim: Need,
        to: To,
        bytes: &[u8],
        caps: Entered<'_, 'c, E, O, C>,
    ) {
        let out = self.out();
        let short = bytes.len() <= (CHUNK - 1) * DATA && caps.count() == 0;
        let (mut draft, mut done, sent) = out.room.with(|held| {
            let mut draft = held.state.begin(claim);
            let done = held.state.append(&mut draft, bytes);
            let sent = short.then(|| put(held.state, &draft, to));
            (draft, done, sent)
        });
        if let Some(sent) = sent {
            caps.send(|_| {});
            return self.end_send(sent);
        }
        while let rest = bytes.get(done..).unwrap_or_default()
            && !rest.is_empty()
        {
            match out.room.with(|held| held.state.append(&mut draft, rest)) {
                0 => break,
                count => done += count,
            }
        }
        // One that finds no place, which cannot be, is dropped without the lock.
        caps.send(|cap| drop(out.room.with(|held| held.state.attach(&mut draft, cap))));
        self.end_send(out.room.with(|held| put(held.state, &draft, to)));
    }

    fn end_send(&self, sent: Sent<Token<E>>) {
        let out = self.out();
        match sent {
            Sent::Queued => {
                out.readers.wake(1);
                self.incoming().room.word().signal(out.room.park(), Readiness::READABLE);
            }
            Sent::Answered(wake) => wake.into_iter().for_each(|wake| wake.deliver(out.room.park())),
            Sent::Unwanted(message) => self.channel.discard(out, message),
        }
        // A message may have used less than it was promised.
        settle(&out.room);
    }
}

fn put<E: Env, O: Object>(store: &mut super::Store<'_, '_, E, O>, draft: &Draft, to: To) -> Sent<Token<E>> {
    match to {
        To::Queue(txid) => store.queue(draft, txid).map_or(Sent::Queued, Sent::Unwanted),
        To::Call(number) => store.answer(draft, number).map_or_else(Sent::Unwanted, Sent::Answered),
    }
}

impl<'m, 'c, E: Env, O: Object> super::Channel<'m, 'c, E, O> {
    /// Frees what a message has that nobody reads.
    pub(super) fn discard(&self, way: &Direction<'m, 'c, E, O>, mut message: Taken) {
        while self.next_cap(way, &mut message).is_some() {}
        while way.room.with(|held| held.state.free(&mut message)) {}
        settle(&way.room);
    }

    /// Takes a capability out of a message: if it is to a channel, that lies here no more.
    pub(super) fn next_cap(
        &self,
        way: &Direction<'m, 'c, E, O>,
        message: &mut Taken,
    ) -> Option<crate::cap::Carried<'c, E, O>> {
        let cap = way.room.with(|held| held.state.next_cap(message))?;
        cap.object().level().into_iter().for_each(|inner| self.levels.take(&self.level, inner));
        Some(cap)
    }
}
