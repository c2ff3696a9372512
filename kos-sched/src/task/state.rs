//! [`StateWord`]: where a task is in its life, its permit and its interruption, in one atomic word.
//!
//! ```text
//! Free -> New -> Ready -> Blocking -> Blocked -> Waking -> Ready -> Exiting -> Zombie -> Free (next generation)
//! ```
//! *Ready* is queued or on a CPU; which of them, the queue knows. *Blocking* is announced: a wake calls it off, so that nothing
//! has to be enqueued. Who moves *Blocked* to *Waking* has won, alone, and owns the enqueue.
//!
//! Since permit and state are one word, each wake is one read-modify-write and no fence is needed: a wake comes before the
//! announcement and is found by it, or after it and finds it.
//!
//! The upper 24 bits are the lower bits of the generation: a stale id changes nothing, unless the slot was given out 2^24
//! times between two instructions.

use crate::atomic::{AtomicU32, Ordering, const_fn};
use crate::ports::Resume;
use crate::seeded::{Bug, seeded};

/// Where a task is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Phase {
    /// The slot has no task.
    Free,
    /// Being made.
    New,
    /// Wants to run, or does.
    Ready,
    /// On its CPU, about to sleep.
    Blocking,
    /// Asleep.
    Blocked,
    /// Woken, and not in a queue yet.
    Waking,
    /// On its CPU for the last time.
    Exiting,
    /// Gone; the slot waits to be reaped.
    Zombie,
}

const PHASE: u32 = 0b111;
/// An early wake is remembered.
const PERMIT: u32 = 1 << 3;
/// The task is to die.
const INTERRUPT: u32 = 1 << 4;
/// The last sleep ended by its deadline.
const TIMED_OUT: u32 = 1 << 5;
/// The task could not be put on a CPU that it is allowed on.
const STRANDED: u32 = 1 << 6;
const GENERATION_SHIFT: u32 = 8;

/// Why a sleeping task is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Somebody wants it.
    Wake,
    /// Its deadline has passed.
    Timeout,
    /// It is to die.
    Interrupt,
}

/// What a wake did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The caller has won and owns the enqueue.
    Won,
    /// The task is awake and will find the permit.
    Remembered,
    /// It came too late.
    Gone,
}

/// What came of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Announced {
    /// The task may sleep.
    Sleep,
    /// It may not.
    Stay(Resume),
}

/// The word.
#[derive(Debug)]
pub(crate) struct StateWord(AtomicU32);

#[inline]
const fn phase(word: u32) -> Phase {
    match word & PHASE {
        0 => Phase::Free,
        1 => Phase::New,
        2 => Phase::Ready,
        3 => Phase::Blocking,
        4 => Phase::Blocked,
        5 => Phase::Waking,
        6 => Phase::Exiting,
        _ => Phase::Zombie,
    }
}

#[inline]
const fn with(word: u32, phase: Phase) -> u32 {
    word & !PHASE | phase as u32
}

impl StateWord {
    const_fn! {
        /// Of a slot without a task.
        pub(crate) fn new() -> Self {
            Self(AtomicU32::new(0))
        }
    }

    /// Changes the word to what `next` says; what it was.
    #[inline]
    fn change(&self, next: impl FnMut(u32) -> Option<u32>) -> Option<u32> {
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).ok()
    }

    /// Goes from one phase to another; false if it is in none of that name.
    #[inline]
    fn step(&self, from: Phase, to: Phase) -> bool {
        self.change(|word| (phase(word) == from).then_some(with(word, to))).is_some()
    }

    /// The phase, a moment ago.
    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        phase(self.0.load(Ordering::Acquire))
    }

    /// A task is being made in a slot that the caller has alone.
    pub(crate) fn begin(&self, generation: u32) {
        self.0.store(with(generation << GENERATION_SHIFT, Phase::New), Ordering::Release);
    }

    /// The new task is in a queue, or is about to be.
    pub(crate) fn start(&self) {
        self.step(Phase::New, Phase::Ready);
    }

    /// The task itself announces that it will sleep, unless there is a reason not to.
    #[inline]
    pub(crate) fn announce(&self) -> Announced {
        let mut found = Announced::Sleep;
        self.change(|word| {
            found = match word {
                _ if word & INTERRUPT != 0 => Announced::Stay(Resume::Interrupted),
                _ if word & PERMIT != 0 => Announced::Stay(Resume::Woken),
                _ => Announced::Sleep,
            };
            let sleeps = found == Announced::Sleep && phase(word) == Phase::Ready;
            Some(if sleeps { with(word, Phase::Blocking) } else { word & !PERMIT })
        });
        if seeded(Bug::PermitThenAnnounce) {
            self.0.store(with(self.0.load(Ordering::Acquire), Phase::Blocking) & !PERMIT, Ordering::Release);
        }
        found
    }

    /// The announced sleep begins; false if a wake has called it off.
    #[inline]
    pub(crate) fn sleep(&self) -> bool {
        self.step(Phase::Blocking, Phase::Blocked)
    }

    /// The task itself takes its announcement back. A wake that came meanwhile stays remembered.
    #[inline]
    pub(crate) fn call_off(&self) {
        self.step(Phase::Blocking, Phase::Ready);
    }

    /// Wakes the task of `generation`.
    #[inline]
    pub(crate) fn wake(&self, generation: u32, cause: Cause) -> Outcome {
        let mut outcome = Outcome::Gone;
        let alien =
            |word: u32| word >> GENERATION_SHIFT != generation << GENERATION_SHIFT >> GENERATION_SHIFT;
        if seeded(Bug::NoWaiterNoPermit) && phase(self.0.load(Ordering::Relaxed)) == Phase::Ready {
            return Outcome::Remembered;
        }
        if seeded(Bug::TimeoutUnchecked) && cause == Cause::Timeout {
            self.0.store(with(self.0.load(Ordering::Relaxed), Phase::Waking), Ordering::Release);
            return Outcome::Won;
        }
        self.change(|word| {
            // The last of several tries counts.
            outcome = Outcome::Gone;
            let (next, what) = match phase(word) {
                _ if alien(word) => return None,
                Phase::Blocked => (with(word, Phase::Waking), Outcome::Won),
                Phase::New | Phase::Ready | Phase::Waking if cause != Cause::Timeout => {
                    (word, Outcome::Remembered)
                }
                Phase::Blocking => (with(word, Phase::Ready), Outcome::Remembered),
                _ => return None,
            };
            outcome = what;
            let mark = match cause {
                Cause::Timeout => TIMED_OUT,
                Cause::Interrupt => INTERRUPT,
                Cause::Wake if what == Outcome::Remembered => PERMIT,
                Cause::Wake => 0,
            };
            Some(next | mark)
        });
        outcome
    }

    /// The woken task is in a queue.
    #[inline]
    pub(crate) fn arrive(&self) {
        self.step(Phase::Waking, Phase::Ready);
    }

    /// Holds a sleeping task still: no waker wins until it is [let go](Self::let_go).
    pub(crate) fn hold(&self) -> bool {
        self.step(Phase::Blocked, Phase::Waking)
    }

    /// Lets a held task sleep on; false if it was woken meanwhile: then the caller owns the enqueue.
    pub(crate) fn let_go(&self) -> bool {
        self.change(|word| (word & (PERMIT | INTERRUPT) == 0).then_some(with(word, Phase::Blocked))).is_some()
    }

    /// The task itself, awake again, asks why. All wakes up to here count as one.
    #[inline]
    pub(crate) fn resume(&self) -> Resume {
        let word = self.0.fetch_and(!(PERMIT | TIMED_OUT), Ordering::AcqRel);
        match word {
            _ if word & INTERRUPT != 0 => Resume::Interrupted,
            _ if word & TIMED_OUT != 0 && word & PERMIT == 0 => Resume::TimedOut,
            _ => Resume::Woken,
        }
    }

    /// The task itself has seen that it is to die, and may sleep again on its way out; whether it was to.
    pub(crate) fn take_interrupt(&self) -> bool {
        self.0.fetch_and(!INTERRUPT, Ordering::AcqRel) & INTERRUPT != 0
    }

    /// Whether the task is to die.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.0.load(Ordering::Acquire) & INTERRUPT != 0
    }

    /// Notes whether the task waits for a CPU that it is allowed on; whether it did before.
    pub(crate) fn strand(&self, stranded: bool) -> bool {
        let before = match stranded {
            true => self.0.fetch_or(STRANDED, Ordering::AcqRel),
            false if self.is_stranded() => self.0.fetch_and(!STRANDED, Ordering::AcqRel),
            false => 0,
        };
        before & STRANDED != 0
    }

    /// Whether there is a task that has not ended.
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.phase(), Phase::Free | Phase::Exiting | Phase::Zombie)
    }

    /// The task that was being made will not be.
    pub(crate) fn abandon(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// Whether the task waits for a CPU that it is allowed on.
    pub(crate) fn is_stranded(&self) -> bool {
        self.0.load(Ordering::Relaxed) & STRANDED != 0
    }

    /// The task itself leaves for ever.
    pub(crate) fn exit(&self) {
        self.change(|word| Some(with(word, Phase::Exiting)));
    }

    /// Its CPU has left it.
    pub(crate) fn die(&self) {
        self.step(Phase::Exiting, Phase::Zombie);
    }

    /// Takes the slot of the zombie of `generation`: the one who gets true has it alone.
    pub(crate) fn reap(&self, generation: u32) -> bool {
        let zombie = with(generation << GENERATION_SHIFT, Phase::Zombie);
        let marks = PERMIT | INTERRUPT | TIMED_OUT | STRANDED;
        self.change(|word| (word & !marks == zombie).then_some(0)).is_some()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::{Announced, Cause, Outcome, Phase, StateWord};
    use crate::ports::Resume;

    fn ready() -> StateWord {
        let word = StateWord::new();
        word.begin(7);
        word.start();
        word
    }

    fn asleep() -> StateWord {
        let word = ready();
        assert_eq!(word.announce(), Announced::Sleep);
        assert!(word.sleep());
        word
    }

    #[test]
    fn an_early_wake_is_remembered_once() {
        let word = ready();
        assert_eq!(word.wake(7, Cause::Wake), Outcome::Remembered);
        assert_eq!(word.wake(7, Cause::Wake), Outcome::Remembered);
        assert_eq!(word.announce(), Announced::Stay(Resume::Woken));
        assert_eq!(word.announce(), Announced::Sleep);
        assert_eq!(word.wake(7, Cause::Wake), Outcome::Remembered, "called off");
        assert!(!word.sleep());
        assert_eq!((word.resume(), word.phase()), (Resume::Woken, Phase::Ready));
    }

    #[test]
    fn one_of_two_wakers_wins() {
        let word = asleep();
        assert_eq!(word.wake(7, Cause::Timeout), Outcome::Won);
        assert_eq!(word.wake(7, Cause::Timeout), Outcome::Gone);
        word.arrive();
        assert_eq!(word.resume(), Resume::TimedOut);
        assert_eq!(word.resume(), Resume::Woken);
    }

    #[test]
    fn a_wake_beats_the_timeout_that_came_before_it() {
        let word = asleep();
        assert_eq!(word.wake(7, Cause::Timeout), Outcome::Won);
        assert_eq!(word.wake(7, Cause::Wake), Outcome::Remembered);
        word.arrive();
        assert_eq!(word.resume(), Resume::Woken);
    }

    #[test]
    fn an_interrupted_task_does_not_sleep_until_it_knows() {
        let word = asleep();
        assert_eq!(word.wake(7, Cause::Interrupt), Outcome::Won);
        word.arrive();
        assert_eq!(word.resume(), Resume::Interrupted);
        assert_eq!(word.announce(), Announced::Stay(Resume::Interrupted));
        assert!(word.take_interrupt() && !word.is_interrupted());
        assert_eq!(word.announce(), Announced::Sleep);
    }

    #[test]
    fn a_stale_id_changes_nothing() {
        let word = asleep();
        assert_eq!(word.wake(6, Cause::Interrupt), Outcome::Gone);
        assert_eq!(word.phase(), Phase::Blocked);
        assert_eq!(word.wake(7, Cause::Wake), Outcome::Won);
        word.arrive();
        word.exit();
        assert!(!word.reap(7), "it is still on its CPU");
        word.die();
        assert_eq!(word.wake(7, Cause::Wake), Outcome::Gone);
        assert!(!word.reap(8) && word.reap(7) && !word.reap(7));
    }

    #[test]
    fn a_held_task_sleeps_on_unless_it_was_woken() {
        let word = asleep();
        assert!(word.hold() && word.let_go());
        assert_eq!(word.phase(), Phase::Blocked);
        assert!(word.hold());
        assert_eq!(word.wake(7, Cause::Wake), Outcome::Remembered);
        assert!(!word.let_go());
        word.arrive();
        assert_eq!(word.resume(), Resume::Woken);
    }
}
