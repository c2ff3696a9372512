//! What do timers cost: time-outs, which are cancelled, and sleeps, which fire?

mod peers;

use core::hint::black_box;
use core::pin::Pin;

use kos_sched::timer::{PreciseQueue, PreciseSlot, Timer, TimerWheel};
use kos_sched::{CriticalSection, Instant};

use super::policy::{Turns, scatter, subject};
use crate::harness::must;
use crate::harness::question::{Question, Shape, Subject};
use crate::lock::NoLock;
use crate::peers::peer;

/// A millisecond, in ns.
const TICK: u64 = 1_000_000;
/// Every time-out is armed anew after about so long.
const PERIOD: u64 = 100 * TICK;

/// Some timers, numbered from 0.
trait Timers: 'static {
    /// Timer `index` is to fire at `at`.
    fn arm(&mut self, index: usize, now: u64, at: u64);

    /// Timer `index` is to fire no more.
    fn cancel(&mut self, index: usize);

    /// Fires up to `limit` timers that are due.
    fn expire(&mut self, now: u64, limit: usize, fired: &mut impl FnMut(usize));

    /// When the next one fires.
    fn next(&mut self) -> u64;
}

/// The question for `count` time-outs that never fire.
pub(crate) fn cancel(name: &'static str, count: usize) -> Question {
    let heap = "std BinaryHeap, lazy".to_owned();
    Question {
        name,
        what: format!(
            "{count} time-outs of 200 to 400 ms: one after the other is cancelled and armed anew, each every 100 ms; a tick every ms."
        ),
        operation: "cancel and arm",
        operations: 1,
        shape: Shape::Repeated { counted: 20_000 },
        subjects: vec![
            subject("kos-sched TimerWheel".to_owned(), "late by 1/8 of the delay at most", move || {
                Timeouts::new(Wheel::new(count), count)
            }),
            subject("kos-sched PreciseQueue".to_owned(), "exact", move || {
                Timeouts::new(Precise::new(count), count)
            }),
            subject("std BTreeMap".to_owned(), "keys only, exact", move || {
                Timeouts::new(peers::Map::new(count), count)
            }),
            uncounted(
                count,
                subject(heap, "keys only, exact; cancelled ones stay until they are due", move || {
                    Timeouts::new(peers::Heap::new(count), count)
                }),
            ),
            subject(format!("{} RBTree", peer("intrusive-collections")), "exact", move || {
                Timeouts::new(peers::RedBlack::new(count), count)
            }),
            uncounted(
                count,
                subject(
                    peer("hierarchical_hash_wheel_timer"),
                    "allocates; late by a tick; cancelled ones stay until due",
                    move || Timeouts::new(peers::HashWheel::new(count), count),
                ),
            ),
        ],
    }
}

/// What is cancelled comes due later than the end of a counted run, if there are many: the count would leave out its price.
fn uncounted(count: usize, subject: Subject) -> Subject {
    Subject { counted: count < 100_000, ..subject }
}

/// The question for `count` sleepers.
pub(crate) fn expire(name: &'static str, count: usize) -> Question {
    Question {
        name,
        what: format!(
            "{count} sleeps of up to 1 s: time goes to the next event, what is due fires and is armed anew."
        ),
        operation: "next event, expire and arm",
        operations: 1,
        shape: Shape::Repeated { counted: 1000 },
        subjects: vec![
            subject("kos-sched PreciseQueue".to_owned(), "exact", move || {
                Sleeps::new(Precise::new(count), count)
            }),
            subject("kos-sched TimerWheel".to_owned(), "late by 1/8 of the delay at most", move || {
                Sleeps::new(Wheel::new(count), count)
            }),
            subject("std BTreeMap".to_owned(), "keys only", move || {
                Sleeps::new(peers::Map::new(count), count)
            }),
            subject("std BinaryHeap".to_owned(), "keys only, cannot cancel", move || {
                Sleeps::new(peers::Heap::new(count), count)
            }),
            subject(format!("{} RBTree", peer("intrusive-collections")), "", move || {
                Sleeps::new(peers::RedBlack::new(count), count)
            }),
        ],
    }
}

struct Timeouts<T> {
    timers: T,
    count: usize,
    index: usize,
    now: u64,
    ticked: u64,
    turn: usize,
}

impl<T: Timers> Timeouts<T> {
    fn new(mut timers: T, count: usize) -> Self {
        (0..count).for_each(|index| timers.arm(index, 0, delay(index)));
        Self { timers, count, index: 0, now: 0, ticked: 0, turn: count }
    }
}

/// Between 200 and 400 ms.
fn delay(turn: usize) -> u64 {
    2 * PERIOD + scatter(turn) % (2 * PERIOD)
}

impl<T: Timers> Turns for Timeouts<T> {
    #[inline]
    fn turn(&mut self) {
        self.now += PERIOD / self.count as u64;
        self.turn += 1;
        self.index = if self.index + 1 == self.count { 0 } else { self.index + 1 };
        self.timers.cancel(black_box(self.index));
        self.timers.arm(self.index, self.now, self.now + delay(self.turn));
        if self.now - self.ticked >= TICK {
            self.ticked = self.now;
            self.timers.expire(self.now, usize::MAX, &mut |_| must(None));
        }
    }
}

struct Sleeps<T> {
    timers: T,
    turn: usize,
}

impl<T: Timers> Sleeps<T> {
    fn new(mut timers: T, count: usize) -> Self {
        (0..count).for_each(|index| timers.arm(index, 0, 1 + scatter(index) % (1000 * TICK)));
        Self { timers, turn: count }
    }
}

impl<T: Timers> Turns for Sleeps<T> {
    #[inline]
    fn turn(&mut self) {
        let now = self.timers.next();
        let mut fired = None;
        self.timers.expire(now, 1, &mut |index| fired = Some(index));
        self.turn += 1;
        self.timers.arm(black_box(must(fired)), now, now + 1 + scatter(self.turn) % (1000 * TICK));
    }
}

/// No lock and no interrupts.
struct Alone;

impl CriticalSection for Alone {
    type Lock = NoLock;
    type Irq = ();

    #[inline]
    fn irq_save(&self) {}
}

struct Wheel {
    wheel: &'static TimerWheel<Alone, usize>,
    timers: &'static [Timer<'static, Alone, usize>],
}

impl Wheel {
    fn new(count: usize) -> Self {
        // Ticks of about a millisecond.
        let wheel: &'static _ = Box::leak(Box::new(TimerWheel::new(Alone, 20)));
        let timers: Vec<_> = (0..count).map(|index| Timer::new(wheel, index)).collect();
        Self { wheel, timers: timers.leak() }
    }

    #[inline]
    fn timer(&self, index: usize) -> Pin<&Timer<'static, Alone, usize>> {
        Pin::static_ref(must(self.timers.get(index)))
    }
}

impl Timers for Wheel {
    #[inline]
    fn arm(&mut self, index: usize, now: u64, at: u64) {
        self.timer(index).arm(Instant::from_ticks(now), Instant::from_ticks(at));
    }

    #[inline]
    fn cancel(&mut self, index: usize) {
        let _ = black_box(self.timer(index).cancel());
    }

    #[inline]
    fn expire(&mut self, now: u64, limit: usize, fired: &mut impl FnMut(usize)) {
        let _ = self.wheel.expire(Instant::from_ticks(now), limit, |timer| fired(timer.payload));
    }

    #[inline]
    fn next(&mut self) -> u64 {
        must(self.wheel.next_event()).as_ticks()
    }
}

struct Precise {
    queue: PreciseQueue<'static>,
    armed: Vec<kos_sched::timer::TimerId>,
}

impl Precise {
    fn new(count: usize) -> Self {
        let queue = PreciseQueue::new(vec![PreciseSlot::EMPTY; count].leak());
        Self { queue, armed: vec![kos_sched::timer::TimerId { index: 0, generation: 0 }; count] }
    }
}

impl Timers for Precise {
    #[inline]
    fn arm(&mut self, index: usize, _: u64, at: u64) {
        let id = must(
            u32::try_from(index).ok().and_then(|index| self.queue.arm(index, Instant::from_ticks(at)).ok()),
        );
        *must(self.armed.get_mut(index)) = id;
    }

    #[inline]
    fn cancel(&mut self, index: usize) {
        let _ = black_box(self.queue.cancel(*must(self.armed.get(index))));
    }

    #[inline]
    fn expire(&mut self, now: u64, limit: usize, fired: &mut impl FnMut(usize)) {
        let _ = self.queue.expire(Instant::from_ticks(now), limit, |id| fired(id.index as usize));
    }

    #[inline]
    fn next(&mut self) -> u64 {
        must(self.queue.next_event()).as_ticks()
    }
}
