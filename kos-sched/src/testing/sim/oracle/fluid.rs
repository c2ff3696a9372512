//! [`Fluid`]: generalised processor sharing, the ideal that a fair scheduler approaches, and how far it is from it.
//!
//! In the fluid schedule all active tasks run at once, each at a speed of its weight by the sum of weights. The lag of a task is
//! the service that it got there less what it really got; the lags of all active tasks sum to 0. As in the paper (Stoica,
//! Abdel-Wahab, 1995): who joins with a lag or leaves with one moves virtual time, so that the others share it. Who goes to
//! sleep with service in advance stays active until the fluid has caught up; who comes back brings his lag along.
//!
//! Virtual time has 40 bits after the point in an `i128`, rounded down once a change: less than a nanosecond of lag in 10^6
//! happenings. One CPU; time that it gives to other classes does not flow.

use alloc::vec;
use alloc::vec::Vec;

use super::super::watch::{Happening, Left, Observer};
use super::super::workload::Workload;
use super::Breach;
use crate::task::Policy;

/// Bits after the point.
const POINT: u32 = 40;

/// Weights of nice -20 to 19 and, last, of [`Policy::Idle`]. Source: Linux, `sched_prio_to_weight`.
const WEIGHTS: [u32; 41] = [
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904, 3906, 3121,
    2501, 1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87, 70, 56, 45, 36, 29,
    23, 18, 15, 3,
];

/// The weight of a fair task; other tasks have none.
#[must_use]
pub fn weight(policy: &Policy) -> Option<u32> {
    match policy {
        Policy::Fair { nice, .. } | Policy::Batch(nice) => {
            WEIGHTS.get(usize::from(nice.get().wrapping_add(20).unsigned_abs())).copied()
        }
        Policy::Idle => WEIGHTS.last().copied(),
        _ => None,
    }
}

/// What a task is to the fluid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// Nothing: not started, ended, or asleep without service in advance.
    #[default]
    None,
    /// It wants to run.
    Active,
    /// It sleeps, and the fluid catches up with what it had in advance.
    Ghost,
}

#[derive(Clone, Copy, Debug, Default)]
struct Task {
    weight: i128,
    part: Part,
    /// Lag when virtual time was `origin`, less what it was served since.
    lag: i128,
    origin: i128,
}

/// The fluid schedule beside the real one.
#[derive(Debug)]
pub struct Fluid {
    tasks: Vec<Task>,
    ghosts: Vec<u32>,
    /// Virtual time: nanoseconds for each unit of weight.
    virt: i128,
    /// Weights of all that are active or ghosts.
    weight: i128,
    /// Who runs, and up to when that is counted.
    runs: Option<(u32, u64)>,
    highest: (i128, u32, u64),
    lowest: (i128, u32, u64),
}

impl Fluid {
    /// For the tasks of `load`. Those of other classes do not take part.
    #[must_use]
    pub fn new(load: &Workload) -> Self {
        Self {
            tasks: vec![Task::default(); load.tasks.len()],
            ghosts: Vec::new(),
            virt: 0,
            weight: 0,
            runs: None,
            highest: (0, 0, 0),
            lowest: (0, 0, 0),
        }
    }

    /// The most that a task was owed, and the most that one had in advance, in nanoseconds.
    #[must_use]
    pub fn extremes(&self) -> (i64, i64) {
        (whole(self.highest.0), whole(self.lowest.0))
    }

    /// A task may be owed `owed` nanoseconds, and have `advance` nanoseconds in advance.
    ///
    /// # Errors
    /// [`Breach::Lag`], the worst.
    pub fn verdict(&self, owed: u64, advance: u64) -> Result<(), Breach> {
        for ((lag, task, at), bound) in [(self.highest, owed), (self.lowest, advance)] {
            let lag = whole(lag);
            if lag.unsigned_abs() > bound {
                return Err(Breach::Lag { task, lag, at, bound });
            }
        }
        Ok(())
    }

    /// The sum of all lags in nanoseconds, rounded: 0.
    #[must_use]
    pub fn sum(&self) -> i64 {
        whole((0..self.tasks.len()).map(|task| self.lag(task)).sum::<i128>())
    }

    /// The lag of an active task or ghost.
    fn lag(&self, task: usize) -> i128 {
        let task = &self.tasks[task];
        if task.part == Part::None { 0 } else { task.lag + task.weight * (self.virt - task.origin) }
    }

    /// Lets the fluid flow until `now`.
    fn flow(&mut self, now: u64) {
        let Some((task, since)) = self.runs else { return };
        self.runs = Some((task, now));
        let mut left = i128::from(now - since) << POINT;
        self.tasks[task as usize].lag -= left;
        while left > 0 && self.weight > 0 {
            let (ghost, at) = self.next_ghost();
            let step = left.min((at - self.virt).max(0).saturating_mul(self.weight));
            if step < left && ghost.is_some() {
                self.virt = at.max(self.virt);
                self.leave(ghost.unwrap_or(0));
            } else {
                self.virt += step / self.weight;
            }
            left -= step;
        }
    }

    /// The ghost that the fluid catches up with first, and the virtual time of that.
    fn next_ghost(&self) -> (Option<u32>, i128) {
        let caught = self.ghosts.iter().map(|&ghost| {
            let task = &self.tasks[ghost as usize];
            (task.origin - task.lag.div_euclid(task.weight), ghost)
        });
        caught.min().map_or((None, i128::MAX), |(at, ghost)| (Some(ghost), at))
    }

    fn join(&mut self, task: u32) {
        let joins = self.tasks[task as usize];
        if joins.weight == 0 || joins.part == Part::Active {
            return;
        }
        if joins.part == Part::Ghost {
            self.ghosts.retain(|ghost| *ghost != task);
            self.tasks[task as usize].part = Part::Active;
            return;
        }
        // Alone, nobody owes him anything.
        let lag = if self.weight == 0 { 0 } else { joins.lag };
        self.virt -= lag.checked_div(self.weight).unwrap_or(0);
        self.weight += joins.weight;
        self.tasks[task as usize] = Task { part: Part::Active, lag, origin: self.virt, ..joins };
    }

    /// `task` is no part of it any more; its lag stays with it.
    fn leave(&mut self, task: u32) {
        let lag = self.lag(task as usize);
        let leaves = &mut self.tasks[task as usize];
        (leaves.part, leaves.lag) = (Part::None, lag);
        self.weight -= leaves.weight;
        self.virt += lag.checked_div(self.weight).unwrap_or(0);
        self.ghosts.retain(|ghost| *ghost != task);
    }

    fn sleep(&mut self, task: u32) {
        if self.tasks[task as usize].part != Part::Active {
            return;
        }
        if self.lag(task as usize) < 0 {
            self.tasks[task as usize].part = Part::Ghost;
            self.ghosts.push(task);
        } else {
            self.leave(task);
        }
    }

    /// Gives `task` another weight; its lag stays.
    fn weigh(&mut self, task: u32, policy: Policy) {
        let (lag, new) = (self.lag(task as usize), weight(&policy).unwrap_or(0).into());
        let changed = &mut self.tasks[task as usize];
        if changed.part == Part::None {
            changed.weight = new;
            return;
        }
        self.weight += new - changed.weight;
        (changed.weight, changed.lag, changed.origin) = (new, lag, self.virt);
    }

    fn note(&mut self, task: u32, now: u64) {
        let lag = self.lag(task as usize);
        if lag > self.highest.0 {
            self.highest = (lag, task, now);
        }
        if lag < self.lowest.0 {
            self.lowest = (lag, task, now);
        }
    }
}

/// A fixed-point number, rounded to the next whole.
fn whole(fixed: i128) -> i64 {
    i64::try_from((fixed + (1 << (POINT - 1))) >> POINT).unwrap_or(if fixed < 0 {
        i64::MIN
    } else {
        i64::MAX
    })
}

impl Observer for Fluid {
    fn see(&mut self, now: u64, what: &Happening) {
        self.flow(now);
        match *what {
            Happening::Started { task, policy, .. } => {
                self.tasks[task as usize] = Task::default();
                self.weigh(task, policy);
                self.join(task);
            }
            Happening::Woken { task } => self.join(task),
            Happening::Runs { task, .. } => {
                self.note(task, now);
                self.runs = (self.tasks[task as usize].weight > 0).then_some((task, now));
            }
            Happening::Leaves { task, why, .. } => {
                self.note(task, now);
                self.runs = None;
                match why {
                    Left::Preempted => {}
                    Left::Blocked => self.sleep(task),
                    Left::Exited => self.leave(task),
                }
            }
            Happening::Policy { task, policy } => self.weigh(task, policy),
            _ => {}
        }
    }

    fn end(&mut self, now: u64) {
        for task in 0..super::super::workload::number(self.tasks.len()) {
            self.note(task, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Nice;

    /// Two tasks of weights 15 and 45, of which the first has just run for 400 ns.
    fn watched() -> Fluid {
        let mut load = Workload::new(1);
        let program = load.program("p", &[]);
        for nice in [19, 14] {
            load.task(program, Policy::Batch(Nice::new(nice).unwrap()));
        }
        let mut fluid = Fluid::new(&load);
        for (task, spec) in (0..).zip(&load.tasks) {
            fluid.see(0, &Happening::Started { task, policy: spec.policy, mask: 0 });
        }
        fluid.see(0, &Happening::Runs { cpu: 0, task: 0 });
        fluid
    }

    #[test]
    fn lag_is_what_the_fluid_gave_less_what_the_cpu_gave() {
        let mut fluid = watched();
        fluid.see(400, &Happening::Leaves { cpu: 0, task: 0, since: 0, why: Left::Preempted });
        fluid.see(400, &Happening::Runs { cpu: 0, task: 1 });
        assert_eq!((fluid.extremes(), fluid.sum()), ((300, -300), 0));
        assert_eq!((fluid.verdict(300, 300), fluid.verdict(300, 299).is_err()), (Ok(()), true));
        fluid.see(800, &Happening::Leaves { cpu: 0, task: 1, since: 400, why: Left::Preempted });
        assert_eq!([whole(fluid.lag(0)), whole(fluid.lag(1))], [-200, 200]);
    }

    #[test]
    fn service_in_advance_is_paid_back_asleep_and_debt_is_taken_along() {
        let mut fluid = watched();
        fluid.see(400, &Happening::Leaves { cpu: 0, task: 0, since: 0, why: Left::Blocked });
        fluid.see(400, &Happening::Runs { cpu: 0, task: 1 });
        fluid.flow(1200);
        assert_eq!([whole(fluid.lag(0)), whole(fluid.lag(1))], [-100, 100], "the ghost gets its quarter");
        fluid.flow(2000);
        assert_eq!((fluid.weight, whole(fluid.lag(1))), (45, 0), "caught up at 1600");
        fluid.see(2000, &Happening::Woken { task: 0 });
        fluid.see(2400, &Happening::Leaves { cpu: 0, task: 1, since: 400, why: Left::Preempted });
        assert_eq!([whole(fluid.lag(0)), whole(fluid.lag(1))], [100, -100]);
        fluid.see(2400, &Happening::Runs { cpu: 0, task: 0 });
        fluid.see(2420, &Happening::Leaves { cpu: 0, task: 0, since: 2400, why: Left::Blocked });
        assert_eq!((fluid.sum(), fluid.weight), (0, 45), "who leaves with a claim leaves at once");
        fluid.see(2420, &Happening::Woken { task: 0 });
        assert_eq!((whole(fluid.lag(0)), fluid.sum()), (85, 0), "and brings it back");
    }
}
