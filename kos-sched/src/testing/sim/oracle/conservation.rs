//! [`Conservation`]: no CPU idles beside a task that waits and could run on it, for longer than it takes to find out.
//!
//! Tasks with the same CPUs are counted together, so a happening costs O(1) unless a breach may be at hand. Deadline tasks do
//! not count: throttled, they wait for time, not for a CPU.

use alloc::vec;
use alloc::vec::Vec;

use crate::cpu::{CpuId, CpuSet};
use crate::task::Policy;

use super::super::watch::{Happening, Left, Observer};
use super::super::workload::{Mask, Workload};
use super::Breach;

#[derive(Clone, Copy, Debug, Default)]
struct Task {
    mask: u32,
    waits: bool,
    exempt: bool,
}

/// Tasks that wait with the same CPUs.
#[derive(Clone, Copy, Debug)]
struct Group {
    mask: Mask,
    waiting: u32,
    since: u64,
}

/// Knows who waits and who idles.
#[derive(Debug)]
pub struct Conservation {
    limit: u64,
    groups: Vec<Group>,
    tasks: Vec<Task>,
    /// Since when each CPU idles.
    idle: Vec<Option<u64>>,
    worst: Option<(u64, u32, u64)>,
}

impl Conservation {
    /// For the tasks of `load` on `cpus` CPUs, which may idle beside a waiting task for `limit` nanoseconds.
    #[must_use]
    pub fn new(load: &Workload, cpus: u32, limit: u64) -> Self {
        let groups = load.masks.iter().map(|mask| Group { mask: *mask, waiting: 0, since: 0 });
        Self {
            limit,
            groups: groups.collect(),
            tasks: vec![Task::default(); load.tasks.len()],
            idle: vec![None; cpus as usize],
            worst: None,
        }
    }

    /// # Errors
    /// [`Breach::Idle`], the longest.
    pub fn verdict(&self) -> Result<(), Breach> {
        self.worst.map_or(Ok(()), |(length, cpu, until)| Err(Breach::Idle { cpu, until, length }))
    }

    /// `task` waits for a CPU from now on, or does so no more.
    fn set_waiting(&mut self, task: u32, waits: bool, now: u64) {
        let task = &mut self.tasks[task as usize];
        let waits = waits && !task.exempt;
        if task.waits == waits {
            return;
        }
        task.waits = waits;
        let number = task.mask as usize;
        let group = &mut self.groups[number];
        if waits {
            if group.waiting == 0 {
                group.since = now;
            }
            group.waiting += 1;
            return;
        }
        group.waiting -= 1;
        if group.waiting == 0 && now - group.since > self.limit {
            self.close_group(number, now);
        }
    }

    /// Nobody of a group waits any more: which of its CPUs idled beside it?
    fn close_group(&mut self, number: usize, now: u64) {
        let Group { mask, since, .. } = self.groups[number];
        for cpu in mask.iter() {
            if let Some(idle) = self.idle.get(cpu.as_usize()).copied().flatten() {
                self.note(now - since.max(idle), cpu.get(), now);
            }
        }
    }

    /// A CPU idles no more: which groups waited beside it?
    fn close_idle(&mut self, cpu: u32, since: u64, now: u64) {
        for number in 0..self.groups.len() {
            let group = &self.groups[number];
            if group.waiting > 0 && group.mask.contains(CpuId::new(cpu)) {
                self.note(now - since.max(group.since), cpu, now);
            }
        }
    }

    fn note(&mut self, length: u64, cpu: u32, now: u64) {
        if length > self.limit && self.worst.is_none_or(|(worst, ..)| worst < length) {
            self.worst = Some((length, cpu, now));
        }
    }

    /// Changes what is known of a task; it waits afterwards if it did before.
    fn change(&mut self, task: u32, now: u64, change: impl FnOnce(&mut Task)) {
        let waited = self.tasks[task as usize].waits;
        self.set_waiting(task, false, now);
        change(&mut self.tasks[task as usize]);
        self.set_waiting(task, waited, now);
    }
}

impl Observer for Conservation {
    fn see(&mut self, now: u64, what: &Happening) {
        match *what {
            Happening::Started { task, policy, mask } => {
                let exempt = matches!(policy, Policy::Deadline(_));
                self.tasks[task as usize] = Task { mask, waits: false, exempt };
                self.set_waiting(task, true, now);
            }
            Happening::Woken { task } | Happening::Leaves { task, why: Left::Preempted, .. } => {
                self.set_waiting(task, true, now);
            }
            Happening::Runs { cpu: _, task } => self.set_waiting(task, false, now),
            Happening::Idles { cpu } => self.idle[cpu as usize] = Some(now),
            Happening::Idled { cpu, since } => {
                self.idle[cpu as usize] = None;
                if now - since > self.limit {
                    self.close_idle(cpu, since, now);
                }
            }
            Happening::Affinity { task, mask } => self.change(task, now, |task| task.mask = mask),
            Happening::Policy { task, policy } => {
                self.change(task, now, |task| task.exempt = matches!(policy, Policy::Deadline(_)));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two CPUs idle; one task that may run on the second waits from 100 on.
    fn watched(limit: u64) -> Conservation {
        let mut load = Workload::new(2);
        let mask = load.mask(Mask::only(CpuId::new(1)));
        let program = load.program("p", &[]);
        load.task(program, Policy::NORMAL);
        let mut oracle = Conservation::new(&load, 2, limit);
        oracle.see(0, &Happening::Idles { cpu: 0 });
        oracle.see(0, &Happening::Idles { cpu: 1 });
        oracle.see(100, &Happening::Started { task: 0, policy: Policy::NORMAL, mask });
        oracle
    }

    #[test]
    fn an_idle_cpu_beside_a_waiter_is_found_when_the_waiter_runs() {
        let mut oracle = watched(50);
        oracle.see(151, &Happening::Runs { cpu: 0, task: 0 });
        assert_eq!(oracle.verdict(), Err(Breach::Idle { cpu: 1, until: 151, length: 51 }));
    }

    #[test]
    fn an_idle_cpu_beside_a_waiter_is_found_when_the_idling_ends() {
        let mut oracle = watched(50);
        oracle.see(120, &Happening::Idled { cpu: 1, since: 0 });
        assert_eq!(oracle.verdict(), Ok(()));
        oracle.see(120, &Happening::Idles { cpu: 1 });
        oracle.see(171, &Happening::Idled { cpu: 1, since: 120 });
        assert_eq!(oracle.verdict(), Err(Breach::Idle { cpu: 1, until: 171, length: 51 }));
    }

    #[test]
    fn a_cpu_that_may_not_run_the_waiter_idles_in_peace() {
        let mut oracle = watched(50);
        oracle.see(110, &Happening::Idled { cpu: 1, since: 0 });
        oracle.see(900, &Happening::Idled { cpu: 0, since: 0 });
        oracle.see(900, &Happening::Runs { cpu: 1, task: 0 });
        assert_eq!(oracle.verdict(), Ok(()));
    }

    #[test]
    fn a_waiter_whose_cpus_change_counts_from_then() {
        let mut oracle = watched(50);
        oracle.see(110, &Happening::Idled { cpu: 1, since: 0 });
        oracle.see(900, &Happening::Affinity { task: 0, mask: 0 });
        oracle.see(950, &Happening::Idled { cpu: 0, since: 0 });
        assert_eq!(oracle.verdict(), Ok(()));
        oracle.see(950, &Happening::Idles { cpu: 0 });
        oracle.see(1001, &Happening::Runs { cpu: 0, task: 0 });
        assert_eq!(oracle.verdict(), Err(Breach::Idle { cpu: 0, until: 1001, length: 51 }));
    }
}
