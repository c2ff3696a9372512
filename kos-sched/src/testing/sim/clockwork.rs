//! [`Clockwork`]: what happens next. Two parts, for their sizes differ: each CPU has one alarm, which moves at every decision
//! (a tournament tree: no stale entries); everything else is a
//! queue by time.
//!
//! Simultaneous things come in a fixed order: tasks that have run what they wanted, then what was asked for in that order, then
//! timers; by the number of the CPU. So who needs exactly his budget is done before he is out of it, and a timer that ends a
//! sleep fires when the engine knows that the sleep is over.

use alloc::vec;
use alloc::vec::Vec;

use super::radix::RadixHeap;

/// No alarm.
pub(super) const NEVER: u64 = u64::MAX;

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// The alarm of a CPU: its task has run what it wanted, or its timer fires.
    Alarm(u32),
    /// An inter-processor interrupt arrives at a CPU.
    Kick(u32),
    /// A task is started.
    Start(u32),
    /// A task's sleep ends.
    Awake(u32),
}

/// The future, in order.
#[derive(Debug)]
pub(super) struct Clockwork {
    alarms: Tournament,
    queue: RadixHeap<Event>,
}

impl Clockwork {
    pub(super) fn new(cpus: u32) -> Self {
        Self { alarms: Tournament::new(cpus as usize), queue: RadixHeap::new() }
    }

    /// Lets `event` happen at `at`; never at [`NEVER`].
    pub(super) fn push(&mut self, at: u64, event: Event) {
        if at != NEVER {
            self.queue.push(at, event);
        }
    }

    /// Moves the alarm of `cpu`: its task is done at `done`, its timer fires at `timer`.
    pub(super) fn set_alarm(&mut self, cpu: u32, done: u64, timer: u64) {
        let timer = timer.saturating_mul(2).saturating_add(1);
        self.alarms.set(cpu as usize, done.saturating_mul(2).min(timer));
    }

    /// Takes what happens next, if it happens before `until`. An alarm stays until it is moved.
    pub(super) fn pop(&mut self, until: u64) -> Option<(u64, Event)> {
        let (cpu, alarm) = self.alarms.first();
        let queued = self.queue.next_at().unwrap_or(NEVER);
        let (at, is_timer) = (alarm / 2, alarm % 2 != 0);
        if alarm != NEVER && at < until && (at < queued || (at == queued && !is_timer)) {
            return Some((at, Event::Alarm(cpu)));
        }
        if queued >= until {
            return None;
        }
        self.queue.pop()
    }
}

/// The least of a fixed number of keys, each of which can change.
#[derive(Debug)]
struct Tournament {
    keys: Vec<u64>,
    /// Node 1 is the root; the children of `n` are `2n` and `2n + 1`; the leaves are the keys in order.
    winners: Vec<u32>,
}

impl Tournament {
    fn new(count: usize) -> Self {
        let leaves = count.next_power_of_two();
        let mut winners = vec![0; 2 * leaves];
        for (winner, key) in winners[leaves..].iter_mut().zip(0..) {
            *winner = key;
        }
        for node in (1..leaves).rev() {
            winners[node] = winners[2 * node];
        }
        Self { keys: vec![NEVER; leaves], winners }
    }

    fn set(&mut self, key: usize, at: u64) {
        if self.keys[key] == at {
            return;
        }
        self.keys[key] = at;
        let mut node = (self.keys.len() + key) / 2;
        while node > 0 {
            let (left, right) = (self.winners[2 * node], self.winners[2 * node + 1]);
            let right_wins = self.keys[right as usize] < self.keys[left as usize];
            self.winners[node] = if right_wins { right } else { left };
            node /= 2;
        }
    }

    fn first(&self) -> (u32, u64) {
        let winner = self.winners[1];
        (winner, self.keys[winner as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::super::rng::Rng;
    use super::super::workload::number;
    use super::*;

    #[test]
    fn the_future_comes_in_order() {
        let mut rng = Rng::new(7);
        let mut clockwork = Clockwork::new(5);
        let mut alarms = [[NEVER; 2]; 5];
        let (mut waiting, mut now) = (Vec::new(), 0);
        for _ in 0..4000 {
            let [first, second] = [0; 2].map(|_| now + rng.range(0, 50));
            if rng.chance(1, 2) {
                let cpu = rng.index(5);
                alarms[cpu] = [first, second];
                clockwork.set_alarm(number(cpu), first, second);
            } else {
                clockwork.push(first, Event::Awake(0));
                waiting.push(first);
                waiting.sort_unstable();
            }
            let [done, timer] = [0, 1].map(|kind| alarms.iter().map(|alarm| alarm[kind]).min().unwrap());
            let queued = waiting.first().copied().unwrap_or(NEVER);
            let least = done.min(timer).min(queued);
            if rng.chance(1, 2) || least == NEVER {
                continue;
            }
            now = least;
            let (at, event) = clockwork.pop(NEVER).unwrap();
            assert_eq!(at, least);
            let Event::Alarm(cpu) = event else {
                assert!(queued == least && done > least, "a task that is done comes first");
                waiting.remove(0);
                continue;
            };
            let due = alarms[cpu as usize];
            assert!(due[0] == least || (due[1] == least && queued > least), "a timer comes last");
            alarms[cpu as usize] = [NEVER; 2];
            clockwork.set_alarm(cpu, NEVER, NEVER);
        }
    }

    #[test]
    fn simultaneous_events_keep_their_order_and_the_end_is_open() {
        let mut clockwork = Clockwork::new(1);
        clockwork.push(5, Event::Start(9));
        clockwork.push(5, Event::Start(1));
        clockwork.push(NEVER, Event::Start(2));
        assert_eq!(clockwork.pop(5), None, "what happens at the end is outside");
        assert_eq!(clockwork.pop(6), Some((5, Event::Start(9))));
        assert_eq!(clockwork.pop(6), Some((5, Event::Start(1))));
        assert_eq!(clockwork.pop(NEVER), None);
    }
}
