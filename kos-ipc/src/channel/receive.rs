//! Receiving: [`Received`].

use super::caps::{Incoming, sealed};
use super::error::ReceiveError;
use super::frame::Frame;
use super::room::settle;
use super::store::Taken;
use super::{Direction, End, Txid};
use crate::caller::Caller;
use crate::cap::Object;
use crate::error::WaitError;
use crate::policy::Op;
use crate::ports::Env;
use crate::sync::{Bug, seeded};
use crate::time::Instant;

/// A message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its bytes.
    pub len: usize,
    /// Its capabilities.
    pub caps: usize,
    /// What it is to be [answered](End::reply) by, if it is a call.
    pub txid: Option<Txid>,
}

impl Received {
    const fn of(frame: Frame) -> Self {
        let txid = if frame.txid == 0 { None } else { Some(Txid::from_raw(frame.txid)) };
        Self { len: frame.len as usize, caps: frame.caps as usize, txid }
    }
}

impl<'c, E: Env, O: Object> End<'_, '_, 'c, E, O> {
    /// Takes the first message; sleeps until there is one. A peer that is closed is told when all that it sent was taken. Thread
    /// context only.
    ///
    /// # Errors
    /// [`ReceiveError`], but not [`WouldBlock`](ReceiveError::WouldBlock). The message, if there is one, stays.
    pub fn receive(
        &self,
        caller: &Caller<'_, E>,
        bytes: &mut [u8],
        mut caps: impl Incoming<'c, E, O>,
        until: Option<Instant>,
    ) -> Result<Received, ReceiveError> {
        caller.authorize(Op::Receive, &self.channel.meta).map_err(ReceiveError::Refused)?;
        let readers = &self.incoming().readers;
        let found = readers.wait_for(caller.token(), 0, until, || self.take(bytes, &mut caps));
        self.end_receive(found)
    }

    /// As [`receive`](Self::receive), if there is a message. Any context.
    ///
    /// # Errors
    /// [`ReceiveError`]. The message, if there is one, stays.
    pub fn try_receive(
        &self,
        caller: &Caller<'_, E>,
        bytes: &mut [u8],
        mut caps: impl Incoming<'c, E, O>,
    ) -> Result<Received, ReceiveError> {
        caller.authorize(Op::Receive, &self.channel.meta).map_err(ReceiveError::Refused)?;
        self.take(bytes, &mut caps).unwrap_or(Err(ReceiveError::WouldBlock))
    }

    /// As [`receive`](Self::receive), for a future. Dropped before it is ready, it takes nothing.
    ///
    /// # Errors
    /// As there.
    pub async fn receive_async(
        &self,
        caller: &Caller<'_, E>,
        bytes: &mut [u8],
        mut caps: impl Incoming<'c, E, O>,
    ) -> Result<Received, ReceiveError> {
        caller.authorize(Op::Receive, &self.channel.meta).map_err(ReceiveError::Refused)?;
        let found = self.incoming().readers.wait_for_async(0, || self.take(bytes, &mut caps)).await;
        self.end_receive(found)
    }

    /// A wake-up that took no message is for the next.
    fn end_receive(
        &self,
        found: Result<Result<Received, ReceiveError>, WaitError>,
    ) -> Result<Received, ReceiveError> {
        match found {
            Ok(Err(refused)) => {
                self.incoming().readers.wake(1);
                Err(refused)
            }
            Ok(Ok(received)) => Ok(received),
            // Whoever ended all waits here was this side: the other lets them look.
            Err(WaitError::PeerClosed) => Err(ReceiveError::Closed),
            Err(cause) => Err(ReceiveError::Wait(cause)),
        }
    }

    /// Takes the first message, if there is one that fits; `None` if one may still come.
    fn take(
        &self,
        bytes: &mut [u8],
        caps: &mut impl Incoming<'c, E, O>,
    ) -> Option<Result<Received, ReceiveError>> {
        loop {
            let found = self.incoming().room.with(|held| {
                let store = &mut *held.state;
                if store.receiver_gone {
                    return Err(Some(ReceiveError::Closed));
                }
                let closed = store.sender_gone.then_some(ReceiveError::Wait(WaitError::PeerClosed));
                let frame = store.peek().ok_or(closed)?;
                let Received { len, caps: count, .. } = Received::of(frame);
                if len > bytes.len() || count > sealed::Incoming::<E, O>::room(caps) {
                    return Err(Some(ReceiveError::TooShort { len, caps: count }));
                }
                Ok((frame, store.stats.taken, if count == 0 { store.take() } else { None }))
            });
            let (frame, number, message) = match found {
                Ok(found) => found,
                Err(ended) => return ended.map(Err),
            };
            let taken = match message {
                Some(message) => Ok(Some(message)),
                None => self.take_with_caps(frame, number, caps),
            };
            match taken {
                Ok(Some(message)) => return Some(Ok(self.copy_out(self.incoming(), message, bytes))),
                // Somebody else took it.
                Ok(None) => {}
                Err(refused) => return Some(Err(refused)),
            }
        }
    }

    /// Takes the first message, the one with `number`, if there is room for its capabilities, and them.
    fn take_with_caps(
        &self,
        frame: Frame,
        number: u64,
        caps: &mut impl Incoming<'c, E, O>,
    ) -> Result<Option<Taken>, ReceiveError> {
        let (way, channel, mut message) = (self.incoming(), self.channel, None);
        let next = || {
            if message.is_none() {
                message = way.take_if(number);
            }
            channel.next_cap(way, message.as_mut()?)
        };
        caps.accept(channel.levels.cells(), frame.caps as usize, next).map_err(ReceiveError::Cap)?;
        Ok(message)
    }

    /// Copies the bytes of a message, which fit, and frees it.
    pub(super) fn copy_out(
        &self,
        way: &Direction<'_, 'c, E, O>,
        mut message: Taken,
        bytes: &mut [u8],
    ) -> Received {
        let (frame, mut done) = (message.frame, 0);
        loop {
            let rest = bytes.get_mut(done..).unwrap_or_default();
            let (count, more) = way.room.with(|held| {
                let count = held.state.copy_out(&mut message, rest);
                (count, done + count < frame.len as usize || held.state.free(&mut message))
            });
            done += count;
            if !more || count == 0 {
                break;
            }
        }
        settle(&way.room);
        Received::of(frame)
    }
}

impl<E: Env, O: Object> Direction<'_, '_, E, O> {
    /// Takes the first message, if so many were taken before it.
    fn take_if(&self, number: u64) -> Option<Taken> {
        self.room.with(|held| {
            let same = held.state.stats.taken == number || seeded(Bug::TakenInTwoSteps);
            if same { held.state.take() } else { None }
        })
    }
}
