//! Timers for time-outs: [`TimerWheel`], eight levels of 64 buckets without cascade, and [`Timer`], its owner's node.
//!
//! Level `n` rounds up to multiples of 8^n ticks and takes delays of less than 64 · 8^n ticks that do not fit below. Such a
//! delay is at least 8 · 8^n ticks for `n` > 0, so rounding adds less than 1/8 of it, and the timer stays in its bucket until
//! it fires. A delay beyond the last level waits in the last bucket and is then looked at again: it goes aside, and from there to its
//! new bucket.
//!
//! Invariants (walked by [`TimerWheel::check`]): every pending timer fires after `clock`; it is in the bucket
//! `fires >> shift` modulo 64 of its level, whose bit is set; a bucket is in order of `fires`. `next` is not after the first
//! time at which one fires. Those aside hold back neither.
//!
//! A bucket can hold two laps: a timer that fires 64 or 65 buckets from the clock's, with one that fires one bucket from it.
//! The order within the bucket keeps them apart.
//!
//! Source: Varghese and Lauck, "Hashed and hierarchical timing wheels", SOSP 1987; Linux' non-cascading wheel since 4.8.

mod check;
mod levels;

use core::fmt;
use core::pin::Pin;

use super::{Cancel, Expiry};
use crate::error::QueueCorruption;
use crate::pinned::{Held, Home, Member, Seat};
use crate::ports::CriticalSection;
use crate::seeded::{Bug, seeded};
use crate::time::Instant;
use check::check;
use levels::{BUCKETS, LEVELS, Place, Wheel};

/// The list of timers on their way from the last bucket to another; empty when `expire` had nothing more to do.
const ASIDE: usize = BUCKETS;
const LISTS: usize = BUCKETS + 1;

/// Timers taken out under one hold of the lock.
const BATCH: usize = 16;

/// What a timer tells when it fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fired<T> {
    /// As given to [`Timer::new`].
    pub payload: T,
    /// The arming, as [`Timer::arm`] returned it.
    pub generation: u32,
    /// When it was to fire.
    pub at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Idle,
    Armed,
    Fired,
}

struct Entry<T> {
    at: u64,
    /// `at`, rounded up to the level.
    fires: u64,
    bucket: usize,
    generation: u32,
    status: Status,
    payload: T,
}

type TimerHome<E, T> = Home<E, Wheel, Entry<T>, LISTS>;
type TimerMember<'w, E, T> = Member<'w, E, Wheel, Entry<T>, LISTS>;

/// Many timers that seldom fire. `T` says what to do then: a task, a number, a function.
///
/// A timer is never early, and late by at most a tick or 1/8 of its delay, whichever is more, if `expire` is called when
/// [`next_event`](Self::next_event) says. Any context; the lock is held for a constant time.
///
/// ```
/// use core::pin::pin;
/// use kos_sched::Instant;
/// use kos_sched::testing::HostPark;
/// use kos_sched::timer::{Cancel, Timer, TimerWheel};
///
/// let wheel = TimerWheel::new(HostPark::new(), 20); // ticks of 2^20 ns, about a millisecond
/// let retransmit = pin!(Timer::new(&wheel, "retransmit"));
/// let keep_alive = pin!(Timer::new(&wheel, "keep alive"));
/// let (now, second) = (Instant::from_ticks(0), 1_000_000_000);
/// retransmit.as_ref().arm(now, Instant::from_ticks(second / 5));
/// keep_alive.as_ref().arm(now, Instant::from_ticks(60 * second));
/// assert_eq!(keep_alive.as_ref().cancel(), Cancel::Cancelled);
///
/// let mut fired = Vec::new();
/// let _ = wheel.expire(Instant::from_ticks(second), 100, |timer| fired.push(timer.payload));
/// assert_eq!(fired, ["retransmit"]);
/// ```
pub struct TimerWheel<E: CriticalSection, T: Copy>(TimerHome<E, T>);

impl<E: CriticalSection, T: Copy> TimerWheel<E, T> {
    /// No timers, at time 0. A tick is 2^`tick` nanoseconds, at most 2^40 (18 minutes); less costs nothing but range: delays
    /// over 2^27 ticks are looked at once more on their way.
    #[must_use]
    pub const fn new(env: E, tick: u32) -> Self {
        let tick = if tick < 40 { tick } else { 40 };
        Self(Home::new(
            env,
            Wheel { clock: 0, next: u64::MAX, armed: 0, tick, occupied: [0; LEVELS as usize] },
        ))
    }

    /// Fires what is due at `now`: calls `fire` for each, about in order of time, at most `limit` times. `fire` runs without
    /// the lock and may arm and cancel.
    pub fn expire(&self, now: Instant, limit: usize, mut fire: impl FnMut(Fired<T>)) -> Expiry {
        let mut fired = 0;
        loop {
            let mut batch = [None; BATCH];
            let room = batch.len().min(limit - fired);
            let due = self.0.with(|mut held| {
                for place in batch.iter_mut().take(room) {
                    *place = pop_due(&mut held, now.as_ticks());
                }
                is_due(&mut held, now.as_ticks())
            });
            for timer in batch.into_iter().flatten() {
                fire(timer);
                fired += 1;
            }
            if !due || fired == limit {
                return Expiry { fired, more: due };
            }
        }
    }

    /// When `expire` should be called next: exactly when the next timer fires.
    pub fn next_event(&self) -> Option<Instant> {
        self.0.with(|mut held| {
            find_next(&mut held);
            let next = held.front(ASIDE).map_or(held.state.next, |entry| entry.fires.min(held.state.next));
            (held.state.armed > 0).then(|| Instant::from_ticks(next))
        })
    }

    /// Timers that are armed.
    pub fn armed(&self) -> usize {
        self.0.with(|held| held.state.armed)
    }

    /// Walks every invariant, with the lock held. Takes time in proportion to the armed timers.
    ///
    /// # Errors
    /// [`QueueCorruption`] names the first bucket that breaks one.
    pub fn check(&self) -> Result<(), QueueCorruption> {
        self.0.with(|held| check(&held))
    }
}

impl<E: CriticalSection, T: Copy> fmt::Debug for TimerWheel<E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerWheel").finish_non_exhaustive()
    }
}

/// A timer: its owner's memory, which the wheel links while it is armed. Dropping it cancels.
pub struct Timer<'w, E: CriticalSection, T: Copy>(TimerMember<'w, E, T>);

impl<'w, E: CriticalSection, T: Copy> Timer<'w, E, T> {
    /// A timer that is not armed.
    #[must_use]
    pub fn new(wheel: &'w TimerWheel<E, T>, payload: T) -> Self {
        let entry = Entry { at: 0, fires: 0, bucket: 0, generation: 0, status: Status::Idle, payload };
        Self(Member::new(&wheel.0, None, entry))
    }

    /// Lets it fire at `at`, and no longer when it was to. `now` is the time. Returns the generation of this arming, which
    /// [`Fired`] tells: who armed again meanwhile knows so that an older one is stale.
    pub fn arm(self: Pin<&Self>, now: Instant, at: Instant) -> u32 {
        self.member().with(|seat| {
            disarm(seat);
            seat.value().generation = seat.value().generation.wrapping_add(1);
            seat.value().at = at.as_ticks();
            enter(seat, now.as_ticks());
            seat.value().generation
        })
    }

    /// Ends the newest arming, if it has not fired. After [`Cancel::Fired`] the one who called `expire` has been told or is
    /// about to be: `fire` runs without the wheel's lock, so it may still run.
    pub fn cancel(self: Pin<&Self>) -> Cancel {
        if seeded(Bug::CancelInTwoSteps) && self.is_armed() {
            self.member().with(disarm);
            return Cancel::Cancelled;
        }
        self.member().with(|seat| match seat.value().status {
            Status::Idle => Cancel::Stale,
            Status::Fired => {
                seat.value().status = Status::Idle;
                Cancel::Fired
            }
            Status::Armed => {
                disarm(seat);
                Cancel::Cancelled
            }
        })
    }

    /// Whether it is armed and has not fired.
    pub fn is_armed(self: Pin<&Self>) -> bool {
        self.member().with(|seat| seat.value().status == Status::Armed)
    }
}

impl<'w, E: CriticalSection, T: Copy> Timer<'w, E, T> {
    #[expect(unsafe_code, reason = "a projection to a pinned field")]
    fn member(self: Pin<&Self>) -> Pin<&TimerMember<'w, E, T>> {
        // SAFETY: the field is pinned with the timer: nothing moves it out, not even `drop`, and it is not `Unpin`.
        unsafe { self.map_unchecked(|timer| &timer.0) }
    }
}

impl<E: CriticalSection, T: Copy> Drop for Timer<'_, E, T> {
    fn drop(&mut self) {
        self.0.retire(disarm);
    }
}

impl<E: CriticalSection, T: Copy> fmt::Debug for Timer<'_, E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").finish_non_exhaustive()
    }
}

/// Finds out exactly when the next timer fires; returns its bucket.
fn find_next<T>(held: &mut Held<'_, Wheel, Entry<T>>) -> Option<usize> {
    let buckets = (0..LEVELS).flat_map(|level| held.state.first_buckets(level));
    let next = buckets.filter_map(|bucket| Some((held.front(bucket)?.fires, bucket))).min();
    held.state.next = next.map_or(u64::MAX, |(fires, _)| fires);
    next.map(|(_, bucket)| bucket)
}

fn enter<T>(seat: &mut Seat<'_, Wheel, Entry<T>>, now: u64) {
    let at = seat.value().at;
    seat.state().forward(now);
    if seat.state().clock < now {
        find_next(&mut seat.held());
        seat.state().forward(now);
    }
    let wheel = seat.state();
    let Place { bucket, fires } = wheel.place(at, at.saturating_sub(now));
    wheel.mark(bucket, true);
    wheel.armed += 1;
    wheel.next = wheel.next.min(fires);
    let entry = seat.value();
    (entry.fires, entry.bucket, entry.status) = (fires, bucket, Status::Armed);
    let other_lap = seat.held().back(bucket).is_some_and(|last| last.fires > fires);
    seat.enter(bucket, other_lap);
}

fn disarm<T>(seat: &mut Seat<'_, Wheel, Entry<T>>) {
    seat.value().status = Status::Idle;
    if seat.leave() {
        let bucket = seat.value().bucket;
        let empty = seat.held().is_empty(bucket);
        seat.state().mark(bucket, !empty);
        seat.state().armed -= 1;
    }
}

/// Whether there is something to do at `now`.
fn is_due<T>(held: &mut Held<'_, Wheel, Entry<T>>, now: u64) -> bool {
    if held.state.next <= now {
        find_next(held);
    }
    held.state.forward(now);
    held.state.armed > 0 && held.state.next <= now || !held.is_empty(ASIDE)
}

/// Takes out one timer that fires at `now` or before, if any. One that waited in the last bucket and is to wait longer goes aside,
/// so that it does not hold back the clock, and when the clock has come to `now` gets a place nearer to its time: two steps,
/// however far time has jumped.
fn pop_due<T: Copy>(held: &mut Held<'_, Wheel, Entry<T>>, now: u64) -> Option<Fired<T>> {
    let first = if held.state.next <= now { find_next(held) } else { None };
    held.state.forward(now);
    let Some(bucket) = first.filter(|_| held.state.next <= now) else { return bring_back(held, now) };
    if held.front(bucket)?.at <= now {
        return take(held, bucket);
    }
    if let Some(entry) = held.front_mut(bucket) {
        entry.bucket = ASIDE;
    }
    held.shift_front(bucket, ASIDE, false);
    let empty = held.is_empty(bucket);
    held.state.mark(bucket, !empty);
    None
}

/// Takes out the first timer of `bucket`, which is due.
fn take<T: Copy>(held: &mut Held<'_, Wheel, Entry<T>>, bucket: usize) -> Option<Fired<T>> {
    let entry = held.pop_front(bucket)?;
    entry.status = Status::Fired;
    let at = Instant::from_ticks(entry.at);
    let fired = Fired { payload: entry.payload, generation: entry.generation, at };
    let empty = held.is_empty(bucket);
    held.state.mark(bucket, !empty);
    held.state.armed -= 1;
    Some(fired)
}

/// Gives the first timer that is aside a place, or takes it out if it is due by now. The clock has come to `now`.
fn bring_back<T: Copy>(held: &mut Held<'_, Wheel, Entry<T>>, now: u64) -> Option<Fired<T>> {
    let at = held.front(ASIDE)?.at;
    if at <= now {
        return take(held, ASIDE);
    }
    let Place { bucket, fires } = held.state.place(at, at - now);
    if let Some(entry) = held.front_mut(ASIDE) {
        (entry.fires, entry.bucket) = (fires, bucket);
    }
    let other_lap = held.back(bucket).is_some_and(|last| last.fires > fires);
    held.shift_front(ASIDE, bucket, other_lap);
    held.state.mark(bucket, true);
    held.state.next = held.state.next.min(fires);
    None
}
