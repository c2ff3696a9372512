//! [`Affinity`]: a task starts on allowed CPUs only, and leaves one that is forbidden to it within an interrupt.

use alloc::vec;
use alloc::vec::Vec;

use crate::cpu::{CpuId, CpuSet};

use super::super::watch::{Happening, Observer};
use super::super::workload::{Mask, Workload};
use super::Breach;

/// Knows each task's CPUs.
#[derive(Debug)]
pub struct Affinity {
    masks: Vec<Mask>,
    /// The mask of each task, and since when.
    tasks: Vec<(u32, u64)>,
    worst: Option<Breach>,
}

impl Affinity {
    /// For the tasks of `load`.
    #[must_use]
    pub fn new(load: &Workload) -> Self {
        Self { masks: load.masks.clone(), tasks: vec![(0, 0); load.tasks.len()], worst: None }
    }

    /// `grace` nanoseconds on a CPU are forgiven after it was forbidden: as long as an interrupt takes.
    ///
    /// # Errors
    /// [`Breach::Forbidden`], the longest.
    pub fn verdict(&self, grace: u64) -> Result<(), Breach> {
        match self.worst {
            Some(breach @ Breach::Forbidden { length, .. }) if length > grace => Err(breach),
            _ => Ok(()),
        }
    }

    fn note(&mut self, task: u32, cpu: u32, length: u64) {
        let known = matches!(self.worst, Some(Breach::Forbidden { length: worst, .. }) if worst >= length);
        if !known {
            self.worst = Some(Breach::Forbidden { task, cpu, length });
        }
    }

    fn allows(&self, task: u32, cpu: u32) -> bool {
        self.masks[self.tasks[task as usize].0 as usize].contains(CpuId::new(cpu))
    }
}

impl Observer for Affinity {
    fn see(&mut self, now: u64, what: &Happening) {
        match *what {
            Happening::Started { task, mask, .. } | Happening::Affinity { task, mask } => {
                self.tasks[task as usize] = (mask, now);
            }
            // Never to be forgiven, however short.
            Happening::Runs { cpu, task } if !self.allows(task, cpu) => self.note(task, cpu, u64::MAX),
            Happening::Leaves { cpu, task, since, .. } if !self.allows(task, cpu) => {
                self.note(task, cpu, now - since.max(self.tasks[task as usize].1));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::watch::Left;
    use super::*;
    use crate::task::Policy;

    #[test]
    fn a_task_may_stay_for_an_interrupt_and_never_come() {
        let mut load = Workload::new(2);
        let second = load.mask(Mask::only(CpuId::new(1)));
        let program = load.program("p", &[]);
        load.task(program, Policy::NORMAL);
        let mut oracle = Affinity::new(&load);
        oracle.see(5, &Happening::Runs { cpu: 0, task: 0 });
        oracle.see(10, &Happening::Affinity { task: 0, mask: second });
        oracle.see(12, &Happening::Leaves { cpu: 0, task: 0, since: 5, why: Left::Preempted });
        assert_eq!(oracle.verdict(2), Ok(()));
        assert_eq!(oracle.verdict(1), Err(Breach::Forbidden { task: 0, cpu: 0, length: 2 }));
        oracle.see(13, &Happening::Runs { cpu: 0, task: 0 });
        assert!(oracle.verdict(1_000_000).is_err());
    }
}
