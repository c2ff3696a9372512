//! A class of one's own: a lottery, in which each task holds tickets and a draw decides (Waldspurger and Weihl, 1994). It stands between
//! the real-time and the fair class. `cargo run -p kos-sched --example policy` draws 100,000 times.
#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use kos_sched::class::{Dequeue, Dequeued, Enqueue, Fair, Rt, Verdict};
use kos_sched::ds::List;
use kos_sched::task::{Arena, Nodes, Slot, TaskIndex};
use kos_sched::{Corruption, Duration, Instant, Policy, RunQueue, SchedClass};

/// Tasks of `Policy::Custom { class: 7, params: [tickets, _] }`. The random source is the integrator's.
struct Lottery<R> {
    tasks: List,
    tickets: u64,
    random: R,
}

impl<R: FnMut() -> u64> SchedClass for Lottery<R> {
    fn accepts(&self, policy: &Policy) -> bool {
        matches!(policy, Policy::Custom { class: 7, .. })
    }

    fn join(&mut self, n: &mut Nodes<'_>, task: TaskIndex, policy: Option<&Policy>) -> Dequeued {
        if let (Some(node), Some(Policy::Custom { params: [tickets, _], .. })) = (n.get_mut(task), policy) {
            node.words[0] = *tickets;
        }
        Dequeued::Done
    }

    fn enqueue(&mut self, n: &mut Nodes<'_>, task: TaskIndex, _: Enqueue, _: Instant) {
        self.tickets += n.get(task).map_or(0, |node| node.words[0]);
        self.tasks.push_back(n, task);
    }

    fn dequeue(&mut self, n: &mut Nodes<'_>, task: TaskIndex, _: Dequeue, _: Instant) -> Dequeued {
        self.tickets -= n.get(task).map_or(0, |node| node.words[0]);
        self.tasks.remove(n, task);
        Dequeued::Done
    }

    fn pick(&mut self, n: &mut Nodes<'_>, _: Instant) -> Option<TaskIndex> {
        let mut winner = (self.random)().checked_rem(self.tickets)?;
        self.tasks.iter(n).find(|&task| {
            let tickets = n.get(task).map_or(0, |node| node.words[0]);
            let wins = winner < tickets;
            winner = winner.saturating_sub(tickets);
            wins
        })
    }

    fn charge(&mut self, _: &mut Nodes<'_>, _: TaskIndex, _: Duration, _: Instant) -> Verdict {
        Verdict::Resched
    }

    fn yield_current(&mut self, _: &mut Nodes<'_>, _: TaskIndex, _: Instant) {}

    fn preempts(&self, _: &Nodes<'_>, _: TaskIndex, _: TaskIndex) -> bool {
        false
    }

    fn next_event(&self, _: &Nodes<'_>, current: Option<TaskIndex>, now: Instant) -> Option<Instant> {
        current.and_then(|_| now.checked_add_duration(Duration::from_ticks(1_000_000)))
    }

    fn steal(&self, n: &Nodes<'_>, allowed: &mut dyn FnMut(TaskIndex) -> bool) -> Option<TaskIndex> {
        self.tasks.iter(n).find(|&task| allowed(task))
    }

    fn check(&self, n: &Nodes<'_>) -> Result<usize, Corruption> {
        self.tasks.check(n)
    }
}

/// A generator that is good enough for a lottery.
fn random() -> impl FnMut() -> u64 {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 16
    }
}

fn main() {
    let mut slots = [const { Slot::new() }; 3];
    let (arena, mut free) = Arena::new(&mut slots);
    let Some(key) = arena.queue() else { return };
    let lottery = Lottery { tasks: List::new(), tickets: 0, random: random() };
    let mut queue = RunQueue::new(key, (Rt::new(), (lottery, (Fair::new(), ()))));
    let mut wins = [(10, 0u64), (20, 0), (70, 0)];
    for (tickets, _) in wins {
        let policy = Policy::Custom { class: 7, params: [tickets, 0] };
        if let Some(slot) = free.take() {
            assert!(queue.admit(slot, policy, Instant::from_ticks(0)).is_ok());
        }
    }
    for draw in 1..=100_000u64 {
        if let Some((_, won)) =
            queue.pick(Instant::from_ticks(draw)).and_then(|task| wins.get_mut(task.as_usize()))
        {
            *won += 1;
        }
    }
    for (tickets, won) in wins {
        println!("{tickets} tickets of 100 won {won} of 100000 draws");
        assert!(won.abs_diff(tickets * 1_000) < 1_000, "the lottery is not fair");
    }
    assert_eq!(queue.check(), Ok(()));
}
