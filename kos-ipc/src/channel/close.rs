//! The end of a side: [`Closing`].

use core::fmt;

use super::{Direction, End};
use crate::cap::Object;
use crate::error::WaitError;
use crate::ports::Env;
use crate::wait::{BATCH, Progress, Readiness, WakeBatch};

/// A side that is closed: calls that wait end, and messages that it did not read go, step by step.
#[must_use = "calls that wait end by its steps"]
pub struct Closing<'a, 'm, 'c, E: Env, O: Object> {
    end: End<'a, 'm, 'c, E, O>,
    /// The next places of calls, in what it sends and in what it receives.
    next: [usize; 2],
}

impl<'a, 'm, 'c, E: Env, O: Object> End<'a, 'm, 'c, E, O> {
    /// Closes this side. It sends and receives no more; nobody sends to it. What it has sent can still be read, and is followed by
    /// [`WaitError::PeerClosed`]. Any context; the steps are the rest.
    pub fn close(&self) -> Closing<'a, 'm, 'c, E, O> {
        let (out, incoming) = (self.out(), self.incoming());
        out.room.with(|held| held.state.sender_gone = true);
        incoming.room.with(|held| held.state.receiver_gone = true);
        out.room.end(WaitError::PeerClosed);
        out.readers.wake(usize::MAX);
        incoming.room.end(WaitError::PeerClosed);
        incoming.readers.close();
        let peer = incoming.room.word();
        peer.signal(incoming.room.park(), Readiness::HUNG_UP);
        Closing { end: *self, next: [0; 2] }
    }
}

impl<E: Env, O: Object> End<'_, '_, '_, E, O> {
    /// Drops up to `budget` messages that were not read, and lets senders have their room. Any context.
    pub fn clear(&self, budget: usize) -> Progress {
        let incoming = self.incoming();
        for _ in 0..budget {
            match incoming.room.with(|held| held.state.take()) {
                Some(message) => self.channel.discard(incoming, message),
                None => return Progress::Done,
            }
        }
        Progress::More
    }
}

impl<E: Env, O: Object> Closing<'_, '_, '_, E, O> {
    /// Ends up to `budget` calls and messages. Any context.
    pub fn step(&mut self, budget: usize) -> Progress {
        let mut left = budget;
        for (way, next) in [self.end.out(), self.end.incoming()].into_iter().zip(&mut self.next) {
            left -= end_calls(way, next, left);
        }
        if left > 0 { self.end.clear(left) } else { Progress::More }
    }
}

/// Ends up to `budget` calls whose answers come by `way`, from the place `next` on. How many places it looked at.
fn end_calls<E: Env, O: Object>(way: &Direction<'_, '_, E, O>, next: &mut usize, budget: usize) -> usize {
    let (mut looks, mut batch) = (0, WakeBatch::new());
    while looks < budget {
        let before = *next;
        way.room.with(|held| {
            for _ in looks..budget.min(looks + BATCH) {
                let Some((room, wake)) = held.state.calls.end(*next, WaitError::PeerClosed) else { break };
                held.state.give_back(room);
                batch.push(wake);
                *next += 1;
            }
        });
        batch.deliver(way.room.park());
        looks += *next - before;
        if *next == before {
            break;
        }
    }
    looks
}

impl<E: Env, O: Object> fmt::Debug for Closing<'_, '_, '_, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing").field("next", &self.next).finish_non_exhaustive()
    }
}
