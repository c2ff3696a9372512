//! Futexes beside Linux's: threads are stepped until they sleep; then the same counts, errors, words, and the same threads woken.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Poll, Waker};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{env, thread};

use super::linux::{self, Call, Errno, futex, sleeps_at};
use super::*;
use crate::caller::Caller;
use crate::error::WaitError;
use crate::policy::NoPolicy;
use crate::testing::{Rng, StdEnv, StdPark, Words};
use crate::time::Instant;

const WORDS: usize = 3;
const THREADS: usize = 6;
/// Words of Linux of which some are taken.
const PLACES: usize = 16;

/// Which thread's wait has ended, and how.
type Ended = Receiver<(usize, Result<usize, Errno>)>;

type Table = FutexTable<StdEnv, Words, 2>;
type Waiting<'a> = Pin<Box<dyn Future<Output = Result<(), FutexError>> + 'a>>;

fn errno(error: FutexError) -> Errno {
    match error {
        FutexError::Changed(_) => libc::EAGAIN,
        FutexError::Wait(WaitError::TimedOut) => libc::ETIMEDOUT,
        other => panic!("{other}"),
    }
}

/// A thread of Linux: is given waits, and says how they ended.
struct Sleeper {
    thread: i32,
    waits: Sender<(usize, u32, u32)>,
}

struct Both<'a> {
    table: &'a Table,
    words: &'a Words,
    linux: &'a [AtomicU32; PLACES],
    /// Where its words are.
    places: [usize; WORDS],
    sleepers: Vec<Sleeper>,
    ended: Ended,
    /// What the thread of the same number does here.
    waiting: Vec<Option<Waiting<'a>>>,
    caller: &'a Caller<'a, StdEnv>,
    rng: Rng,
}

impl Both<'_> {
    fn step(&mut self) {
        let (at, other) = (self.rng.below(WORDS), self.rng.below(WORDS));
        let (count, more) = (1 + self.rng.below(3), self.rng.below(4));
        match self.rng.below(8) {
            0..=2 => self.wait(at),
            3 => {
                let bits = self.bits();
                let ours = self.table.wake(self.words, word(at), count, bits);
                self.compare(Call::Wake(count, bits), [at, other], ours, ours.unwrap());
            }
            4 | 5 => self.requeue([at, other], count - 1, more),
            6 => self.wake_op([at, other], count, more + 1),
            _ => self.set(at),
        }
        assert_eq!(self.table.check(), Ok(()));
    }

    fn theirs(&self, at: usize) -> &AtomicU32 {
        &self.linux[self.places[at]]
    }

    fn bits(&mut self) -> u32 {
        [ANY, 1, 2, 6][self.rng.below(4)]
    }

    fn set(&mut self, at: usize) {
        let value = u32::try_from(self.rng.below(4)).unwrap();
        self.words.set(at * 4, value);
        self.theirs(at).store(value, Ordering::Relaxed);
    }

    /// Has a thread that is awake wait, or try to.
    fn wait(&mut self, at: usize) {
        let Some(number) = self.waiting.iter().position(Option::is_none) else { return };
        let (bits, found) = (self.bits(), self.words.get(at * 4));
        let expected = if self.rng.below(4) == 0 { found ^ 1 } else { found };
        if self.rng.below(4) == 0 {
            let past = Some(Instant::from_ticks(0));
            let ours = self.table.wait(self.caller, self.words, word(at), expected, bits, past);
            let theirs = futex(Call::Wait(expected, bits, true), self.theirs(at), self.theirs(at));
            return assert_eq!(ours.map_err(errno), theirs.map(drop));
        }
        let mut waiting: Waiting<'_> = Box::pin(self.table.wait_async(self.words, word(at), expected, bits));
        let sleeper = &self.sleepers[number];
        sleeper.waits.send((self.places[at], expected, bits)).unwrap();
        match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ours) => {
                assert_eq!(self.ended.recv().unwrap(), (number, ours.map(|()| 0).map_err(errno)));
            }
            Poll::Pending => {
                while !sleeps_at(sleeper.thread, self.theirs(at)) {
                    thread::yield_now();
                }
                self.waiting[number] = Some(waiting);
            }
        }
    }

    fn requeue(&mut self, [at, other]: [usize; 2], wake: usize, count: usize) {
        let value = self.words.get(at * 4);
        let expected = [None, Some(value), Some(value ^ 1)][self.rng.below(3)];
        let done = self.table.requeue(self.words, word(at), word(other), wake, count, expected);
        let woken = done.map_or(0, |done| done.woken);
        let ours = done.map(|done| done.woken + done.moved);
        self.compare(Call::Requeue(wake, count, expected), [at, other], ours, woken);
    }

    fn wake_op(&mut self, [at, other]: [usize; 2], wake: usize, more: usize) {
        // Small operands meet the small words; sometimes any.
        let small = self.rng.below(3) << 12 | self.rng.below(3);
        let operands = if self.rng.below(4) == 0 { self.rng.below(1 << 24) } else { small };
        let code = self.rng.below(16) << 28 | self.rng.below(6) << 24 | operands;
        let code = u32::try_from(code).unwrap();
        let Some(op) = WakeOp::decode(code) else { return };
        let ours = self.table.wake_op(self.words, word(at), word(other), wake, more, op);
        self.compare(Call::WakeOp(wake, more, code), [at, other], ours, ours.unwrap());
    }

    /// The same result, the same threads awake, the same words.
    fn compare(
        &mut self,
        call: Call,
        [at, other]: [usize; 2],
        ours: Result<usize, FutexError>,
        woken: usize,
    ) {
        let theirs = futex(call, self.theirs(at), self.theirs(other));
        assert_eq!(ours.map_err(errno), theirs, "{call:?}");
        let mut awake: Vec<_> = (0..woken).map(|_| self.ended.recv().unwrap()).collect();
        awake.sort_unstable();
        let mut ready = Vec::new();
        for (number, waiting) in self.waiting.iter_mut().enumerate() {
            let poll = waiting.as_mut().map(|w| w.as_mut().poll(&mut Context::from_waker(Waker::noop())));
            if let Some(Poll::Ready(result)) = poll {
                ready.push((number, result.map(|()| 0).map_err(errno)));
                *waiting = None;
            }
        }
        assert_eq!(ready, awake, "{call:?}");
        for at in 0..WORDS {
            assert_eq!(self.words.get(at * 4), self.theirs(at).load(Ordering::Relaxed), "{call:?}");
        }
    }
}

/// Lets the threads of Linux end when a comparison has failed.
struct Rouse<'a>(&'a [AtomicU32; PLACES]);

impl Drop for Rouse<'_> {
    fn drop(&mut self) {
        for word in self.0 {
            _ = futex(Call::Wake(THREADS, ANY), word, word);
        }
    }
}

fn word(at: usize) -> (usize, bool) {
    (at * 4, false)
}

/// Has thread `number` wait at a word of Linux.
fn put_to_sleep(sleepers: &[Sleeper], number: usize, at: usize, linux: &[AtomicU32; PLACES]) {
    sleepers[number].waits.send((at, 0, ANY)).unwrap();
    while !sleeps_at(sleepers[number].thread, &linux[at]) {
        thread::yield_now();
    }
}

/// Whether Linux has two words share a queue: then a waiter that is moved keeps its place in it.
fn share_a_queue(
    sleepers: &[Sleeper],
    ended: &Ended,
    linux: &[AtomicU32; PLACES],
    words: [usize; 2],
) -> bool {
    let [one, other] = words.map(|at| &linux[at]);
    put_to_sleep(sleepers, 0, words[0], linux);
    put_to_sleep(sleepers, 1, words[1], linux);
    assert_eq!(futex(Call::Requeue(0, 1, None), one, other), Ok(1));
    assert_eq!(futex(Call::Wake(1, ANY), other, other), Ok(1));
    let first = ended.recv().unwrap();
    assert_eq!(futex(Call::Wake(1, ANY), other, other), Ok(1));
    _ = ended.recv().unwrap();
    first.0 == 0
}

/// Words of Linux that do not share queues.
fn apart(sleepers: &[Sleeper], ended: &Ended, linux: &[AtomicU32; PLACES]) -> [usize; WORDS] {
    let mut found: Vec<usize> = Vec::new();
    for at in 0..PLACES {
        if found.len() < WORDS
            && !found.iter().any(|&other| share_a_queue(sleepers, ended, linux, [at, other]))
        {
            found.push(at);
        }
    }
    found.try_into().unwrap()
}

/// 20,000 steps by default; `KOS_FUTEX_STEPS` for more.
#[test]
fn futexes_answer_as_linux() {
    let steps: u64 = env::var("KOS_FUTEX_STEPS").map_or(20_000, |steps| steps.parse().unwrap());
    let (park, words, theirs) = (StdPark::new(), Words::new(WORDS), [(); PLACES].map(|()| AtomicU32::new(0)));
    let token = park.token();
    let caller = Caller::new(&token, (), &NoPolicy);
    let table = Table::new(park.clone(), [7, 9]);
    let (say, ended) = channel();
    thread::scope(|scope| {
        let sleeper = |number: usize| {
            let (waits, given) = channel::<(usize, u32, u32)>();
            let (tell, named) = channel();
            let (say, theirs) = (say.clone(), &theirs);
            scope.spawn(move || {
                tell.send(linux::thread()).unwrap();
                for (at, expected, bits) in given {
                    let result = futex(Call::Wait(expected, bits, false), &theirs[at], &theirs[at]);
                    // Nobody listens any more if a comparison has failed.
                    _ = say.send((number, result));
                }
            });
            Sleeper { thread: named.recv().unwrap(), waits }
        };
        let _rouse = Rouse(&theirs);
        let sleepers: Vec<_> = (0..THREADS).map(sleeper).collect();
        let places = apart(&sleepers, &ended, &theirs);
        let mut both = Both {
            table: &table,
            words: &words,
            linux: &theirs,
            places,
            sleepers,
            ended,
            waiting: (0..THREADS).map(|_| None).collect(),
            caller: &caller,
            rng: Rng::new(3),
        };
        (0..steps).for_each(|_| both.step());
        for at in 0..WORDS {
            let ours = table.wake(&words, word(at), THREADS, ANY);
            both.compare(Call::Wake(THREADS, ANY), [at, at], ours, ours.unwrap());
        }
    });
    assert_eq!(table.waiting(), 0);
}
