//! Two connections and the path between them: [`Pair`].

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::side::{Flying, Side};
use crate::tcp::clock::{after, earlier};
use crate::tcp::input::Input;
use crate::time::{Duration, Instant};

/// What becomes of the `n`th segment of a direction.
pub(super) type Fate<'a> = &'a mut dyn FnMut(usize, &Flying) -> Option<Duration>;

/// Two ends, segments under way between them, and the time.
pub(super) struct Pair {
    pub(super) sides: [Side; 2],
    pub(super) now: Instant,
    wires: [VecDeque<(Instant, Flying)>; 2],
    sent: [usize; 2],
    /// What the ends said, the newest last.
    pub(super) inputs: Vec<(usize, Input)>,
    /// A seed, and how many of 1000 segments come twice.
    pub(super) doubled: Option<(u64, u64)>,
}

impl Pair {
    pub(super) fn new(sides: [Side; 2]) -> Self {
        let now = Instant::from_ticks(1_000_000_000);
        Self { sides, now, wires: Default::default(), sent: [0; 2], inputs: Vec::new(), doubled: None }
    }

    /// Lets both say all they have to say now.
    pub(super) fn speak(&mut self, fate: Fate<'_>) {
        for from in 0..2 {
            while let Some(flying) = self.sides[from].transmit(self.now) {
                let count = self.sent[from];
                self.sent[from] += 1;
                assert!(count < 1_000_000, "they never stop");
                let Some(delay) = fate(count, &flying) else { continue };
                let at = after(self.now, delay);
                if self.comes_twice() {
                    let later = after(at, Duration::from_millis(3));
                    self.put(1 - from, later, flying.clone());
                }
                self.put(1 - from, at, flying);
            }
        }
    }

    fn put(&mut self, to: usize, at: Instant, flying: Flying) {
        let wire = &mut self.wires[to];
        let place = wire.partition_point(|(other, _)| *other <= at);
        wire.insert(place, (at, flying));
    }

    fn comes_twice(&mut self) -> bool {
        let Some((seed, share)) = &mut self.doubled else { return false };
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*seed >> 33) % 1000 < *share
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<Instant> {
        let arrives = |wire: &VecDeque<(Instant, Flying)>| wire.front().map(|(at, _)| *at);
        let arrival = earlier(arrives(&self.wires[0]), arrives(&self.wires[1]));
        let timer = earlier(self.sides[0].tcb.deadline(), self.sides[1].tcb.deadline());
        earlier(arrival, timer)
    }

    /// Goes on to `at`, and does what is due.
    pub(super) fn advance(&mut self, at: Instant) {
        self.now = self.now.max(at);
        for to in 0..2 {
            while self.wires[to].front().is_some_and(|(at, _)| *at <= self.now) {
                let (_, flying) = self.wires[to].pop_front().unwrap();
                let input = self.sides[to].take(self.now, &flying);
                if input.challenge {
                    self.sides[to].tcb.challenge(self.now);
                }
                self.inputs.push((to, input));
            }
            self.sides[to].on_timer(self.now);
        }
    }

    /// One round; false when nothing is to come.
    pub(super) fn step(&mut self, fate: Fate<'_>) -> bool {
        self.speak(fate);
        let Some(at) = self.next() else { return false };
        self.advance(at);
        true
    }
}
