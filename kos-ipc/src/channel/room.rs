//! Waiting for room: what is promised goes to who asked first: [`Room`].

use core::future::poll_fn;
use core::marker::PhantomData;
use core::pin::pin;
use core::task::Poll;

use super::Direction;
use super::error::SendReason;
use super::store::{Need, Store};
use crate::caller::{Caller, Token};
use crate::cap::Object;
use crate::error::WaitError;
use crate::ports::{BlockReason, Env};
use crate::sync::atomic::{Ordering, fence};
use crate::sync::{Bug, seeded};
use crate::time::Instant;
use crate::wait::{Held, Kind, Member, Observers, Queue, Readiness, Wake};

/// The kind of wait: what is asked for is given when it is there and enough was read.
pub(super) struct Room<'m, 'c, O>(PhantomData<&'m (&'c (), O)>);

impl<'m, 'c: 'm, E: Env, O: Object + 'm> Kind<E> for Room<'m, 'c, O> {
    /// Those who watch the end that sends.
    type Word = Observers<E>;
    type State = Store<'m, 'c, E, O>;
    type Value = Need;

    fn pass_on(queue: &Queue<E, Self>, need: &mut Need) {
        queue.with(|held| held.state.give_back(*need));
        settle(queue);
    }

    fn left(queue: &Queue<E, Self>) {
        settle(queue);
    }
}

/// Promises room to those who wait first, as long as there is enough for each. Called after room was given back.
pub(super) fn settle<'m, 'c: 'm, E: Env, O: Object + 'm>(queue: &Queue<E, Room<'m, 'c, O>>) {
    // Who waits entered under the lock under which the room was given back: that he does is seen.
    if queue.seems_occupied() {
        queue.wake_by(|held, batch| {
            while !batch.is_full() && held.with_front(|store, &mut need| store.grant(need)) == Some(true) {
                held.end_front(batch, Ok(()));
            }
        });
    }
    fence(Ordering::SeqCst);
    let watch = queue.word();
    if watch.are_any() && queue.with(|held| core::mem::take(&mut held.state.became_writable)) {
        watch.signal(queue.park(), Readiness::WRITABLE);
    }
}

type HeldBy<'h, 'm, 'c, E, O> = Held<'h, Token<E>, Store<'m, 'c, E, O>, Need>;

/// Promises room at once, if nobody waits for some.
pub(super) fn claim_now<E: Env, O: Object>(
    held: &mut HeldBy<'_, '_, '_, E, O>,
    need: Need,
) -> Result<(), SendReason> {
    if held.state.sender_gone {
        return Err(SendReason::Closed);
    }
    if held.state.receiver_gone {
        return Err(SendReason::Wait(WaitError::PeerClosed));
    }
    if !held.is_empty() || !held.state.claim(need) {
        held.state.writable = false;
        held.state.stats.full += 1;
        return Err(SendReason::Full);
    }
    Ok(())
}

impl<'m, 'c, E: Env, O: Object> Direction<'m, 'c, E, O> {
    pub(super) fn claim(
        &self,
        caller: &Caller<'_, E>,
        need: Need,
        until: Option<Instant>,
    ) -> Result<(), SendReason> {
        match self.room.with(|held| claim_now(held, need)) {
            Err(SendReason::Full) => {}
            other => return other,
        }
        let mut member = pin!(Member::new(&self.room, need));
        let wake = Wake::Thread(caller.token().clone());
        let entered = member.as_mut().enter(wake, |held, need| held.is_empty() && held.state.claim(*need));
        let slept = entered.and_then(|there| match there {
            true => Ok(()),
            false => member.sleep(caller.token(), until, BlockReason::Channel),
        });
        slept.map_err(|cause| self.reason(cause))
    }

    pub(super) async fn claim_async(&self, need: Need) -> Result<(), SendReason> {
        match self.room.with(|held| claim_now(held, need)) {
            Err(SendReason::Full) => {}
            other => return other,
        }
        let mut member = pin!(Member::new(&self.room, need));
        let ready = poll_fn(|cx| {
            match member.as_mut().poll(cx, |held, need| held.is_empty() && held.state.claim(*need)) {
                Poll::Ready(result) => Poll::Ready(result),
                Poll::Pending => Poll::Pending,
            }
        });
        ready.await.map_err(|cause| self.reason(cause))
    }

    /// Gives back what was promised, and lets the next have it.
    pub(super) fn give_back(&self, room: Need) {
        self.room.with(|held| held.state.give_back(room));
        if !seeded(Bug::RoomKept) {
            settle(&self.room);
        }
    }

    /// Which side it was that ended all waits.
    fn reason(&self, cause: WaitError) -> SendReason {
        let closed = cause == WaitError::PeerClosed && self.room.with(|held| held.state.sender_gone);
        if closed { SendReason::Closed } else { SendReason::Wait(cause) }
    }
}
