//! The kind of wait of those who receive: each is given a call, and takes it then.
//!
//! Invariant: while somebody waits no call is queued. A call is queued, or given to the first who waits, and who would wait looks for
//! one, under the one lock of both. A receiver that goes before it took what it was given gives it to the next.

use core::marker::PhantomData;

use super::slot::{Phase, Ticket};
use super::table::Table;
use crate::caller::Token;
use crate::ports::Env;
use crate::sync::atomic::AtomicBool;
use crate::wait::{Kind, Observers, Queue, Readiness};

/// The state is the calls, the value names the one that a receiver was given.
pub(super) struct Serving<'e, M, A>(PhantomData<&'e (M, A)>);

/// What is there without the lock.
pub(super) struct Word<E: Env> {
    pub(super) observers: Observers<E>,
    /// Callers lend the server their priority.
    pub(super) lends: AtomicBool,
}

impl<'e, E: Env, M: Send + 'e, A: Send + 'e> Kind<E> for Serving<'e, M, A> {
    type Word = Word<E>;
    type State = Table<'e, Token<E>, M, A>;
    type Value = Ticket;

    const LOOKED_AT: bool = false;

    #[cold]
    fn pass_on(queue: &Queue<E, Self>, given: &mut Ticket) {
        let wake = queue.with(|held| {
            held.state.at(*given, Phase::Given)?;
            held.with_front(|_, next| *next = *given);
            let wake = held.take_first(Ok(()));
            if wake.is_none() {
                held.state.enqueue_first(given.slot);
            }
            Some(wake)
        });
        match wake {
            Some(Some(wake)) => wake.deliver(queue.park()),
            Some(None) => queue.word().observers.signal(queue.park(), Readiness::READABLE),
            None => {}
        }
    }
}
