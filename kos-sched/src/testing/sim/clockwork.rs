//! [`Clockwork`]: what happens next. Two parts, for their sizes differ: each CPU has one alarm, which moves at every decision
//! (a tournament tree: no stale entries); everything else is a
//! queue by time.
//!
//! Simultaneous things come in a fixed order: first what was asked for, in that order, then alarms by the number of the CPU. So
//! a timer that ends a sleep rings when the engine knows that the sleep is over.

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

    /// Moves the alarm of `cpu`.
    pub(super) fn set_alarm(&mut self, cpu: u32, at: u64) {
        self.alarms.set(cpu as usize, at);
    }

    /// Takes what happens next, if it happens before `until`. An alarm stays until it is moved.
    pub(super) fn pop(&mut self, until: u64) -> Option<(u64, Event)> {
        let (cpu, alarm) = self.alarms.first();
        let queued = self.queue.next_at().unwrap_or(NEVER);
        if alarm.min(queued) >= until {
            return None;
        }
        if alarm < queued {
            return Some((alarm, Event::Alarm(cpu)));
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
        let mut alarms = [NEVER; 5];
        let (mut waiting, mut now) = (Vec::new(), 0);
        for _ in 0..2000 {
            let task = now + number(rng.index(50));
            let at = u64::from(task);
            if rng.chance(1, 2) {
                let cpu = rng.index(5);
                alarms[cpu] = at;
                clockwork.set_alarm(number(cpu), at);
            } else {
                clockwork.push(at, Event::Awake(task));
                waiting.push(at);
            }
            waiting.sort_unstable();
            let least = alarms.iter().min().copied().unwrap().min(waiting.first().copied().unwrap_or(NEVER));
            if rng.chance(1, 2) || least == NEVER {
                continue;
            }
            now = u32::try_from(least).unwrap();
            match clockwork.pop(NEVER).unwrap() {
                (at, Event::Alarm(cpu)) => {
                    assert_eq!((at, alarms.iter().position(|key| *key == at)), (least, Some(cpu as usize)));
                    assert!(waiting.iter().all(|waits| *waits > at), "alarms come last");
                    alarms[cpu as usize] = NEVER;
                    clockwork.set_alarm(cpu, NEVER);
                }
                (at, event) => {
                    assert!(at == least && matches!(event, Event::Awake(task) if u64::from(task) == at));
                    assert!(alarms.iter().all(|alarm| *alarm >= at));
                    waiting.remove(0);
                }
            }
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
