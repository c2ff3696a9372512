//! Room that is promised: [`Permit`].

use core::fmt;

use super::End;
use super::caps::{Outgoing, sealed};
use super::error::{SendError, SendReason};
use super::room::claim_now;
use super::send::To;
use super::store::Need;
use crate::caller::Caller;
use crate::cap::Object;
use crate::error::WaitError;
use crate::policy::Op;
use crate::ports::Env;
use crate::time::Instant;

/// A promise of room for one message. Dropped, it gives the room back.
#[must_use = "dropped, it gives the room back"]
pub struct Permit<'a, 'm, 'c, E: Env, O: Object> {
    end: End<'a, 'm, 'c, E, O>,
    room: Need,
    len: usize,
}

impl<'a, 'm, 'c, E: Env, O: Object> End<'a, 'm, 'c, E, O> {
    /// Asks for room for a message of up to `len` bytes and `caps` capabilities; sleeps until it is there. Thread context only.
    ///
    /// # Errors
    /// [`SendReason`], but not [`Full`](SendReason::Full).
    pub fn reserve(
        &self,
        caller: &Caller<'_, E>,
        len: usize,
        caps: usize,
        until: Option<Instant>,
    ) -> Result<Permit<'a, 'm, 'c, E, O>, SendReason> {
        let room = self.check_room(caller, len, caps)?;
        self.out().claim(caller, room, until)?;
        Ok(Permit { end: *self, room, len })
    }

    /// As [`reserve`](Self::reserve), if the room is there and nobody waits for it. Any context.
    ///
    /// # Errors
    /// [`SendReason`]
    pub fn try_reserve(
        &self,
        caller: &Caller<'_, E>,
        len: usize,
        caps: usize,
    ) -> Result<Permit<'a, 'm, 'c, E, O>, SendReason> {
        let room = self.check_room(caller, len, caps)?;
        self.out().room.with(|held| claim_now(held, room))?;
        Ok(Permit { end: *self, room, len })
    }

    /// As [`reserve`](Self::reserve), for a future. Dropped before it is ready, it takes nothing.
    ///
    /// # Errors
    /// As there.
    pub async fn reserve_async(
        &self,
        caller: &Caller<'_, E>,
        len: usize,
        caps: usize,
    ) -> Result<Permit<'a, 'm, 'c, E, O>, SendReason> {
        let room = self.check_room(caller, len, caps)?;
        self.out().claim_async(room).await?;
        Ok(Permit { end: *self, room, len })
    }

    fn check_room(&self, caller: &Caller<'_, E>, len: usize, caps: usize) -> Result<Need, SendReason> {
        self.check_sizes(caller, Op::Send, len, caps)?;
        Ok(Need::of(len, caps))
    }
}

impl<'c, E: Env, O: Object> Permit<'_, '_, 'c, E, O> {
    /// Sends a message in the room that was promised. It sleeps for nothing. The permit is used up.
    ///
    /// # Errors
    /// [`SendError`] with the capabilities: a peer that has closed meanwhile, or more than was promised; the room goes back.
    pub fn send<C: Outgoing<'c, E, O>>(
        mut self,
        caller: &Caller<'_, E>,
        bytes: &[u8],
        caps: C,
    ) -> Result<(), SendError<C>> {
        let (len, count) = (bytes.len(), sealed::Outgoing::<E, O>::count(&caps));
        let reason = match (len > self.len, count > self.room.caps) {
            (true, _) => Some(SendReason::TooBig { len, max: self.len }),
            (_, true) => Some(SendReason::TooManyCaps { caps: count, max: self.room.caps }),
            _ => self.closed(),
        };
        if let Some(reason) = reason {
            return Err(SendError { reason, message: caps });
        }
        let caps = self.end.check(caller, Op::Send, len, caps)?;
        let room = core::mem::take(&mut self.room);
        self.end.fill(room, To::Queue(0), bytes, caps);
        Ok(())
    }

    fn closed(&self) -> Option<SendReason> {
        self.end.out().room.with(|held| match (held.state.sender_gone, held.state.receiver_gone) {
            (true, _) => Some(SendReason::Closed),
            (_, true) => Some(SendReason::Wait(WaitError::PeerClosed)),
            _ => None,
        })
    }
}

impl<E: Env, O: Object> Drop for Permit<'_, '_, '_, E, O> {
    fn drop(&mut self) {
        // Loom takes the threads of a failed schedule down without a schedule.
        #[cfg(all(test, any(loom, shuttle)))]
        if std::thread::panicking() {
            return;
        }
        if self.room != Need::default() {
            self.end.out().give_back(self.room);
        }
    }
}

impl<E: Env, O: Object> fmt::Debug for Permit<'_, '_, '_, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("len", &self.len)
            .field("caps", &self.room.caps)
            .finish_non_exhaustive()
    }
}
