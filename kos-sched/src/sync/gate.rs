//! Where all waiters of one queue or lock are: [`Gate`], and who waits: [`Waiting`].
//!
//! One type of home for all, so that a waiter can move from one to another, from a condition's to its mutex's for instance.

use core::mem;
use core::task::Waker;

use crate::error::WaitError;
use crate::pinned::{Held, Home, Member, Seat};
use crate::ports::{Park, SyncEnv};
use crate::seeded::{Bug, seeded};

/// Waiters woken at every wake-up.
pub(super) const SHARED: usize = 0;
/// Waiters woken one for each.
pub(super) const EXCLUSIVE: usize = 1;

/// Wake-ups collected under one hold of the lock.
pub(super) const BATCH: usize = 16;

pub(super) type Gate<E> = Home<E, State<<E as Park>::Task>, Waiting<<E as Park>::Task>, 2>;
pub(super) type GateMember<'q, E> = Member<'q, E, State<<E as Park>::Task>, Waiting<<E as Park>::Task>, 2>;
pub(super) type GateHeld<'a, T> = Held<'a, State<T>, Waiting<T>>;
pub(super) type GateSeat<'a, T> = Seat<'a, State<T>, Waiting<T>>;

/// What the gate's lock guards beside the waiters.
#[derive(Debug)]
pub(super) struct State<T> {
    /// Nobody may wait any more.
    pub(super) closed: bool,
    /// Counts the waiters that came; wraps.
    tickets: u32,
    /// Of a mutex.
    pub(super) owner: Option<T>,
    /// Of a semaphore.
    pub(super) permits: usize,
}

impl<T> State<T> {
    pub(super) const fn new(permits: usize) -> Self {
        Self { closed: false, tickets: 0, owner: None, permits }
    }

    /// The number of the waiter that comes next.
    pub(super) const fn next_ticket(&self) -> u32 {
        self.tickets
    }

    pub(super) const fn take_ticket(&mut self) -> u32 {
        let ticket = self.tickets;
        self.tickets = ticket.wrapping_add(1);
        ticket
    }
}

/// How somebody is woken.
#[derive(Debug)]
pub(super) enum Wake<T> {
    Task(T),
    Future(Waker),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Waiting,
    Woken,
    Closed,
}

/// One waiter.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    pub(super) wake: Option<Wake<T>>,
    /// When it came, among the waiters of its gate.
    pub(super) ticket: u32,
    /// Permits that it asks for.
    pub(super) need: usize,
    pub(super) outcome: Outcome,
}

impl<T> Waiting<T> {
    pub(super) const fn new(need: usize) -> Self {
        Self { wake: None, ticket: 0, need, outcome: Outcome::Waiting }
    }

    /// Ends the wait.
    pub(super) fn end(&mut self, outcome: Outcome) -> Option<Wake<T>> {
        self.outcome = outcome;
        self.wake.take()
    }
}

/// Enters `list`, to be woken as `wake` says. Refused by a closed gate.
pub(super) fn enter<T>(seat: &mut GateSeat<'_, T>, list: usize, wake: Wake<T>) -> Result<(), WaitError> {
    if seat.state().closed {
        return Err(WaitError::Closed);
    }
    let ticket = seat.state().take_ticket();
    let waiting = seat.value();
    (waiting.ticket, waiting.wake, waiting.outcome) = (ticket, Some(wake), Outcome::Waiting);
    seat.enter(list, false);
    Ok(())
}

/// Moves up to `count` of the first exclusive waiters to the end of another gate; ends at one who did not name it.
pub(super) fn move_waiters<T>(from: &mut GateHeld<'_, T>, to: &mut GateHeld<'_, T>, count: usize) -> usize {
    let mut moved = 0;
    while moved < count && !to.state.closed {
        let ticket = to.state.take_ticket();
        let Some(waiting) = from.move_front(EXCLUSIVE, to) else { break };
        waiting.ticket = ticket;
        moved += 1;
    }
    moved
}

/// Wake-ups on their way out of the lock.
#[derive(Debug)]
pub(super) struct Wakes<T> {
    wakes: [Option<Wake<T>>; BATCH],
    count: usize,
}

impl<T> Wakes<T> {
    pub(super) fn new() -> Self {
        Self { wakes: [const { None }; BATCH], count: 0 }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.count == BATCH
    }

    pub(super) fn push(&mut self, wake: Option<Wake<T>>) {
        if let Some(place) = self.wakes.get_mut(self.count) {
            *place = wake;
            self.count += 1;
        }
    }

    /// Ends the wait of the first of `list`, if it came before `end`; false if there is none such, or no room.
    pub(super) fn take(
        &mut self,
        held: &mut GateHeld<'_, T>,
        list: usize,
        end: u32,
        outcome: Outcome,
    ) -> bool {
        let before_end = |ticket: u32| ticket.wrapping_sub(end).cast_signed() < 0;
        if self.is_full() || !held.front(list).is_some_and(|first| before_end(first.ticket)) {
            return false;
        }
        if let Some(waiting) = held.pop_front(list) {
            self.push(waiting.end(outcome));
        }
        true
    }

    /// Delivers them; the lock is free. Returns how many there were.
    pub(super) fn deliver<E: Park<Task = T>>(&mut self, env: &E) -> usize
    where
        T: Copy,
    {
        for wake in &mut self.wakes {
            match wake.take() {
                Some(Wake::Task(task)) => env.unpark(task),
                Some(Wake::Future(waker)) => waker.wake(),
                None => {}
            }
        }
        mem::take(&mut self.count)
    }
}

/// Ends every wait at `gate` with `Closed`, and refuses any other from now on.
pub(super) fn close<E: SyncEnv>(gate: &Gate<E>) {
    let mut wakes = Wakes::new();
    loop {
        gate.with(|mut held| {
            held.state.closed |= !seeded(Bug::ClosedLate);
            let end = held.state.next_ticket();
            while [SHARED, EXCLUSIVE]
                .into_iter()
                .any(|list| wakes.take(&mut held, list, end, Outcome::Closed))
            {}
        });
        if wakes.deliver(gate.env()) < BATCH {
            if seeded(Bug::ClosedLate) {
                gate.with(|held| held.state.closed = true);
            }
            return;
        }
    }
}
